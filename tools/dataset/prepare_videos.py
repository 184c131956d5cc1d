"""Turn videos of any origin into a prepared corpus: faces are found in them, annotations are CSV files.

All videos in the folder and its subfolders count, unless a table names some. A run that was interrupted continues where
it stopped when it is started again. See docs/own_data.md.
"""

import argparse

from mmaffect.datasets.face_source import FaceSettings
from mmaffect.datasets.preparation import prepare
from mmaffect.datasets.preparation_cli import positive, preparation_arguments, preparation_settings, tell
from mmaffect.datasets.video_preparation import corpus_from_csv
from mmaffect.faces.choice import CHOICES
from mmaffect.utils.cli import run_tool

TABLE_ONLY = ('table', 'annotations', 'lag', 'scale', 'val_share', 'split_seed')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument('videos', help='folder of videos')
    parser.add_argument('out', help='folder of the prepared corpus, about 7.5 kB a frame with the default settings')
    parser.add_argument(
        '--layout',
        choices=['folder', 'affwild2'],
        default='folder',
        help='affwild2: the distributed Aff-Wild2, with faces of our detection instead of cropped_aligned',
    )
    parser.add_argument('--table', help='CSV: video and any of trial, split, subject, annotation, person')
    parser.add_argument('--annotations', metavar='FOLDER', help='annotations <trial>.csv, instead of in the table')
    parser.add_argument('--lag', type=float, help='seconds by which annotations are moved earlier (default: 0)')
    parser.add_argument(
        '--scale', nargs=2, type=float, metavar=('LOW', 'HIGH'), help='range of the annotations (default: -1 1)'
    )
    parser.add_argument('--val-share', type=float, help='share of annotated trials that validate, if no table tells')
    parser.add_argument('--split-seed', type=int, help='seed of that draw (default: 3407)')
    parser.add_argument(
        '--faces', choices=CHOICES, default='largest', help='which faces; all: a trial of each (default: largest)'
    )
    parser.add_argument('--min-seconds', type=float, default=1.0, help='how long a face of --faces all is seen (1)')
    parser.add_argument(
        '--detector', default='retinaface', help='retinaface, mtcnn or a YuNet file *.onnx (default: retinaface)'
    )
    parser.add_argument('--detect-every', type=positive, default=1, metavar='N', help='detect in every N-th frame (1)')
    preparation_arguments(parser)
    parser.add_argument('--name', help='name of the corpus in reports (default: own; Aff-Wild2; demo)')
    args = parser.parse_args()
    args.given = {name: getattr(args, name) for name in TABLE_ONLY if getattr(args, name) is not None}
    if args.layout == 'affwild2' and args.given:
        parser.error(f'--{next(iter(args.given)).replace("_", "-")} is not for --layout affwild2')
    if 'split_seed' in args.given and 'val_share' not in args.given:
        parser.error('--split-seed is of --val-share')
    return args


def main() -> None:
    args = parse_args()
    settings = preparation_settings(args)
    if args.layout == 'affwild2':
        faces = FaceSettings(args.detector, args.detect_every, args.faces, args.min_seconds)
        tell(prepare(args.videos, args.out, name=args.name, faces=faces, **settings), args.out)
        return
    preparation = corpus_from_csv(
        args.videos,
        args.out,
        faces=args.faces,
        detector=args.detector,
        detect_every=args.detect_every,
        min_seconds=args.min_seconds,
        name=args.name or 'own',
        **args.given,
        **settings,
    )
    tell(preparation, args.out)


if __name__ == '__main__':
    run_tool(main)
