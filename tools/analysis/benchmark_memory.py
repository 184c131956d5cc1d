"""Memory of a training process on a small and on a large corpus.

Trains the demo model on two corpora of random arrays and prints the peak of its anonymous memory (its own) and of its
file-backed memory (pages of the corpus and of libraries, shared with other processes and given back when needed).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark_data import make_corpus


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--small', type=int, nargs=2, default=(4, 1000), metavar=('TRIALS', 'FRAMES'))
    parser.add_argument('--large', type=int, nargs=2, default=(24, 8000), metavar=('TRIALS', 'FRAMES'))
    parser.add_argument('--seconds', type=float, default=60, help='training time that is watched (default: 60)')
    return parser.parse_args()


def memory(pid: int) -> dict[str, float]:
    """Resident memory of a process by kind, MB."""
    fields = dict(line.split(':', 1) for line in Path(f'/proc/{pid}/status').read_text().splitlines())
    return {kind: int(fields[kind].split()[0]) / 1024 for kind in ('RssAnon', 'RssFile')}


def watch(corpus: Path, work: Path, seconds: float) -> dict[str, float]:
    """Train for some time after the first iterations, and return the peaks."""
    log = work / 'log.txt'
    work.mkdir()
    command = [
        sys.executable, 'tools/train.py', 'configs/grjca_demo.py', '--data-root', str(corpus), '--work-dir', str(work),
        '--cfg-options', 'default_hooks.logger.interval=2', 'val_cfg=None', 'val_dataloader=None', 'val_evaluator=None',
        'default_hooks.checkpoint.save_best=None', 'train_cfg.max_epochs=1000',
    ]  # fmt: skip
    with open(log, 'w') as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        while 'Epoch(train)' not in log.read_text():
            if process.poll() is not None:
                raise SystemExit(log.read_text()[-2000:])
            time.sleep(1)
        peaks: dict[str, float] = {}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peaks = {kind: max(value, peaks.get(kind, 0)) for kind, value in memory(process.pid).items()}
            time.sleep(0.2)
        process.terminate()
    return peaks


def main() -> None:
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, (trials, frames) in (('small', args.small), ('large', args.large)):
            root = Path(folder, name)
            make_corpus(root, trials, frames)
            size = sum(path.stat().st_size for path in root.rglob('*.npy')) / 2**20
            peaks = watch(root, Path(folder, f'{name}_work'), args.seconds)
            print(
                f'{name}: {trials} trials of {frames} frames, {size:.0f} MB on disk: '
                f'own memory {peaks["RssAnon"]:.0f} MB, file pages {peaks["RssFile"]:.0f} MB'
            )


if __name__ == '__main__':
    main()
