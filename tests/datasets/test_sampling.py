"""Strided windows, clips, masks and waveforms, against frames picked one by one."""

import numpy as np
import pytest
import torch

from mmaffect.datasets import Corpus, collate_windows
from mmaffect.datasets.sampler import SeededIndex
from mmaffect.datasets.windows import window_starts
from mmaffect.evaluation.functional import merge_windows
from mmaffect.registry import DATASETS, MODELS
from tests.corpora import write_corpus

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
    assert len(starts) == len(set(starts))
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


def test_faces_are_scaled(root):
    item = collate_windows([build(root, modalities=['visual'])[0]])
    small = MODELS.build(dict(type='AffectDataPreprocessor', image_size=20))(item)['inputs']['visual']
    whole = MODELS.build(dict(type='AffectDataPreprocessor'))(item)['inputs']['visual']
    assert small.shape == (1, 8, 3, 20, 20)
    assert small.mean().item() == pytest.approx(whole.mean().item(), abs=0.01)


def test_waveforms(root):
    dataset = build(root, waveform=True, modalities=['audio'], waveform_margin=0.1)
    batch = collate_windows([dataset[i] for i in range(len(dataset))])
    audio = MODELS.build(dict(type='AffectDataPreprocessor'))(batch)['inputs']['audio']
    for b, sample in enumerate(batch['data_samples']):
        for i in range(len(sample.valid)):
            # The toy waveform counts its own samples.
            assert round(audio.samples[b, audio.positions[b, i]].item() * 32768) == (sample.start + i) * RATE // 25


def test_audio_fill_and_depth(root):
    dataset = build(root, modalities=['audio'], patch_rows=20)
    batch = collate_windows([dataset[0]])
    arguments = dict(type='AffectDataPreprocessor', patch_rows=20, audio_mean=-30.0, audio_std=10.0)
    patches = MODELS.build({**arguments, 'audio_fill': -100.0})(batch)['inputs']['audio'][0, :, 0] * 10 - 30
    trial = batch['data_samples'][0].trial
    rows = Corpus(root)[trial].logmel.astype(np.float32)
    first = -round(19 / 2)  # frame 0
    expected = np.stack([rows[first + k] if first + k >= 0 else np.full(64, -100.0) for k in range(20)])
    assert np.abs(patches[0].numpy() - expected).max() < 1e-4
    deep = MODELS.build({**arguments, 'audio_depth': 15.0})(batch)['inputs']['audio'][0, :, 0] * 10 - 30
    plain = MODELS.build(arguments)(batch)['inputs']['audio'][0, :, 0] * 10 - 30
    floor = plain.amax((1, 2), keepdim=True) - 15
    assert torch.allclose(deep, plain.maximum(floor), atol=1e-4)
    assert (deep != plain).any()


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(stride=0), 'stride=0'),
        (dict(clip_frames=0), 'clip_frames=0'),
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
