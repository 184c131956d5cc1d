"""The tool, on predictions of a few frames."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

ROOT = Path(__file__).parents[2]
TOOL = 'tools/make_submission.py'
TRIALS = {'video2': 30, 'video10': 12}


def write_folder(folder, seed, targets=('valence', 'arousal'), trials=TRIALS):
    """As TraceWriter writes a folder; returns the curves."""
    folder.mkdir()
    g = np.random.default_rng(seed)
    curves = {}
    for trial, frames in trials.items():
        values = np.round(np.clip(np.cumsum(g.normal(0, 0.1, (frames, len(targets))), axis=0), -1, 1), 6)
        lines = [','.join(['frame', 'time', *targets, *(f'annotated_{target}' for target in targets)])]
        for n, row in enumerate(values.tolist(), 1):
            lines.append(','.join([str(n), f'{n / 25:.6f}', *(f'{value:.6f}' for value in row), *['nan'] * len(row)]))
        (folder / f'{trial}.csv').write_text('\n'.join(lines) + '\n')
        curves[trial] = values
    return curves


def submission(path):
    """Values by trial."""
    header, *rows = path.read_text().splitlines()
    assert header == 'image_location,valence,arousal'
    found = {}
    for row in rows:
        location, *values = row.split(',')
        trial, name = location.split('/')
        found.setdefault(trial, []).append([float(value) for value in values])
        assert name == f'{len(found[trial]):05d}.jpg'
    return found


@pytest.fixture
def tool(monkeypatch, capsys):
    """Runs the tool within this process; returns stdout, or with ``fails`` the line on stderr."""

    def tool(*arguments, fails=0):
        monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / TOOL), run_name='__main__')
        out, err = capsys.readouterr()
        assert end.value.code == fails, err
        if not fails:
            return out
        line = err.splitlines()[-1]
        assert fails == 2 or err == f'{line}\n'
        return line

    return tool


def test_ensemble_smoothed_and_aligned(tool, tmp_path):
    models = [write_folder(tmp_path / str(n), n) for n in range(3)]
    frames = {'video2': 33, 'video10': 10}
    rows = [f'{trial}/{n:05d}.jpg,-5,-5' for trial, count in frames.items() for n in range(1, count + 1)]
    (tmp_path / 'sample.txt').write_text('\n'.join(['image_location,valence,arousal', *rows]))
    out = tool(
        *(tmp_path / str(n) for n in range(3)), '--sample', tmp_path / 'sample.txt', '--out', tmp_path / 'out.txt',
        '--smooth', 20, 5, '--smooth-ends', 'zero', '--per-trial', tmp_path / 'files',
    )  # fmt: skip
    found = submission(tmp_path / 'out.txt')
    assert list(found) == list(frames)
    for trial, count in frames.items():
        mean = np.mean([model[trial] for model in models], axis=0)
        for target, width in enumerate((20, 5)):
            mean[:, target] = ndimage.uniform_filter1d(mean[:, target], width, mode='constant')
        expected = mean[np.minimum(np.arange(count), TRIALS[trial] - 1)]
        np.testing.assert_allclose(found[trial], expected, atol=6e-7)
        text = (tmp_path / f'files/{trial}.txt').read_text()
        assert text.splitlines()[1:] == [f'{v:.6f},{a:.6f}' for v, a in found[trial]]
    for part in (
        'valence: mean of 3 models\narousal: mean of 3 models\n',
        'smoothing: mean over 20 and 5 frames, ends: zero\n',
        f'{tmp_path}/out.txt: 43 rows, 2 trials; read again and checked\n',
        'last prediction repeated: 1 trial: video2 (3 rows)\n',
        'left out after the last frame of the sample: 1 trial: video10 (2 predictions)\n',
        f'{tmp_path}/files: 43 rows',
    ):
        assert part in out


def test_targets_from_folders_of_their_own(tool, tmp_path):
    both = write_folder(tmp_path / 'both', 0)
    valence = write_folder(tmp_path / 'valence', 1, ['valence'])
    arousal = write_folder(tmp_path / 'arousal', 2, ['arousal'])
    out = tmp_path / 'out.txt'

    text = tool(tmp_path / 'valence', tmp_path / 'arousal', '--out', out)
    assert f'valence: {tmp_path}/valence\narousal: {tmp_path}/arousal\n' in text
    found = submission(out)
    assert list(found) == ['video2', 'video10']
    for trial, values in found.items():
        assert np.array_equal(values, np.hstack([valence[trial], arousal[trial]]))

    tool(tmp_path / 'both', '--arousal', tmp_path / 'arousal', '--out', out)
    for trial, values in submission(out).items():
        assert np.array_equal(values, np.hstack([both[trial][:, :1], arousal[trial]]))

    text = tool(tmp_path / 'both', tmp_path / 'valence', '--out', out)
    assert f'valence: mean of 2 models\narousal: {tmp_path}/both\n' in text
    for trial, values in submission(out).items():
        expected = np.hstack([(both[trial][:, :1] + valence[trial]) / 2, both[trial][:, 1:]])
        np.testing.assert_allclose(values, expected, atol=6e-7)


def test_centring_and_check_as_a_process(tmp_path):
    for n in range(3):
        write_folder(tmp_path / str(n), n)
    command = [sys.executable, TOOL, *(str(tmp_path / str(n)) for n in range(3)), '--out', str(tmp_path / 'out.txt')]
    done = subprocess.run(
        [*command, '--ensemble', 'ccc_centred'], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert 'valence: ccc_centred of 3 models\n' in done.stdout
    # The curve is that of the mean, moved by a constant for each trial and target.
    mean = {trial: np.zeros((frames, 2)) for trial, frames in TRIALS.items()}
    for n in range(3):
        for trial, values in write_folder(tmp_path / f'again{n}', n).items():
            mean[trial] += values / 3
    for trial, values in submission(tmp_path / 'out.txt').items():
        np.testing.assert_allclose(np.ptp(values - mean[trial], axis=0), 0, atol=2e-6)


def test_only_check(tool, tmp_path):
    write_folder(tmp_path / 'a', 0)
    tool(tmp_path / 'a', '--out', tmp_path / 'out.txt')
    out = tool('--check', tmp_path / 'out.txt', '--sample', tmp_path / 'out.txt')
    assert '42 rows, 2 trials; every row of' in out
    assert 'no sample to compare' in tool('--check', tmp_path / 'out.txt')
    lines = (tmp_path / 'out.txt').read_text().splitlines()
    (tmp_path / 'short.txt').write_text('\n'.join(lines[:-1]))
    line = tool('--check', tmp_path / 'short.txt', '--sample', tmp_path / 'out.txt', fails=1)
    assert line == (
        f"error: {tmp_path}/short.txt: row 'video10/00012.jpg' is missing, one of 1; expected every row of the sample"
    )


def test_errors_are_one_line(tool, tmp_path):
    write_folder(tmp_path / 'a', 0)
    write_folder(tmp_path / 'short', 1, trials={'video2': 29, 'video10': 12})
    write_folder(tmp_path / 'valence', 2, ['valence'])
    write_folder(tmp_path / 'arousal', 3, ['arousal'], trials={'video2': 30})
    (tmp_path / 'sample.txt').write_text('image_location,valence,arousal\nvideo3/00001.jpg,0,0\n')
    (tmp_path / 'link').symlink_to(tmp_path / 'a')
    out = ('--out', tmp_path / 'out.txt')
    for arguments, text in (
        (['none'], 'none: no such folder'),
        ([tmp_path / 'a', tmp_path / 'a'], 'a is given twice; expected each model once'),
        ([tmp_path / 'a', f'{tmp_path}/a/'], f'a/ is given twice, also as {tmp_path}/a; expected each model once'),
        ([tmp_path / 'a', '--valence', tmp_path / 'link', tmp_path / 'a'], f'given twice, also as {tmp_path}/link;'),
        (
            [tmp_path / 'valence', tmp_path / 'a', '--valence', tmp_path / 'a'],
            f'error: {tmp_path}/valence: counts for no target beside --valence; expected it there, or not at all',
        ),
        (
            [tmp_path / 'a', '--valence', tmp_path / 'a', '--arousal', tmp_path / 'a'],
            'a: counts for no target beside --valence and --arousal',
        ),
        ([tmp_path / 'a', tmp_path / 'short'], "trial 'video2': model 2 of 2 predicts (29, 1), model 1 (30, 1)"),
        ([tmp_path / 'valence'], 'no predictions of arousal in'),
        (['--valence', tmp_path / 'valence'], 'no predictions of arousal in no folder; expected --arousal DIR'),
        ([tmp_path / 'a', '--arousal', tmp_path / 'valence'], 'predictions of valence only'),
        ([tmp_path / 'valence', tmp_path / 'arousal'], "trial 'video10': 12 predictions of valence, no of arousal"),
        ([tmp_path / 'a', '--smooth', 0], 'width=0'),
        ([tmp_path / 'a', '--sample', tmp_path / 'missing.txt'], 'missing.txt: No such file'),
        ([tmp_path / 'a', '--sample', tmp_path / 'sample.txt'], "trial 'video3', one of 1"),
    ):
        assert text in tool(*arguments, *out, fails=1)
    assert not (tmp_path / 'out.txt').exists()
    line = tool(tmp_path / 'a', '--out', tmp_path / 'short', fails=1)
    assert line == f'error: {tmp_path}/short: Is a directory'


def test_flags_that_do_not_go_together(tool, tmp_path):
    for arguments, text in (
        ([], 'no predictions'),
        (['a'], 'nothing to write'),
        (['a', '--check', 'b'], '--check takes --sample and nothing else'),
        (['a', '--out', 'b', '--smooth', 1, 2, 3], '3 numbers'),
        (['a', '--out', 'b', '--sample', './b'], 'the sample file itself'),
    ):
        assert text in tool(*arguments, fails=2)
