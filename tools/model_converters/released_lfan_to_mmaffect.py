"""model_state_dict*.pth of the LFAN code (ABAW3, ABAW5) to an AffectEstimator with MultiheadLFAN.

Takes models of video and logmel (lfan_abaw3_affwild2.py) and of further modalities beside them, such as the egemaps of
the code's default (lfan_abaw3_egemaps_affwild2.py); the model reads those from cached features of the same names.
"""

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
