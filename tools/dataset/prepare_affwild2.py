"""Turn the distributed Aff-Wild2 (or the demo corpus) into a prepared corpus.

A run that was interrupted continues where it stopped when it is started again.
"""

import argparse

from mmaffect.datasets.preparation import prepare
from mmaffect.datasets.preparation_cli import preparation_arguments, preparation_settings, tell
from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument('raw', help='folder with the unpacked archives: annotations, videos, cropped_aligned')
    parser.add_argument('out', help='folder of the prepared corpus, about 7.5 kB a frame with the default settings')
    preparation_arguments(parser)
    parser.add_argument('--name', help='name of the corpus in reports (default: Aff-Wild2; demo)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    tell(prepare(args.raw, args.out, name=args.name, **preparation_settings(args)), args.out)


if __name__ == '__main__':
    run_tool(main)
