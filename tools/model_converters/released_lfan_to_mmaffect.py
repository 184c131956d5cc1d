"""model_state_dict*.pth of the LFAN code (video and logmel) to an AffectEstimator with MultiheadLFAN."""

from functools import partial

from mmaffect.conversion.tool import converter_parser, run_converter, target_argument
from mmaffect.utils.cli import run_tool


def main() -> None:
    parser = converter_parser(__doc__)
    target_argument(parser)
    parser.add_argument('--heads', type=int, default=2, help='heads of its attention (default %(default)s)')
    args = parser.parse_args()

    from mmaffect.conversion.released_lfan import convert

    run_converter(args, partial(convert, target=args.target, heads=args.heads))


if __name__ == '__main__':
    run_tool(main)
