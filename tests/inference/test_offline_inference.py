"""Offline inference against windows of the corpus through dataset, collate function and model, averaged by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmaffect.datasets import collate_windows
from mmaffect.errors import ConfigError, CorpusError
from mmaffect.inference import CorpusTrial, FrameEncoder
from mmaffect.inference.analysis import Settings, analyse
from mmaffect.inference.windows import plan_windows
from mmaffect.registry import DATASETS, MODELS
from mmaffect.streaming.inferencer import StreamingInferencer
from tests.corpora import write_corpus
from tests.toy_estimators import CASES, toy_model

TRIALS = ('a1', 'b1', 'b2', 'd2')  # long, shorter than a window, silent, with a rest


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    paper = write_corpus(tmp_path_factory.mktemp('paper'), waveform_rate=16000)
    return {'paper': paper, 'vggish': write_corpus(tmp_path_factory.mktemp('vggish'), front_end='vggish')}


@pytest.fixture
def root(roots, request):
    case = request.node.callspec.params.get('case', 'both')
    return roots[CASES[case][1].get('front_end', 'paper')]


@torch.no_grad()
def by_hand(model, batch_size=3):
    """Mean prediction of every frame of every trial, in double precision."""
    found = {}
    for split in ('train', 'val'):
        data = DATASETS.build({**model.cfg.test_dataloader.dataset, 'split': split})
        for begin in range(0, len(data), batch_size):
            items = [data[i] for i in range(begin, min(begin + batch_size, len(data)))]
            for sample in model.test_step(collate_windows(items)):
                for i, value in enumerate(sample.pred_affect.double().numpy()):
                    found.setdefault(sample.trial, {}).setdefault(sample.start + i * sample.stride, []).append(value)
    return {name: np.array([np.mean(frames[i], axis=0) for i in range(len(frames))]) for name, frames in found.items()}


def offline(model, root, trial, **settings):
    encoder = FrameEncoder(model, batch_size=7)
    (found,) = analyse(CorpusTrial(root, trial), encoder, Settings(**settings), detector=None)
    return found


@pytest.mark.parametrize('case', CASES)
def test_trials_of_a_corpus_equal_what_a_test_finds(case, root):
    model = toy_model(case, root)
    expected = by_hand(model)
    for trial in TRIALS:
        found = offline(model, root, trial)
        assert np.ptp(expected[trial], axis=0).min() > 1e-4
        assert np.abs(found.affect - expected[trial]).max() <= 1e-5, trial


def test_windows_of_waveforms(roots):
    """A backbone whose feature of a sample depends on what is around it."""

    class Loudness(torch.nn.Module):
        sample_rate, hop, receptive_field, first_time, out_channels = 16000, 400, 800, 0.025, 8

        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(800, 8)

        def forward(self, x):
            return self.linear(x.unfold(1, 800, 400)) * 10

    MODELS.register_module(name='Loudness', module=Loudness)
    try:
        model = toy_model('audio', roots['paper'], waveform=True, waveform_margin=0.1)
        cfg = model.cfg
        cfg.model.audio = dict(type='WaveformStream', backbone=dict(type='Loudness'), temporal=cfg.model.audio.temporal)
        torch.manual_seed(1)
        model = MODELS.build(cfg.model).eval()
    finally:
        MODELS._module_dict.pop('Loudness')
    model.cfg = cfg
    expected = by_hand(model, batch_size=1)
    for trial in TRIALS:
        found = offline(model, roots['paper'], trial)
        assert np.abs(found.affect - expected[trial]).max() <= 1e-5, trial
    assert np.ptp(expected['a1'], axis=0).min() > 1e-4


def test_every_frame_is_encoded_once(roots):
    model = toy_model('both', roots['paper'])
    counts = dict.fromkeys(model.streams, 0)

    def count(name):
        def hook(module, args, output):
            counts[name] += len(args[0])

        return hook

    for name, stream in model.streams.items():
        stream.backbone.register_forward_hook(count(name))
    found = offline(model, roots['paper'], 'a1')
    assert len(plan_windows(95, 20, 15)) * 20 > 95
    first, last = np.flatnonzero(found.chosen.present)[[0, -1]]
    # Black is encoded once, for all frames outside of the face's track.
    assert counts == {'audio': 95, 'visual': last - first + 2}


@pytest.mark.parametrize(('case', 'hop', 'delay'), [('both', 7, 3), ('both', 20, 0), ('clips', 5, 4), ('visual', 1, 0)])
def test_delayed_windows_equal_a_stream(case, hop, delay, root):
    model = toy_model(case, root)
    recording = CorpusTrial(root, 'd2')
    present = np.array(recording.trial.face_present)
    faces = np.where(present[:, None, None, None], recording.trial.faces, 0).astype(np.uint8)
    # The stream has no sound, and black where no face is.
    recording.trial = replace(recording.trial, faces=faces, logmel=recording.trial.logmel[:0])
    (found,) = analyse(recording, FrameEncoder(model), Settings(schedule='delayed', hop=hop, delay=delay), None)
    stream = StreamingInferencer(model, detector=None, hop=hop, delay=delay, voice=False, sample_rate=None)
    parts = [stream.push_faces(faces[i : i + 4], present=present[i : i + 4]) for i in range(0, 33, 4)]
    streamed = np.concatenate([part.affect for part in [*parts, stream.close()]])
    assert np.abs(found.affect - streamed).max() <= 1e-5
    assert np.ptp(streamed, axis=0).min() > 1e-4


def test_gates_are_averaged_as_the_values_are(roots):
    model = toy_model('both', roots['paper'])
    found = offline(model, roots['paper'], 'a1')
    names = {f'{one}/{gate}_{t}' for one in ('audio', 'visual') for gate in ('iteration', 'stage') for t in (1, 2)}
    assert set(found.gates) == names
    for modality in ('audio', 'visual'):
        total = found.gates[f'{modality}/stage_1'] + found.gates[f'{modality}/stage_2']
        np.testing.assert_allclose(total, 1, atol=1e-5)
    assert offline(toy_model('visual', roots['paper']), roots['paper'], 'a1').gates == {}


def test_what_is_known_of_a_corpus_trial(roots):
    model = toy_model('both', roots['paper'])
    found, silent = (offline(model, roots['paper'], trial) for trial in ('a1', 'b2'))
    trial = CorpusTrial(roots['paper'], 'a1').trial
    assert found.flags == ('voice_unknown',)
    assert silent.flags == ('no_sound', 'voice_unknown')
    assert np.array_equal(found.chosen.present, trial.face_present)
    assert np.array_equal(np.isfinite(found.annotated).all(1), trial.valid)
    counts = {'declared': None, 'decoded': 95, 'with_voice': None, 'predicted': 95}
    assert found.frames == {**counts, 'with_face': int(trial.face_present.sum())}


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (dict(faces='smallest'), "faces='smallest'; expected one of 'largest', 'longest', 'all'"),
        (dict(schedule='late'), "schedule='late'"),
        (dict(detect_every=0), 'detect_every=0; expected at least 1'),
        (dict(batch_size=0), 'batch_size=0'),
        (dict(batch_size='5'), "batch_size='5'; expected at least 1"),
        (dict(hop=2.5), 'hop=2.5; expected a number of frames'),
        (dict(delay=3), "delay=3, schedule='overlap'"),
        (dict(schedule='delayed', hop=5, delay=16), 'delay=16; expected 0 to 15'),
        (dict(hop=21), 'hop=21; expected 1 to the length of a window, 20'),
    ],
)
def test_settings_that_do_not_fit(change, text, roots):
    model = toy_model('both', roots['paper'])
    with pytest.raises(ConfigError, match=text):
        offline(model, roots['paper'], 'a1', **change)


def test_a_stride_cannot_follow_a_stream(roots):
    with pytest.raises(ConfigError, match='stride=3: windows of every frame only'):
        offline(toy_model('stride', roots['paper']), roots['paper'], 'a1', schedule='delayed')


def test_a_corpus_of_another_kind(roots):
    with pytest.raises(ConfigError, match="front end 'vggish'; the model takes 'paper'"):
        offline(toy_model('both'), roots['vggish'], 'a1')
    with pytest.raises(CorpusError, match="no trial 'z9'"):
        CorpusTrial(roots['paper'], 'z9')


def test_every_frame_has_a_value_once_and_in_time():
    for frames in range(1, 40):
        for hop, delay in ((1, 0), (3, 2), (5, 7), (12, 0)):
            windows = plan_windows(frames, 12, hop, schedule='delayed', delay=delay)
            given = [frame for window in windows for frame in window.frames[window.first : window.last]]
            assert given == list(range(frames))
            for window in windows:
                used = window.frames[window.first : window.last]
                assert window.frames[-1] == window.seen - 1
                assert window.real == min(12, window.seen)
                assert window.seen == frames or used[-1] == window.seen - 1 - delay
