import re

import pytest

from mmaffect.utils import progress
from mmaffect.utils.progress import Progress


@pytest.fixture
def now(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: clock[0])
    return clock


def test_plain_lines_in_a_log(capsys, now):
    with Progress(10, 'trials', done=2) as bar:
        for _ in range(8):
            now[0] += 20
            bar.update()
    lines = capsys.readouterr().out.splitlines()
    assert lines == ['4 of 10 trials, 120 s left', '6 of 10 trials, 80 s left', '8 of 10 trials, 40 s left',
                     '10 of 10 trials']  # fmt: skip


def test_what_comes_before_the_first_unit_is_no_rate(capsys, now):
    with Progress(14796, 'frames') as bar:
        now[0] += 70  # other work
        bar.update()
        for _ in range(400):
            now[0] += 0.1
            bar.update()
    first, second = capsys.readouterr().out.splitlines()
    assert first == '1 of 14796 frames'
    done, left = map(int, re.fullmatch(r'(\d+) of 14796 frames, (\d+) s left', second).groups())
    assert left == pytest.approx((14796 - done) / 10, abs=1)


def test_the_rate_is_of_the_recent_past(now):
    bar = Progress(100_000, 'frames')
    for step, count in ((0.1, 3000), (1.0, 300)):
        for _ in range(count):
            now[0] += step
            bar.update()
    assert bar.seconds_left() == pytest.approx(100_000 - 3300, rel=0.01)


def test_what_is_skipped_took_no_time(capsys, now):
    bar = Progress(1000, 'frames')
    assert bar.seconds_left() is None
    for _ in range(11):
        now[0] += 2
        bar.update()
    bar.skip(889)
    assert bar.seconds_left() == pytest.approx(200)
    bar.skip(100)
    assert capsys.readouterr().out.splitlines()[-1] == '1000 of 1000 frames'


def test_passes_are_parts(capsys, now):
    bar = Progress(4, 'frames')
    passes = [bar.part(0.5), bar.part(0.5)]
    for one in passes:
        for _ in range(4):
            now[0] += 31
            one.update()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(' of')[0] for line in lines] == ['0', '1', '1', '2', '2', '3', '3', '4']
    assert lines[1] == '1 of 4 frames, 186 s left'
    assert lines[-1] == '4 of 4 frames'


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr('sys.stderr.isatty', lambda: True)
    with Progress(3, 'frames') as bar:
        bar.part(0.5).update(3)
        bar.update(1.5)
    written = capsys.readouterr()
    assert written.out == ''
    assert re.search(r'3/3', written.err)
