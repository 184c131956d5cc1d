import contextlib
import json
import pickle
import shutil

import numpy as np
import pytest

from mmaffect.datasets.corpus import Corpus, check_trial_name
from mmaffect.datasets.corpus_writer import CorpusWriter
from mmaffect.errors import CorpusError
from mmaffect.media.log_mel import get_front_end

LENGTHS = {'a': 6, 'b': 6, 'long': 9}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / 'corpus'
    out = CorpusWriter(root, name='test', front_end=get_front_end('paper'), face_size=4)
    for seed, (name, length) in enumerate(LENGTHS.items()):
        rng = np.random.default_rng(seed)
        out.write_trial(
            name,
            video=f'{name}.mp4',
            split='train',
            faces=rng.integers(0, 256, (length, 4, 4, 3), dtype=np.uint8),
            logmel=rng.normal(size=(12, 64)).astype(np.float16),
            timestamps=np.arange(length) / 25,
            targets=rng.uniform(-1, 1, (length, 2)),
            valid=np.ones(length, bool),
            face_present=np.ones(length, bool),
        )
    out.finish(list(LENGTHS))
    return root


def edit(root, change):
    path = root / 'corpus.json'
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def test_opens_by_memory_map_and_writes_do_not_reach_the_file(root):
    corpus = Corpus(root)
    before = (root / 'faces/a.npy').read_bytes()
    faces = corpus['a'].faces
    assert isinstance(faces, np.memmap)
    faces[:] = 0
    assert (root / 'faces/a.npy').read_bytes() == before
    assert corpus['a'] is corpus['a']


def test_read_only_folder(root):
    for path in root.rglob('*'):
        path.chmod(0o555 if path.is_dir() else 0o444)
    corpus = Corpus(root)
    assert [len(corpus[name].faces) for name in corpus] == [6, 6, 9]
    corpus.verify('a')


def test_travels_to_a_worker(root):
    corpus = Corpus(root, max_open=1)
    expected = np.array(corpus['a'].faces)
    copy = pickle.loads(pickle.dumps(corpus))
    assert len(copy['long'].faces) == 9
    np.testing.assert_array_equal(copy['a'].faces, expected)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda i: i.update(version=2), 'format version 2, this mmaffect reads version 1'),
        (lambda i: i.pop('version'), 'not an index of a corpus'),
        (lambda i: i.pop('audio'), "damaged index .*'audio'"),
        (lambda i: i['audio'].update(mean='loud'), 'damaged index'),
        (lambda i: i['audio']['front_end'].update(colour=1), 'damaged index'),
        (lambda i: i['trials'][0].pop('split'), 'damaged index'),
        (lambda i: i['trials'][0].update(split='trian'), "trial a is in split 'trian'; expected train, val, test"),
        (lambda i: i['trials'][0].update(subject=['p1']), r"trial a has subject \['p1'\]; expected a name, or null"),
        (lambda i: i['trials'].append(i['trials'][0]), 'a trial is listed twice'),
        (lambda i: i['trials'][0].update(name='../a'), "'../a' cannot name a trial"),
        (lambda i: i['trials'][0].update(name='/etc/passwd'), "'/etc/passwd' cannot name a trial"),
    ],
)
def test_wrong_index(root, change, message):
    edit(root, change)
    with pytest.raises(CorpusError, match=message):
        Corpus(root)


@pytest.mark.parametrize('content', [b'', b'[]', b'null', b'\x00\xff\xfe', b'version: 1'])
def test_no_index(root, content):
    (root / 'corpus.json').write_bytes(content)
    with pytest.raises(CorpusError, match=r'corpus\.json: not an index of a corpus'):
        Corpus(root)


def test_cut_index(root):
    data = (root / 'corpus.json').read_bytes()
    for length in range(0, len(data), 97):
        (root / 'corpus.json').write_bytes(data[:length])
        with pytest.raises(CorpusError, match=r'corpus\.json: not an index'):
            Corpus(root)


