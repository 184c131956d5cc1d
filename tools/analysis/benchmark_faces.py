"""Compare face detectors: time, faces found, agreement of their points and of aligned crops, interpolation.

Distances are in pixels of the aligned crop of 112x112. Times are of this run, one after the other on the same frames.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmaffect.datasets.faces import list_faces, read_image
from mmaffect.errors import CorpusError
from mmaffect.faces import ChosenFaces, FaceDetector, align_face, build_detector, choose_faces, find_faces
from mmaffect.faces.alignment import similarity
from mmaffect.media import VideoReader
from mmaffect.utils.cli import run_tool

EVERY = 5
UNLIMITED = 1 << 14


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--clips', type=Path, help='folder of videos, each with one face in every frame')
    parser.add_argument('--enlarge', type=float, default=1.0, help='enlarge the clips first (default: 1)')
    parser.add_argument('--corpus', type=Path, help='a raw corpus with batch*/ and cropped_aligned/')
    parser.add_argument('--videos', type=int, default=8, help='videos of the corpus (default: 8)')
    parser.add_argument('--negative', type=Path, help='a video without faces')
    parser.add_argument('--yunet', type=Path, help='the ONNX file of a YuNet detector, to compare it too')
    parser.add_argument('--threads', type=int, default=1, help='of OpenCV and ONNX Runtime (default: 1)')
    return parser.parse_args()


@dataclass
class Video:
    path: Path
    enlarge: float = 1.0

    def __post_init__(self) -> None:
        self.reader = VideoReader(self.path)
        self.times = self.reader.timestamps.seconds

    def __iter__(self) -> Iterator[np.ndarray]:
        for _, frame in self.reader:
            if self.enlarge != 1:
                frame = cv2.resize(frame, None, fx=self.enlarge, fy=self.enlarge, interpolation=cv2.INTER_CUBIC)
            yield frame


class Timed:
    """A detector that adds up its time, and keeps how many faces it has found."""

    def __init__(self, detector: FaceDetector) -> None:
        self.detector, self.seconds, self.frames, self.faces = detector, 0.0, 0, 0

    def detect(self, frame: np.ndarray) -> list:
        start = time.perf_counter()
        faces = self.detector.detect(frame)
        self.seconds += time.perf_counter() - start
        self.frames += 1
        self.faces += len(faces)
        return faces

    @property
    def milliseconds(self) -> float:
        return 1e3 * self.seconds / self.frames


def configs(yunet: Path | None, threads: int) -> dict[str, dict]:
    """Configs by name; the first is what the others are compared with."""
    kinds = {
        'retinaface': dict(type='RetinaFaceDetector', threads=threads),
        'mtcnn': dict(type='MTCNNDetector', threads=threads),
    }
    if yunet is not None:
        kinds['yunet'] = dict(type='YuNetDetector', path=str(yunet))
    sides = {'': UNLIMITED, ' 640': 640, ' 320': 320}
    return {kind + name: {**kinds[kind], 'max_side': side} for kind in kinds for name, side in sides.items()}


def follow(video: Video, detector: FaceDetector | Timed, every: int = 1) -> ChosenFaces:
    tracks = find_faces(video, video.times, detector, every=every)
    return choose_faces(tracks, video.times, 'largest')[0]


def distances(reference: ChosenFaces, other: ChosenFaces) -> np.ndarray:
    """Mean distance of the five points of each frame that has both."""
    both = np.flatnonzero(reference.present & other.present)
    return np.array([distance(reference.points[i], other.points[i]) for i in both])


def distance(points: np.ndarray, others: np.ndarray) -> float:
    scale = np.hypot(*similarity(points)[:, 0])
    return float(scale * np.linalg.norm(others - points, axis=1).mean())


def jitter(faces: ChosenFaces) -> np.ndarray:
    """Distance of each frame's points from the mean of those before and after."""
    points, here = faces.points, faces.present
    frames = [i for i in range(1, len(points) - 1) if here[i - 1 : i + 2].all()]
    return np.array([distance(points[i], (points[i - 1] + points[i + 1]) / 2) for i in frames])


