"""Traces: what is checked, figures, samples, tables and pictures."""

import dataclasses
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from mmaffect.inference.notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from mmaffect.structures import AffectDataSample
from mmaffect.traces.trace import Trace
from tests.made_traces import make_trace

PNG = b'\x89PNG'


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'times': np.zeros(39)}, r'affect of shape \(40, 2\); expected \(39, 2\)'),
        ({'times': np.zeros(0)}, r'times of shape \(0,\); expected \(T,\) with T of at least 1'),
        ({'times': np.arange(40)[::-1]}, 'times are not finite or descend'),
        ({'times': np.full(40, np.nan)}, 'times are not finite or descend'),
        ({'affect': np.full((40, 2), -1.01)}, r'affect -1\.01 in frame 1; expected \[-1, 1\] or NaN'),
        ({'affect': np.zeros((40, 1))}, r'affect of shape \(40, 1\); expected \(40, 2\)'),
        ({'face': np.zeros((40, 1))}, r'face of shape \(40, 1\); expected \(40,\)'),
        ({'voice': np.zeros(3)}, r'voice of shape \(3,\)'),
        ({'track': np.zeros(3)}, r'track of shape \(3,\)'),
        ({'box': np.zeros((40, 5))}, r'box of shape \(40, 5\); expected \(40, 4\)'),
        ({'box': np.full((40, 4), -1)}, 'box has infinite numbers or a negative width'),
        ({'track': np.full(40, np.nan)}, 'track nan in frame 1; expected integers'),
        ({'track': np.full(40, -2)}, 'track -2; expected -1, or from 0'),
        ({'face': np.full(40, 0.5)}, r'face 0\.5 in frame 1; expected 0 or 1'),
        ({'voice': np.full(40, np.nan)}, 'voice nan in frame 1; expected 0 or 1'),
        ({'gates': {'audio/a': np.full(40, 1.5)}}, r'gate audio/a 1\.5 in frame 1; expected \[0, 1\] or NaN'),
        ({'gates': {'audio': np.zeros(40)}}, "a gate named 'audio'; expected a name as audio/iteration_1"),
        ({'gates': {'a/b,c': np.zeros(40)}}, "a gate named 'a/b,c'"),
        ({'annotated': np.full((40, 2), 2)}, 'annotated 2 in frame 1'),
        ({'header': {}}, 'trial is None in the header; expected a name'),
        ({'header': {'trial': 'a', 'version': 3}}, 'header of mmaffect.trace 3; expected mmaffect.trace 1'),
        ({'header': {'trial': 'a', 'fps': np.float32(1)}}, 'header is not for JSON'),
        ({'header': {'trial': 'a', 'fps': float('nan')}}, 'header is not for JSON'),
        ({'header': {'trial': 'a', 'targets': ['valence', 'anger']}}, r"targets are \['valence', 'anger'\]"),
        ({'header': {'trial': 'a', 'targets': ['valence', 'valence']}}, 'expected one or both'),
        ({'header': {'trial': 'a', 'targets': [['valence']]}}, 'expected one or both'),
        ({'header': {'trial': 'a', 'flags': 7}}, 'flags are 7 in the header; expected a list of names'),
        ({'header': {'trial': 'a', 'flags': [['a']]}}, 'expected a list of names'),
        ({'header': {'trial': 'a', 'notice': 5}}, "notice is '5' in the header; expected str"),
        ({'header': {'trial': 'a', 'fps': '25'}}, "fps is '25' in the header; expected int or float"),
    ],
)
def test_what_does_not_fit_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(make_trace(), **change)


def test_arrays_have_their_types():
    trace = make_trace()
    types = {name: getattr(trace, name).dtype.name for name in ('times', 'affect', 'face', 'voice', 'box', 'track')}
    assert types == {
        'times': 'float64', 'affect': 'float32', 'face': 'bool', 'voice': 'bool', 'box': 'float32', 'track': 'int32',
    }  # fmt: skip
    assert {gate.dtype.name for gate in trace.gates.values()} == {'float32'}
    assert (len(trace), trace.trial, trace.targets, trace.flags) == (40, 'clip', ('valence', 'arousal'), ())
    assert repr(trace) == "Trace('clip', 40 frames, 1.56 s)"


