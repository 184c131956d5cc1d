import errno
import hashlib
import json

import numpy as np
import pytest

from mmaffect.datasets.corpus import Corpus
from mmaffect.datasets.corpus_writer import CorpusWriter
from mmaffect.errors import CorpusError
from mmaffect.media.log_mel import get_front_end


def writer(root, **changes):
    settings = {'name': 'test', 'front_end': get_front_end('paper'), 'face_size': 4, **changes}
    return CorpusWriter(root, **settings)


def arrays(length, seed=0, rows=10):
    rng = np.random.default_rng(seed)
    valid = rng.random(length) > 0.3
    targets = rng.uniform(-1, 1, (length, 2)).astype(np.float32)
    targets[~valid] = np.nan
    return {
        'faces': rng.integers(0, 256, (length, 4, 4, 3), dtype=np.uint8),
        'logmel': rng.normal(-40, 20, (rows, 64)).astype(np.float16) if rows else None,
        'timestamps': np.arange(length) / 30,
        'targets': targets,
        'valid': valid,
        'face_present': rng.random(length) > 0.1,
    }


def test_round_trip(tmp_path):
    out = writer(tmp_path, synthetic=True)
    trials = {'b': arrays(20, 1), 'a': arrays(7, 2), 'c_left': arrays(5, 3, rows=0), 'd': arrays(1, 4)}
    splits = {'b': 'train', 'a': 'train', 'c_left': 'val', 'd': 'test'}
    for name, content in trials.items():
        out.write_trial(name, video=f'{name}.mp4', split=splits[name], subject='p1', **content)
    out.finish(list(trials))

    corpus = Corpus(tmp_path)
    assert corpus.trials == list(corpus) == ['a', 'b', 'c_left', 'd']
    assert corpus.split('train') == ['a', 'b']
    assert (corpus.name, corpus.synthetic, corpus.face_size) == ('test', True, 4)
    assert corpus.front_end == get_front_end('paper')
    for name, content in trials.items():
        trial = corpus[name]
        for field, expected in content.items():
            if expected is not None:
                np.testing.assert_array_equal(getattr(trial, field), expected)
        assert trial.info.has_audio == (content['logmel'] is not None)
        assert trial.info.valid_frames == content['valid'].sum()
        assert trial.info.faces_present == content['face_present'].sum()
        assert trial.info.subject == 'p1'
        corpus.verify(name)
    assert corpus['c_left'].logmel.shape == (0, 64)
    assert corpus.info('b').fps == pytest.approx(30)
    assert corpus.info('d').fps == 0
    # Over the training split only.
    sound = np.concatenate([trials['a']['logmel'], trials['b']['logmel']]).astype(float)
    assert corpus.audio_mean == pytest.approx(sound.mean())
    assert corpus.audio_std == pytest.approx(sound.std())


def test_faces_one_at_a_time_give_the_same_files(tmp_path):
    content = arrays(20)
    whole = writer(tmp_path / 'whole').write_trial('a', video='a.mp4', split='train', **content)
    out = writer(tmp_path / 'stream')
    assert out.write_trial('a', video='a.mp4', split='train', **{**content, 'faces': iter(content['faces'])}) == whole
    files = [(tmp_path / place / 'faces/a.npy').read_bytes() for place in ('whole', 'stream')]
    assert files[0] == files[1]
    for faces in (content['faces'][:19], [*content['faces'], content['faces'][0]], content['faces'].astype(float)):
        with pytest.raises(ValueError, match=r'a\.npy: (19 items|21 items|item 1 is float64)'):
            out.write_trial('a', video='a.mp4', split='train', **{**content, 'faces': iter(faces)})
    assert (tmp_path / 'stream/faces/a.npy').read_bytes() == files[0]
    assert not list(tmp_path.rglob('*.tmp*'))


def test_notes_are_kept(tmp_path):
    out = writer(tmp_path)
    out.write_trial('a', video='a.mp4', split='train', **arrays(5))
    out.finish(['a'], {'split': {'seed': 3}})
    assert json.loads((tmp_path / 'corpus.json').read_text())['notes'] == {'split': {'seed': 3}}
    out.finish(['a'])
    assert 'notes' not in json.loads((tmp_path / 'corpus.json').read_text())
    assert Corpus(tmp_path).trials == ['a']


