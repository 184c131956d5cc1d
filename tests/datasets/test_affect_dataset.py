import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mmaffect.datasets import Corpus, WindowSampler, collate_windows
from mmaffect.datasets.sampler import SeededIndex
from mmaffect.registry import DATASETS, MODELS
from tests.corpora import write_corpus

TRAIN = [dict(type='RandomFaceCrop'), dict(type='RandomFaceFlip'), dict(type='PackAffectInputs')]
TEST = [dict(type='CenterFaceCrop'), dict(type='PackAffectInputs')]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp('corpus'))


def build(root, split='train', pipeline=TEST, **arguments):
    base = dict(type='AffectDataset', data_root=str(root), split=split, window=20, hop=10, pipeline=pipeline)
    return DATASETS.build({**base, **arguments})


def test_windows_hold_the_corpus_frames(root):
    dataset = build(root)
    corpus = Corpus(root)
    assert len(dataset) == sum(
        len(range(0, max(n - 20, 0) + 1, 10)) + (n > 20 and n % 10 > 0) for n in (95, 40, 12, 61, 50)
    )
    for i in range(len(dataset)):
        item = dataset[i]
        sample = item['data_samples']
        trial = corpus[sample.trial]
        span = slice(sample.start, sample.start + 20)
        n = len(trial.faces[span])
        assert np.array_equal(item['inputs']['faces'][:n].numpy(), trial.faces[span])
        assert (item['inputs']['faces'][n:] == 0).all()
        assert np.array_equal(sample.gt_affect.numpy(), trial.targets[span], equal_nan=True)
        assert np.array_equal(sample.valid.numpy(), trial.valid[span])
        assert np.isnan(sample.gt_affect[~sample.valid]).all()
        assert item['inputs']['visual_mask'].tolist() == [True] * n + [False] * (20 - n)
        assert item['inputs']['audio_mask'].tolist() == [sample.trial != 'b2'] * n + [False] * (20 - n)


def test_patches_are_those_around_each_frame(root):
    """Preprocessed patches against rows cut from the stored spectrogram by hand."""
    dataset = build(root, 'val')
    preprocessor = MODELS.build(dict(type='AffectDataPreprocessor', patch_rows=107, audio_mean=-30.0, audio_std=10.0))
    batch = preprocessor(collate_windows([dataset[i] for i in range(len(dataset))]))
    corpus = Corpus(root)
    for b, sample in enumerate(batch['data_samples']):
        rows = (corpus[sample.trial].logmel.astype(np.float32) + 30) / 10
        for i in range(len(sample.valid)):
            centre = round((sample.start + i) / 25 / 0.01)
            expected = rows[np.clip(np.arange(centre - 53, centre + 54), 0, len(rows) - 1)]
            assert np.abs(batch['inputs']['audio'][b, i, 0].numpy() - expected).max() < 1e-5


@pytest.mark.parametrize(('align', 'first'), [('centre', -53), ('ahead', 0), ('causal', -106)])
def test_alignment(root, align, first):
    window = build(root, 'val', align=align).cut('d1', 30)
    corpus = Corpus(root)
    row = window['patch_start'][0]
    whole = corpus['d1'].logmel
    absolute = 120 + first  # frame 30 is shown at 1.2 s, row 120
    assert np.array_equal(window['logmel'][max(row, 0)], whole[max(absolute, 0)])


def test_faces_are_cropped_flipped_and_normalised(root):
    dataset = build(root, pipeline=TRAIN)
    items = [dataset[SeededIndex(0, (1, 0, n))] for n in range(12)]
    batch = MODELS.build(dict(type='AffectDataPreprocessor'))(collate_windows(items))
    faces = batch['inputs']['visual']
    assert faces.shape == (12, 20, 3, 40, 40)
    assert faces.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    drawn = set()
    for b, item in enumerate(items):
        (top, left), flip = item['inputs']['crop'].tolist(), bool(item['inputs']['flip'])
        expected = item['inputs']['faces'].numpy()[:, top : top + 40, left : left + 40].astype(np.float64)
        expected = expected[:, :, ::-1] if flip else expected
        assert np.abs(faces[b].numpy() - (expected / 127.5 - 1).transpose(0, 3, 1, 2)).max() < 1e-6
        drawn.add((top, left, flip))
    assert len(drawn) > 6
    assert {flip for *_, flip in drawn} == {True, False}


def test_lists_are_stacked_as_well(root):
    from mmengine.dataset import pseudo_collate

    dataset = build(root)
    items = [dataset[i] for i in (0, 9, 11, 12)]
    preprocessor = MODELS.build(dict(type='AffectDataPreprocessor', audio_mean=0.0, audio_std=1.0))
    one, other = preprocessor(collate_windows(items)), preprocessor(pseudo_collate(items))
    for key in one['inputs']:
        assert torch.equal(one['inputs'][key], other['inputs'][key])


