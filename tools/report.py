"""Write a report that opens in any browser, one HTML file.

Of a validation set: python tools/report.py work_dirs/grjca_demo [--out report.html]
Of a recording: python tools/report.py traces/clip.json [--video clip.mp4] (several files: its faces)
"""

import argparse
from pathlib import Path

from mmaffect.utils.cli import run_tool

SUFFIXES = ('.csv', '.json', '.npz')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'inputs',
        nargs='+',
        metavar='INPUT',
        help='work dir, or folder, of the traces that tools/test.py --out wrote; or trace files of tools/infer.py',
    )
    parser.add_argument('--out', metavar='FILE', help='HTML file (default: beside the input)')
    parser.add_argument('--video', metavar='FILE', help='of a recording: its video or sound, to play in the report')
    parser.add_argument('--title', help='of the page (default: name of the work dir or recording)')
    args = parser.parse_args()
    args.files = all(Path(name).suffix in SUFFIXES and not Path(name).is_dir() for name in args.inputs)
    if not args.files and len(args.inputs) > 1:
        parser.error('expected one folder, or trace files (.csv, .json, .npz)')
    if not args.files and args.video:
        parser.error('--video belongs to the trace of one recording; expected a trace file, not a folder')
    return args


def main() -> None:
    args = parse_args()
    write = write_recording if args.files else write_validation
    print(f'report: {write(args)}')


def write_recording(args: argparse.Namespace) -> Path:
    from mmaffect.report import write_report
    from mmaffect.traces.trace import Trace

    traces = [Trace.load(name) for name in args.inputs]
    out = args.out or Path(args.inputs[0]).with_suffix('.html')
    return write_report(out, traces, args.video, title=args.title)


def write_validation(args: argparse.Namespace) -> Path:
    from mmaffect.report import write_validation_report
    from mmaffect.report.work_dir import find_traces, is_synthetic, read_traces

    folder = find_traces(args.inputs[0])
    named = folder.resolve().parent if folder.name == 'traces' else folder.resolve()
    return write_validation_report(
        args.out or Path(args.inputs[0], 'report.html'),
        read_traces(folder),
        title=args.title or named.name,
        synthetic=is_synthetic(folder),
    )


if __name__ == '__main__':
    run_tool(main)
