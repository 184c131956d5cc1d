import re

from mmaffect.utils import progress
from mmaffect.utils.progress import Progress


def test_plain_lines_in_a_log(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    with Progress(10, 'trials', done=2) as bar:
        for _ in range(8):
            now[0] += 20
            bar.update()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == '4 of 10 trials, 120 s left'
    assert lines[-1] == '10 of 10 trials'
    assert len(lines) == 4


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr('sys.stderr.isatty', lambda: True)
    with Progress(3, 'frames') as bar:
        bar.update(3)
    written = capsys.readouterr()
    assert written.out == ''
    assert re.search(r'3/3', written.err)
