"""Write the weights of a checkpoint alone, to be handed on: python tools/deployment/publish_model.py CHECKPOINT OUT.

Optimizer, schedules, random states and config are left out; the file is safetensors, and has the first digits of its
SHA-256 in its name. Its size and SHA-256 are printed as a metafile of the zoo has them.
"""

import argparse

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='file of a training')
    parser.add_argument('out', metavar='OUT', help='such as weights/grjca_demo; digits and .safetensors are added')
    return parser.parse_args()


def main() -> None:
    args = parse_args()

    from mmaffect.deployment.publishing import publish
    from mmaffect.utils.files import sha256

    path = publish(args.checkpoint, args.out)
    print(f'Weights: {path}')
    print(f'Weights Size: {path.stat().st_size}')
    print(f'Weights SHA-256: {sha256(path)}')


if __name__ == '__main__':
    run_tool(main)
