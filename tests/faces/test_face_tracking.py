import numpy as np
import pytest
from skimage.data import astronaut

from mmaffect.errors import ConfigError, MediaError
from mmaffect.faces import (
    Face,
    FaceDetector,
    FaceTracker,
    FaceTracks,
    OnlineFaces,
    build_detector,
    choose_faces,
    find_faces,
)

FPS = 25.0


def face(x: float, y: float = 100.0, side: float = 60.0) -> Face:
    box = np.array([x, y, side, side * 1.2], np.float32)
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * box[2:] + box[:2]
    return Face(box, 0.9, points.astype(np.float32))


class Scripted(FaceDetector):
    """Gives the faces that are written down for the frame whose number the pixels hold."""

    def __init__(self, faces: list[list[Face]]) -> None:
        self.faces, self.searched = faces, []

    def detect(self, frame: np.ndarray) -> list[Face]:
        number = int(frame[0, 0, 0]) + 256 * int(frame[0, 0, 1])
        self.searched.append(number)
        return self.faces[number]


def pictures(count: int):
    for number in range(count):
        yield np.full((1, 1, 3), (number % 256, number // 256, 0), np.uint8)


def track(faces: list[list[Face]], fps: float = FPS) -> list[list[int]]:
    tracker = FaceTracker()
    return [tracker.update(number / fps, found) for number, found in enumerate(faces)]


def test_a_face_that_moves_is_one_track():
    assert track([[face(100 + 8 * i)] for i in range(50)]) == [[0]] * 50


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    assert track([[face(100)], *[[]] * 20, [face(104)]])[-1] == [0]
    assert track([[face(100)], *[[]] * 30, [face(104)]])[-1] == [1]


def test_a_face_that_goes_on_while_it_is_hidden():
    faces = [[face(100 + 5 * i)] for i in range(50)]
    faces[30:45] = [[]] * 15  # 75 pixels, more than its width
    assert {number for numbers in track(faces) for number in numbers} == {0}


def test_a_face_that_stops_while_it_is_hidden():
    faces = [[face(100 + 5 * i)] for i in range(20)] + [[]] * 20 + [[face(200)]] * 10
    assert {number for numbers in track(faces) for number in numbers} == {0}


def test_a_new_person_is_a_new_track_and_the_order_of_faces_does_not_matter():
    faces = [[face(100)], [face(300), face(101)], [face(102), face(302)]]
    assert track(faces) == [[0], [1, 0], [0, 1]]


def test_a_scene_cut_to_another_place_begins_new_tracks():
    assert track([[face(100), face(300)]] * 5 + [[face(200), face(420)]] * 5)[-1] == [2, 3]
    assert track([[face(100, side=40)]] * 5 + [[face(90, 90, side=200)]] * 5)[-1] == [1]


@pytest.mark.parametrize('speed', [3.0, 6.0, 10.0])
@pytest.mark.parametrize('every', [1, 3])
def test_people_who_cross_keep_their_tracks(speed, every):
    g = np.random.default_rng(0)
    count = int(440 / speed)
    faces, people = [], []
    for i in range(0, count, every):
        x = np.array([100 + speed * i, 100 + speed * (count - i)]) + g.normal(0, 1, 2)
        order = g.permutation(2)
        both = [face(x[0]), face(x[1], 112.0)]
        faces.append([both[person] for person in order])
        people.append(order.tolist())
    numbers = track(faces, FPS / every)
    first = {numbers[0][k]: people[0][k] for k in range(2)}
    assert all([first[n] for n in now] == who for now, who in zip(numbers, people, strict=True))


def test_who_is_covered_while_crossing_keeps_the_track():
    """The one behind is not found while the boxes overlap much."""
    faces, people = [], []
    for i in range(80):
        front, behind = 100 + 5 * i, 100 + 5 * (80 - i)
        hidden = abs(front - behind) < 45
        faces.append([face(front)] if hidden else [face(front), face(behind)])
        people.append([0] if hidden else [0, 1])
    assert track(faces) == people


def test_old_tracks_are_forgotten():
    tracker = FaceTracker(max_gap=1.0)
    for i in range(100):
        assert tracker.update(2.0 * i, [face(100)]) == [i]
    assert len(tracker._tracks) == 1


@pytest.mark.parametrize(('key', 'value'), [('max_gap', -1), ('max_gap', float('nan')), ('min_overlap', 0)])
def test_wrong_arguments_of_the_tracker(key, value):
    with pytest.raises(ConfigError, match=f'{key}={value}'):
        FaceTracker(**{key: value})


@pytest.mark.parametrize('every', [1, 2, 5, 7])
@pytest.mark.parametrize('count', [1, 2, 26, 300])
def test_frames_between_are_interpolated_in_time(every, count):
    g = np.random.default_rng(1)
    times = np.cumsum(g.uniform(0.01, 0.06, count))
    faces = [[face(100 + 2 * i + g.normal()), face(900 + g.normal())] for i in range(count)]
    detector = Scripted(faces)
    tracks = find_faces(pictures(count), times, detector, every=every)
    searched = sorted({*range(0, count, every), count - 1})
    assert detector.searched == searched
    np.testing.assert_array_equal(tracks.frame, np.repeat(np.arange(count), 2))
    for number in (0, 1):
        rows = tracks.track == number
        for name in ('box', 'points', 'score'):
            known = np.array([np.ravel(getattr(faces[i][number], name)) for i in searched])
            expected = np.stack([np.interp(times, times[searched], column) for column in known.T], axis=1)
            found = getattr(tracks, name)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found[rows].reshape(count, -1), expected, rtol=1e-5)


def test_nothing_is_filled_in_where_a_search_found_nothing():
    seen = [[face(100)] if not 10 <= i < 20 else [] for i in range(40)]
    every_frame = find_faces(pictures(40), np.arange(40) / FPS, Scripted(seen))
    assert sorted(set(range(40)) - set(every_frame.frame)) == list(range(10, 20))
    assert set(every_frame.track) == {0}
    fifth = find_faces(pictures(40), np.arange(40) / FPS, Scripted(seen), every=5)
    assert sorted(set(range(40)) - set(fifth.frame)) == list(range(6, 20))


def test_a_cut_is_not_interpolated():
    faces = [[face(100)]] * 13 + [[face(400)]] * 12
    tracks = find_faces(pictures(25), np.arange(25) / FPS, Scripted(faces), every=5)
    assert sorted(set(range(25)) - set(tracks.frame)) == [11, 12, 13, 14]
    assert set(tracks.box[:, 0]) == {100, 400}


def test_frames_that_share_a_time():
    tracks = find_faces(pictures(5), np.zeros(5), Scripted([[face(100)]] * 5), every=4)
    np.testing.assert_array_equal(tracks.box[:, 0], [100] * 5)


def test_no_face_at_all_and_no_frame():
    tracks = find_faces(pictures(5), np.arange(5), Scripted([[]] * 5))
    assert (tracks.num_frames, len(tracks.frame), tracks.points.shape) == (5, 0, (0, 5, 2))
    for choice in ('largest', 'longest'):
        (chosen,) = choose_faces(tracks, np.arange(5), choice)
        assert chosen.track.tolist() == [-1] * 5
        assert np.isnan(chosen.box).all()
        assert not chosen.present.any()
    assert choose_faces(tracks, np.arange(5), 'all') == []
    nothing = find_faces(pictures(0), np.zeros(0), Scripted([]))
    assert len(choose_faces(nothing, np.zeros(0))[0].track) == 0
    assert choose_faces(nothing, np.zeros(0), 'all') == []


def test_frames_are_not_kept():
    living, most = 0, 0

    class Frame(np.ndarray):
        def __del__(self):
            nonlocal living
            living -= self.base is not None

    def frames():
        nonlocal living, most
        for picture in pictures(50):
            living += 1
            most = max(most, living)
            yield picture.view(Frame)

    find_faces(frames(), np.arange(50) / FPS, Scripted([[face(100)]] * 50), every=5)
    assert 0 < most <= 3


@pytest.mark.parametrize('count', [3, 5])
def test_frames_and_times_of_different_length(count):
    with pytest.raises(MediaError, match='frames'):
        find_faces(pictures(count), np.arange(4.0), Scripted([[]] * 9))


def test_wrong_every():
    with pytest.raises(ConfigError, match='every=0'):
        find_faces(pictures(1), np.zeros(1), Scripted([[]]), every=0)
    with pytest.raises(ConfigError, match='every=0'):
        OnlineFaces(Scripted([[]]), every=0)


def table(*rows: tuple[int, int, float], frames: int = 50) -> FaceTracks:
    """Rows of frame, track and side of a square box."""
    frame, number, side = (np.array(column) for column in zip(*rows, strict=True))
    box = np.stack([number * 100, number * 0, side, side], axis=1).astype(np.float32)
    points = np.repeat(box[:, None, :2], 5, axis=1)
    return FaceTracks(frames, frame, number.astype(np.int32), box, points, np.ones(len(frame), np.float32))


# Track 0 is small and long, 1 large and short, 2 in between and begins late.
THREE = table(
    *[(i, 0, 10) for i in range(50)], *[(i, 1, 40) for i in range(10, 20)], *[(i, 2, 20) for i in range(15, 45)]
)


def test_largest_gives_each_frame_to_the_largest_track_then():
    (chosen,) = choose_faces(THREE, np.arange(50) / FPS, 'largest')
    assert chosen.track.tolist() == [0] * 10 + [1] * 10 + [2] * 25 + [0] * 5
    np.testing.assert_array_equal(chosen.box[:, 2], [10] * 10 + [40] * 10 + [20] * 25 + [10] * 5)
    np.testing.assert_array_equal(chosen.points[12], np.tile([100, 0], (5, 1)))
    assert (chosen.track.dtype, chosen.box.dtype, chosen.points.dtype) == (np.int32, np.float32, np.float32)


def test_largest_is_by_the_area_of_the_whole_track():
    rows = [(i, 0, 10) for i in range(50)] + [(20, 1, 30)]
    (chosen,) = choose_faces(table(*rows), np.arange(50) / FPS)
    assert set(chosen.track) == {0}


def test_longest_is_one_track():
    (chosen,) = choose_faces(THREE, np.arange(50) / FPS, 'longest')
    assert chosen.track.tolist() == [0] * 50
    (chosen,) = choose_faces(table((0, 0, 5), (2, 0, 5), (1, 3, 6), (4, 3, 6)), np.arange(50) / FPS, 'longest')
    assert chosen.track[:5].tolist() == [-1, 3, -1, -1, 3]


def test_all_are_those_that_last():
    chosen = choose_faces(THREE, np.arange(50) / FPS, 'all')
    assert [set(one.track) - {-1} for one in chosen] == [{0}, {2}]
    assert chosen[1].present.nonzero()[0].tolist() == list(range(15, 45))
    assert np.isnan(chosen[1].points[14]).all()
    assert len(choose_faces(THREE, np.arange(50) / FPS, 'all', min_seconds=0.4)) == 3
    assert len(choose_faces(THREE, np.arange(50) / FPS, 'all', min_seconds=1.3)) == 1


def test_unknown_choice():
    with pytest.raises(ConfigError, match="choice='best'; expected one of 'largest', 'longest', 'all'"):
        choose_faces(THREE, np.arange(50) / FPS, 'best')


def test_online_is_offline_with_one_person():
    g = np.random.default_rng(2)
    faces = [[face(100 + i + g.normal())] if not 30 <= i < 40 and i < 90 else [] for i in range(120)]
    faces += [[face(300)]] * 30
    times = np.arange(150) / FPS
    (chosen,) = choose_faces(find_faces(pictures(150), times, Scripted(faces)), times)
    online = OnlineFaces(Scripted(faces))
    for i, picture in enumerate(pictures(150)):
        found, number = online.push(times[i], picture)
        assert number == chosen.track[i]
        if found is None:
            assert number == -1
        else:
            np.testing.assert_array_equal(found.box, chosen.box[i])
            np.testing.assert_array_equal(found.points, chosen.points[i])
    assert set(chosen.track) == {-1, 0, 1}


def test_online_follows_the_one_who_was_largest_so_far():
    faces = [[face(100)]] * 10 + [[face(100), face(300, side=100)]] * 20
    online = OnlineFaces(Scripted(faces))
    numbers = [online.push(i / FPS, picture)[1] for i, picture in enumerate(pictures(30))]
    # 60 x 72 a frame against 100 x 120: after 6 frames the second has had more.
    assert numbers == [0] * 15 + [1] * 15


def test_online_holds_between_searches():
    detector = Scripted([[face(100 + i)] for i in range(10)])
    online = OnlineFaces(detector, every=4)
    places = [online.push(i / FPS, picture)[0].box[0] for i, picture in enumerate(pictures(10))]
    assert places == [100] * 4 + [104] * 4 + [108] * 2
    assert detector.searched == [0, 4, 8]


def test_detector_and_tracker_together():
    """The astronaut moves across a grey picture and back."""
    portrait = astronaut()[32:224, 128:320]
    places = [*range(0, 200, 10), *range(200, 0, -10)]

    def frames():
        for place in places:
            picture = np.full((192, 400, 3), 120, np.uint8)
            picture[:, place : place + 192] = portrait
            yield picture

    times = np.arange(len(places)) / FPS
    tracks = find_faces(frames(), times, build_detector(), every=2)
    (chosen,) = choose_faces(tracks, times)
    assert set(chosen.track) == {0}
    moved = chosen.points.mean(axis=1)[:, 0] - places
    assert np.abs(moved - np.median(moved)).max() < 6
