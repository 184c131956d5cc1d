"""torchvggish's vggish-10086976.pth to VGGish."""

from mmaffect.conversion.tool import converter_parser, run_converter
from mmaffect.utils.cli import run_tool


def main() -> None:
    args = converter_parser(__doc__, prefix='audio.backbone.').parse_args()

    from mmaffect.conversion.vggish import convert

    run_converter(args, convert)


if __name__ == '__main__':
    run_tool(main)
