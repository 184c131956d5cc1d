"""Streaming against full windows of AffectDataset: one trial for every moment at which something is known."""

import gc
import tracemalloc

import numpy as np
import pytest
import torch

from mmaffect.datasets import AffectDataset, CorpusWriter, collate_windows
from mmaffect.errors import ConfigError, MediaError
from mmaffect.media.log_mel import get_front_end, log_mel
from mmaffect.streaming.inferencer import StreamingInferencer
from mmaffect.streaming.sound import SoundTimeline, StreamRows
from tests.streaming_material import CASES, L, Material, make_model, settings


def witness(case, model, material, hop, delay, root):
    """Predictions from windows of AffectDataset, each of a trial that holds what is known at its end."""
    dataset = settings(case)
    front_end = get_front_end(dataset.get('front_end', 'paper'))
    sound = material.at(front_end)
    rows = log_mel(sound, front_end) if len(sound) else None
    frames = len(material.faces)
    ends = [*range(delay + hop, frames + 1, hop)]
    ends += [frames] * (not ends or ends[-1] - delay < frames)
    writer = CorpusWriter(root, name='toy', front_end=front_end, face_size=48, synthetic=True)
    faces = np.where(material.present[:, None, None, None], material.faces, 0).astype(np.uint8)
    names = [f't{number}' for number in range(len(ends))]
    for name, end in zip(names, ends, strict=True):
        writer.write_trial(
            name,
            video='v',
            split='test',
            faces=faces[:end],
            logmel=rows,
            timestamps=material.times[:end],
            targets=np.zeros((end, 2)),
            valid=np.zeros(end, bool),
            face_present=material.present[:end],
        )
    writer.finish(names)
    data = AffectDataset(**{k: v for k, v in settings(case, root).items() if k != 'type'})
    found = np.full((frames, 2), np.nan)
    for number, (name, end) in enumerate(zip(names, ends, strict=True)):
        start = max(0, end - L)
        window = data.pipeline({**data.cut(name, start), 'rng': np.random.default_rng(0)})
        with torch.no_grad():
            affect = model.test_step(collate_windows([window]))[0].pred_affect.numpy()
        first = number * hop
        last = frames if number == len(ends) - 1 and ends[-1] == frames else first + hop
        found[first:last] = affect[first - start : last - start]
    assert np.isfinite(found).all()
    return found


def stream(model, material, front_end, chunks, **arguments):
    """Values of a stream that gets faces and sound in chunks of these sizes, sound in seconds."""
    sound = material.at(front_end)
    rate = front_end.sample_rate
    inferencer = StreamingInferencer(
        model,
        detector=None,
        voice=False,
        face_size=48,
        sample_rate=rate if len(sound) else None,
        sound_wait=np.inf,
        **arguments,
    )
    parts, given, heard = [], 0, 0
    frames = len(material.faces)
    chunks = iter(chunks)
    while given < frames or heard < len(sound):
        count, seconds = next(chunks)
        count, samples = min(count, frames - given), min(round(seconds * rate), len(sound) - heard)
        now = slice(given, given + count)
        audio = sound[heard : heard + samples] if len(sound) else None
        parts.append(
            inferencer.push_faces(material.faces[now], audio, material.times[now], present=material.present[now])
        )
        given, heard = given + count, heard + samples
    parts.append(inferencer.close())
    assert [part.first for part in parts] == np.cumsum([0, *map(len, parts[:-1])]).tolist()
    return inferencer, parts


def chunks_of(kind):
    g = np.random.default_rng(5)
    while True:
        if kind == 'all at once':
            yield 10**6, 10**6
        elif kind == 'frame by frame':
            yield 1, 0.04
        else:
            yield int(g.integers(0, 9)), float(g.choice([0, 0.001, 0.1, 0.5]))


def check(case, material, tmp_path, hop=3, delay=4, kinds=('all at once', 'frame by frame', 'random')):
    model = make_model(case)
    expected = witness(case, model, material, hop, delay, tmp_path / 'corpus')
    assert expected.std(axis=0).min() > 1e-3, 'a witness that cannot tell frames apart'
    front_end = get_front_end(settings(case).get('front_end', 'paper'))
    for kind in kinds:
        inferencer, parts = stream(model, material, front_end, chunks_of(kind), hop=hop, delay=delay)
        found = np.concatenate([part.affect for part in parts])
        assert np.concatenate([part.times for part in parts]) == pytest.approx(material.times, abs=0)
        assert found == pytest.approx(expected, abs=1e-5)
        assert inferencer.given == inferencer.received == len(material.faces)