def test_notice_says_what_the_model_saw():
    assert make_trace().notice == NOTICE
    assert make_trace(synthetic=True).notice == f'{NOTICE} {SYNTHETIC_MODEL_NOTICE}'
    assert make_trace(synthetic=True, notice=f'A. {SYNTHETIC_MODEL_NOTICE}').notice == f'A. {SYNTHETIC_MODEL_NOTICE}'


def test_summary_by_pandas_and_a_loop():
    pandas = pytest.importorskip('pandas')
    trace = make_trace(count=200)
    found = trace.summary()
    table = trace.to_pandas()
    assert all(type(value) is float for value in found.values())
    for target in trace.targets:
        described = table[target].describe()
        for ours, theirs in (('mean', 'mean'), ('min', 'min'), ('q25', '25%'), ('median', '50%'), ('q75', '75%')):
            assert found[f'{target}/{ours}'] == pytest.approx(described[theirs], rel=1e-5)
        assert found[f'{target}/sd'] == pytest.approx(table[target].std(ddof=0), rel=1e-5)
        both = table[[target, f'annotated_{target}']].dropna().astype(float)
        covariance, means = both.cov(ddof=0).to_numpy(), both.mean().to_numpy()
        ccc = 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + (means[0] - means[1]) ** 2)
        assert found[f'CCC/{target}'] == pytest.approx(ccc, abs=1e-6)
    assert found['frames'] == 200
    assert found['duration'] == pytest.approx(8.0)
    assert found['fps'] == pytest.approx(25.0)
    assert (found['face'], found['voice']) == (table['face'].mean(), table['voice'].mean())
    shares = {name: value for name, value in found.items() if name.startswith('quadrant/')}
    assert sum(shares.values()) == pytest.approx(1)
    active = table['valence'].lt(0) & table['arousal'].ge(0)
    assert shares['quadrant/negative_active'] == pytest.approx(active.sum() / table['valence'].count())
    assert isinstance(table, pandas.DataFrame)
    assert table.attrs['trial'] == 'clip'


