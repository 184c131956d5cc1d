"""tools/infer.py in this process, with a small model that a checkpoint describes."""

import json
import runpy
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmaffect.media import write_video
from mmaffect.traces import Trace
from tests.toy_estimators import toy_model

ROOT = Path(__file__).parents[2]
RATE = 16000


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    model = toy_model('both')
    path = tmp_path_factory.mktemp('model') / 'best.pth'
    meta = {'cfg': model.cfg.pretty_text, 'experiment_name': 'toy', 'dataset_meta': {'synthetic': True}}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, path)
    return path


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """A video with sound, one without, and what is none."""
    root = tmp_path_factory.mktemp('videos')
    g = np.random.default_rng(0)
    noise = (0.1 * g.standard_normal(RATE)).astype(np.float32)
    write_video(root / 'clip.mp4', iter(g.integers(0, 256, (25, 96, 96, 3), dtype=np.uint8)), 25, noise, RATE)
    write_video(root / 'mute.mp4', iter(np.zeros((6, 48, 64, 3), np.uint8)), 12.5)
    (root / 'text.mp4').write_text('this is only text, whatever its name says')
    return root


@pytest.fixture
def handlers():
    return {}


@pytest.fixture
def infer(checkpoint, handlers, monkeypatch, capsys):
    def run(*arguments, model=checkpoint):
        monkeypatch.setattr(signal, 'signal', handlers.__setitem__)
        monkeypatch.setattr(sys, 'argv', ['tools/infer.py', *map(str, arguments), '--model', str(model)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / 'tools/infer.py'), run_name='__main__')
        out, err = capsys.readouterr()
        assert 'Traceback' not in err
        return ended.value.code or 0, out, [line for line in err.splitlines() if line.startswith('error: ')]

    return run


def test_videos_that_fail_cost_a_line(infer, videos, tmp_path):
    out = tmp_path / 'out'
    code, text, errors = infer(videos, tmp_path / 'none.mp4', '--out', out)
    assert code == 1
    assert errors == [
        f'error: {tmp_path}/none.mp4: No such file or directory',
        f'error: {videos}/text.mp4: is text; expected a whole video or sound file (mp4, mkv, avi, mpg, wav, ...)',
    ]
    assert sorted(path.name for path in out.iterdir()) == [
        f'{name}.{kind}' for name in ('clip', 'mute') for kind in ('csv', 'json', 'npz')
    ]
    assert 'clip: frames 25 declared, 25 decoded, 0 with face, 0 with voice, 25 predicted; mean valence' in text
    assert '(no_sound, no_face, no_voice); sound' in text
    assert '2 traces of 3 recordings' in text
    for stage in ('sound', 'detection', 'encoding', 'fusion', 'writing'):
        assert f'{stage} 0.' in text
    assert 'perceived expression' in text
    assert 'synthetic' in text
    trace = Trace.load(out / 'clip.npz')
    assert 'tools/infer.py' in trace.header['command']
    assert trace.header['flags'] == ['no_face', 'no_voice']
    assert json.loads((out / 'mute.json').read_text())['header']['fps'] == pytest.approx(12.5)


def test_what_is_there_is_kept(infer, videos, checkpoint, tmp_path):
    clip, out = videos / 'clip.mp4', tmp_path / 'out'
    base = (clip, '--out', out, '--no-voice')
    assert infer(*base)[0] == 0
    first = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    code, text, _ = infer(*base)
    assert code == 0
    assert 'clip: frames 25 declared' in text
    assert '; kept' in text
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == first
    # Other settings, files that are missing, or a wish: all is made anew.
    for change in (['--detect-every', 2], ['--schedule', 'delayed'], ['--detect-every', 2, '--overwrite']):
        assert '; kept' not in infer(*base, *change)[1]
    (out / 'clip.json').unlink()
    assert '; kept' not in infer(*base, '--detect-every', 2)[1]
    assert '; kept' in infer(*base, '--detect-every', 2)[1]
    other = tmp_path / 'other.pth'
    state = torch.load(checkpoint, weights_only=True)
    state['state_dict']['head.fc2.bias'] += 1
    torch.save(state, other)
    assert '; kept' not in infer(*base, '--detect-every', 2, model=other)[1]


def test_files_of_others_are_not_overwritten(infer, videos, tmp_path):
    (tmp_path / 'clip.csv').write_text('my,own\n1,2\n')
    code, _, errors = infer(videos / 'clip.mp4', '--out', tmp_path, '--formats', 'csv')
    assert code == 1
    assert 'clip.csv' in errors[0]
    assert 'move it away, or give --overwrite' in errors[0]
    assert (tmp_path / 'clip.csv').read_text() == 'my,own\n1,2\n'
    assert infer(videos / 'clip.mp4', '--out', tmp_path, '--formats', 'csv', '--overwrite')[0] == 0
    assert len(Trace.load(tmp_path / 'clip.csv')) == 25


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--formats', 'xls'], "format 'xls'; expected some of csv, json, npz"),
        (['--out', '{videos}/traces'], 'lies in the input'),
        (['--device', 'cuda:9'], "device='cuda:9': not available here"),
        (['--detector', 'eyes'], "detector='eyes'"),
        (['--batch-size', '0'], 'batch_size=0; expected at least 1'),
        (['--face-size', '-5'], 'face_size=-5; expected at least 1 pixel'),
        (['--hop', '21'], 'hop=21; expected 1 to the length of a window, 20'),
        (['--schedule', 'delayed', '--delay', '20'], 'delay=20; expected 0 to 19'),
        (['--weights', 'best.pth'], 'is a checkpoint; expected no weights'),
    ],
)
def test_wrong_arguments(arguments, text, infer, videos, tmp_path):
    arguments = [one.format(videos=videos) for one in arguments]
    base = [] if '--out' in arguments else ['--out', tmp_path]
    code, _, errors = infer(videos, *base, *arguments)
    assert code == 1
    assert len(errors) == 1
    assert text in errors[0]


