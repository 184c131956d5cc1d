"""What a stream takes: pictures, sound with voices, sound alone; what it refuses; what it says at the end."""

import numpy as np
import pytest
import torch

from mmaffect.demo.voice import draw_voice, speak
from mmaffect.errors import ConfigError, MediaError
from mmaffect.faces import crop_face
from mmaffect.inference.analysis import Settings, analyse
from mmaffect.inference.encoder import FrameEncoder
from mmaffect.inference.recording import ArrayRecording
from mmaffect.media import VoiceDetector, VoiceSegments, voice_presence
from mmaffect.streaming import inferencer as streaming
from mmaffect.streaming.inferencer import StreamingInferencer
from mmaffect.streaming.voice import StreamVoice
from tests.streaming_material import DETECTOR, POINTS, L, Material, StreamTestDetector, make_model


def pictures(count=43, seed=3):
    g = np.random.default_rng(seed)
    frames = g.integers(0, 256, (count, 64, 72, 3), dtype=np.uint8)
    frames[:, 0, 0] = 255
    frames[8:15, 0, 0] = 0
    return frames


def speech(seconds, rate):
    """A voice of the demo corpus after a second of silence."""
    g = np.random.default_rng(0)
    said = speak(g, draw_voice(g), np.tile([0.5, 0.8], (round(seconds * 25), 1)))
    samples = np.asarray(said.sound, np.float64)
    old = np.arange(len(samples)) / len(samples)
    new = np.arange(round(seconds * rate)) / round(seconds * rate)
    spoken = np.interp(new, old, samples).astype(np.float32)
    return np.concatenate((np.zeros(rate, np.float32), spoken, np.zeros(rate, np.float32)))


@pytest.mark.parametrize('case', ['both', 'clips'])
def test_pictures_give_what_offline_inference_gives(case):
    frames, times = pictures(), np.arange(43) / 25
    sound = Material().g.standard_normal(round(1.7 * 44100)).astype(np.float32) * 0.1
    model = make_model(case)
    model.dataset_meta = {'face_size': 48}
    recording = ArrayRecording(frames, times, sound=sound, sample_rate=44100)
    settings = Settings(schedule='delayed', hop=4, delay=6, voice=False)
    (offline,) = analyse(recording, FrameEncoder(model), settings, StreamTestDetector)
    online = StreamingInferencer(model, detector=StreamTestDetector(), hop=4, delay=6, sample_rate=44100, voice=False)
    online.warm_up()
    for start in range(0, 43, 5):
        samples = slice(start * 1764, (start + 5) * 1764)
        online.push(frames[start : start + 5], sound[samples], times[start : start + 5])
    online.push(audio=sound[45 * 1764 :])
    online.close()
    trace = online.trace('pictures')
    assert trace.affect == pytest.approx(offline.affect, abs=1e-5)
    assert trace.face.tolist() == offline.chosen.present.tolist() == [not 8 <= i < 15 for i in range(43)]
    assert trace.track.tolist() == offline.chosen.track.tolist()
    assert trace.box == pytest.approx(offline.chosen.box, nan_ok=True)
    assert sorted(trace.gates) == sorted(offline.gates)
    for name, shares in offline.gates.items():
        assert trace.gates[name] == pytest.approx(shares, abs=1e-5), name
    assert trace.header['frames'] == {
        'declared': None,
        'decoded': 43,
        'with_face': 36,
        'with_voice': 0,
        'predicted': 43,
    }
    assert trace.header['window'] == {'length': L, 'hop': 4, 'stride': 1, 'schedule': 'delayed', 'delay': 6}
    assert trace.flags == ('stream', 'voice_unknown')


def test_faces_that_others_found():
    frames = pictures()
    model = make_model('visual')
    found = []
    for push in ('push', 'push_faces'):
        online = StreamingInferencer(model, detector=DETECTOR, hop=4, face_size=48)
        if push == 'push':
            online.push(frames)
        else:
            shifts = frames[:, 0, 1, 0] % 5
            crops = [crop_face(frame, POINTS + shift, 48) for frame, shift in zip(frames, shifts, strict=True)]
            online.push_faces(np.stack(crops), present=frames[:, 0, 0, 0] == 255)
        online.close()
        found.append(online.trace())
    assert np.array_equal(found[0].affect, found[1].affect)
    assert np.array_equal(found[0].face, found[1].face)
    assert np.isnan(found[1].box).all()


def test_voice_is_that_of_the_whole_sound():
    rate = 16000
    sound, times = speech(3.0, rate), np.arange(0, 5, 0.04)
    detector = VoiceDetector()
    whole = voice_presence(np.concatenate((detector.push(sound), detector.flush())), times)
    assert 0.2 < whole.mean() < 0.9, 'a sound that tells nothing'
    voice, heard, late = StreamVoice(rate), [], []
    for start in range(0, len(sound), 777):
        voice.push(sound[start : start + 777])
        while len(heard) < len(times) and voice.ready(times[len(heard)]):
            late.append((start + 777) / rate - times[len(heard)])
            heard.append(voice.heard(times[len(heard)]))
    voice.close()
    heard += [voice.heard(time) for time in times[len(heard) :]]
    assert heard == whole.tolist()
    assert max(late) <= streaming.VOICE_LOOK_AHEAD + 777 / rate


