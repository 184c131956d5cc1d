"""face.evoLVe's backbone_ir50_*.pth to IResNet, without its output layer, which is for 112x112 faces."""

from mmaffect.conversion.tool import converter_parser, run_converter
from mmaffect.utils.cli import run_tool


def main() -> None:
    args = converter_parser(__doc__, prefix='visual.backbone.').parse_args()

    from mmaffect.conversion.ir50 import convert_face_evolve

    run_converter(args, convert_face_evolve)


if __name__ == '__main__':
    run_tool(main)
