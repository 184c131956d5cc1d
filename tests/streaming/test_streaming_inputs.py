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
from mmaffect.media.voice import VOICE_DELAY
from mmaffect.streaming.inferencer import StreamingInferencer
from mmaffect.streaming.values import KeptValues, StreamValues
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
        'with_voice': None,
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
    assert max(late) <= VOICE_DELAY + 777 / rate


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


def test_what_is_refused_is_not_taken():
    """A stream whose user corrects every mistake gives what one without mistakes gives."""
    material, found = Material(), []
    sound = material.g.standard_normal(round(1.7 * 16000)).astype(np.float32) * 0.1
    frames = pictures()
    model = make_model('ahead')
    for clumsy in (False, True):
        online = StreamingInferencer(
            model, detector=StreamTestDetector(), hop=4, sample_rate=16000, voice=False, face_size=48
        )
        for start in range(0, 43, 7):
            part, times = frames[start : start + 7], np.arange(start, min(start + 7, 43)) / 25
            heard = sound[start * 640 : (start + 7) * 640]
            mistakes = [
                (part, heard, times[:-1], None, 'frames, [0-9] times'),
                (part, heard, times + 9999, None, 'a jump of 99'),
                (part, heard, np.append(times[:-1], np.nan), None, 'is at nan s'),
                ([*part[:-1], part[-1].astype(float)], heard, times, None, 'a frame is float64'),
                (part[:1, :, :, 0], heard, times[:1], None, r'of shape \(64, 72\)'),
                (part, heard.astype(int), times, None, 'sound is int64'),
                (part, np.append(heard, np.nan), times, None, 'NaN'),
                (part, heard, times, 9999.0, 'a jump of 9'),
                (part, heard, times, float('nan'), 'audio_time=nan'),
            ]
            for *given, at, text in mistakes if clumsy else ():
                with pytest.raises(MediaError, match=text):
                    online.push(*given, audio_time=at)
            online.push(part, heard, times)
        assert (online.sound.filled, online.sound.cut) == (0, 0)
        online.close()
        found.append(online.trace())
    assert np.array_equal(found[0].affect, found[1].affect)
    assert np.array_equal(found[0].track, found[1].track)


def test_times_follow_those_that_were_given():
    online = StreamingInferencer(make_model('visual'), detector=None, hop=1, face_size=48)
    faces = np.zeros((2, 48, 48, 3), np.uint8)
    online.push_faces(faces, times=[5.0, 5.1])
    with pytest.raises(MediaError, match=r'frame 2 is at 0\.08 s; expected 5\.1 s or later'):
        online.push_faces(faces)
    online.push_faces(faces, times=[5.2, 5.3])
    online.close()
    assert online.trace().times.tolist() == [5.0, 5.1, 5.2, 5.3]


def test_sound_may_have_channels_and_integers():
    g, found = np.random.default_rng(0), []
    integers = g.integers(-3000, 3000, (24000, 2), dtype=np.int16)
    for sound in (integers, (integers[:, 0] / 65536 + integers[:, 1] / 65536).astype(np.float32)):
        online = StreamingInferencer(make_model('audio'), sample_rate=16000, picture=False, voice=False, hop=5)
        online.push(audio=sound)
        online.close()
        found.append(online.trace().affect)
    assert len(found[0]) == 38
    assert found[0] == pytest.approx(found[1], abs=1e-5)
    for rate in (44100.0, 10, None):
        with pytest.raises(ConfigError, match='expected'):
            StreamingInferencer(make_model('audio'), sample_rate=rate, picture=False, voice=False)


def test_pictures_that_come_long_after_their_sound_say_so(monkeypatch):
    monkeypatch.setattr('mmaffect.streaming.sound.MAX_AHEAD', 2.0)
    flags = []
    for seconds in (1, 5):
        online = StreamingInferencer(make_model('both'), sample_rate=16000, detector=None, voice=False, face_size=48)
        online.push(audio=np.zeros(seconds * 16000, np.float32))
        online.push_faces(np.zeros((3, 48, 48, 3), np.uint8))
        online.close()
        flags.append(online.trace().flags)
    assert flags == [('stream', 'voice_unknown'), ('stream', 'sound_missed', 'voice_unknown')]


def test_values_are_kept_in_few_pieces():
    kept, g = KeptValues(), np.random.default_rng(0)
    assert kept.joined() is None
    affect = g.uniform(-1, 1, (1000, 2)).astype(np.float32)
    for i in range(1000):
        none = np.zeros(0 if i % 7 == 3 else 1)
        one = slice(i, i + len(none))
        box = np.zeros((len(none), 4))
        kept.add(StreamValues(i, np.arange(1000.0)[one], affect[one], none, none, box, none, {'a/b': affect[one, 0]}))
    expected = [i for i in range(1000) if i % 7 != 3]
    found = kept.joined()
    assert found.first == 0
    assert found.times.tolist() == expected
    assert np.array_equal(found.affect, affect[expected])
    assert np.array_equal(found.gates['a/b'], affect[expected, 0])
    assert len(kept._parts) < 12
