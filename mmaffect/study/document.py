"""The document of a study: Markdown and pictures, made from its table; and the page beside it."""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..utils.files import write_text
from ..visualization.figure import save_figure
from .claims import StudyClaims
from .extras import Example, Robustness, read_example, read_robustness
from .page import write_study_page
from .page_content import study_page_content
from .placeholders import Filling
from .table import StudyTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE = 'template.md'
REPLICATION = 'replication'
HEADER = (
    '<!-- tools/analysis/study_report.py writes this file from {folder}/*.csv and {folder}/{template}; do not edit it. '
    '-->\n'
)
# Of grey levels: the same drawing on another processor differs by less, another number by more.
TOLERANCE = 0.5


def study_document(
    folder: str | Path, template: str | Path | None = None
) -> tuple[str, dict[str, Figure], tuple[StudyTable, Robustness | None, Example | None, StudyTable | None]]:
    """Make the document of a study.

    Args:
        folder: of the table (:meth:`mmaffect.study.table.StudyTable.write`), with ``robustness.csv`` and
            ``example.csv`` if there are any, and a folder ``replication`` with the table of the same study on other
            corpora.
        template: Markdown whose places are filled (:class:`mmaffect.study.placeholders.Filling`); ``None``:
            ``template.md`` in the folder.

    Returns:
        Its text, its pictures by file name, and what it is made from.

    Raises:
        ConfigError: if a file is missing or damaged, or a place of the template cannot be filled.
    """
    folder = Path(folder)
    template = folder / TEMPLATE if template is None else Path(template)
    if not template.is_file():
        raise ConfigError(f'{template}: no such file; expected the template of the document')
    table, robustness, example = StudyTable.load(folder), read_robustness(folder), read_example(folder)
    replication = StudyTable.load(folder / REPLICATION) if (folder / REPLICATION).is_dir() else None
    filling = Filling(StudyClaims(table), folder.name, robustness, example, replication)
    text = filling.fill(template.read_text(encoding='utf-8'), str(template))
    header = HEADER.format(folder=folder.name, template=template.name)
    return header + text, filling.pictures, (table, robustness, example, replication)


def write_document(
    folder: str | Path, out: str | Path | None = None, template: str | Path | None = None
) -> tuple[Path, Path, list[Path]]:
    """Write ``<folder>.md`` and ``<folder>.html`` beside the folder of the table, and the pictures into it.

    Args:
        folder: of the table.
        out: folder to write to, instead of that in which ``folder`` is.
        template: as in :func:`study_document`.

    Returns:
        Paths of document, page and pictures.

    Raises:
        ConfigError: as :func:`study_document`.
    """
    folder = Path(folder).resolve()
    out = folder.parent if out is None else Path(out)
    text, pictures, content = study_document(folder, template)
    paths = [out / folder.name / name for name in pictures]
    for path, picture in zip(paths, pictures.values(), strict=True):
        save_figure(picture, path)
    document = out / f'{folder.name}.md'
    write_text(document, text)
    page = write_study_page(out / f'{folder.name}.html', study_page_content(*content))
    return document, page, paths


def document_problems(folder: str | Path, template: str | Path | None = None) -> list[str]:
    """Make the document anew and compare: what is out of date, a line each.

    Args:
        folder: of the table.
        template: as in :func:`study_document`.

    Raises:
        ConfigError: as :func:`study_document`.
    """
    folder = Path(folder).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        document, page, pictures = write_document(folder, temporary, template)
        problems = [
            f'{old}: {found}'
            for new, compare in [
                (document, text_difference),
                (page, text_difference),
                *((p, picture_difference) for p in pictures),
            ]
            if (found := compare(old := folder.parent / new.relative_to(temporary), new))
        ]
    made = {path.name for path in pictures}
    extra = [path for path in sorted(folder.glob('*.png')) if path.name not in made]
    return problems + [f'{path}: not a picture of the document' for path in extra]


def text_difference(old: Path, new: Path) -> str:
    """What differs first in two text files; empty if nothing does."""
    if not old.is_file():
        return 'missing'
    before, after = (path.read_text(encoding='utf-8').splitlines() for path in (old, new))
    diff = difflib.unified_diff(before, after, lineterm='', n=0)
    changed = [line for line in diff if line[:1] in '+-' and line[:3] not in ('+++', '---')]
    if not changed:
        return ''
    added = next((line for line in changed if line[0] == '+'), None)
    first = changed[0] if changed[0][0] == '-' else None
    return f'out of date: {" ".join(line[:160] for line in (first, added) if line)}'


def picture_difference(old: Path, new: Path) -> str:
    """How far two pictures are apart; empty if not at all or as little as the same drawing on another machine."""
    import cv2

    if not old.is_file():
        return 'missing'
    before, after = (cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) for path in (old, new))
    if before is None:
        return 'not a picture'
    if before.shape != after.shape:
        return f'out of date: {before.shape[1]}x{before.shape[0]} pixels; expected {after.shape[1]}x{after.shape[0]}'
    apart = float(np.sqrt(np.mean((before.astype(np.float64) - after) ** 2)))
    return f'out of date: root mean square difference {apart:.2f} of 255' if apart > TOLERANCE else ''
