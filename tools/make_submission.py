"""Write predictions of test trials as a submission of the valence-arousal challenge.

    python tools/test.py CONFIG CHECKPOINT --split test --out predictions/fold0
    python tools/make_submission.py predictions/fold0 --sample CVPR_8th_ABAW_VA_test_set_sample.txt --out submission.txt

Several folders are an ensemble. A folder that holds one target counts for that one; --valence and --arousal name the
folders of one target. --check FILE only checks a submission.
"""

import argparse
import os
from itertools import chain

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', nargs='*', help='folders that tools/test.py --out wrote, one a model')
    parser.add_argument('--valence', nargs='+', metavar='DIR', help='folders of valence, instead of PREDICTIONS')
    parser.add_argument('--arousal', nargs='+', metavar='DIR', help='folders of arousal, instead of PREDICTIONS')
    parser.add_argument('--sample', help="the challenge's sample file: rows and their order (default: every frame)")
    parser.add_argument('--out', metavar='FILE', help='submission with a row for each frame (ABAW5 to ABAW8)')
    parser.add_argument('--per-trial', metavar='DIR', help='folder of <trial>.txt (ABAW2 and ABAW3)')
    parser.add_argument('--ensemble', choices=['mean', 'ccc_centred'], default='mean', help='(default: %(default)s)')
    parser.add_argument(
        '--smooth', type=int, nargs='+', metavar='N', help='frames to smooth over: one number, or valence and arousal'
    )
    parser.add_argument(
        '--smoothing', choices=['mean', 'median', 'gaussian'], default='mean', help='(default: %(default)s)'
    )
    parser.add_argument(
        '--smooth-ends', choices=['shrink', 'zero'], default='shrink',
        help='beyond the ends of a trial: nothing (default) or zeros (as the RJCA code, which smooths over 20 and 50)',
    )  # fmt: skip
    parser.add_argument(
        '--clip', action=argparse.BooleanOptionalAction, default=True, help='clip to [-1, 1]; otherwise it is an error'
    )
    parser.add_argument('--check', metavar='FILE', help='check this submission and write nothing')
    args = parser.parse_args()
    given = args.predictions or args.valence or args.arousal
    if args.check and (given or args.out or args.per_trial):
        parser.error('--check takes --sample and nothing else')
    if not args.check and not given:
        parser.error('no predictions; expected at least one folder that tools/test.py --out wrote')
    if not args.check and not (args.out or args.per_trial):
        parser.error('nothing to write; expected --out FILE or --per-trial DIR')
    if args.smooth and len(args.smooth) > 2:
        parser.error(f'--smooth: {len(args.smooth)} numbers; expected one, or valence and arousal')
    if args.out and args.sample and os.path.realpath(args.out) == os.path.realpath(args.sample):
        parser.error(f'--out {args.out}: the sample file itself; expected another')
    return args


def main() -> None:
    args = parse_args()

    import numpy as np

    from mmaffect.errors import ConfigError
    from mmaffect.evaluation import check_submission, read_predictions, read_sample, write_submission, write_trial_files
    from mmaffect.evaluation.functional import combine, smooth
    from mmaffect.structures import AFFECT

    sample = read_sample(args.sample) if args.sample else None
    if args.check:
        found = check_submission(args.check, sample)
        rows = f'every row of {args.sample} once and in its order' if sample else 'no row twice; no sample to compare'
        print(f'{args.check}: {len(found.locations)} rows, {len(found.rows)} trials; {rows}; all values in [-1, 1]')
        return

    folders = {target: getattr(args, target) or args.predictions for target in AFFECT}
    read = {folder: read_predictions(folder) for folder in dict.fromkeys(chain.from_iterable(folders.values()))}
    curves, lines = {}, []
    for target, own in folders.items():
        used = [folder for folder in own if getattr(args, target) or target in read[folder]]
        if not used:
            raise ConfigError(f'no predictions of {target} in {", ".join(own) or "no folder"}; expected --{target} DIR')
        for folder in used:
            if target not in read[folder]:
                raise ConfigError(f'--{target} {folder}: predictions of {", ".join(read[folder])} only')
        _check_once(used)
        curves[target] = combine([read[folder][target] for folder in used], args.ensemble)
        lines.append(f'{target}: ' + (f'{args.ensemble} of {len(used)} models' if len(used) > 1 else used[0]))
    named = [target for target in AFFECT if getattr(args, target)]
    for folder in args.predictions:
        if not any(target in read[folder] for target in AFFECT if target not in named):
            flags = ' and '.join(f'--{target}' for target in named)
            raise ConfigError(f'{folder}: counts for no target beside {flags}; expected it there, or not at all')
    first, *others = curves.values()
    for other in others:
        _check_same(first, other)
    predictions = {trial: np.hstack([curve[trial] for curve in curves.values()]) for trial in first}
    if args.smooth:
        widths = args.smooth if len(args.smooth) == len(AFFECT) else args.smooth[0]
        predictions = {
            trial: smooth(curve, widths, args.smoothing, args.smooth_ends) for trial, curve in predictions.items()
        }
        over = ' and '.join(map(str, args.smooth))
        lines.append(f'smoothing: {args.smoothing} over {over} frames, ends: {args.smooth_ends}')
    for line in lines:
        print(line)
    if args.out:
        print(write_submission(args.out, predictions, sample, args.clip))
    if args.per_trial:
        print(write_trial_files(args.per_trial, predictions, sample, args.clip))


def _check_once(folders: list[str]) -> None:
    from mmaffect.errors import ConfigError

    names: dict[str, str] = {}
    for folder in folders:
        path = os.path.realpath(folder)
        if path in names:
            also = f', also as {names[path]}' if names[path] != folder else ''
            raise ConfigError(f'{folder} is given twice{also}; expected each model once')
        names[path] = folder


def _check_same(valence: dict, arousal: dict) -> None:
    from mmaffect.errors import CorpusError

    for trial in sorted(valence.keys() | arousal.keys()):
        lengths = [len(found[trial]) if trial in found else 'no' for found in (valence, arousal)]
        if lengths[0] != lengths[1]:
            raise CorpusError(
                f'trial {trial!r}: {lengths[0]} predictions of valence, {lengths[1]} of arousal; expected the same'
            )


if __name__ == '__main__':
    run_tool(main)
