"""Turn the distributed Aff-Wild2 (or the demo corpus) into a prepared corpus.

A run that was interrupted continues where it stopped when it is started again.
"""

import argparse

from mmaffect.datasets.preparation import prepare
from mmaffect.media.log_mel import FRONT_ENDS
from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument('raw', help='folder with the unpacked archives: annotations, videos, cropped_aligned')
    parser.add_argument('out', help='folder of the prepared corpus, about 7.5 kB a frame with the default settings')
    parser.add_argument('--jobs', type=_positive, default=1, help='worker processes (default: 1)')
    parser.add_argument('--audio', choices=sorted(FRONT_ENDS), default='paper', help='audio front end (default: paper)')
    parser.add_argument('--face-size', type=_positive, default=48, help='side of the stored faces, pixels (48)')
    parser.add_argument('--waveform', action='store_true', help='keep the sound too, 16 kHz (wav2vec 2.0, HuBERT)')
    parser.add_argument(
        '--shard',
        type=_shard,
        default=(1, 1),
        metavar='I/N',
        help='every N-th trial from the I-th, for N machines',
    )
    parser.add_argument('--skip-broken', action='store_true', help='leave broken trials out instead of stopping')
    parser.add_argument('--name', help='name of the corpus in reports (default: Aff-Wild2; demo)')
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 1')
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition('/')
    shard = _positive(index), _positive(count)
    if shard[0] > shard[1]:
        raise argparse.ArgumentTypeError(f'{text!r} is not one of 1/{count} to {count}/{count}')
    return shard


def main() -> None:
    args = parse_args()
    preparation = prepare(
        args.raw,
        args.out,
        jobs=args.jobs,
        front_end=args.audio,
        face_size=args.face_size,
        waveform=args.waveform,
        shard=args.shard,
        skip_broken=args.skip_broken,
        name=args.name,
    )
    print(preparation.summary, end='')
    if preparation.complete:
        print(f'prepared: {args.out}')


if __name__ == '__main__':
    run_tool(main)
