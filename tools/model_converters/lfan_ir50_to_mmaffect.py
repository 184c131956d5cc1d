"""The LFAN authors' res50_ir_0.887.pth to IResNet."""

from mmaffect.conversion.tool import converter_parser, run_converter
from mmaffect.utils.cli import run_tool


def main() -> None:
    args = converter_parser(__doc__, prefix='visual.backbone.').parse_args()

    from mmaffect.conversion.ir50 import convert_lfan

    run_converter(args, convert_lfan)


if __name__ == '__main__':
    run_tool(main)
