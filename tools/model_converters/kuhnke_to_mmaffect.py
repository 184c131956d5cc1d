"""Kuhnke's TSAV*.pth.tar to both streams and the head of an AffectEstimator with ConcatFusion.

For configs/kuhnke_affwild2.py, whose clips have three channels, give --rgb.
"""

from functools import partial

from mmaffect.conversion.tool import converter_parser, run_converter
from mmaffect.utils.cli import run_tool


def main() -> None:
    parser = converter_parser(__doc__)
    parser.add_argument(
        '--rgb',
        action='store_true',
        help='without the fourth input channel, the landmark mask; configs/kuhnke_affwild2.py needs it',
    )
    args = parser.parse_args()

    from mmaffect.conversion.kuhnke import convert

    run_converter(args, partial(convert, rgb=args.rgb))


if __name__ == '__main__':
    run_tool(main)
