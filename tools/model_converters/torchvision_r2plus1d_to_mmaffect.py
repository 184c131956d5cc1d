"""torchvision's r2plus1d_18-*.pth to R2Plus1D."""

from mmaffect.conversion.tool import converter_parser, run_converter
from mmaffect.utils.cli import run_tool


def main() -> None:
    args = converter_parser(__doc__, prefix='visual.backbone.').parse_args()

    from mmaffect.conversion.torchvision import convert_r2plus1d

    run_converter(args, convert_r2plus1d)


if __name__ == '__main__':
    run_tool(main)
