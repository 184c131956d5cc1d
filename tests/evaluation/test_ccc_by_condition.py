"""CCC of single conditions against NumPy on the frames themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator

from mmaffect.engine.running import load_config
from mmaffect.errors import ConfigError
from mmaffect.evaluation import CCCMetric
from mmaffect.registry import DATASETS, METRICS
from mmaffect.structures import AffectDataSample
from tests.corpora import write_corpus

WORDS = ('normal', 'noise', 'silence', 'zoom')
FRAMES, WINDOW, HOP = 60, 20, 10


def made(seed=0, trials=4, targets=('valence', 'arousal'), untold=()):
    """Frames of all trials as arrays (no word 3), and windows with predictions that differ between windows."""
    g = np.random.default_rng(seed)
    frames, windows = {}, []
    for t in range(trials):
        truth = g.uniform(-1, 1, (FRAMES, 2)).astype(np.float32)
        valid, condition = g.random(FRAMES) > 0.2, g.choice([0, 0, 1, 2], FRAMES).astype(np.uint8)
        if t == 1:
            condition[condition == 1] = 0
        truth[~valid] = np.nan
        told = []
        for start in range(0, FRAMES - WINDOW + 1, HOP):
            at = slice(start, start + WINDOW)
            noise = g.normal(0, 0.3, (WINDOW, len(targets))) * (1 + condition[at, None])
            pred = np.full((FRAMES, len(targets)), np.nan)
            pred[at] = (np.nan_to_num(truth[at, : len(targets)]) + noise).astype(np.float32)
            told.append(pred)
            sample = AffectDataSample(metainfo={'trial': f't{t}', 'start': start, 'stride': 1, 'targets': targets})
            sample.gt_affect, sample.valid = torch.from_numpy(truth[at]), torch.from_numpy(valid[at])
            sample.pred_affect = torch.from_numpy(pred[at]).float()
            if t not in untold:
                sample.condition = torch.from_numpy(condition[at])
            windows.append(sample.to_dict())
        frames[t] = {'pred': np.nanmean(told, axis=0), 'truth': truth, 'valid': valid, 'condition': condition}
    return frames, windows


def ccc(frames, column, numbers, leave_out=()):
    p, t = (
        np.concatenate(
            [
                trial[field][trial['valid'] & np.isin(trial['condition'], numbers), column].astype(float)
                for name, trial in frames.items()
                if name not in leave_out
            ]
        )
        for field in ('pred', 'truth')
    )
    return 2 * np.cov(p, t, bias=True)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2)


def evaluate(windows, by_condition=True, words=WORDS, **meta):
    metric = CCCMetric(resamples=200, by_condition=by_condition)
    metric.dataset_meta = {'corpus': 'toy', 'split': 'validation', 'conditions': words, **meta}
    metric.process({}, windows)
    return metric.evaluate(len(windows))


def test_each_condition_and_all_but_normal():
    frames, windows = made()
    figures = evaluate(windows)
    for column, target in enumerate(('valence', 'arousal')):
        for number, word in enumerate(WORDS[:3]):
            expected = ccc(frames, column, [number])
            assert figures[f'CCC_by_condition/{word}/{target}'] == pytest.approx(expected, abs=1e-6)
        expected = ccc(frames, column, [1, 2, 3])
        assert figures[f'CCC_by_condition/decoupled/{target}'] == pytest.approx(expected, abs=1e-6)
        assert np.isnan(figures[f'CCC_by_condition/zoom/{target}'])
    assert figures['CCC_by_condition/normal/valence'] > figures['CCC_by_condition/silence/valence']


def test_the_other_figures_are_those_without():
    _, windows = made()
    plain, split = evaluate(windows, by_condition=False), evaluate(windows)
    assert len(plain) == 9
    assert {key: value for key, value in split.items() if 'by_condition' not in key} == plain
    assert len(split) == 9 + 2 * 5
    assert list(split) == [*plain, *(key for key in split if key not in plain)]


def test_order_repeats_and_prefix_do_not_matter():
    _, windows = made()
    expected = evaluate(windows)
    assert evaluate(windows[::-1] + windows[:2]) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_log_tells_frames_and_trials(log):
    frames, windows = made()
    figures = evaluate(windows, synthetic=True)
    noise = [int((trial['valid'] & (trial['condition'] == 1)).sum()) for trial in frames.values()]
    assert noise[1] == 0
    line = next(text for text in log if text.startswith('CCC where noise: valence '))
    assert f'(pooled over {sum(noise)} valid frames of 3 trials, validation)' in line
    assert f'arousal {figures["CCC_by_condition/noise/arousal"]:.4f} [95 % ' in line
    assert any('zoom: valence nan' in text and '0 valid frames of 0 trials' in text for text in log)
    assert [text.split()[2] for text in log if text.startswith('CCC where')] == [
        f'{word}:' for word in (*WORDS, 'decoupled')
    ]
    assert 'no accuracy on people' in log[-1]


def test_trials_that_tell_none_are_left_out_and_counted(log):
    frames, windows = made(untold=(2,))
    figures = evaluate(windows)
    assert figures['CCC_by_condition/silence/valence'] == pytest.approx(ccc(frames, 0, [2], (2,)), abs=1e-6)
    assert figures['CCC/valence'] == pytest.approx(ccc(frames, 0, [0, 1, 2]), abs=1e-6)
    assert '1 of 4 trials tell no conditions: left out of these' in log
    _, windows = made(untold=range(4))
    assert np.isnan(evaluate(windows)['CCC_by_condition/normal/valence'])


@pytest.mark.parametrize(('words', 'named'), [(('normal',), ['normal']), (('left', 'right', 'third'), None)])
def test_decoupled_needs_normal_and_others(words, named):
    _, windows = made(targets=('valence',))
    for window in windows:
        window['condition'] = torch.minimum(window['condition'], torch.tensor(len(words) - 1, dtype=torch.uint8))
    keys = [key for key in evaluate(windows, words=words) if 'by_condition' in key]
    assert keys == [f'CCC_by_condition/{word}/valence' for word in named or words]


def test_no_annotation_is_said(log):
    _, windows = made()
    for window in windows:
        window['valid'][:] = False
    assert np.isnan(evaluate(windows)['CCC_by_condition/normal/arousal'])
    assert log[-1].endswith('no valid annotation in 4 trials, so there is no CCC')


def test_a_corpus_without_is_refused_before_anything_is_computed(tmp_path):
    dataset = dict(type='AffectDataset', split='val', window=20, hop=10)
    plain = DATASETS.build(dict(dataset, data_root=str(write_corpus(tmp_path / 'plain'))))
    evaluator = Evaluator(metrics=[CCCMetric(by_condition=True)])
    with pytest.raises(ConfigError, match=r"by_condition=True, but the corpus 'toy' tells no conditions of its frames"):
        evaluator.dataset_meta = plain.metainfo
    Evaluator(metrics=[CCCMetric()]).dataset_meta = plain.metainfo
    told = write_corpus(tmp_path / 'told', conditions={'d1': ['normal', 'noise'] * 35})
    evaluator.dataset_meta = DATASETS.build(dict(dataset, data_root=str(told))).metainfo
    assert evaluator.dataset_meta['conditions'] == ('normal', 'noise')


def test_a_config_asks_for_it_by_one_option():
    cfg: Config = load_config(
        Path(__file__).parents[2] / 'configs/grjca_demo.py', options={'test_evaluator.by_condition': True}
    )
    assert METRICS.build(cfg.test_evaluator).by_condition is True
    assert METRICS.build(cfg.val_evaluator).by_condition is False
