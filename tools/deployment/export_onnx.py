"""Export a model to ONNX: python tools/deployment/export_onnx.py CONFIG [CHECKPOINT] --out DIR.

Writes model.onnx (a whole window: faces and log-mel to affect and gates), visual_encoder.onnx, audio_encoder.onnx and
fusion.onnx (the same in parts, for streams) and metadata.json (how windows, faces and log-mel are made, hashes, what
the values mean). Every file is run by onnxruntime and compared with PyTorch. docs/deployment.md shows how to use them
with neither PyTorch nor this package. Needs: pip install mmaffect[export].
"""

import argparse
import time
from pathlib import Path

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config file, name of the zoo, or a checkpoint of training')
    parser.add_argument(
        'checkpoint', metavar='CHECKPOINT', nargs='?', help="by default the model zoo's, where it has one"
    )
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='folder of the files')
    parser.add_argument('--opset', type=int, default=18, help='of ONNX, at least 18 (default %(default)s)')
    parser.add_argument('--face-size', type=int, metavar='S', help="side of the aligned faces, instead of the corpus's")
    parser.add_argument(
        '--check', action=argparse.BooleanOptionalAction, default=True, help='compare with PyTorch by onnxruntime'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()

    from mmaffect.deployment import export_onnx
    from mmaffect.inference.loading import load_estimator

    loaded = load_estimator(args.config, args.checkpoint, 'cpu')
    weights = loaded.weights and Path(loaded.weights).name
    about = {'model': loaded.name, 'weights': weights, 'weights_sha256': loaded.weights_sha256}
    start = time.monotonic()
    found = export_onnx(
        loaded.model, args.out, opset=args.opset, face_size=args.face_size, check=args.check, about=about
    )
    for name, file in found['files'].items():
        difference = file.get('largest_difference_to_pytorch')
        compared = f', differs from PyTorch by at most {difference:.1g}' if difference is not None else ''
        given = ', '.join(f'{key} {tuple(one["shape"])}' for key, one in file['inputs'].items())
        print(f'{args.out / name}: {file["bytes"] / 1e6:.1f} MB, takes {given}{compared}')
    print(f'{args.out}/metadata.json; {time.monotonic() - start:.1f} s')
    print(found['notice'])


if __name__ == '__main__':
    run_tool(main)
