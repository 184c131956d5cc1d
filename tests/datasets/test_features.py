import pickle

import numpy as np
import pytest

from mmaffect.datasets import collate_windows
from mmaffect.datasets.features import Features, FeatureWriter, corpus_folder
from mmaffect.errors import CorpusError
from mmaffect.registry import DATASETS, MODELS
from tests.corpora import TRIALS, write_corpus


@pytest.fixture
def root(tmp_path):
    root = write_corpus(tmp_path / 'corpus')
    for k, name in enumerate(('ours/visual', 'ours/audio')):
        writer = FeatureWriter(root / 'features' / name, {'config': 'a.py'})
        for n, (trial, _, frames, _) in enumerate(TRIALS):
            writer.write(trial, np.random.default_rng((k, n)).normal(size=(frames, 3 + k)).astype(np.float16))
    return root


def build(root, **arguments):
    base = dict(type='AffectDataset', data_root=str(root), split='train', window=20, hop=20)
    features = dict(visual='ours/visual', audio='ours/audio')
    return DATASETS.build({**base, 'features': features, 'pipeline': [dict(type='PackAffectInputs')], **arguments})


def test_windows_of_features(root):
    dataset = build(root)
    batch = collate_windows([dataset[i] for i in range(len(dataset))])
    inputs = MODELS.build(dict(type='AffectDataPreprocessor'))(batch)['inputs']
    assert set(inputs) == {'visual', 'audio', 'visual_mask', 'audio_mask'}
    for b, sample in enumerate(batch['data_samples']):
        n = len(sample.valid)
        for modality in ('visual', 'audio'):
            stored = np.load(root / 'features' / 'ours' / modality / f'{sample.trial}.npy').astype(np.float32)
            assert np.array_equal(inputs[modality][b, :n].numpy(), stored[sample.start : sample.start + n])
            assert (inputs[modality][b, n:] == 0).all()
        assert inputs['audio_mask'][b].any() == (sample.trial != 'b2')


def test_features_of_others_by_path(root, tmp_path):
    for trial, _, frames, _ in TRIALS:
        (tmp_path / 'theirs').mkdir(exist_ok=True)
        np.save(tmp_path / 'theirs' / f'{trial}.npy', np.ones((frames, 7)))
    dataset = build(root, features={'visual': str(tmp_path / 'theirs')}, modalities=['visual'])
    assert dataset[0]['inputs']['visual_features'].shape == (20, 7)


@pytest.mark.parametrize('arguments', [dict(front_end='vggish'), dict(waveform=True)])
def test_audio_features_need_no_other_sound(root, arguments):
    """The corpus has another front end and no waveforms: only a stream that would read them asks for them."""
    item = build(root, features=dict(audio='ours/audio'), modalities=['audio'], **arguments)[0]
    stored = np.load(root / 'features' / 'ours' / 'audio' / f'{item["data_samples"].trial}.npy')
    assert np.array_equal(item['inputs']['audio_features'].numpy(), stored[:20])
    assert item['inputs']['audio_mask'].all()
    with pytest.raises(ValueError, match='prepare it again with'):
        build(root, features=dict(visual='ours/visual'), **arguments)


def test_features_travel_to_workers(root):
    there = pickle.loads(pickle.dumps(Features(root / 'features' / 'ours' / 'visual')))
    assert np.array_equal(there.of('a1', 95), np.load(root / 'features' / 'ours' / 'visual' / 'a1.npy'))


DAMAGE = {
    'missing': (lambda p: p.unlink(), 'missing; the corpus has the trial'),
    'text': (lambda p: p.write_text('hello'), 'not a .npy file'),
    'cut': (lambda p: p.write_bytes(p.read_bytes()[:200]), 'not a .npy file'),
    'integers': (lambda p: np.save(p, np.zeros((95, 3), int)), r'int64 \(95, 3\); expected floating-point'),
    'vector': (lambda p: np.save(p, np.zeros(95)), r'expected floating-point features \(T, d\)'),
    'length': (lambda p: np.save(p, np.zeros((94, 3))), 'features of 94 frames; trial a1 has 95'),
    'nan': (lambda p: np.save(p, np.full((95, 3), np.nan)), 'not finite'),
    'objects': (lambda p: np.save(p, np.array([[object()]])), 'not a .npy file'),
}


