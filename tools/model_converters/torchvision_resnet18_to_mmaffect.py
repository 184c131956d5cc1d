"""torchvision's resnet18-*.pth to AudioResNet; the channels of its first convolution are summed."""

from mmaffect.conversion.tool import converter_parser, run_converter
from mmaffect.utils.cli import run_tool


def main() -> None:
    args = converter_parser(__doc__, prefix='audio.backbone.').parse_args()

    from mmaffect.conversion.torchvision import convert_resnet18

    run_converter(args, convert_resnet18)


if __name__ == '__main__':
    run_tool(main)
