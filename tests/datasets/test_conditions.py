"""Files of conditions, the track in the prepared corpus, and what a dataset gives of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmaffect.datasets import Corpus, collate_windows
from mmaffect.datasets.affwild2 import read_layout
from mmaffect.datasets.conditions import encode_conditions, fit_conditions, ordered_words, read_conditions
from mmaffect.datasets.preparation import prepare
from mmaffect.errors import AnnotationError, ConfigError, CorpusError
from mmaffect.registry import DATASETS
from tests.corpora import TRIALS, write_corpus

PIPELINE = [dict(type='CenterFaceCrop'), dict(type='PackAffectInputs')]


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


def words_of(trial) -> list[str]:
    return [trial.info.conditions[code] for code in trial.conditions]


@pytest.mark.parametrize(
    'data',
    [
        b'normal\nav_offset\nnormal\n',
        b'\xef\xbb\xbfnormal\r\nav_offset \r\n  normal\r\n\r\n',
        b'normal\rav_offset\rnormal',
    ],
)
def test_a_word_a_line(tmp_path, data):
    path = tmp_path / 'a.txt'
    path.write_bytes(data)
    assert read_conditions(path) == ['normal', 'av_offset', 'normal']
    assert read_conditions(path, (7, 3)) == ['normal', 'av_offset', 'normal']


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', r'line 1: found an empty file; expected one word a frame'),
        (b' \n\n', r'line 1: found an empty file'),
        (b'normal\n\nnormal\n', r"line 2: found ''; expected one word a frame"),
        (b'normal\nnoise silence\n', r"line 2: found 'noise silence'"),
        (b'normal\nnormal\n0\n', r"line 3: found '0'"),
        (b'normal\n' + b'x' * 33, r"line 2: found 'x{33}'"),
        (b'normal\nb\xc3\xa4d\n', r"line 2: found 'b\xe4d'"),
        (b'normal\nnoise\nb\xe4d\n', r'line 3: not UTF-8 text'),
        (bytes(range(128)), r'line 1: found'),
        (b'normal\nnormal\n', r'a\.txt: 2 lines; expected 3 or 5, one for each frame'),
    ],
)
def test_bad_files_are_named(tmp_path, data, message):
    path = tmp_path / 'a.txt'
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=message) as error:
        read_conditions(path, (5, 3))
    assert str(error.value).startswith(str(path))
    assert '\n' not in str(error.value)


def test_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr('mmaffect.datasets.conditions.MAX_BYTES', 1 << 20)
    path = tmp_path / 'a.txt'
    path.write_bytes(b'normal\n' * 150_000)
    with pytest.raises(AnnotationError, match=r'a\.txt: more than 1 MiB'):
        read_conditions(path)


def test_words_are_fitted_ordered_and_numbered():
    assert fit_conditions(['a', 'b', 'c'], 2) == ['a', 'b']
    assert fit_conditions(['a', 'b', 'c'], 5) == ['a', 'b', 'c', 'c', 'c']
    assert ordered_words(['zoom', 'normal', 'Alone', 'zoom']) == ('normal', 'Alone', 'zoom')
    assert ordered_words(['b', 'a']) == ('a', 'b')
    codes, words = encode_conditions(['b', 'normal', 'a', 'b'])
    assert (codes.dtype, codes.tolist(), words) == (np.uint8, [2, 0, 1, 2], ('normal', 'a', 'b'))
    many = [f'w{number}' for number in range(256)]
    assert sorted(encode_conditions(many)[0].tolist()) == list(range(256))
    with pytest.raises(CorpusError, match='257 different conditions'):
        encode_conditions([*many, 'normal'])


@pytest.fixture(scope='module')
def drawn():
    """Words of all trials but two; each has others."""
    g = np.random.default_rng(5)
    choices = {'a1': ['normal', 'noise'], 'b1': ['silence'], 'd1': ['silence', 'normal', 'zoom'], 'd2': ['noise']}
    choices |= {'a2': ['normal'], 'e1': ['normal', 'silence']}
    frames = {name: count for name, _, count, _ in TRIALS}
    return {name: [str(word) for word in g.choice(words, frames[name])] for name, words in choices.items()}


@pytest.fixture(scope='module')
def root(tmp_path_factory, drawn):
    return write_corpus(tmp_path_factory.mktemp('corpus') / 'with', conditions=drawn)


def test_a_corpus_keeps_them(root, drawn):
    corpus = Corpus(root)
    assert corpus.conditions == ('normal', 'noise', 'silence', 'zoom')
    assert corpus.info('d1').conditions == ('normal', 'silence', 'zoom')
    for name in corpus:
        trial = corpus[name]
        assert trial.conditions.dtype == np.uint8
        if name in drawn:
            assert words_of(trial) == drawn[name]
            corpus.verify(name)
        else:
            assert (trial.info.conditions, trial.conditions.shape) == (None, (0,))


def test_a_corpus_without_is_as_it_was(root, tmp_path):
    plain = write_corpus(tmp_path / 'without')
    corpus = Corpus(plain)
    assert corpus.conditions == ()
    assert corpus['a1'].conditions.shape == (0,)
    assert not (plain / 'conditions').exists()
    assert not [name for name, data in files(plain).items() if name.endswith('.json') and b'condition' in data]
    rest = {name for name in files(root) if not name.startswith('conditions/')}
    assert rest == set(files(plain))


def build(root, split, **arguments):
    base = dict(type='AffectDataset', data_root=str(root), split=split, window=20, hop=10, pipeline=PIPELINE)
    return DATASETS.build({**base, **arguments})


@pytest.mark.parametrize('stride', [1, 3])
def test_windows_tell_the_words_of_the_corpus(root, drawn, stride):
    seen = set()
    for split in ('train', 'val', 'test'):
        dataset = build(root, split, stride=stride)
        words = dataset.metainfo['conditions']
        assert words == ('normal', 'noise', 'silence', 'zoom')
        for item in dataset:
            sample = item['data_samples']
            seen.add(sample.trial)
            if sample.trial not in drawn:
                assert 'condition' not in sample
                continue
            frames = range(sample.start, len(drawn[sample.trial]), stride)[:20]
            assert [words[number] for number in sample.condition] == [drawn[sample.trial][frame] for frame in frames]
            assert len(sample.condition) == len(sample.valid)
    assert seen == {name for name, *_ in TRIALS}
    batch = collate_windows([dataset[0], dataset[1]])
    assert 'condition' not in batch['inputs']
    assert batch['data_samples'][1].condition.dtype == sample.condition.dtype


def test_a_dataset_without_tells_none(tmp_path):
    dataset = build(write_corpus(tmp_path), 'val')
    assert 'conditions' not in dataset.metainfo
    assert 'condition' not in dataset.cut('d1', 0)
    assert 'condition' not in dataset[0]['data_samples']


@pytest.mark.parametrize('stride', [1, 3])
def test_a_modality_can_be_hidden_where_it_is_of_no_use(root, drawn, stride):
    hidden = dict(audio=['silence', 'noise', 'unheard_of'], visual=('zoom',))
    changed = set()
    for split in ('train', 'val'):
        plain, told = build(root, split, stride=stride), build(root, split, stride=stride, hidden=hidden)
        assert len(plain) == len(told)
        for before, after in zip(plain, told, strict=True):
            sample = before['data_samples']
            words = [plain.metainfo['conditions'][number] for number in sample.get('condition', ())]
            for modality, of_no_use in hidden.items():
                expected = before['inputs'][f'{modality}_mask'].clone()
                expected[[t for t, word in enumerate(words) if word in of_no_use]] = False
                assert torch.equal(after['inputs'][f'{modality}_mask'], expected)
                if not torch.equal(before['inputs'][f'{modality}_mask'], expected):
                    changed.add((modality, sample.trial in drawn))
    assert changed == {('audio', True), ('visual', True)}


def test_what_is_hidden_must_be_known(root, tmp_path):
    with pytest.raises(ConfigError, match=r"hidden: 'text': \['noise'\]; expected conditions of one of"):
        build(root, 'val', hidden=dict(text=['noise']))
    with pytest.raises(ConfigError, match=r"hidden: 'audio': 'noise'; expected conditions"):
        build(root, 'val', hidden=dict(audio='noise'))
    with pytest.raises(CorpusError, match='tells no conditions of its frames; hidden='):
        build(write_corpus(tmp_path), 'val', hidden=dict(audio=['noise']))


def _index(change):
    def damage(root):
        index = json.loads((root / 'corpus.json').read_text())
        change(next(info for info in index['trials'] if info['name'] == 'd1'))
        (root / 'corpus.json').write_text(json.dumps(index))

    return damage


def _codes(array):
    return lambda root: np.save(root / 'conditions/d1.npy', array)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (_index(lambda info: info.update(conditions='normal')), r"damaged index \(conditions 'normal' of trial d1"),
        (_index(lambda info: info.update(conditions=7)), 'damaged index'),
        (_index(lambda info: info.update(conditions=['normal', 3])), 'damaged index'),
        (_index(lambda info: info.update(conditions=['normal'])), r'd1\.npy: code 2; corpus\.json has 1 conditions'),
        (_codes(np.full(70, 3, np.uint8)), r'd1\.npy: code 3; corpus\.json has 3 conditions'),
        (_codes(np.zeros(69, np.uint8)), r'd1\.npy: 197 bytes, corpus\.json expects 198'),
        (
            _codes(np.zeros((70, 1), np.uint8)),
            r'conditions/d1\.npy: uint8 \(70, 1\), corpus\.json expects uint8 \(70,\)',
        ),
        (lambda root: (root / 'conditions/d1.npy').unlink(), r'conditions/d1\.npy: No such file'),
    ],
)
def test_damage_is_told(tmp_path, drawn, damage, message):
    root = write_corpus(tmp_path / 'corpus', conditions=drawn)
    damage(root)
    with pytest.raises(CorpusError, match=message):
        Corpus(root)['d1']


def test_the_writer_needs_one_word_a_frame_and_no_more_words_than_codes(tmp_path):
    with pytest.raises(ValueError, match='trial a1: 94 values of condition for 95 faces'):
        write_corpus(tmp_path / 'short', conditions={'a1': ['normal'] * 94})
    each = {name: [f'{name}_{frame}' for frame in range(count)] for name, _, count, _ in TRIALS}
    with pytest.raises(CorpusError, match='406 different conditions'):
        write_corpus(tmp_path / 'many', conditions=each)
    assert not (tmp_path / 'many/corpus.json').exists()


def add_conditions(raw: Path, **lines: list[str]) -> None:
    (raw / 'conditions').mkdir(exist_ok=True)
    for name, words in lines.items():
        (raw / 'conditions' / f'{name}.txt').write_text('\n'.join(words) + '\n')


def prepare_small(raw: Path, out: Path, **arguments):
    return prepare(raw, out, front_end='vggish', face_size=8, **arguments)


def test_preparation_fits_them_to_the_frames(raw_corpus, tmp_path):
    # Of video2_right there are 30 frames and 28 rows, of video3 38 and 40.
    words = [f'w{number}' for number in range(40)]
    add_conditions(raw_corpus, video1=['normal'] * 60, video2_right=words[:30], video3=words[:38], video5=words[:25])
    result = prepare_small(raw_corpus, tmp_path / 'out')
    corpus = Corpus(tmp_path / 'out')
    assert words_of(corpus['video1']) == ['normal'] * 60
    assert words_of(corpus['video2_right']) == words[:28]
    assert words_of(corpus['video3']) == [*words[:38], 'w37', 'w37']
    assert words_of(corpus['video5']) == words[:25]
    assert corpus.info('video4').conditions is None
    # 60 of 60 + 28 + 40 + 25 frames.
    assert 'conditions: normal 39.22%, w0 1.96%, w1 1.96%' in result.summary
    assert '%, w9 1.96%\n' in result.summary

    # One a row of the annotation fits too.
    add_conditions(raw_corpus, video2_right=words[2:30], video3=words)
    prepare_small(raw_corpus, tmp_path / 'out')
    corpus = Corpus(tmp_path / 'out')
    assert words_of(corpus['video2_right']) == words[2:30]
    assert words_of(corpus['video3']) == words


def test_conditions_that_come_change_or_go_are_noticed(raw_corpus, tmp_path):
    out = tmp_path / 'out'
    prepare_small(raw_corpus, out)
    before = files(out)
    assert not (out / 'conditions').exists()
    times = {path: path.stat().st_mtime_ns for path in out.rglob('*.npy')}

    add_conditions(raw_corpus, video1=['normal'] * 59 + ['noise'], video9=['normal'])
    result = prepare_small(raw_corpus, out)
    assert 'warning: 1 files of conditions of no trial: video9.txt\n' in result.summary
    (raw_corpus / 'conditions/video9.txt').unlink()
    assert Corpus(out).conditions == ('normal', 'noise')
    changed = {path.stem for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == {'video1'}
    fresh = tmp_path / 'fresh'
    prepare_small(raw_corpus, out)
    prepare_small(raw_corpus, fresh, jobs=2)
    assert files(out) == files(fresh)

    add_conditions(raw_corpus, video1=['noise'] * 60)
    prepare_small(raw_corpus, out)
    assert words_of(Corpus(out)['video1']) == ['noise'] * 60

    (raw_corpus / 'conditions/video1.txt').unlink()
    prepare_small(raw_corpus, out)
    assert files(out) == before


def test_wrong_files_stop_before_anything_is_written_or_are_left_out(raw_corpus, tmp_path):
    add_conditions(raw_corpus, video3=['normal', 'not a word'], video4=['normal'] * 20)
    with pytest.raises(AnnotationError, match=r"conditions/video3\.txt, line 2: found 'not a word'"):
        prepare_small(raw_corpus, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    # The number of frames of the video is known only later.
    add_conditions(raw_corpus, video3=['normal'] * 39)
    with pytest.raises(AnnotationError, match=r'conditions/video3\.txt: 39 lines; expected 38 or 40, one for each'):
        prepare_small(raw_corpus, tmp_path / 'out')
    result = prepare_small(raw_corpus, tmp_path / 'out', skip_broken=True)
    assert list(result.broken) == ['video3']
    assert Corpus(tmp_path / 'out').info('video4').conditions == ('normal',)


def test_the_layout_finds_them(raw_corpus):
    assert {trial.conditions for trial in read_layout(raw_corpus).trials} == {None}
    add_conditions(raw_corpus, video1=['normal'], video5=['normal'])
    (raw_corpus / 'conditions/.video3.txt').write_text('')
    (raw_corpus / 'conditions/notes.md').write_text('')
    layout = read_layout(raw_corpus)
    found = {trial.name: trial.conditions for trial in layout.trials if trial.conditions is not None}
    assert found == {name: raw_corpus / f'conditions/{name}.txt' for name in ('video1', 'video5')}
    assert not any(layout.unused.values())
