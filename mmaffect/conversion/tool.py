"""What the command lines of the converters have in common."""

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from .base import Conversion


def converter_parser(description: str, prefix: str | None = None) -> argparse.ArgumentParser:
    """Parser with ``SRC DST``.

    Args:
        description: text of ``--help``.
        prefix: default of ``--prefix``; ``None`` for whole models, which have no such option.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('src', metavar='SRC', help='file of the published weights')
    parser.add_argument('dst', metavar='DST', help='file to write, for load_from or init_cfg')
    if prefix is not None:
        parser.add_argument('--prefix', default=prefix, help="before every key; '' for none (default %(default)s)")
    return parser


def target_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--target``: a released model has one output, and its file does not say which."""
    parser.add_argument('--target', required=True, choices=['valence', 'arousal'], help='what SRC was trained for')


def gate(text: str) -> tuple[str, str]:
    """Name and module of ``NAME=MODULE``."""
    name, _, module = text.partition('=')
    if not name or not module:
        raise argparse.ArgumentTypeError(f'{text!r}; expected NAME=MODULE')
    return name, module


def run_converter(args: argparse.Namespace, convert: 'Callable[[Mapping[str, Tensor]], Conversion]') -> None:
    """Convert ``args.src`` and print what became of it."""
    from .file import convert_file, summary

    print(summary(convert_file(args.src, args.dst, convert, getattr(args, 'prefix', ''))))
    print(f'written to {args.dst}')