def test_shares_are_of_time_and_not_of_frames():
    affect = [[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [np.nan, np.nan]]
    times = [0.0, 3.0, 4.0, 5.0]
    nobody = np.zeros(4, bool)
    trace = Trace({'trial': 'a'}, times, affect, nobody, nobody, np.full((4, 4), np.nan), np.full(4, -1))
    found = trace.summary()
    assert sum(after - before for before, after in pairwise(times[:2])) == 3
    assert found['quadrant/positive_active'] == pytest.approx(3 / 5)
    assert found['quadrant/negative_active'] == pytest.approx(1 / 5)
    assert found['quadrant/positive_passive'] == 0
    assert (found['face'], found['duration']) == (0.0, 6.0)
    assert 'CCC/valence' not in found


def test_summary_of_nothing_and_of_one_frame():
    nothing = dataclasses.replace(make_trace(annotated=False), affect=np.full((40, 2), np.nan)).summary()
    assert np.isnan([nothing['valence/mean'], nothing['quadrant/positive_active']]).all()
    unknown = make_trace(flags=['face_unknown']).summary()
    assert np.isnan(unknown['face'])
    assert unknown['voice'] > 0
    one = Trace({'trial': 'a'}, [0.0], [[0.5, -0.5]], [True], [True], np.zeros((1, 4)), [0]).summary()
    assert (one['quadrant/positive_passive'], one['duration'], one['valence/sd']) == (1.0, 0.0, 0.0)
    assert np.isnan(one['fps'])


def test_data_sample_and_back():
    trace = make_trace(model='grjca', flags=['no_voice'])
    sample = trace.to_data_sample()
    assert (sample.trial, sample.start, sample.stride, sample.targets) == ('clip', 0, 1, ('valence', 'arousal'))
    assert torch.equal(sample.valid, ~torch.isnan(sample.gt_affect).any(1))
    assert sample.face_present.dtype == torch.bool
    assert tuple(sample.boxes.shape) == (40, 4)
    again = Trace.from_data_sample(sample)
    assert again.header == trace.header
    for name, values in trace.columns().items():
        np.testing.assert_array_equal(again.columns()[name], values, err_msg=name)


def window(**fields):
    sample = AffectDataSample(metainfo={'trial': 'v', 'start': 200, 'stride': 2})
    for name, value in fields.items():
        setattr(sample, name, value)
    return sample


def test_a_window_of_a_trial_is_a_trace():
    times = 8 + torch.arange(30, dtype=torch.float64) / 25
    truth = torch.rand(30, 2)
    sample = window(timestamps=times, gt_affect=truth, valid=torch.arange(30) > 4)
    trace = Trace.from_data_sample(sample)
    assert trace.flags == ('face_unknown', 'voice_unknown')
    assert np.isnan(trace.affect).all()
    assert np.isnan(trace.annotated[:5]).all()
    np.testing.assert_array_equal(trace.annotated[5:], truth[5:].numpy())
    assert not torch.isnan(sample.gt_affect).any()
    sample.pred_affect = torch.rand(30, 1)
    sample.set_field(('arousal',), 'targets', field_type='metainfo')
    assert Trace.from_data_sample(sample).targets == ('arousal',)
    with pytest.raises(ValueError, match='a data sample of valid; expected timestamps and'):
        Trace.from_data_sample(window(valid=torch.ones(3)))


def test_samples_show_themselves_where_there_is_something_to_see():
    empty = window(valid=torch.ones(3))
    assert (empty._repr_html_(), empty._repr_png_()) == (None, None)
    sample = window(timestamps=torch.arange(30) / 25, pred_affect=torch.rand(30, 2))
    assert sample._repr_png_().startswith(PNG)
    text = sample._repr_html_()
    assert '<b>v</b>: 30 frames' in text
    assert '<th>CCC' not in text


def test_html_of_a_trace_is_short_and_says_what_it_is():
    text = make_trace(trial='<a>', synthetic=True)._repr_html_()
    assert len(text) < 400_000
    assert '<b>&lt;a&gt;</b>: 40 frames, 1.60 s, face in 92%' in text
    assert '<a>' not in text
    assert NOTICE in text
    assert SYNTHETIC_MODEL_NOTICE in text
    assert text.count('data:image/png;base64,') == 1
    assert '<th>CCC</th>' in text
    assert '<script' not in text


def test_plot_is_a_figure_and_a_file(tmp_path):
    trace = make_trace()
    figure = trace.plot(tmp_path / 'a.png')
    assert figure._repr_png_().startswith(PNG)
    image = cv2.imread(str(tmp_path / 'a.png'))
    labels = [panel.get_ylabel() for panel in figure.axes]
    assert labels[:2] == ['valence', 'arousal']
    assert 'audio\ngates' in labels
    assert figure.get_supxlabel().replace('\n', ' ') == NOTICE
    assert trace._repr_png_().startswith(PNG)
    trace.plot(tmp_path / 'b.png', plane=False)
    assert cv2.imread(str(tmp_path / 'b.png')).shape[1] < image.shape[1]
    single = make_trace(targets=('arousal',), gates=False, flags=['face_unknown', 'voice_unknown'], annotated=False)
    assert [panel.get_ylabel() for panel in single.plot().axes] == ['arousal']


def test_without_pandas_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pandas', None)
    with pytest.raises(ImportError, match=r'Trace.to_pandas needs pandas: pip install "mmaffect\[video\]"'):
        make_trace().to_pandas()
