"""Text files of users, read whole: what is no text is told in one line."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path


def read_lines(
    path: str | Path, error: type[ValueError], *, what: str, rows: str, max_bytes: int, header: str | None = None
) -> list[str]:
    """Lines of a text file, the header among them.

    A byte order mark, line ends of any system, spaces and blank lines at the end are of no consequence.

    Args:
        path: UTF-8 text.
        error: class of the errors.
        what: the file holds, for errors.
        rows: what a line holds, for errors.
        max_bytes: size of the largest file that is read.
        header: columns that the first line names, joined by commas, in lower case; letter case and spaces around the
            names are of no consequence. ``None``: any.

    Raises:
        ValueError: of the class ``error``; it is binary, too large, no UTF-8, has another header, or no further line.
        OSError: it cannot be read.
    """
    expected = 'a header' if header is None else f'the header {header!r}'
    with open(path, 'rb') as file:
        # A video that is given by mistake is not read whole to find that out.
        head = file.read(4096)
        if b'\0' in head:
            raise error(f'{path}: a binary file; expected text with {expected}')
        data = head + file.read(max_bytes)
    if len(data) > max_bytes:
        raise error(f'{path}: more than {max_bytes >> 20} MiB; expected {what}')
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as found:
        line = data.count(b'\n', 0, found.start) + 1
        raise error(f'{path}, line {line}: not UTF-8 text; expected {rows}') from None
    lines = text.replace('\r\n', '\n').replace('\r', '\n').rstrip().split('\n')
    if not text.strip():
        raise error(f'{path}, line 1: found an empty file, expected {expected}')
    if header is not None and [cell.strip().casefold() for cell in lines[0].split(',')] != header.split(','):
        raise error(f'{path}, line 1: found {lines[0][:80]!r}, expected {expected}')
    if len(lines) == 1:
        raise error(f'{path}, line 2: found the end of the file, expected {rows}')
    return lines


def read_rows(lines: Sequence[str], path: str | Path, error: type[ValueError]) -> Iterator[tuple[int, list[str]]]:
    """Cells of a table whose columns are separated by commas or semicolons; cells may be quoted.

    Lines that begin with ``#`` above the header and blank lines are left out. The header tells the separator: a
    semicolon, if there is one.

    Args:
        lines: those of the file.
        path: the file, for errors.
        error: class of the errors.

    Yields:
        Number of the line, from 1, and its cells without spaces around them; first those of the header.

    Raises:
        ValueError: of the class ``error``; a row has another number of cells than the header.

    Examples:
        >>> list(read_rows(['# a comment', 'time; valence', '0.0; "0.5"'], 'a.csv', ValueError))
        [(2, ['time', 'valence']), (3, ['0.0', '0.5'])]
    """
    skipped = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith('#')), len(lines) - 1)
    delimiter = ';' if ';' in lines[skipped] else ','
    reader = csv.reader(lines[skipped:], delimiter=delimiter, skipinitialspace=True, strict=True)
    width = None
    try:
        for row in reader:
            cells, number = [cell.strip() for cell in row], skipped + reader.line_num
            if not ''.join(cells) and len(row) < 2:
                continue
            width = width or len(cells)
            if len(cells) != width:
                found = delimiter.join(row)[:80]
                hint = '; decimal commas?' if delimiter == ',' and len(cells) > width else ''
                raise error(f'{path}, line {number}: found {found!r}{hint}, expected {width} cells as in the header')
            yield number, cells
    except csv.Error as found:
        raise error(f'{path}, line {skipped + reader.line_num}: not a table ({found})') from None
