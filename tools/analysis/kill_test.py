"""Kill a training again and again, resume it, and compare it bit for bit with one that was not killed.

    python tools/analysis/kill_test.py configs/grjca_demo.py --kills 12 --workers 0 2

Kills are SIGKILL, at moments drawn from --seed: anywhere in an iteration, in the validation, with part of a checkpoint
written, and between its renaming and the note that it is the last one. Everything logged (losses, learning rates,
figures), the final weights, the optimizer, the states of hooks and of random generators, and the epoch at which the run
ended must be the same.
"""

import argparse
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from mmaffect.utils.cli import run_tool

KINDS = ('iteration', 'validation', 'write', 'rename')
# What the clock says differs from run to run.
TIMES = {'time', 'data_time', 'memory', 'eta'}


def parse_args() -> argparse.Namespace:
    from mmaffect.utils.options import OptionsAction

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--kills', type=int, default=12, help='of each run')
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 2], help='of the data loader, a run for each')
    parser.add_argument('--ranks', type=int, default=1, help='processes of a run (gloo), of which one is killed')
    parser.add_argument('--seed', type=int, default=0, help='of the moments')
    parser.add_argument('--iter-interval', type=int, default=5, help='iterations between checkpoints in an epoch')
    parser.add_argument('--work-dir', default='work_dirs/kill_test')
    parser.add_argument('--data-root', help="folder of the prepared corpus, instead of the config's")
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, help='override config keys')
    parser.add_argument('--victim', help=argparse.SUPPRESS)
    return parser.parse_args()


def plan(iterations: int, kills: int, seed: int, ranks: int = 1) -> list[dict]:
    """Moments of a run, in order: every kind in turn, at an iteration of the whole run.

    Args:
        iterations: of the run.
        kills: moments to draw.
        seed: of the draw.
        ranks: one of these is killed; rank 0, if it is while a checkpoint is written.
    """
    rng = random.Random(seed)
    moments = sorted(rng.sample(range(1, iterations), min(kills, iterations - 1)))
    kinds = [KINDS[number % len(KINDS)] for number in range(len(moments))]
    return [
        {
            'kind': kind,
            'iteration': moment,
            'share': rng.random(),
            'rank': rng.randrange(ranks) if kind in ('iteration', 'validation') else 0,
        }
        for kind, moment in zip(kinds, moments, strict=True)
    ]


def be_killed(moment: dict) -> None:
    """Arrange for this process to be killed at a moment of its training."""
    import torch
    from mmengine.hooks import Hook

    from mmaffect import compat
    from mmaffect.engine import running

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    reached = threading.Event()

    class Killer(Hook):
        priority = 'VERY_HIGH'

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter >= moment['iteration']:
                reached.set()
                if moment['kind'] == 'iteration':
                    threading.Timer(moment['share'] * 0.2, die).start()

        def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if reached.is_set() and moment['kind'] == 'validation':
                die()

    build = running.build_runner

    def build_runner(*args, **kwargs):
        runner = build(*args, **kwargs)
        runner.register_hook(Killer())
        return runner

    running.build_runner = build_runner
    save, rename = torch.save, compat.os.replace

    def half(value, path, *others, **more):
        # Ranks exchange objects by it too.
        if not reached.is_set() or not str(path).endswith('.pth'):
            save(value, path, *others, **more)
            return
        whole = io.BytesIO()
        save(value, whole)
        with open(path, 'wb') as file:
            file.write(whole.getvalue()[: int(moment['share'] * whole.tell())])
            file.flush()
            os.fsync(file.fileno())
        die()

    def after_rename(source, target):
        rename(source, target)
        if reached.is_set() and str(target).endswith('.pth'):
            die()

    if moment['kind'] == 'write':
        torch.save = half
    if moment['kind'] == 'rename':
        os.replace = after_rename


def train(args: argparse.Namespace, work_dir: Path, workers: int, moment: dict | None = None) -> int:
    """Start a training in a process of its own and return its exit status."""
    options = {
        'default_hooks.logger.interval': 1,
        'default_hooks.checkpoint.iter_interval': args.iter_interval,
        'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': workers > 0,
        **(args.cfg_options or {}),
    }
    launch = ['-m', 'mmaffect.utils.launch', '--nproc-per-node', str(args.ranks)] if args.ranks > 1 else []
    command = [sys.executable, *launch, __file__, args.config, '--ranks', str(args.ranks), '--work-dir', str(work_dir)]
    command += ['--data-root', args.data_root] if args.data_root else []
    command += ['--victim', json.dumps({'moment': moment, 'options': options})]
    with open(work_dir / 'output.log', 'ab') as log:
        return subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode


