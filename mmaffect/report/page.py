"""One HTML file of templates, data and media."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from ..utils.files import replacing
from ..version import __version__
from .packing import script_json

# A multiple of 3: each block is base64 of its own, and the page decodes them one by one.
BLOCK = 3 << 20
PLACE = re.compile(r'\{\{(\w+)\}\}')


def write_page(path: str | Path, page: str, media: Path | None = None) -> Path:
    """Write a page, whole or not at all, with a file to play at its end, in bounded memory.

    The media come last, so that everything else is painted before they are read.

    Args:
        path: file to write.
        page: as :func:`build_page` gives it.
        media: video or sound file to embed.
    """
    path = Path(path)
    with replacing(path) as temporary, open(temporary, 'w', encoding='utf-8', newline='\n') as file:
        file.write(page)
        for block in _media_blocks(media):
            file.write(block)
        file.write('</body>\n</html>\n')
    return path


def build_page(
    template: str,
    *,
    title: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    data: object,
    places: Mapping[str, str],
    notices: Sequence[str],
) -> str:
    """Fill a template, up to where the media begin.

    Args:
        template: name of the file in ``templates``.
        title: text, escaped here.
        styles: names of style sheets.
        scripts: names of scripts, run as one in this order.
        data: JSON-able, for the scripts.
        places: markup by the name of its place; whatever is of the data has to be escaped in it (:func:`text`).
        notices: what must be said beside the values.
    """
    style = '\n'.join(_template(name) for name in styles)
    script = '\n'.join(["(() => {\n'use strict';", *(_template(name) for name in scripts), '})();'])
    policy = [
        "default-src 'none'",
        f"script-src '{_digest(script)}'",
        f"style-src '{_digest(style)}'",
        'img-src data: blob:',
        'media-src data: blob:',
        "base-uri 'none'",
        "form-action 'none'",
    ]
    filling = {
        **places,
        'title': text(title),
        'policy': '; '.join(policy),
        'style': style,
        'script': script,
        'data': script_json(data),
        'version': text(__version__),
        'notice': ' '.join(map(text, notices)),
    }
    # In one pass: what is filled in is not looked through again.
    return PLACE.sub(lambda found: filling[found[1]], _template(template))


def text(value: object) -> str:
    """Text of the data as text of the page.

    Examples:
        >>> text('<b> & "')
        '&lt;b&gt; &amp; &quot;'
    """
    return escape(plain(value), quote=True)


def plain(value: object) -> str:
    """Text of the data whose characters that end or reorder a line are shown, not obeyed.

    Examples:
        >>> plain('a\\n\\u202eb')
        'a��b'
    """
    return re.sub(r'[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]', '\ufffd', str(value))


def _template(name: str) -> str:
    return files(__package__).joinpath('templates', name).read_text(encoding='utf-8')


def _digest(content: str) -> str:
    return f'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'


def _media_blocks(media: Path | None) -> Iterator[str]:
    if media is None:
        return
    with open(media, 'rb') as file:
        while block := file.read(BLOCK):
            yield f'<script type="application/octet-stream;base64">{base64.b64encode(block).decode()}</script>\n'