def test_report_and_overlay(infer, videos, tmp_path):
    base = (videos / 'clip.mp4', '--out', tmp_path, '--no-voice', '--formats', 'npz', '--report', '--overlay')
    assert infer(*base)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ['clip.html', 'clip.npz', 'clip_overlay.mp4']
    before = (tmp_path / 'clip.html').stat().st_mtime_ns
    (tmp_path / 'clip_overlay.mp4').unlink()
    assert '; kept' in infer(*base)[1]
    assert (tmp_path / 'clip.html').stat().st_mtime_ns == before
    assert (tmp_path / 'clip_overlay.mp4').stat().st_size > 1000


def test_traces_of_other_recordings_stay(infer, videos, tmp_path):
    other, out = tmp_path / 'b', tmp_path / 'out'
    other.mkdir()
    write_video(other / 'clip.mp4', iter(np.full((5, 48, 64, 3), 90, np.uint8)), 25)
    base = ('--out', out, '--no-voice', '--formats', 'csv')
    assert infer(videos / 'clip.mp4', *base)[0] == 0
    (out / 'clip_facebook.csv').write_text('my,own\n1,2\n')
    assert '; kept' in infer(videos / 'clip.mp4', *base)[1]
    code, text, errors = infer(other / 'clip.mp4', *base)
    assert code == 1
    assert errors[0].startswith(f'error: {out}/clip.csv: is the trace of {videos}/clip.mp4; move it away')
    assert 'detection' not in text
    assert '0 traces of 1 recordings' in text
    assert '; 1 failed' in text
    assert len(Trace.load(out / 'clip.csv')) == 25
    assert infer(other / 'clip.mp4', *base, '--overwrite')[0] == 0
    assert len(Trace.load(out / 'clip.csv')) == 5
    # Together they have different names, and what is named twice is done once.
    assert infer(videos / 'clip.mp4', other / 'clip.mp4', other, '--out', tmp_path / 'both', '--no-voice')[0] == 0
    names = {path.stem for path in (tmp_path / 'both').iterdir()}
    assert names == {f'{videos.name}_clip', 'b_clip'}
    # The same file, changed or moved.
    write_video(other / 'clip.mp4', iter(np.full((6, 48, 64, 3), 90, np.uint8)), 25)
    assert infer(other / 'clip.mp4', *base)[0] == 0
    (other / 'clip.mp4').rename(tmp_path / 'clip.mp4')
    assert '; kept' in infer(tmp_path / 'clip.mp4', *base)[1]


def test_pages_of_others_are_not_overwritten(infer, videos, tmp_path):
    (tmp_path / 'mute.html').write_text('<!DOCTYPE html>my own')
    base = (videos / 'mute.mp4', '--out', tmp_path, '--formats', 'npz', '--no-voice', '--report')
    code, _, errors = infer(*base)
    assert code == 1
    assert 'mute.html: is no report of mmaffect; move it away, or give --overwrite' in errors[0]
    assert (tmp_path / 'mute.html').read_text() == '<!DOCTYPE html>my own'
    assert infer(*base, '--overwrite')[0] == 0
    assert infer(*base, '--detect-every', 2)[0] == 0


def test_a_place_that_cannot_be_written_to_costs_no_work(infer, videos, tmp_path):
    (tmp_path / 'file').write_text('x')
    for place in (tmp_path / 'file', tmp_path / 'file' / 'under', '/proc/nothing'):
        code, text, errors = infer(videos / 'clip.mp4', '--out', place)
        assert code == 1
        assert len(errors) == 1
        assert str(place) in errors[0]
        assert 'frames' not in text


def test_progress_counts_both_passes_and_what_fails(infer, videos, tmp_path):
    _, text, _ = infer(videos / 'clip.mp4', videos / 'mute.mp4', '--out', tmp_path, '--no-voice')
    lines = [line for line in text.splitlines() if line.endswith(' of 31 frames')]
    assert lines == ['31 of 31 frames']
    (tmp_path / 'clip.csv').write_text('my,own\n1,2\n')
    _, text, _ = infer(videos / 'clip.mp4', videos / 'mute.mp4', '--out', tmp_path, '--no-voice')
    assert '31 of 31 frames' in text


@pytest.mark.parametrize('status', [130, 143])
def test_an_end_in_the_middle_leaves_no_file(status, infer, handlers, videos, tmp_path, monkeypatch):
    def end(temporary, *rest):
        temporary.write_bytes(b'some')
        handler = handlers[signal.SIGTERM] if status == 143 else signal.default_int_handler
        handler(signal.SIGTERM, None)

    monkeypatch.setattr('mmaffect.media.writing._write', end)
    arguments = ('--out', tmp_path, '--formats', 'npz', '--no-voice', '--overlay')
    assert infer(videos / 'clip.mp4', *arguments)[0] == status
    assert [path.name for path in tmp_path.iterdir()] == ['clip.npz']


def test_a_full_disk_names_the_file(infer, videos, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Trace, 'save', full)
    code, text, errors = infer(videos / 'mute.mp4', '--out', tmp_path, '--no-voice')
    assert code == 1
    assert errors == [f'error: {tmp_path}/mute.csv: No space left on device']
    assert '; 1 failed' in text
