import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmaffect.datasets.corpus import Corpus

TOOL = Path(__file__).parents[2] / 'tools/dataset/prepare_affwild2.py'


@pytest.fixture
def run(run_here):
    return partial(run_here, TOOL)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


def start(raw, out, *args):
    command = [sys.executable, str(TOOL), str(raw), str(out), *args]
    # In a session of its own, so that a signal reaches the tool with its workers as one from a terminal does; with
    # SIGINT as it is there, since a shell ignores it for what it runs in the background, these tests among them.
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        cwd='/',
    )


def wait_for_entries(process, out, number):
    deadline = time.monotonic() + 60
    while len(list((out / 'index').glob('[!.]*.json'))) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def long_corpus(raw_corpus, add_raw_trial):
    for i in range(12):
        add_raw_trial(raw_corpus, f'long{i:02d}', rows=100)
    return raw_corpus


def test_prepares_a_corpus(run, raw_corpus, tmp_path):
    status, out, err = run(
        raw_corpus, tmp_path / 'out', '--jobs', 2, '--audio', 'vggish', '--face-size', 24, '--name', 'mine'
    )
    assert (status, err) == (0, '')
    lines = out.splitlines()
    assert lines[0] == '6 of 6 trials'
    header = next(i for i, line in enumerate(lines) if line.startswith('split '))
    table = lines[header : header + 4]
    assert len({len(line) for line in table}) == 1
    assert lines[-1] == f'prepared: {tmp_path / "out"}'
    corpus = Corpus(tmp_path / 'out')
    assert (corpus.name, corpus.face_size, corpus.front_end.name) == ('mine', 24, 'vggish')
    assert corpus['video1'].faces.shape == (60, 24, 24, 3)

    status, out, err = run(raw_corpus, tmp_path / 'out', '--audio', 'vggish', '--face-size', 24)
    assert status == 1
    assert "prepared with name = 'mine', not 'Aff-Wild2'" in err


def test_killed_run_continues_to_the_same_bytes(run, long_corpus, tmp_path):
    process = start(long_corpus, tmp_path / 'killed', '--jobs', '2')
    wait_for_entries(process, tmp_path / 'killed', 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = files(tmp_path / 'killed')
    assert 'corpus.json' not in left
    assert 3 <= len([name for name in left if re.fullmatch(r'index/\w+\.json', name)]) < 18

    assert run(long_corpus, tmp_path / 'killed')[0] == 0
    assert run(long_corpus, tmp_path / 'unbroken')[0] == 0
    assert files(tmp_path / 'killed') == files(tmp_path / 'unbroken')


@pytest.mark.parametrize('whole_group', [True, False], ids=['terminal', 'process'])
def test_interrupt_ends_quickly(long_corpus, tmp_path, whole_group):
    process = start(long_corpus, tmp_path / 'out', '--jobs', '2')
    wait_for_entries(process, tmp_path / 'out', 1)
    told = time.monotonic()
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - told < 10
    assert process.returncode == 130
    assert err == 'interrupted\n'
    left = files(tmp_path / 'out')
    assert 'corpus.json' not in left
    assert not [name for name in left if '.tmp' in name]


def test_shards(run, raw_corpus, tmp_path):
    status, out, _ = run(raw_corpus, tmp_path / 'out', '--shard', '2/2')
    assert status == 0
    assert '3 trials are left to other shards; the last of them writes corpus.json' in out
    assert 'prepared:' not in out
    status, out, _ = run(raw_corpus, tmp_path / 'out', '--shard', '1/2')
    assert status == 0
    assert 'prepared:' in out
    assert len(Corpus(tmp_path / 'out')) == 6


@pytest.mark.parametrize(
    'args',
    [['--shard', '3/2'], ['--shard', '0/2'], ['--shard', 'x'], ['--jobs', '0'], ['--audio', 'mfcc'], ['--job', '1']],
)
def test_wrong_arguments(run, raw_corpus, tmp_path, args):
    status, _, err = run(raw_corpus, tmp_path / 'out', *args)
    assert status == 2
    assert 'error: ' in err
    assert not (tmp_path / 'out').exists()


def replaced(path, content):
    def damage(raw):
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).write_bytes(content)

    return damage


def moved(path):
    return lambda raw: (raw / path).rename(raw.parent / 'aside')


def cut(path, length):
    return lambda raw: (raw / path).write_bytes((raw / path).read_bytes()[:length])