def test_targets_of_invalid_frames_are_nan(tmp_path):
    content = arrays(5)
    content['targets'], content['valid'] = np.zeros((5, 2)), np.array([1, 0, 1, 1, 0], bool)
    out = writer(tmp_path)
    out.write_trial('a', video='a.mp4', split='train', **content)
    out.finish(['a'])
    assert np.isnan(Corpus(tmp_path)['a'].targets[:, 0]).tolist() == [False, True, False, False, True]


def test_checksum_is_that_of_the_file(tmp_path):
    entry = writer(tmp_path).write_trial('a', video='a.mp4', split='train', **arrays(5))
    for kind in ('faces', 'logmel', 'frames'):
        data = (tmp_path / kind / 'a.npy').read_bytes()
        assert entry['info']['checksum'][kind] == hashlib.sha256(data).hexdigest()
        assert entry['info']['bytes'][kind] == len(data)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'face_size': 8}, 'face_size = 4, not 8'),
        ({'name': 'other'}, "name = 'test', not 'other'"),
        ({'front_end': get_front_end('vggish')}, 'front_end'),
        ({'synthetic': True}, 'synthetic = False, not True'),
    ],
)
def test_folder_of_other_settings(tmp_path, changes, message):
    writer(tmp_path)
    writer(tmp_path)
    with pytest.raises(CorpusError, match=message):
        writer(tmp_path, **changes)


@pytest.mark.parametrize('name', ['../a', '/tmp/a', 'a/b', '', '.a', 'a\nb', 'a\\b', 'c:a'])
def test_names_that_lead_out(tmp_path, name):
    root = tmp_path / 'in' / 'corpus'
    out = writer(root)
    with pytest.raises(CorpusError, match='cannot name a trial'):
        out.write_trial(name, video='a.mp4', split='train', **arrays(3))
    assert list(tmp_path.rglob('*.npy')) == []


def test_lengths_must_agree(tmp_path):
    content = arrays(5) | {'timestamps': np.arange(4.0)}
    with pytest.raises(ValueError, match='trial a: 4 values of timestamp for 5 faces'):
        writer(tmp_path).write_trial('a', video='a.mp4', split='train', **content)


def test_nothing_half_written(tmp_path, monkeypatch):
    out = writer(tmp_path)
    before = sorted(tmp_path.rglob('*'))

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(OSError, match='No space left'):
        out.write_trial('a', video='a.mp4', split='train', **arrays(5))
    assert sorted(tmp_path.rglob('*')) == before
    assert out.entry('a') is None


def test_entry_discard_and_sweep(tmp_path):
    out = writer(tmp_path)
    assert out.entry('a') is None
    entry = out.write_trial('a', video='a.mp4', split='train', notes={'flags': ['x']}, **arrays(5))
    assert out.entry('a') == entry
    assert entry['notes'] == {'flags': ['x']}
    left = [tmp_path / 'faces/.a.12.tmp.npy', tmp_path / 'index/.b.c.7.tmp.json', tmp_path / '.corpus.9.tmp.json']
    left.append(tmp_path / 'index/.broken/.b.8.tmp.json')
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'')
    out.sweep(['a'])
    assert [path.exists() for path in left] == [False, True, True, True]
    out.sweep()
    assert [path.exists() for path in left] == [False, False, False, False]
    assert out.entry('a') == entry
    # As a power cut may leave it.
    (tmp_path / 'index/a.json').write_bytes(b'')
    assert out.entry('a') is None
    out.discard('a')
    assert not (tmp_path / 'index/a.json').exists()


def test_finish_needs_every_trial(tmp_path):
    out = writer(tmp_path)
    out.write_trial('a', video='a.mp4', split='train', **arrays(5))
    with pytest.raises(CorpusError, match="trial 'b' is not prepared yet"):
        out.finish(['a', 'b'])
    assert not (tmp_path / 'corpus.json').exists()


def test_damaged_settings(tmp_path):
    writer(tmp_path)
    (tmp_path / 'index/.settings.json').write_text('{"name":')
    with pytest.raises(CorpusError, match=r'\.settings\.json: damaged'):
        writer(tmp_path)
