"""model_state_dict*.pth of the GRJCA code (GRJCA or HGRJCA) to an AffectEstimator with ReleasedGRJCA."""

from functools import partial

from mmaffect.conversion.tool import converter_parser, gate, run_converter, target_argument
from mmaffect.utils.cli import run_tool


def main() -> None:
    parser = converter_parser(__doc__)
    target_argument(parser)
    parser.add_argument(
        '--gate',
        type=gate,
        action='append',
        metavar='NAME=MODULE',
        help='which layer of the file a gate is, such as gate.visual=fusion.video_gating_fc_layer; give all or none',
    )
    parser.add_argument('--drop', action='append', default=[], metavar='MODULE', help='leave a part of the file behind')
    args = parser.parse_args()

    from mmaffect.conversion.released_grjca import convert

    gates = dict(args.gate) if args.gate else None
    run_converter(args, partial(convert, target=args.target, gates=gates, drop=args.drop))


if __name__ == '__main__':
    run_tool(main)