def victim(args: argparse.Namespace) -> None:
    """The training itself: what tools/train.py --resume does."""
    from mmaffect.engine import running
    from mmaffect.engine.resume import prepare_resume

    told = json.loads(args.victim)
    if told['moment'] is not None and told['moment']['rank'] == int(os.environ.get('RANK', 0)):
        be_killed(told['moment'])
    cfg = running.load_config(
        args.config,
        options=told['options'],
        data_root=args.data_root,
        work_dir=args.work_dir,
        launcher='pytorch' if args.ranks > 1 else 'none',
    )
    prepare_resume(cfg, 'auto')
    running.build_runner(cfg).train()


def scalars(work_dir: Path) -> Iterator[tuple[tuple, dict]]:
    """Lines of all logs of a run, which repeat what was trained twice: what it is, and what it says."""
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines():
            try:
                found = json.loads(line)
            except ValueError:  # the last one of a killed run
                continue
            kind = next((name for name in ('loss', 'release') if name in found), 'figures')
            yield (kind, found['step']), {key: one for key, one in found.items() if key.split('/')[-1] not in TIMES}


def same(a: object, b: object) -> bool:
    """Whether two checkpoints' parts are the same to the bit."""
    import torch

    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def differences(reference: Path, other: Path) -> list[str]:
    """What differs between two finished runs."""
    from mmaffect.engine.checkpoint import read_checkpoint

    found = []
    names = [(folder / 'last_checkpoint').read_text() for folder in (reference, other)]
    if names[0] != names[1]:
        return [f'the last checkpoint is {names[1]}, not {names[0]}']
    expected, given = (read_checkpoint(folder / names[0]) for folder in (reference, other))
    parts = ('state_dict', 'optimizer', 'param_schedulers', 'hooks', 'random_states', 'gradients', 'buffers')
    found += [part for part in parts if not same(expected[part], given[part])]
    told = dict(scalars(reference))
    seen = set()
    for key, line in scalars(other):
        seen.add(key)
        expected = told.get(key, {})
        found += [
            f'{key}: {name} is {line.get(name)}, not {expected.get(name)}'
            for name in {**expected, **line}
            if not same(line.get(name), expected.get(name))
        ]
    found += [f'{key} is not in the log' for key in told if key not in seen]
    files = [sorted(path.name for path in folder.glob('*.pth')) for folder in (reference, other)]
    if files[0] != files[1]:
        found.append(f'there are {files[1]}, not {files[0]}')
    return found


def main() -> int:
    args = parse_args()
    if args.victim:
        victim(args)
        return 0
    root = Path(args.work_dir)
    reference = root / 'reference'
    if root.is_dir() and any(root.iterdir()) and not reference.is_dir():
        print(f'error: {root}: not a folder of an earlier kill test; give another --work-dir', file=sys.stderr)
        return 1
    shutil.rmtree(root, ignore_errors=True)
    reference.mkdir(parents=True)
    print(f'training {args.config} without interruption', flush=True)
    if train(args, reference, workers=0):
        print(f'error: it failed; see {reference}/output.log', file=sys.stderr)
        return 1
    iterations = max(step for (kind, step), _ in scalars(reference) if kind == 'loss')
    print(f'{iterations} iterations, last checkpoint {(reference / "last_checkpoint").read_text()}', flush=True)
    failed = False
    for workers in args.workers:
        folder = root / f'workers_{workers}'
        folder.mkdir()
        killed = 0
        for number, moment in enumerate(plan(iterations, args.kills, args.seed + workers, args.ranks), 1):
            status = train(args, folder, workers, moment)
            print(f'workers {workers}, kill {number}: {moment["kind"]} at {moment["iteration"]}: {status}', flush=True)
            # As the launcher gives it; 0: the run was over before the moment had come.
            if status not in (-signal.SIGKILL, 128 + signal.SIGKILL, 0):
                print(f'error: it failed; see {folder}/output.log', file=sys.stderr)
                return 1
            killed += status != 0
        status = train(args, folder, workers)
        found = differences(reference, folder) if status == 0 else [f'the last run ended with {status}']
        failed |= bool(found) or killed == 0
        lines = len({key for key, _ in scalars(reference)})
        result = '; '.join(found[:5]) or f'weights, states and all {lines} lines of the log are the same, bit for bit'
        print(f'workers {workers}, killed {killed} times: {result}', flush=True)
    return int(failed)


if __name__ == '__main__':
    run_tool(main)