def test_segments_that_are_over_are_forgotten():
    segments = VoiceSegments()
    segments.push(np.tile(np.repeat([0.9, 0.1], 20), 50))
    times = np.arange(0, 64, 0.04)
    expected = segments.presence(times)
    assert len(segments.seconds) == 50
    assert 0.4 < expected.mean() < 0.7
    found = []
    for time in times:
        segments.forget(time)
        found.append(bool(segments.presence(np.array([time]))[0]))
    assert found == expected.tolist()
    assert len(segments.seconds) <= 1


def test_sound_alone_ticks():
    model = make_model('both')
    model.dataset_meta = {'face_size': 48}
    sound = speech(1.0, 44100)[: round(2.03 * 44100)]
    recording = ArrayRecording(sound=sound, sample_rate=44100)
    settings = Settings(schedule='delayed', hop=3, delay=2)
    (offline,) = analyse(recording, FrameEncoder(model), settings, StreamTestDetector)
    online = StreamingInferencer(model, hop=3, delay=2, sample_rate=44100, picture=False)
    for start in range(0, len(sound), 3001):
        online.push(audio=sound[start : start + 3001])
    online.close()
    trace = online.trace()
    assert np.array_equal(trace.times, offline.times)
    assert trace.affect == pytest.approx(offline.affect, abs=1e-5)
    assert trace.voice.tolist() == offline.voice.tolist()
    assert trace.flags[:2] == ('stream', 'no_picture')
    assert 'no_face' in trace.flags
    with pytest.raises(MediaError, match='closed'):
        online.push(audio=sound)


def test_what_cannot_follow_a_stream():
    with pytest.raises(ConfigError, match='stride=2: windows of every frame only can follow a recording'):
        StreamingInferencer(make_model('visual', stride=2), face_size=48)
    with pytest.raises(ConfigError, match='hop=21; expected 1 to the length of a window, 20'):
        StreamingInferencer(make_model('visual'), hop=21, face_size=48)
    with pytest.raises(ConfigError, match='delay=17; expected 0 to 16'):
        StreamingInferencer(make_model('visual'), hop=4, delay=17, face_size=48)
    with pytest.raises(ConfigError, match='expected pictures, sound or both'):
        StreamingInferencer(make_model('visual'), picture=False)
    model = make_model('audio')
    model.cfg.test_dataloader.dataset.waveform = True
    with pytest.raises(ConfigError, match='expected a WaveformStream'):
        StreamingInferencer(model)
    model = make_model('visual')
    model.cfg.test_dataloader.dataset.masks = 'drawn'
    with pytest.raises(ConfigError, match="masks='drawn'"):
        StreamingInferencer(model, face_size=48)


def test_waveforms_are_refused(monkeypatch):
    monkeypatch.setattr(FrameEncoder, '__setattr__', _as_if_of_waveforms)
    with pytest.raises(ConfigError, match='takes waveforms'):
        StreamingInferencer(make_model('audio'))


def _as_if_of_waveforms(encoder, name, value):
    object.__setattr__(encoder, name, 16000 if name == 'waveform_rate' else value)


def test_what_is_pushed_is_checked():
    faces = np.zeros((2, 48, 48, 3), np.uint8)
    online = StreamingInferencer(make_model('visual'), detector=None, hop=1, face_size=48)
    with pytest.raises(ConfigError, match='push_faces'):
        online.push(faces)
    with pytest.raises(ConfigError, match='sample_rate=None'):
        online.push(audio=np.zeros(5, np.float32))
    with pytest.raises(ConfigError, match=r'uint8 \(40, 40, 3\); expected uint8 \(48, 48, 3\)'):
        online.push_faces(faces[:, :40, :40])
    with pytest.raises(MediaError, match='2 faces, but 1 present'):
        online.push_faces(faces, present=[True])
    with pytest.raises(MediaError, match='2 frames, 3 times'):
        online.push_faces(faces, times=[0, 1, 2])
    with pytest.raises(ConfigError, match='no frame has a value yet'):
        online.trace()
    assert len(online.push_faces(faces, times=[0.0, 0.5])) == 2
    with pytest.raises(MediaError, match=r'frame 2 is at 0\.4 s; expected 0\.5 s or later'):
        online.push_faces(faces[:1], times=[0.4])
    online.close()
    assert len(online.close()) == 0
    silent = StreamingInferencer(make_model('audio'), sample_rate=16000, picture=False, voice=False)
    with pytest.raises(ConfigError, match='no pictures'):
        silent.push_faces(faces)


def test_an_estimator_stays_as_it_was():
    model = make_model('visual')
    before = {name: value.clone() for name, value in model.state_dict().items()}
    online = StreamingInferencer(model, detector=None, hop=1, face_size=48)
    online.push_faces(np.zeros((3, 48, 48, 3), np.uint8))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