def test_a_window_without_sound_is_zero_and_masked(root):
    dataset = build(root)
    silent = next(i for i in range(len(dataset)) if dataset[i]['data_samples'].trial == 'b2')
    preprocessor = MODELS.build(dict(type='AffectDataPreprocessor', audio_mean=-30.0, audio_std=10.0))
    for others in ([], [0]):
        inputs = preprocessor(collate_windows([dataset[i] for i in (*others, silent)]))['inputs']
        assert not inputs['audio_mask'][-1].any()
        assert torch.isfinite(inputs['audio']).all()
        # The same in any batch.
        assert not inputs['audio'][-1].any()


def draws(dataset, epoch, workers, seed=7):
    sampler = WindowSampler(dataset, shuffle=True, seed=seed)
    sampler.set_epoch(epoch)
    loader = DataLoader(dataset, batch_size=4, sampler=sampler, num_workers=workers, collate_fn=collate_windows)
    found = []
    for batch in loader:
        names = [(sample.trial, sample.start) for sample in batch['data_samples']]
        found += zip(names, batch['inputs']['crop'].tolist(), batch['inputs']['flip'].tolist(), strict=True)
    return found


def test_draws_depend_on_seed_epoch_and_window_only(root):
    dataset = build(root, pipeline=TRAIN)
    first = draws(dataset, 0, 0)
    assert draws(dataset, 0, 2) == first
    assert draws(dataset, 0, 0, seed=8) != first
    later = draws(dataset, 1, 0)
    assert [name for name, *_ in later] != [name for name, *_ in first]
    assert sorted(later) != sorted(first)


def test_split_and_fold(root):
    assert {build(root, 'val').get_data_info(i)['trial'] for i in range(2)} <= {'d1', 'd2'}
    assert build(root, 'test').get_data_info(0)['trial'] == 'e1'
    assert len(build(root, 'val', indices=2)) == 2
    fold = build(root, 'val', fold=5)
    assert {fold.get_data_info(i)['trial'] for i in range(len(fold))} == {'a1'}
    assert 'fold 5 (not comparable' in fold.metainfo['split']


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(split='dev'), "split='dev'"),
        (dict(fold=7), 'fold=7'),
        (dict(hop=30), 'hop=30'),
        (dict(front_end='vggish'), "prepared with the 'paper' audio front end, the config asks for 'vggish'"),
        (dict(pipeline=[dict(type='CenterFaceCrop', size=64)]), 'size=64'),
        (dict(align='middle'), "align='middle'"),
    ],
)
def test_wrong_arguments_are_named(root, arguments, text):
    with pytest.raises(ValueError, match=text):
        build(root, **arguments)[0]


def test_missing_corpus_tells_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r'prepare_affwild2.*quickstart'):
        build(tmp_path / 'none')


def order(dataset, epoch, skip=0, **arguments):
    sampler = WindowSampler(dataset, seed=7, **arguments)
    sampler.set_epoch(epoch)
    sampler.skip = skip
    first, second = list(sampler), list(sampler)
    assert first == second[skip:]  # what is left out is left out once
    return first


def test_a_pass_can_begin_in_the_middle(root):
    dataset = build(root)
    assert order(dataset, 3, skip=5) == order(dataset, 3)[5:]


def test_shuffled_once_draws_other_crops_in_the_same_order(root):
    dataset = build(root)
    first, later = order(dataset, 0, reshuffle=False), order(dataset, 4, reshuffle=False)
    assert [one.index for one in later] == [one.index for one in first] == [one.index for one in order(dataset, 0)]
    assert [one.index for one in order(dataset, 4)] != [one.index for one in first]
    assert [one.seed for one in later] == [(7, 4, one.index) for one in first]


class Global:
    """A transform of a user that draws from the global generators."""

    def __call__(self, results):
        results['inputs']['global'] = torch.tensor([random.random(), np.random.rand(), float(torch.rand(()))])  # noqa: NPY002
        return results


def test_global_draws_of_a_worker_depend_on_seed_epoch_and_window_only(root):
    dataset = build(root, pipeline=[*TRAIN, Global()])

    def found(workers, skip=0):
        sampler = WindowSampler(dataset, seed=7)
        sampler.skip = skip
        loader = DataLoader(dataset, 1, sampler=sampler, num_workers=workers, collate_fn=list)
        return [batch[0]['inputs']['global'].tolist() for batch in loader]

    assert found(1) == found(2)
    assert found(2, skip=3) == found(1)[3:]
    assert len({tuple(draw) for draw in found(1)}) == len(dataset)