def crop_differences(video: Video, faces: ChosenFaces, given: dict[int, np.ndarray]) -> list[float]:
    """Mean absolute difference, in levels of 255, of our crop and the given one in each frame that has both."""
    return [
        float(cv2.absdiff(align_face(frame, faces.points[index]), given[index]).mean())
        for index, frame in enumerate(video)
        if index in given and faces.present[index]
    ]


def compare(videos: list[Video], crops: list[dict[int, np.ndarray]], kinds: dict[str, dict]) -> None:
    print(f'{"detector":16}{"ms/frame":>9}{"found":>8}{"points":>8}{"jitter":>8}{"crop":>7}{"every 5":>9}')
    reference: list[ChosenFaces] = []
    for name, config in kinds.items():
        timed = Timed(build_detector(config))
        timed.detector.detect(next(iter(videos[0])))  # the first is slower
        every = [follow(video, timed) for video in videos]
        fifth = [follow(video, timed.detector, EVERY) for video in videos]
        reference = reference or every
        pairs = list(zip(videos, every, crops, strict=True))
        crop = [value for video, faces, given in pairs if given for value in crop_differences(video, faces, given)]
        found = np.concatenate([faces.present for faces in every]).mean()
        figures = [
            mean([distances(*pair) for pair in zip(reference, every, strict=True)]),
            mean([jitter(faces) for faces in every]),
            f'{np.mean(crop):.2f}' if crop else '-',
            mean([between(*pair) for pair in zip(every, fifth, strict=True)]),
        ]
        print(
            f'{name:16}{timed.milliseconds:9.2f}{found:8.4f}{figures[0]:>8}{figures[1]:>8}{figures[2]:>7}{figures[3]:>9}'
        )
    shifts = [value for given in crops for value in shifted(given)]
    if shifts:
        print(f'given crops moved by one pixel: {np.mean(shifts):.2f}')


def between(every: ChosenFaces, fifth: ChosenFaces) -> np.ndarray:
    """How far interpolated points are from detected ones."""
    hidden = ChosenFaces(np.where(np.arange(len(every.track)) % EVERY == 0, -1, fifth.track), fifth.box, fifth.points)
    return distances(every, hidden)


def mean(parts: list[np.ndarray]) -> str:
    values = np.concatenate(parts)
    return f'{values.mean():.2f}' if len(values) else '-'


def shifted(given: dict[int, np.ndarray]) -> Iterator[float]:
    for crop in given.values():
        yield float(cv2.absdiff(crop[:, 1:], crop[:, :-1]).mean())


def read_corpus(root: Path, count: int) -> tuple[list[Video], list[dict[int, np.ndarray]]]:
    """Videos of one person, and their given crops by frame, from 0."""
    paths = [path for path in sorted(root.glob('batch*/*')) if (root / 'cropped_aligned' / path.stem).is_dir()]
    if not paths:
        raise CorpusError(f'{root}: no video in batch*/ that has a folder in cropped_aligned/')
    paths = paths[:: max(len(paths) // count, 1)][:count]
    crops = []
    for path in paths:
        folder = root / 'cropped_aligned' / path.stem
        crops.append({number - 1: read_image(folder / name)[..., ::-1] for number, name in list_faces(folder).items()})
    return [Video(path) for path in paths], crops


def main() -> None:
    args = parse_args()
    cv2.setNumThreads(args.threads)
    kinds = configs(args.yunet, args.threads)
    if args.clips is not None:
        videos = [Video(path, args.enlarge) for path in sorted(args.clips.iterdir()) if path.is_file()]
        print(f'{args.clips}: {len(videos)} clips, {sum(len(video.times) for video in videos)} frames')
        compare(videos, [{} for _ in videos], kinds)
    if args.corpus is not None:
        videos, crops = read_corpus(args.corpus, args.videos)
        print(f'{args.corpus}: {len(videos)} videos, {sum(len(video.times) for video in videos)} frames')
        compare(videos, crops, kinds)
    if args.negative is not None:
        video = Video(args.negative)
        print(f'{args.negative}: {len(video.times)} frames without a face')
        for name, config in kinds.items():
            timed = Timed(build_detector(config))
            for frame in video:
                timed.detect(frame)
            print(f'{name:16}{timed.milliseconds:9.2f} ms/frame {timed.faces:6} false faces')


if __name__ == '__main__':
    run_tool(main)
