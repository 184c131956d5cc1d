"""The committed document of the study is what its committed table and template make."""

from pathlib import Path

from mmaffect.study.document import document_problems
from mmaffect.study.table_files import FILES

DOCS = Path(__file__).parents[2] / 'docs'
FOLDER = DOCS / 'weak_complementarity'


def test_the_document_is_made_from_the_table():
    files = [*(FOLDER / name for name in FILES), DOCS / 'weak_complementarity.md', DOCS / 'weak_complementarity.html']
    there = [path for path in files if path.is_file()]
    if there:
        assert there == files
        assert document_problems(FOLDER) == []
    else:
        assert list(FOLDER.glob('*.png')) == []
    assert (FOLDER / 'template.md').is_file()
