"""Tables, against the csv module and NumPy."""

import csv

import numpy as np
import pytest

from mmaffect.errors import CorpusError
from mmaffect.utils.tables import MAX_BYTES, check_counting, read_table, write_table


def test_rows_are_those_of_the_columns(tmp_path):
    random = np.random.default_rng(0)
    columns = {
        'n': np.arange(5000), 'x': random.normal(size=5000), 'y': np.float32(random.normal(size=5000)),
        'b': random.random(5000) < 0.5,
    }  # fmt: skip
    columns['x'][17] = np.nan
    write_table(tmp_path / 'a.csv', columns)
    with open(tmp_path / 'a.csv', newline='') as file:
        names, *rows = csv.reader(file)
    assert names == ['n', 'x', 'y', 'b']
    np.testing.assert_allclose(np.array(rows, float), np.stack(list(columns.values()), 1), atol=5.1e-7)
    table = read_table(tmp_path / 'a.csv')
    assert (table.comment, table.header_line) == (None, 1)
    np.testing.assert_array_equal(np.stack(list(table.columns.values()), 1), np.array(rows, float))
    assert table.lines.tolist() == list(range(2, 5002))


def test_comment_marks_and_other_columns(tmp_path):
    (tmp_path / 'a.csv').write_bytes(
        '\ufeff# ü, "x"\r\nn, Text ,"v"\r\n1,a,0.5\r\n2,"b\nc",nan\r\n3,,1\r\n\r\n,,\r\n'.encode()
    )
    table = read_table(tmp_path / 'a.csv', lambda name: name != 'Text')
    assert (table.comment, table.names, table.header_line) == ('ü, "x"', ['n', 'Text', 'v'], 2)
    np.testing.assert_array_equal(table.columns['v'], [0.5, np.nan, 1])
    # The second row ends in line 5.
    assert table.lines.tolist() == [3, 5, 6]
    check_counting(table, 'n')
    check_counting(table, 'frame')
    with pytest.raises(CorpusError, match=r'a\.csv, line 3: v 0\.5; expected 1'):
        check_counting(table, 'v')
    with pytest.raises(CorpusError, match=r"a\.csv, line 3: Text 'a'; expected a number"):
        read_table(tmp_path / 'a.csv')


def test_what_is_no_table_is_one_line(tmp_path):
    (tmp_path / 'a.csv').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(CorpusError, match=r'a\.csv: not a table'):
        read_table(tmp_path / 'a.csv')
    with open(tmp_path / 'b.csv', 'wb') as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(CorpusError, match=rf'b\.csv: {MAX_BYTES + 1} bytes; expected a table of at most {MAX_BYTES}'):
        read_table(tmp_path / 'b.csv')
    (tmp_path / 'c.csv').write_text('a' * 200_000)
    with pytest.raises(CorpusError, match=r'c\.csv: not a table \(field larger'):
        read_table(tmp_path / 'c.csv')


def test_a_failure_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / 'a.csv'
    write_table(path, {'a': np.zeros(2)})
    before = path.read_bytes()
    with pytest.raises(ValueError, match='shorter'):
        write_table(path, {'a': np.zeros(2), 'b': np.zeros(1)})
    assert [one.name for one in tmp_path.iterdir()] == ['a.csv']
    assert path.read_bytes() == before