@pytest.mark.parametrize('case', CASES)
def test_streaming_gives_what_full_windows_give(case, tmp_path):
    check(case, Material(), tmp_path)


@pytest.mark.parametrize(
    ('case', 'hop', 'delay'), [('both', 1, 0), ('both', 20, 0), ('clips', 5, 15), ('audio', 7, 2), ('visual', 4, 0)]
)
def test_every_hop_and_delay(case, hop, delay, tmp_path):
    check(case, Material(), tmp_path, hop, delay, kinds=('random',))


@pytest.mark.parametrize('case', ['both', 'clips', 'audio', 'ahead'])
def test_times_that_vary(case, tmp_path):
    check(case, Material(vary=True), tmp_path, kinds=('random',))


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('frames', [1, 11])
def test_a_recording_shorter_than_a_window(case, frames, tmp_path):
    model = make_model(case)
    material = Material(frames, 0.5)
    expected = witness(case, model, material, 3, 4, tmp_path / 'corpus')
    front_end = get_front_end(settings(case).get('front_end', 'paper'))
    _, parts = stream(model, material, front_end, chunks_of('random'), hop=3, delay=4)
    assert np.concatenate([part.affect for part in parts]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('case', ['both', 'ahead', 'audio'])
def test_sound_that_ends_early(case, tmp_path):
    check(case, Material(seconds=0.7), tmp_path)


@pytest.mark.parametrize('case', ['both', 'clips', 'visual'])
@pytest.mark.parametrize('seen', [slice(14, 20), slice(0, 3), slice(0, 0), slice(40, 43)])
def test_frames_without_a_face(case, seen, tmp_path):
    material = Material()
    material.present[:] = False
    material.present[seen] = True
    model = make_model(case)
    expected = witness(case, model, material, 3, 4, tmp_path / 'corpus')
    _, parts = stream(model, material, get_front_end('paper'), chunks_of('random'), hop=3, delay=4)
    assert np.concatenate([part.affect for part in parts]) == pytest.approx(expected, abs=1e-5)
    assert np.concatenate([part.face for part in parts]).tolist() == material.present.tolist()


@pytest.mark.parametrize('case', ['both', 'ahead'])
def test_no_sound(case, tmp_path):
    check(case, Material(sound=False), tmp_path, kinds=('random',))


def test_sound_that_does_not_come_is_silence_after_a_while(tmp_path):
    model, front_end, wait = make_model('both'), get_front_end('paper'), 0.5
    material = Material()
    whole = material.at(front_end)
    heard = whole[: round(0.6 * front_end.sample_rate)]
    inferencer = StreamingInferencer(
        model, detector=None, voice=False, face_size=48, sample_rate=front_end.sample_rate, sound_wait=wait, hop=3
    )
    parts = [inferencer.push(audio=heard)]
    for i, (face, time) in enumerate(zip(material.faces, material.times, strict=True)):
        parts.append(inferencer.push_faces(face[None], times=[time]))
        assert i < 30 or inferencer.given > 0
    late = round((material.times[-1] - wait) * front_end.sample_rate)
    assert inferencer.sound.filled == pytest.approx((late - len(heard)) / front_end.sample_rate)
    # What comes after all is dropped where it was filled, and heard from there on.
    parts.append(inferencer.push(audio=whole[len(heard) :]))
    assert inferencer.sound.cut == pytest.approx(inferencer.sound.filled)
    parts.append(inferencer.close())
    material.sound = whole.copy()
    material.sound[len(heard) : late] = 0
    expected = witness('both', model, material, 3, 0, tmp_path / 'corpus')
    assert np.concatenate([part.affect for part in parts]) == pytest.approx(expected, abs=1e-5)


def test_gaps_and_overlaps_of_sound():
    rate = 1000
    timeline = SoundTimeline(rate)
    ramp = np.arange(1, 3001, dtype=np.float32) / 3001
    found = timeline.push(ramp[:500])
    found += timeline.push(ramp[500:600], 0.53)  # within the tolerance: follows
    found += timeline.push(ramp[900:1000], 0.9)  # a gap
    found += timeline.push(ramp[700:1100], 0.7)  # an overlap
    expected = ramp[:1100].copy()
    expected[600:900] = 0
    assert np.concatenate(found) == pytest.approx(expected, abs=0)
    assert (timeline.filled, timeline.cut, timeline.end) == pytest.approx((0.3, 0.3, 1.1))
    with pytest.raises(MediaError, match=r'a jump of 9998\.9 s after the sound before'):
        timeline.push(ramp, 1e4)
    with pytest.raises(MediaError, match=r'audio: sound is int32 \(3,\)'):
        timeline.push(np.zeros(3, np.int32))
    with pytest.raises(MediaError, match='NaN'):
        timeline.push(np.full(3, np.nan, np.float32))


@pytest.mark.parametrize(
    ('case', 'rate', 'more'),
    [
        ('both', 44100, {}),
        ('both', 48000, {}),
        ('both', 44100, dict(align='causal')),
        ('ahead', 16000, {}),
        ('audio', 44100, {}),
        ('visual', None, {}),
    ],
)
def test_the_stated_latency_is_kept_and_no_more_than_needed(case, rate, more):
    """Sound and frames that come at their time, in steps of 5 ms of simulated time."""
    model = make_model(case, **more)
    inferencer = StreamingInferencer(
        model, detector=None, voice=False, face_size=48, sample_rate=rate, hop=4, delay=3, fps=25
    )
    fed, waited = 0, []
    for now in range(0, 2600, 5):
        audio = None
        if rate:
            count = now * rate // 1000 - fed
            audio, fed = np.zeros(count, np.float32), fed + count
        faces = np.zeros((int(now % 40 == 0), 48, 48, 3), np.uint8)
        values = inferencer.push_faces(faces, audio, [now / 1000] * len(faces))
        waited += [now / 1000 - time for time in values.times]
    stated = inferencer.latency
    assert len(waited) > 20
    assert max(waited) <= stated.seconds + 0.005
    assert max(waited) > stated.seconds - 0.02
    assert stated.seconds == pytest.approx(6 / 25 + stated.sound)
    assert stated.frames == int(np.ceil(stated.seconds * 25 - 1e-9))
    assert f'{stated.seconds:.2f} s or {stated.frames} frames at 25 fps' in str(stated)


def test_memory_does_not_grow():
    model = make_model('both')
    inferencer = StreamingInferencer(
        model, detector=None, voice=False, face_size=48, sample_rate=44100, hop=10, keep=False
    )
    faces, sound = np.zeros((25, 48, 48, 3), np.uint8), np.zeros(44100, np.float32)
    tracemalloc.start()
    used = []
    for _ in range(20):
        inferencer.push_faces(faces, sound)
        gc.collect()
        used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert inferencer.given > 450
    # The 15 s in between are 2.6 MB of faces and 2.6 MB of sound.
    assert used[-1] - used[4] < 60_000
    with pytest.raises(ConfigError, match='keep=False'):
        inferencer.trace()


def test_sound_far_ahead_of_the_pictures_is_let_go(monkeypatch):
    monkeypatch.setattr('mmaffect.streaming.sound.MAX_AHEAD', 60.0)
    rows = StreamRows(get_front_end('vggish'), 'causal', 96, 16000)
    for _ in range(70):
        rows.push(np.zeros(16000, np.float32))
    assert len(rows.rows) == 6000
    assert rows.first + len(rows.rows) == pytest.approx(7000, abs=3)
    assert rows.misses(1.0)
    assert not rows.misses(20.0)


@pytest.mark.parametrize('case', ['both', 'ahead'])
def test_sound_that_is_said_to_end(case, tmp_path):
    """Frames long after it are those of a recording whose sound ends; nothing is filled in for what will not come."""
    model, material = make_model(case), Material(seconds=0.7)
    front_end = get_front_end(settings(case)['front_end'])
    expected = witness(case, model, material, 3, 0, tmp_path / 'corpus')
    inferencer = StreamingInferencer(
        model, detector=None, voice=False, face_size=48, sample_rate=front_end.sample_rate, sound_wait=0.1, hop=3
    )
    parts = [inferencer.push(audio=material.at(front_end)), inferencer.end_sound()]
    for face, time in zip(material.faces, material.times, strict=True):
        parts.append(inferencer.push_faces(face[None], times=[time]))
    with pytest.raises(MediaError, match='the sound of the stream has ended'):
        inferencer.push(audio=np.zeros(3, np.float32))
    parts.append(inferencer.close())
    assert inferencer.sound.filled == 0
    assert np.concatenate([part.affect for part in parts]) == pytest.approx(expected, abs=1e-5)
