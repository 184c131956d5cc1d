"""AffectInferencer on arrays and files, with a detector that finds what is not dark."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import mmaffect
from mmaffect.errors import ConfigError, MediaError
from mmaffect.faces import Face, crop_face
from mmaffect.inference import AffectInferencer, ArrayRecording, FrameEncoder
from mmaffect.inference.analysis import Settings, analyse
from mmaffect.inference.stages import StageTimes
from mmaffect.media import write_video
from mmaffect.structures import AffectDataSample
from tests.toy_estimators import BrightFaces, toy_config, toy_model

RATE = 16000


def picture(count=33, dark=()):
    g = np.random.default_rng(0)
    frames = g.integers(40, 256, (count, 64, 64, 3), dtype=np.uint8)
    frames[list(dark)] = 0
    return frames


def tone(seconds):
    return (0.3 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def inferencer(case='both', **arguments):
    arguments = {'detector': BrightFaces(), 'voice': False, 'show_progress': False, **arguments}
    return AffectInferencer(toy_model(case), **arguments)


def test_frames_without_a_face():
    recording = ArrayRecording(picture(dark=range(10, 15)), sound=tone(1.32), sample_rate=RATE)
    trace = inferencer().trace(recording)
    dark = np.isin(np.arange(33), range(10, 15))
    assert np.array_equal(trace.face, ~dark)
    assert np.array_equal(trace.track == -1, dark)
    assert np.array_equal(np.isnan(trace.box).any(1), dark)
    assert np.isfinite(trace.affect).all()
    assert np.abs(trace.affect).max() <= 1
    header = trace.header
    counts = {'declared': None, 'decoded': 33, 'with_face': 28, 'with_voice': None, 'predicted': 33}
    assert header['frames'] == counts
    assert (header['flags'], header['fps'], header['duration']) == (['voice_unknown'], 25.0, 1.32)
    assert header['window'] == {'length': 20, 'hop': 15, 'stride': 1, 'schedule': 'overlap', 'delay': 0}
    assert header['faces'] == {'detector': 'BrightFaces', 'every': 1, 'choice': 'largest', 'size': 48}
    assert header['notice'] == trace.notice


def test_faces_are_cropped_as_a_corpus_has_them():
    frames = picture()
    model = toy_model('visual')
    encoder = FrameEncoder(model)
    points = BrightFaces().detect(frames[0])[0].points
    given = np.stack([crop_face(frame, points, 48) for frame in frames])
    seen = []
    model.visual.backbone.register_forward_hook(lambda module, args, output: seen.append(output))
    list(analyse(ArrayRecording(frames), encoder, Settings(voice=False), BrightFaces))
    found = torch.cat(seen).numpy()[1:]
    np.testing.assert_allclose(found, encoder.encode_faces(given), atol=1e-6)


@pytest.mark.parametrize('case', ['both', 'ahead', 'audio', 'visual', 'clips', 'stride', 'strided clips'])
@pytest.mark.parametrize(
    ('recording', 'flags'),
    [
        (dict(frames=picture(25)), ['no_sound']),
        (dict(frames=picture(1), sound=tone(0.5)), []),
        (dict(frames=np.zeros((30, 64, 64, 3), np.uint8), sound=np.zeros(20000)), ['no_face']),
        (dict(sound=tone(1.5)), ['no_picture', 'no_face']),
        (dict(frames=picture(25), fps=59.94, sound=tone(0.1)), []),
        (dict(frames=picture(9), times=[0, 0.01, 0.5, 0.5, 0.7, 3, 3.1, 9, 20], sound=tone(30)), []),
    ],
)
def test_what_is_missing_is_flagged(case, recording, flags):
    trace = inferencer(case).trace(recording)
    assert np.isfinite(trace.affect).all()
    if case == 'audio':
        flags = ['face_unknown' if flag == 'no_face' else flag for flag in flags]
        flags = [*flags, 'face_unknown'] if not {'no_picture', 'face_unknown'} & set(flags) else flags
        flags = ['no_face' if flag == 'face_unknown' and 'no_picture' in flags else flag for flag in flags]
    assert trace.header['flags'] == [*flags, 'voice_unknown']


def test_nothing_to_see_is_encoded_once():
    model = toy_model('both')
    counts = []
    model.visual.backbone.register_forward_hook(lambda module, args, output: counts.append(len(output)))
    found = AffectInferencer(model, detector=BrightFaces(), voice=False, show_progress=False).trace((None, tone(4)))
    assert counts == [1]
    assert not found.face.any()


def test_several_faces_and_their_names():
    class Two(BrightFaces):
        def detect(self, frame):
            faces = super().detect(frame)
            moved = [Face(one.box + np.array([300, 0, 0, 0], np.float32), 0.5, one.points + 5) for one in faces]
            return faces + (moved if frame[0, 0, 0] else [])

    frames = np.tile(picture(30), (1, 1, 6, 1))
    frames[:, 0, 0] = 0
    frames[5:, 0, 0] = 255
    run = inferencer(detector=Two(), faces='all', min_seconds=0.5)
    traces = list(run.traces([dict(frames=frames), dict(frames=np.zeros((9, 64, 64, 3), np.uint8))]))
    assert [(one.trial, one.header['traces'], int(one.face.sum())) for one in traces] == [
        ('recording_face0', 2, 30), ('recording_face1', 2, 25), ('recording_2', 1, 0),
    ]  # fmt: skip
    assert np.abs(traces[0].affect[5:] - traces[1].affect[5:]).max() > 1e-4
    with pytest.raises(ConfigError, match='there are 2 traces of the input; expected one'):
        run.trace(dict(frames=frames))


def test_faces_are_searched_in_every_nth_frame():
    detector = BrightFaces()
    trace = inferencer(detector=detector, detect_every=8).trace(dict(frames=picture(33)))
    assert detector.searched == 5
    assert trace.face.all()


def test_a_call_is_that_of_mmengine(tmp_path):
    run = inferencer()
    inputs = [dict(frames=picture(25), name='a'), dict(frames=picture(dark=[4]), name='b')]
    found = run(inputs, out_dir=tmp_path, formats=['csv', 'npz'], return_vis=True)
    assert [one['header']['trial'] for one in found['predictions']] == ['a', 'b']
    columns = found['predictions'][1]['columns']
    assert (columns['face_x'][4], columns['frame'][-1], columns['face'][4]) == (None, 33, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.csv', 'a.npz', 'b.csv', 'b.npz']
    (picture_a, _) = found['visualization']
    assert (picture_a.dtype, picture_a.ndim, picture_a.shape[2]) == (np.uint8, 3, 3)
    samples = run(inputs, return_datasamples=True, batch_size=1)
    assert samples['visualization'] == []
    (a, b) = samples['predictions']
    assert isinstance(a, AffectDataSample)
    np.testing.assert_allclose(b.pred_affect[:, 0].numpy(), columns['valence'], atol=1e-6)


def test_one_input_or_several():
    run = inferencer('visual')
    one = dict(frames=picture(2))
    counts = [
        len(run.open(inputs)) for inputs in (one, [one, one], (one, one), (picture(2), None), [(picture(2), None)])
    ]
    assert counts == [1, 2, 2, 1, 1]


def test_one_line():
    run = inferencer('visual')
    trace = mmaffect.trace(picture_of := dict(frames=picture()), run)
    again = mmaffect.trace(picture_of, run.model, detector=BrightFaces())
    np.testing.assert_allclose(again.affect, trace.affect, atol=1e-6)
    assert len(trace.to_pandas()) == 33


def test_nothing_heavy_is_imported_before_it_is_used():
    code = (
        'import sys, mmaffect, mmaffect.inference, mmaffect.inference.notice; '
        'print(sorted({"torch", "mmengine", "cv2", "av", "numpy"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_a_file_as_in_memory(tmp_path):
    """Flat colours survive the codec nearly; the values follow."""
    frames = np.stack([np.full((64, 64, 3), 60 + 5 * i, np.uint8) for i in range(25)])
    write_video(tmp_path / 'x.mp4', iter(frames), 25, tone(1), RATE, crf=0)
    run = inferencer(detect_every=2)
    found, expected = run.trace(tmp_path / 'x.mp4'), run.trace(dict(frames=frames, sound=tone(1), sample_rate=RATE))
    assert found.source == tmp_path / 'x.mp4'
    assert len(found.header['input_sha256']) == 64
    assert np.abs(found.affect - expected.affect).max() < 0.05
    assert found.header['frames']['declared'] == 25


@pytest.mark.parametrize('error', [torch.OutOfMemoryError('CUDA out of memory'), MemoryError()])
def test_out_of_memory_names_the_batches(error, monkeypatch):
    run = inferencer(batch_size=5, frame_batch_size=9)

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(run.model, 'fuse', fail)
    with pytest.raises(ConfigError, match=r'frame_batch_size \(now 9 frames\) or batch_size \(now 5 windows\)'):
        run.trace(dict(frames=picture()))


def test_other_defects_keep_their_traceback(monkeypatch):
    run = inferencer()
    monkeypatch.setattr(run.model, 'fuse', lambda *args, **kwargs: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match='size'):
        run.trace(dict(frames=picture()))


def test_models_that_need_more_than_a_video():
    for change, text in (
        (dict(masks='drawn'), "masks='drawn': the model needs masks"),
        (dict(waveform=True), 'model.audio is a Stream; with waveform=True expected a WaveformStream'),
    ):
        with pytest.raises(ConfigError, match=text):
            AffectInferencer(toy_model('both', **change))
    model = toy_model('visual')
    model.cfg.test_dataloader = None
    with pytest.raises(ConfigError, match='has no test_dataloader'):
        AffectInferencer(model)
    cfg = toy_config('visual')
    cfg.model.visual = dict(type='Stream', in_channels=6)
    from mmaffect.registry import MODELS

    cached = MODELS.build(cfg.model)
    cached.cfg = cfg
    with pytest.raises(ConfigError, match=r'model\.visual takes cached features, which no video has'):
        AffectInferencer(cached)
    with pytest.raises(ConfigError, match='frame_batch_size=0'):
        AffectInferencer(toy_model('visual'), frame_batch_size=0)


def test_the_side_of_a_face(tmp_path):
    model = toy_model('visual')
    assert FrameEncoder(model).face_size == 48
    model.dataset_meta = {'face_size': 64}
    assert FrameEncoder(model).face_size == 64
    assert FrameEncoder(model, face_size=50).face_size == 50
    model.dataset_meta = None
    model.data_preprocessor.crop_size = 41
    with pytest.raises(ConfigError, match=r'crop_size=41: neither checkpoint nor corpus says'):
        FrameEncoder(model)
    with pytest.raises(ConfigError, match=r'faces \(2, 47, 47, 3\); expected \(n, 48, 48, 3\)'):
        FrameEncoder(model, face_size=48).encode_faces(np.zeros((2, 47, 47, 3), np.uint8))


def test_stages_add_up(monkeypatch):
    clock = iter([0.0, 1.5, 10.0, 10.25])
    monkeypatch.setattr('time.perf_counter', lambda: next(clock))
    stages = StageTimes()
    for _ in range(2):
        with stages.measure('fusion'):
            pass
    assert stages == {'fusion': 1.75}


def test_what_is_no_estimator():
    with pytest.raises(ConfigError, match='model is a Linear; expected an AffectEstimator'):
        AffectInferencer(torch.nn.Linear(1, 1))
    with pytest.raises(ConfigError, match='model is a Identity'):
        AffectInferencer(torch.nn.Identity())
    model = toy_model('visual')
    del model.cfg
    with pytest.raises(ConfigError, match='expected its config as model'):
        AffectInferencer(model)


def test_every_clip_is_encoded_once():
    model = toy_model('strided clips')
    clips = []
    model.visual.backbone.register_forward_hook(lambda module, args, output: clips.append(output.shape[:-1].numel()))
    AffectInferencer(model, detector=BrightFaces(), voice=False, show_progress=False).trace((picture(25), None))
    # Four windows are padded, with the black faces after the last frame, of which five see faces.
    assert sum(clips) == 1 + 25 + 5


def test_settings_are_checked_before_any_work():
    for wrong, text in ((dict(hop=21), 'hop=21'), (dict(schedule='delayed', delay=20), 'delay=20')):
        with pytest.raises(ConfigError, match=text):
            inferencer(**wrong)
    with pytest.raises(ConfigError, match="format 'xls'; expected some of csv, json, npz"):
        inferencer()('missing.mp4', out_dir='nowhere', formats=['xls'])


def test_any_iterable_names_several():
    made = inferencer('visual')
    names = [one.trial for one in made.traces(dict(frames=picture(2), name=name) for name in 'ab')]
    assert names == ['a', 'b']
    with pytest.raises(MediaError, match='input is a ndarray; expected a path'):
        made.trace(picture(2))


def test_traces_of_another_face_size_are_others():
    recording = ArrayRecording(picture(2))
    sizes = [inferencer('visual', face_size=size).made_of(recording)['faces']['size'] for size in (None, 56)]
    assert sizes == [48, 56]
