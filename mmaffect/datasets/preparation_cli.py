"""What the tools that prepare a corpus have in common."""

import argparse

from ..media.log_mel import FRONT_ENDS
from .preparation import Preparation


def preparation_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every preparation takes."""
    parser.add_argument('--jobs', type=positive, default=1, help='worker processes (default: 1)')
    parser.add_argument('--audio', choices=sorted(FRONT_ENDS), default='paper', help='audio front end (default: paper)')
    parser.add_argument('--face-size', type=positive, default=48, help='side of the stored faces, pixels (48)')
    parser.add_argument('--waveform', action='store_true', help='keep the sound too, 16 kHz (wav2vec 2.0, HuBERT)')
    parser.add_argument(
        '--shard', type=_shard, default=(1, 1), metavar='I/N', help='every N-th trial from the I-th, for N machines'
    )
    parser.add_argument('--skip-broken', action='store_true', help='leave broken trials out instead of stopping')


def preparation_settings(args: argparse.Namespace) -> dict[str, object]:
    """The same as arguments of :func:`mmaffect.datasets.preparation.prepare`."""
    return dict(
        jobs=args.jobs,
        front_end=args.audio,
        face_size=args.face_size,
        waveform=args.waveform,
        shard=args.shard,
        skip_broken=args.skip_broken,
    )


def tell(preparation: Preparation, out: str) -> None:
    """Print what was done."""
    print(preparation.summary, end='')
    if preparation.complete:
        print(f'prepared: {out}')


def positive(text: str) -> int:
    """The type of an argument that is a whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 1')
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition('/')
    shard = positive(index), positive(count)
    if shard[0] > shard[1]:
        raise argparse.ArgumentTypeError(f'{text!r} is not one of 1/{count} to {count}/{count}')
    return shard
