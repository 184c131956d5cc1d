"""Time the data path: windows a second, JPEG reading beside it, preparation, merging and CCC.

Every figure is the best of several rounds in one run; the corpus and the images are made in a temporary folder.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader

from mmaffect.datasets import AffectDataset, CorpusWriter, collate_windows
from mmaffect.datasets.faces import read_faces
from mmaffect.evaluation import CCCMetric
from mmaffect.media.log_mel import get_front_end
from mmaffect.models import AffectDataPreprocessor

BATCH, LENGTH = 12, 300


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=5000, help='frames of a trial (default: 5000)')
    parser.add_argument('--trials', type=int, default=4, help='trials of the corpus (default: 4)')
    parser.add_argument('--rounds', type=int, default=5, help='rounds, of which the best counts (default: 5)')
    return parser.parse_args()


def best(function: Callable[[], int], rounds: int) -> float:
    """Most things a second that ``function`` did, which returns how many it does."""
    rates = []
    for _ in range(rounds):
        start = time.perf_counter()
        count = function()
        rates.append(count / (time.perf_counter() - start))
    return max(rates)


def make_corpus(root: Path, trials: int, frames: int) -> None:
    """Corpus of random arrays at 30 frames a second."""
    g = np.random.default_rng(0)
    writer = CorpusWriter(root, name='benchmark', front_end=get_front_end('paper'), synthetic=True)
    names = [f'trial{i}' for i in range(trials)]
    for name in names:
        writer.write_trial(
            name,
            video=f'{name}.mp4',
            split='train',
            faces=g.integers(0, 256, (frames, 48, 48, 3), dtype=np.uint8),
            logmel=g.normal(-30, 10, (round(frames / 30 * 100), 64)).astype(np.float16),
            timestamps=np.arange(frames) / 30,
            targets=g.uniform(-1, 1, (frames, 2)),
            valid=np.ones(frames, bool),
            face_present=np.ones(frames, bool),
        )
    writer.finish(names)


def make_jpegs(folder: Path, count: int) -> None:
    """112x112 JPEG files of a blurred pattern, about the size of a face crop."""
    folder.mkdir(parents=True)
    g = np.random.default_rng(0)
    for i in range(count):
        image = cv2.GaussianBlur(g.integers(0, 256, (112, 112, 3), dtype=np.uint8), (0, 0), 2)
        cv2.imwrite(str(folder / f'{i + 1:05d}.jpg'), cv2.convertScaleAbs(image, alpha=2, beta=-128))


def read_all(folder: Path, count: int) -> int:
    """Read a folder of faces as the preparation does."""
    cv2.setNumThreads(1)
    return int(read_faces(folder, count, 48).present.sum())


def predictions(frames: int) -> list[dict]:
    """Windows of 300 with hop 200 that cover ``frames`` frames, in trials of 5,000."""
    g = np.random.default_rng(0)
    found = []
    for trial in range(frames // 5000):
        truth = torch.from_numpy(g.uniform(-1, 1, (5000, 2)).astype(np.float32))
        for start in (*range(0, 4601, 200), 4700):
            part = truth[start : start + LENGTH]
            found.append(
                {
                    'trial': f'{trial:03d}',
                    'start': start,
                    'stride': 1,
                    'targets': ('valence', 'arousal'),
                    'pred_affect': part + torch.randn(part.shape) * 0.3,
                    'gt_affect': part,
                    'valid': torch.ones(len(part), dtype=torch.bool),
                }
            )
    return found


def main() -> None:
    args = parse_args()
    MMLogger.get_instance('benchmark', log_level='ERROR')
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_corpus(root / 'corpus', args.trials, args.frames)
        size = sum(path.stat().st_size for path in (root / 'corpus').rglob('*.npy'))
        pipeline = [dict(type='RandomFaceCrop'), dict(type='RandomFaceFlip'), dict(type='PackAffectInputs')]
        dataset = AffectDataset(str(root / 'corpus'), 'train', pipeline=pipeline, window=LENGTH, hop=200)
        loader = DataLoader(dataset, BATCH, shuffle=True, collate_fn=collate_windows)
        preprocessor = AffectDataPreprocessor()
        jpegs = 2400
        for part in ('a', 'b'):
            make_jpegs(root / part, jpegs)

        def collated() -> int:
            return sum(len(batch['data_samples']) for batch in loader)

        def preprocessed() -> int:
            return sum(len(preprocessor(batch)['inputs']['visual']) for batch in loader)

        def from_jpeg() -> int:
            for start in (0, 300, 600):
                batch = [cv2.imread(str(root / 'a' / f'{start + i + 1:05d}.jpg')) for i in range(LENGTH)]
                np.stack([cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA) for image in batch])
            return 3

        print(f'windows of {LENGTH} frames, one process, batches of {BATCH}, trials of {args.frames} frames')
        print(f'  collated batches                     {best(collated, args.rounds):8.0f} windows/s')
        print(f'  float tensors after the preprocessor {best(preprocessed, args.rounds):8.0f} windows/s')
        print(f'  faces from 112x112 JPEG files        {best(from_jpeg, args.rounds):8.1f} windows/s')
        print(f'prepared corpus                        {size / args.trials / args.frames:8.0f} bytes a frame (30 fps)')
        with ProcessPoolExecutor(2, get_context('spawn')) as pool:
            list(pool.map(read_all, [root / 'a', root / 'b'], [10, 10]))  # imports

            def prepared() -> int:
                return sum(pool.map(read_all, [root / 'a', root / 'b'], [jpegs, jpegs]))

            print(f'face images read and resized, 2 jobs   {best(prepared, args.rounds):8.0f} images/s')

        windows = predictions(1_000_000)

        def evaluated() -> int:
            metric = CCCMetric()
            metric.process({}, windows)
            metric.evaluate(len(windows))
            return 1

        print(f'merging and CCC of 1,000,000 frames    {1 / best(evaluated, args.rounds):8.2f} s')


if __name__ == '__main__':
    main()