@pytest.mark.parametrize('kind', DAMAGE)
def test_damaged_features_are_named(root, kind):
    damage, text = DAMAGE[kind]
    path = root / 'features' / 'ours' / 'visual' / 'a1.npy'
    damage(path)
    with pytest.raises(ValueError, match=text) as caught:
        build(root)[0]
    assert str(path) in str(caught.value)


def test_another_width(root):
    np.save(root / 'features' / 'ours' / 'visual' / 'a2.npy', np.zeros((40, 9)))
    features = Features(root / 'features' / 'ours' / 'visual')
    features.of('a1', 95)
    with pytest.raises(ValueError, match='9 features a frame, other trials have 3'):
        features.of('a2', 40)


def test_no_such_features_tell_what_to_do(root):
    with pytest.raises(ValueError, match=r'features/none: no such features; extract them with .*extract_features'):
        build(root, features={'visual': 'none'})


def test_names_stay_in_the_folder(root):
    with pytest.raises(ValueError, match='cannot name a trial'):
        Features(root / 'features' / 'ours' / 'visual').of('../audio/a1', 95)


@pytest.mark.parametrize('name', ['', '.', '../x', 'a/../../x'])
def test_names_of_features_stay_in_the_corpus(name):
    with pytest.raises(ValueError, match='expected the name of a folder under'):
        corpus_folder('data/demo', 'features', name)


def test_writer_refuses_another_source(root):
    with pytest.raises(ValueError, match=r"config = 'a\.py', not 'b\.py'"):
        FeatureWriter(root / 'features' / 'ours' / 'visual', {'config': 'b.py'})
    assert FeatureWriter(root / 'features' / 'ours' / 'visual', {'config': 'a.py'}).done('a1')
    (root / 'features' / 'ours' / 'visual' / 'features.json').unlink()
    with pytest.raises(ValueError, match='features that others made'):
        FeatureWriter(root / 'features' / 'ours' / 'visual', {'config': 'a.py'})
    with pytest.raises(ValueError, match='not finite'):
        FeatureWriter(root / 'features' / 'new', {}).write('a1', np.array([[np.inf]]))


def test_a_broken_note_of_the_source_is_another_source(root):
    (root / 'features' / 'ours' / 'visual' / 'features.json').write_text('{"config')
    with pytest.raises(ValueError, match=r"config = None, not 'a\.py'"):
        FeatureWriter(root / 'features' / 'ours' / 'visual', {'config': 'a.py'})


def test_further_streams(root):
    writer = FeatureWriter(root / 'features' / 'bert', {})
    for n, (trial, _, frames, _) in enumerate(TRIALS):
        writer.write(trial, np.full((frames, 2), n, np.float32))
    features = dict(visual='ours/visual', audio='ours/audio', text='bert')
    dataset = build(root, features=features)
    batch = collate_windows([dataset[i] for i in range(len(dataset))])
    inputs = MODELS.build(dict(type='AffectDataPreprocessor'))(batch)['inputs']
    assert set(inputs) == {f'{one}{end}' for one in ('visual', 'audio', 'text') for end in ('', '_mask')}
    names = [trial for trial, *_ in TRIALS]
    for b, sample in enumerate(batch['data_samples']):
        n = len(sample.valid)
        assert inputs['text_mask'][b].tolist() == [True] * n + [False] * (20 - n)
        assert (inputs['text'][b, :n] == names.index(sample.trial)).all()
    with pytest.raises(ValueError, match="features: 'a-b'; expected a name of letters"):
        build(root, features={'a-b': 'bert'})


def test_what_a_killed_run_left_is_no_feature(tmp_path):
    (tmp_path / '.a.12.tmp.npy').write_bytes(b'half')
    with pytest.raises(CorpusError, match=r'holds no \.npy files'):
        Features(tmp_path).channels()
    FeatureWriter(tmp_path, {'config': 'x'}).write('a', np.zeros((3, 5), np.float32))
    assert Features(tmp_path).channels() == 5
