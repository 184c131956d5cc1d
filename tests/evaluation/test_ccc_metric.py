import json

import numpy as np
import pytest
import torch

from mmaffect.evaluation import CCCMetric, TraceWriter
from mmaffect.structures import AffectDataSample


def samples(seed=0, trials=4, length=50, targets=('valence', 'arousal')):
    """Windows of 20 frames with hop 10, predictions near the truth."""
    g = np.random.default_rng(seed)
    found = []
    for t in range(trials):
        truth = g.uniform(-1, 1, (length, 2)).astype(np.float32)
        valid = g.random(length) > 0.2
        truth[~valid] = np.nan
        for start in range(0, length - 19, 10):
            sample = AffectDataSample(metainfo={'trial': f't{t}', 'start': start, 'stride': 1, 'targets': targets})
            sample.gt_affect = torch.from_numpy(truth[start : start + 20])
            sample.valid = torch.from_numpy(valid[start : start + 20])
            noise = g.normal(0, 0.3, (20, len(targets))).astype(np.float32)
            sample.pred_affect = torch.nan_to_num(sample.gt_affect[:, : len(targets)]) + torch.from_numpy(noise)
            sample.timestamps = torch.arange(start, start + 20) / 25
            found.append(sample.to_dict())
    return found


def evaluate(found, **meta):
    metric = CCCMetric(resamples=200)
    metric.dataset_meta = {'split': 'validation, fold 0 (official split)', **meta}
    for sample in found:
        metric.process({}, [sample])
    return metric.evaluate(len(found))


def by_hand(found, column):
    """Frame by frame with a dictionary, then NumPy's moments."""
    frames = {}
    for sample in found:
        for i in range(20):
            if sample['valid'][i]:
                key = (sample['trial'], sample['start'] + i)
                frames.setdefault(key, []).append((sample['pred_affect'][i, column], sample['gt_affect'][i, column]))
    p = np.array([np.mean([pair[0] for pair in pairs]) for pairs in frames.values()], np.float64)
    t = np.array([pairs[0][1] for pairs in frames.values()], np.float64)
    return 2 * np.mean((p - p.mean()) * (t - t.mean())) / (p.var() + t.var() + (p.mean() - t.mean()) ** 2)


def test_pooled_ccc_over_merged_frames():
    found = samples()
    figures = evaluate(found)
    for column, target in enumerate(('valence', 'arousal')):
        assert figures[f'CCC/{target}'] == pytest.approx(by_hand(found, column), abs=1e-7)
    assert figures['CCC/mean'] == pytest.approx((figures['CCC/valence'] + figures['CCC/arousal']) / 2)


def test_order_and_repeats_do_not_matter():
    found = samples()
    assert evaluate(found[::-1] + found[:1]) == pytest.approx(evaluate(found), abs=1e-12)


def test_the_log_says_what_the_figure_is(log):
    figures = evaluate(samples(), synthetic=True)
    line = next(text for text in log if text.startswith('CCC valence'))
    said = [f'{figures["CCC/valence"]:.4f} [95 %', 'valid frames of 4 trials', 'fold 0 (official split)']
    for part in (*said, 'population form', 'no smoothing', 'mean per trial'):
        assert part in line
    assert any('no accuracy on people' in text for text in log)


def test_degenerate_trials_are_named(log):
    found = samples()
    for sample in found:
        if sample['trial'] == 't2':
            sample['pred_affect'][:] = 0.1
    figures = evaluate(found)
    assert any('t2: constant prediction' in text for text in log)
    assert np.isfinite(figures['CCC_per_trial/valence'])


def test_nan_predictions_are_reported(log):
    found = samples()
    found[0]['pred_affect'][5] = np.nan
    found[0]['valid'][5] = True
    found[0]['gt_affect'][5] = 0.0
    figures = evaluate(found)
    assert np.isnan(figures['CCC/valence'])
    assert any('t0: prediction not finite in 1 frame(s)' in text for text in log)


def test_one_target():
    found = samples(targets=('valence',))
    assert set(evaluate(found)) == {f'{name}/valence' for name in ('CCC', 'PCC', 'RMSE', 'CCC_per_trial')} | {
        'CCC/mean'
    }


def test_no_annotation_at_all_is_nan_and_said(log):
    found = samples()
    for sample in found:
        sample['valid'][:] = False
    assert np.isnan(evaluate(found)['CCC/mean'])
    assert log[-1].endswith('no valid annotation in 4 trials, so there is no CCC')


def test_trace_writer(tmp_path):
    found = samples()
    writer = TraceWriter(str(tmp_path / 'traces'))
    writer.process({}, found)
    assert writer.evaluate(len(found)) == {}
    table = np.genfromtxt(tmp_path / 'traces' / 't1.csv', delimiter=',', names=True)
    assert table['frame'].tolist() == list(range(1, 51))
    assert table['time'] == pytest.approx(np.arange(50) / 25)
    first = next(sample for sample in found if sample['trial'] == 't1')
    assert table['valence'][:10] == pytest.approx(first['pred_affect'][:10, 0].numpy(), abs=1e-6)
    assert np.array_equal(np.isnan(table['annotated_valence'][:20]), ~first['valid'].numpy())
    assert (tmp_path / 'traces' / 't1.png').read_bytes().startswith(b'\x89PNG')


def strided_arousal(start, stride, frames=3):
    """A window whose annotated arousal is a tenth of the frame, its prediction the opposite; frame 4 is not valid."""
    at = np.arange(start, start + stride * frames, stride)
    sample = AffectDataSample(metainfo={'trial': 't', 'start': start, 'stride': stride, 'targets': ('arousal',)})
    sample.gt_affect = torch.from_numpy(np.stack([0 * at, at / 10], 1).astype(np.float32))
    sample.valid = torch.from_numpy(at != 4)
    sample.pred_affect = torch.from_numpy(-at[:, None] / 10).float()
    sample.timestamps = torch.from_numpy(at / 25)
    return sample.to_dict()


def test_traces_of_strided_windows_and_one_target(tmp_path):
    writer = TraceWriter(str(tmp_path), plot=False)
    writer.process({}, [strided_arousal(0, 2), strided_arousal(1, 2)])
    writer.evaluate(2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['about.json', 't.csv']
    assert json.loads((tmp_path / 'about.json').read_text()) == {'split': None, 'synthetic': False}
    table = np.genfromtxt(tmp_path / 't.csv', delimiter=',', names=True)
    assert table.dtype.names == ('frame', 'time', 'arousal', 'annotated_arousal')
    assert table['time'] == pytest.approx(np.arange(6) / 25, abs=1e-6)
    assert table['arousal'] == pytest.approx(-np.arange(6) / 10)
    assert table['annotated_arousal'] == pytest.approx([0, 0.1, 0.2, 0.3, np.nan, 0.5], nan_ok=True)