def test_missing_corpus_says_how_to_get_one(tmp_path):
    with pytest.raises(CorpusError, match=r'no such folder.*prepare_affwild2\.py.*quickstart'):
        Corpus(tmp_path / 'none')
    with pytest.raises(CorpusError, match=r'no corpus\.json in it'):
        Corpus(tmp_path)


def _swap(root, kind, first, second):
    a, b = root / kind / f'{first}.npy', root / kind / f'{second}.npy'
    a.rename(root / 'aside')
    b.rename(a)
    (root / 'aside').rename(b)


def test_swapped_files_of_other_length(root):
    _swap(root, 'faces', 'a', 'long')
    with pytest.raises(CorpusError, match=r'faces/a\.npy: \d+ bytes, corpus\.json expects \d+'):
        Corpus(root)['a']


def test_swapped_files_of_equal_length_show_in_verify(root):
    _swap(root, 'logmel', 'a', 'b')
    corpus = Corpus(root)
    with pytest.raises(CorpusError, match=r'logmel/a\.npy: was changed since it was prepared'):
        corpus.verify('a')
    corpus.verify('long')


@pytest.mark.parametrize('kind', ['faces', 'logmel', 'frames'])
def test_changed_byte_shows_in_verify(root, kind):
    path = root / kind / 'b.npy'
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=rf'{kind}/b\.npy: was changed'):
        Corpus(root).verify('b')


def test_missing_cut_or_linked_file(root, tmp_path):
    (root / 'faces/a.npy').unlink()
    with pytest.raises(CorpusError, match=r'faces/a\.npy: No such file or directory; corpus\.json lists it'):
        Corpus(root)['a']
    (root / 'frames/b.npy').write_bytes((root / 'frames/b.npy').read_bytes()[:-1])
    with pytest.raises(CorpusError, match=r'frames/b\.npy: \d+ bytes'):
        Corpus(root)['b']
    shutil.move(root / 'logmel/long.npy', tmp_path / 'outside.npy')
    (root / 'logmel/long.npy').symlink_to(tmp_path / 'outside.npy')
    with pytest.raises(CorpusError, match=r'logmel/long\.npy: leads out of the corpus, to .*outside\.npy'):
        Corpus(root)['long']


def test_array_of_another_shape_or_kind(root):
    edit(root, lambda i: i['trials'][0].update(num_frames=5))
    with pytest.raises(CorpusError, match=r'frames/a\.npy: .* \(6,\), corpus\.json expects .* \(5,\)'):
        Corpus(root)['a']
    size = (root / 'faces/b.npy').stat().st_size
    (root / 'faces/b.npy').write_bytes(b'x' * size)
    with pytest.raises(CorpusError, match=r'faces/b\.npy: not a \.npy file'):
        Corpus(root)['b']


def test_any_flipped_bit_of_a_header_is_an_error_or_harmless(root):
    path = root / 'frames/a.npy'
    data = path.read_bytes()
    expected = np.array(Corpus(root)['a'].timestamps)
    for place in range(0, 128, 2):
        for bit in (0, 3, 6):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            # Any other exception fails the test.
            with contextlib.suppress(CorpusError):
                np.testing.assert_array_equal(Corpus(root)['a'].timestamps, expected)


def test_no_code_runs_from_an_array_file(root):
    path = root / 'faces/a.npy'
    with open(path, 'wb') as file:
        np.save(file, np.array([object()], dtype=object), allow_pickle=True)
    edit(root, lambda i: i['trials'][0]['bytes'].update(faces=path.stat().st_size))
    with pytest.raises(CorpusError, match=r'faces/a\.npy'):
        Corpus(root)['a']


def test_unknown_trial(root):
    with pytest.raises(CorpusError, match="no trial 'zz'"):
        Corpus(root)['zz']


@pytest.mark.parametrize('name', ['video1', '10-60-1280x720_right', 'zwölf', 'a b'])
def test_names_of_trials(name):
    assert check_trial_name(name) == name


def test_name_that_is_no_text():
    with pytest.raises(CorpusError, match='cannot name a trial'):
        check_trial_name(b'\xff'.decode(errors='surrogateescape'))
