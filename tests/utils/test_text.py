import csv

import numpy as np
import pandas as pd
import pytest

from mmaffect.errors import AnnotationError, CorpusError
from mmaffect.utils.text import read_lines, read_rows


def lines_of(path, content, error=CorpusError, header=None, max_bytes=1000):
    path.write_bytes(content)
    return read_lines(path, error, what='a table', rows='a row', max_bytes=max_bytes, header=header)


@pytest.mark.parametrize(
    'content', [b'a,b\n1,2\n', b'\xef\xbb\xbfa,b\r\n1,2\r\n\r\n', b'a,b\r1,2', b'a,b\n1,2\n\n  \n']
)
def test_line_ends_and_byte_order_mark(tmp_path, content):
    assert lines_of(tmp_path / 'a.csv', content, header='a,b') == ['a,b', '1,2']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'line 1: found an empty file, expected a header'),
        (b'a\0b', 'a binary file; expected text with a header'),
        (b'a,b\n\xe9,1\n', 'line 2: not UTF-8 text; expected a row'),
        (b'a,b\n', 'line 2: found the end of the file, expected a row'),
        (b'a,b\n' * 500, 'more than 0 MiB; expected a table'),
    ],
)
@pytest.mark.parametrize('error', [AnnotationError, CorpusError])
def test_what_is_no_table(tmp_path, content, message, error):
    with pytest.raises(error, match=message):
        lines_of(tmp_path / 'a.csv', content, error)


def test_another_header(tmp_path):
    with pytest.raises(CorpusError, match=r"a\.csv, line 1: found 'a;b', expected the header 'a,b'"):
        lines_of(tmp_path / 'a.csv', b'a;b\n1;2\n', header='a,b')


@pytest.mark.parametrize('delimiter', [',', ';'])
def test_rows_as_pandas_reads_them(tmp_path, delimiter):
    path = tmp_path / 'a.csv'
    rows = [['time', 'name'], ['0.5', 'with, comma; and "quotes"'], ['1.5', ''], ['2', 'ü']]
    with open(path, 'w', newline='', encoding='utf-8') as file:
        file.write('# made by hand\n# {"json": "; ,"}\n')
        csv.writer(file, delimiter=delimiter).writerows(rows)
    found = list(read_rows(path.read_text(encoding='utf-8').splitlines(), path, CorpusError))
    assert [number for number, _ in found] == [3, 4, 5, 6]
    expected = pd.read_csv(path, sep=delimiter, comment='#', keep_default_na=False)
    assert found[0][1] == list(expected.columns)
    assert [row[1] for _, row in found[1:]] == expected['name'].tolist()
    np.testing.assert_array_equal([float(row[0]) for _, row in found[1:]], expected['time'])


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['a,b', '1,2', '1,2,3'], r"a\.csv, line 3: found '1,2,3'; decimal commas\?, expected 2 cells"),
        (['a;b', '1'], r"a\.csv, line 2: found '1', expected 2 cells"),
        (['a,b', '"1,2'], r'a\.csv, line 2: not a table'),
    ],
)
def test_rows_that_do_not_fit(lines, message):
    with pytest.raises(CorpusError, match=message):
        list(read_rows(lines, 'a.csv', CorpusError))


def test_blank_rows_are_left_out_but_counted():
    found = list(read_rows(['', 'a,b', ',', '', '1,2', '  '], 'a.csv', CorpusError))
    assert found == [(2, ['a', 'b']), (3, ['', '']), (5, ['1', '2'])]
