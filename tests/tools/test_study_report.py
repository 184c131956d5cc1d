"""tools/analysis/study_report.py writes document and page, and checks them."""

from pathlib import Path

import pytest

from tests.study_material import made_table

TOOL = Path(__file__).parents[2] / 'tools/analysis/study_report.py'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr('mmaffect.study.claims.RESAMPLES', 50)
    monkeypatch.setattr('mmaffect.study.claims.PERMUTATIONS', 50)
    made_table(weak=(0.0, 0.6), fusions=('concat', 'grjca'), seeds=(0, 1), trials=4).write(tmp_path / 'study')
    (tmp_path / 'study/template.md').write_text('# Results\n\n{{figure ccc}}\n\n{{table results}}\n')
    return tmp_path / 'study'


def test_it_writes_and_checks(folder, run_here):
    status, out, _ = run_here(TOOL, folder)
    assert status == 0
    document, page = folder.parent / 'study.md', folder.parent / 'study.html'
    assert out == f'wrote {document}, {page} and 1 pictures\n'
    assert all(path.is_file() for path in (document, page, folder / 'ccc.png'))
    assert run_here(TOOL, folder, '--check') == (0, '', '')

    document.write_text(document.read_text().replace('# Results', '# Result'))
    status, out, err = run_here(TOOL, folder, '--check')
    assert status == 1
    assert err.splitlines() == [
        f'{document}: out of date: -# Result +# Results',
        f'run: python tools/analysis/study_report.py {folder}',
    ]


def test_a_replication_is_taken_over(folder, run_here):
    made_table(weak=(0.0, 0.6), fusions=('concat', 'grjca'), seeds=(0, 1), trials=9).write(folder.parent / 'other')
    template = folder / 'template.md'
    template.write_text(template.read_text() + '\n{{replication number trials}} trials of other people\n')
    for place in ('nothing', 'other'):
        status, _, err = run_here(TOOL, folder, '--replication', folder.parent / place)
        assert (status == 0) == (place == 'other')
    assert err == ''
    assert '9 trials of other people' in (folder.parent / 'study.md').read_text()
    assert sorted(path.name for path in (folder / 'replication').iterdir()) == [
        'gates.csv',
        'moments.csv',
        'runs.csv',
        'truth.csv',
    ]
    assert run_here(TOOL, folder, '--check') == (0, '', '')
    status, _, err = run_here(TOOL, folder, '--check', '--replication', folder.parent / 'other')
    assert status == 2
    assert '--check writes nothing' in err


def test_errors_are_one_line(folder, run_here):
    other = folder.parent / 'other.md'
    other.write_text('# Results\n\n{{ccc lfan last}}\n')
    status, _, err = run_here(TOOL, folder, '--template', other)
    assert status == 1
    assert err.startswith(
        f"error: {other}, line 3: {{{{ccc lfan last}}}}: fusion 'lfan'; expected one of concat, grjca"
    )
    assert err.count('\n') == 1
    assert not (folder.parent / 'study.md').exists()
    status, _, err = run_here(TOOL, folder.parent / 'nothing')
    assert (status, err) == (
        1,
        f'error: {folder.parent}/nothing/template.md: no such file; expected the template of the document\n',
    )