TRAIN = 'VA_Estimation_Challenge/Train_Set'
DAMAGES = {
    'no header': (replaced(f'{TRAIN}/video1.txt', b'0.1,0.2\n'), f'{TRAIN}/video1.txt, line 1'),
    'decimal comma': (
        replaced(f'{TRAIN}/video1.txt', b'valence,arousal\n0,1,0,2\n'),
        f'{TRAIN}/video1.txt, line 2',
    ),
    'beyond 1': (replaced(f'{TRAIN}/video1.txt', b'valence,arousal\n1.0001,0\n'), f'{TRAIN}/video1.txt, line 2'),
    'binary': (replaced(f'{TRAIN}/video1.txt', bytes(100)), f'{TRAIN}/video1.txt'),
    'empty annotation': (replaced(f'{TRAIN}/video1.txt', b''), f'{TRAIN}/video1.txt, line 1'),
    'no video': (moved('videos/batch1/video3.mp4'), 'Validation_Set/video3.txt'),
    'no faces': (moved('cropped_aligned/video3'), 'cropped_aligned/video3/00001.jpg'),
    'two videos': (replaced('videos/b/video3.avi', b''), 'videos/b/video3.avi'),
    'two splits': (replaced('VA_Estimation_Challenge/Validation_Set/video1.txt', b''), 'Validation_Set/video1.txt'),
    'empty video': (replaced('videos/batch1/video1.mp4', b''), 'videos/batch1/video1.mp4'),
    'text as video': (replaced('videos/batch1/video1.mp4', b'hello ' * 99), 'videos/batch1/video1.mp4'),
    'cut video': (cut('videos/batch1/video1.mp4', 5000), 'videos/batch1/video1.mp4'),
    'empty face': (replaced('cropped_aligned/video1/00003.jpg', b''), 'cropped_aligned/video1/00003.jpg'),
    'cut face': (cut('cropped_aligned/video1/00003.jpg', 600), 'cropped_aligned/video1/00003.jpg'),
    'no face': (replaced('cropped_aligned/video1/00003.jpg', b'text'), 'cropped_aligned/video1/00003.jpg'),
    'wrong number': (replaced('cropped_aligned/video1/x.jpg', b'text'), 'cropped_aligned/video1/x.jpg'),
    'face twice': (replaced('cropped_aligned/video1/3.jpg', b'text'), 'cropped_aligned/video1/3.jpg'),
}


@pytest.mark.parametrize('kind', DAMAGES)
def test_bad_input_is_one_line_with_the_file(run, raw_corpus, tmp_path, kind):
    damage, where = DAMAGES[kind]
    damage(raw_corpus)
    status, out, err = run(raw_corpus, tmp_path / 'out')
    assert status == 1
    assert re.fullmatch(r'error: [^\n]+\n', err)
    assert where in err
    assert 'Traceback' not in out + err
    assert not (tmp_path / 'out/corpus.json').exists()
    assert not [path for path in (tmp_path / 'out').rglob('*') if '.tmp' in path.name]


def test_skip_broken_lists_them(run, raw_corpus, tmp_path):
    replaced('videos/batch1/video2.mp4', b'')(raw_corpus)
    replaced(f'{TRAIN}/video1.txt', b'')(raw_corpus)
    status, out, err = run(raw_corpus, tmp_path / 'out', '--skip-broken')
    assert (status, err) == (0, '')
    assert re.search(r'^broken: video1: .*video1\.txt, line 1', out, re.MULTILINE)
    assert re.search(r'^broken: video2_left: .*video2\.mp4: has zero bytes', out, re.MULTILINE)
    assert Corpus(tmp_path / 'out').trials == ['video3', 'video4', 'video5']
    assert (tmp_path / 'out/broken.json').is_file()


def test_missing_raw_folder_and_out_that_is_a_file(run, raw_corpus, tmp_path):
    status, _, err = run(tmp_path / 'missing', tmp_path / 'out')
    assert status == 1
    assert err.startswith(f'error: {tmp_path / "missing"}: no such folder')
    (tmp_path / 'file').write_text('')
    status, _, err = run(raw_corpus, tmp_path / 'file')
    assert status == 1
    assert re.fullmatch(r'error: .*file[^\n]*\n', err)


def test_file_that_grows_too_large_for_the_disk(raw_corpus, tmp_path):
    """A limit on the size of a file fails as a full disk does, in the middle of writing."""
    script = f'ulimit -f 100; exec "{sys.executable}" "{TOOL}" "{raw_corpus}" "{tmp_path}/out" --jobs 2'
    result = subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert re.fullmatch(rf'error: {tmp_path}/out: File too large; trial \w+ is not written\n', result.stderr)
    assert not [name for name in files(tmp_path / 'out') if '.tmp' in name or name.startswith('index/video')]


def test_hostile_names_in_out_are_not_followed(run, raw_corpus, tmp_path):
    outside = tmp_path / 'outside.jpg'
    cv2.imwrite(str(outside), np.zeros((8, 8, 3), np.uint8))
    (raw_corpus / 'cropped_aligned/video1/00001.jpg').symlink_to(outside)
    status, _, err = run(raw_corpus, tmp_path / 'out')
    assert status == 1
    assert '00001.jpg: a link out of its folder' in err
