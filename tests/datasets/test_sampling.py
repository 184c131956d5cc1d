"""Strided windows, clips, masks and waveforms, against frames picked one by one."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmaffect.datasets import Corpus, CorpusWriter, collate_windows
from mmaffect.datasets.cutting import cut_waveform
from mmaffect.datasets.sampler import SeededIndex
from mmaffect.datasets.windows import window_starts
from mmaffect.evaluation.functional import merge_windows
from mmaffect.media.log_mel import get_front_end
from mmaffect.registry import DATASETS, MODELS
from tests.corpora import TRIALS, write_corpus

TEST = [dict(type='CenterFaceCrop'), dict(type='PackAffectInputs')]
RATE = 1000


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = write_corpus(tmp_path_factory.mktemp('corpus'), waveform_rate=RATE)
    corpus = Corpus(root)
    for n, trial in enumerate(corpus.trials):
        path = root / 'masks' / 'drawn' / f'{trial}.npy'
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.random.default_rng(n).integers(0, 256, (corpus.info(trial).num_frames, 48, 48), np.uint8))
    return root


def build(root, split='val', **arguments):
    base = dict(type='AffectDataset', data_root=str(root), split=split, window=8, hop=8, pipeline=TEST)
    return DATASETS.build({**base, **arguments})


@pytest.mark.parametrize(('length', 'hop', 'stride'), [(16, 16, 32), (5, 3, 4), (4, 4, 1), (3, 2, 7)])
@pytest.mark.parametrize('frames', [1, 6, 31, 130, 600])
def test_every_frame_is_in_a_window(frames, length, hop, stride):
    starts = window_starts(frames, length, hop, stride)
    assert starts == sorted(set(starts))
    covered = [f for start in starts for f in range(start, start + stride * length, stride) if f < frames]
    assert sorted(set(covered)) == list(range(frames))


def test_rjca_predicts_each_frame_once():
    starts = window_starts(1024, 16, 16, 32)
    covered = [f for start in starts for f in range(start, start + 512, 32)]
    assert sorted(covered) == list(range(1024))


def clip_by_hand(trial, frame, count, dilation):
    """(T, 40, 40, 3): centre crops of the clip that ends at a frame, black outside the trial."""
    out = np.zeros((count, 40, 40, 3))
    for k in range(count):
        at = frame - dilation * (count - 1 - k)
        if 0 <= at < len(trial.faces) and frame < len(trial.faces):
            out[k] = trial.faces[at, 4:44, 4:44]
    return out


@pytest.mark.parametrize(('stride', 'count', 'dilation'), [(1, 3, 2), (4, 2, 1), (6, 8, 4)])
def test_clips_are_those_that_end_at_the_frame(root, stride, count, dilation):
    dataset = build(root, stride=stride, clip_frames=count, clip_dilation=dilation, modalities=['visual'])
    corpus = Corpus(root)
    batch = collate_windows([dataset[i] for i in range(len(dataset))])
    inputs = MODELS.build(dict(type='AffectDataPreprocessor'))(batch)['inputs']
    clips = inputs['visual']
    assert clips.shape == (len(dataset), 8, 3, count, 40, 40)
    assert set(inputs) == {'visual', 'visual_mask'}
    for b, sample in enumerate(batch['data_samples']):
        trial = corpus[sample.trial]
        for i in range(8):
            frame = sample.start + i * stride
            if frame < len(trial.faces):
                assert sample.gt_affect[i].tolist() == pytest.approx(trial.targets[frame].tolist(), nan_ok=True)
                expected = clip_by_hand(trial, frame, count, dilation) / 127.5 - 1
                assert np.abs(clips[b, i].numpy() - expected.transpose(3, 0, 1, 2)).max() < 1e-6
            else:
                assert not inputs['visual_mask'][b, i]


def test_strided_predictions_merge_to_every_frame(root):
    dataset = build(root, stride=5, window=4, hop=4, modalities=['audio'])
    windows = []
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        frames = sample.start + 5 * np.arange(len(sample.valid))
        windows.append(
            {
                'trial': sample.trial,
                'start': sample.start,
                'stride': sample.stride,
                'pred': np.stack([frames, -frames], 1).astype(float),
                'affect': sample.gt_affect.numpy(),
                'valid': sample.valid.numpy(),
            }
        )
    corpus = Corpus(root)
    for name, merged in merge_windows(windows).items():
        assert np.array_equal(merged.pred[:, 0], np.arange(corpus.info(name).num_frames))
        assert np.array_equal(merged.affect, corpus[name].targets, equal_nan=True)
        assert np.array_equal(merged.valid, corpus[name].valid)


def test_masks_are_the_fourth_channel(root):
    dataset = build(root, masks='drawn', modalities=['visual'])
    preprocessor = MODELS.build(dict(type='AffectDataPreprocessor', face_mean=[1, 2, 3, 4], face_std=[1, 2, 4, 8]))
    item = dataset[0]
    faces = preprocessor(collate_windows([item]))['inputs']['visual'][0]
    trial = item['data_samples'].trial
    drawn = np.load(root / 'masks' / 'drawn' / f'{trial}.npy')[:8, 4:44, 4:44].astype(float)
    assert np.allclose(faces[:, 3].numpy(), (drawn - 4) / 8)
    red = Corpus(root)[trial].faces[:8, 4:44, 4:44, 0].astype(float)
    assert np.allclose(faces[:, 0].numpy(), red - 1)
    with pytest.raises(ValueError, match='face_mean has 3 values, the faces have 4 channels'):
        MODELS.build(dict(type='AffectDataPreprocessor', face_mean=[1, 2, 3]))(collate_windows([item]))


@pytest.mark.parametrize(
    ('shape', 'dtype', 'text'),
    [
        ((40, 40), np.uint8, r'masks \(40, 40\); faces are \(48, 48\)'),
        ((48, 40), np.uint8, r'expected uint8 masks \(T, S, S\)'),
        ((48, 48), np.float32, r'float32 .*expected uint8 masks'),
        ((48, 48, 1), np.uint8, 'expected uint8 masks'),
    ],
)
def test_masks_that_do_not_fit_the_faces(root, tmp_path, shape, dtype, text):
    for name, _, frames, _ in TRIALS:
        np.save(tmp_path / f'{name}.npy', np.zeros((frames, *shape), dtype))
    with pytest.raises(ValueError, match=text):
        build(root, masks=str(tmp_path), modalities=['visual'])[0]


@pytest.mark.parametrize('size', [20, 60])
def test_faces_are_scaled_as_pillow_does(root, size):
    item = collate_windows([build(root, modalities=['visual'])[0]])
    scaled = MODELS.build(dict(type='AffectDataPreprocessor', image_size=size))(item)['inputs']['visual']
    whole = MODELS.build(dict(type='AffectDataPreprocessor'))(item)['inputs']['visual']
    assert scaled.shape == (1, 8, 3, size, size)
    for channel in range(3):
        picture = Image.fromarray(whole[0, 3, channel].numpy())
        expected = picture.resize((size, size), Image.Resampling.BILINEAR)
        assert np.abs(scaled[0, 3, channel].numpy() - np.asarray(expected)).max() < 1e-4


def two_trials(root, rows=80, face=True):
    """Trials of 20 frames: a with sound and faces to its end, b with as many rows of sound, and with faces or none."""
    writer = CorpusWriter(root, name='toy', front_end=get_front_end('paper'), face_size=48, synthetic=True)
    for name, split, count, there in (('a', 'train', 80, True), ('b', 'val', rows, face)):
        writer.write_trial(
            name,
            video=f'{name}.mp4',
            split=split,
            faces=np.zeros((20, 48, 48, 3), np.uint8),
            logmel=np.random.default_rng(0).normal(size=(count, 64)).astype(np.float16),
            waveform=None,
            timestamps=np.arange(20) / 25,
            targets=np.zeros((20, 2)),
            valid=np.ones(20, bool),
            face_present=np.full(20, there),
        )
    writer.finish(['a', 'b'])
    return root


def test_sound_that_ends_early_is_masked(tmp_path):
    """Sound of 40 rows: the patch of frame 10 begins at row 40, after the end."""
    arguments = dict(window=20, hop=20, modalities=['audio'], align='ahead', patch_rows=8)
    window = build(two_trials(tmp_path, rows=40), **arguments).cut('b', 0)
    assert window['audio_mask'].tolist() == [True] * 10 + [False] * 10


def test_a_trial_without_any_face_is_masked(tmp_path):
    root = two_trials(tmp_path, face=False)
    assert build(root, 'train').cut('a', 0)['visual_mask'].all()
    window = build(root).cut('b', 0)
    assert not window['visual_mask'].any()
    assert window['audio_mask'].all()


def test_waveforms(root):
    dataset = build(root, waveform=True, modalities=['audio'], waveform_margin=0.1)
    batch = collate_windows([dataset[i] for i in range(len(dataset))])
    audio = MODELS.build(dict(type='AffectDataPreprocessor'))(batch)['inputs']['audio']
    for b, sample in enumerate(batch['data_samples']):
        for i in range(len(sample.valid)):
            # The toy waveform counts its own samples.
            assert round(audio.samples[b, audio.positions[b, i]].item() * 32768) == (sample.start + i) * RATE // 25


@pytest.mark.parametrize('start', [0, 8, 62])
def test_a_waveform_reaches_the_margin_on_both_sides(root, start):
    window = build(root, waveform=True, modalities=['audio'], waveform_margin=0.1).cut('d1', start)
    whole = np.asarray(Corpus(root)['d1'].waveform)
    first, last = start * RATE // 25 - 100, (start + 7) * RATE // 25 + 100
    assert np.array_equal(window['waveform'], whole[max(first, 0) : last + 1])
    assert window['sample'][0] == start * RATE // 25 - max(first, 0)


def test_the_sample_of_a_frame_is_the_nearest():
    piece, _ = cut_waveform(np.zeros(50, np.int16), np.array([0.0006, 0.0104]), 2, RATE, 0.0)
    assert (piece['sample'] + (1 - piece['sample'][0])).tolist() == [1, 10]


@pytest.mark.parametrize('fill', [-100.0, 3.0])
def test_audio_fill_on_both_ends(root, fill):
    dataset = build(root, window=70, hop=70, modalities=['audio'], patch_rows=20)
    arguments = dict(patch_rows=20, audio_mean=-30.0, audio_std=10.0, audio_fill=fill)
    preprocessor = MODELS.build(dict(type='AffectDataPreprocessor', **arguments))
    patches = preprocessor(collate_windows([dataset[0]]))['inputs']['audio'][0, :, 0] * 10 - 30
    rows = Corpus(root)['d1'].logmel.astype(np.float32)
    padded = np.concatenate([np.full((50, 64), fill), rows, np.full((50, 64), fill)])
    for frame in (0, 1, 30, 67, 68, 69):
        first = 50 + frame * 4 + round(-19 / 2)
        assert np.abs(patches[frame].numpy() - padded[first : first + 20]).max() < 1e-4, frame


def test_audio_depth(root):
    batch = collate_windows([build(root, modalities=['audio'], patch_rows=20)[0]])
    arguments = dict(type='AffectDataPreprocessor', patch_rows=20, audio_mean=-30.0, audio_std=10.0)
    deep = MODELS.build({**arguments, 'audio_depth': 15.0})(batch)['inputs']['audio'][0, :, 0] * 10 - 30
    plain = MODELS.build(arguments)(batch)['inputs']['audio'][0, :, 0] * 10 - 30
    floor = plain.amax((1, 2), keepdim=True) - 15
    assert torch.allclose(deep, plain.maximum(floor), atol=1e-4)
    assert (deep != plain).any()


def test_audio_statistics_of_the_config_stay():
    given = MODELS.build(dict(type='AffectDataPreprocessor', audio_mean=-14.8, audio_std=19.895))
    given.set_audio_statistics(1.0, 2.0)
    assert (given.audio_mean.item(), given.audio_std.item()) == pytest.approx((-14.8, 19.895))
    learned = MODELS.build(dict(type='AffectDataPreprocessor'))
    learned.set_audio_statistics(1.0, 2.0)
    assert (learned.audio_mean.item(), learned.audio_std.item()) == (1.0, 2.0)
    with pytest.raises(ValueError, match=r'audio_mean=1\.0, audio_std=None; give both or none'):
        MODELS.build(dict(type='AffectDataPreprocessor', audio_mean=1.0))


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(stride=0), 'stride=0'),
        (dict(clip_frames=0), 'clip_frames=0'),
        (dict(clip_dilation=0), 'clip_dilation=0; expected'),
        (dict(patch_rows=0), 'patch_rows=0; expected'),
        (dict(window=300.5), r'window=300\.5; expected an integer'),
        (dict(window='a'), "window='a'"),
        (dict(modalities=['text']), "modalities: 'text'"),
        (dict(modalities=[]), 'modalities is empty'),
        (dict(features={'audio': 'a'}, modalities=['visual']), "features of 'audio'"),
        (dict(features={'audio': '../a'}), 'expected the name of a folder'),
        (dict(masks='none'), 'no such masks'),
    ],
)
def test_wrong_arguments(root, arguments, text):
    with pytest.raises(ValueError, match=text):
        build(root, **arguments)


def test_a_corpus_without_waveforms(tmp_path):
    with pytest.raises(ValueError, match='holds no waveforms; prepare it again with "--waveform"'):
        build(write_corpus(tmp_path), waveform=True)


def test_pipeline_without_a_crop(root):
    with pytest.raises(ValueError, match='needs RandomFaceCrop or CenterFaceCrop'):
        build(root, pipeline=[dict(type='PackAffectInputs')])[0]


def test_random_phase(root):
    dataset = build(root, split='train', stride=5, random_phase=True, modalities=['visual'])
    every = build(root, split='train', stride=5, modalities=['visual'])
    assert len(dataset) * 3 < len(every)
    seen = set()
    for epoch in range(30):
        for i in range(len(dataset)):
            sample = dataset[SeededIndex(i, (7, epoch, i))]['data_samples']
            again = dataset[SeededIndex(i, (7, epoch, i))]['data_samples']
            assert sample.start == again.start
            assert len(sample.valid) >= 1
            seen |= {(sample.trial, sample.start + 5 * k) for k in range(len(sample.valid))}
    corpus = Corpus(root)
    assert seen == {(trial, f) for trial in corpus.split('train') for f in range(corpus.info(trial).num_frames)}


@pytest.mark.parametrize('stride', [1, 3])
@pytest.mark.parametrize('frames', [1, 2, 4])
def test_trials_of_hardly_any_frames(tmp_path, frames, stride):
    root = write_corpus(tmp_path, [('a', 'train', frames, True), ('b', 'val', frames, True)], waveform_rate=RATE)
    for arguments in (dict(), dict(waveform=True), dict(clip_frames=2, clip_dilation=3)):
        dataset = build(root, split='train', stride=stride, **arguments)
        items = [dataset[i] for i in range(len(dataset))]
        frames_seen = [
            item['data_samples'].start + stride * k for item in items for k in range(len(item['data_samples'].valid))
        ]
        assert sorted(frames_seen) == list(range(frames))
        inputs = MODELS.build(dict(type='AffectDataPreprocessor'))(collate_windows(items))['inputs']
        assert len(inputs['visual']) == len(items)
