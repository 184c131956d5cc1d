"""Valence and arousal of every frame of videos.

    python tools/infer.py clip.mp4 more_videos/ --model grjca_demo --out traces

Each video gets <name>.csv, .json and .npz in the folder. A run that is started again keeps what is there already.
"""

import argparse
import shlex
import signal
import sys

from mmaffect.utils.cli import one_line, run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('inputs', nargs='+', help='video or sound files, folders of them, http(s) addresses')
    parser.add_argument('--model', help='name of the zoo, config file or checkpoint (default: the model of the demo)')
    parser.add_argument('--weights', help='checkpoint (default: the published weights of the model)')
    parser.add_argument('--out', default='traces', help='folder of what is written (default: %(default)s)')
    parser.add_argument('--formats', nargs='+', default=['csv', 'json', 'npz'], help='default: csv json npz')
    parser.add_argument('--report', action='store_true', help='also <name>.html, which shows video and trace')
    parser.add_argument('--overlay', action='store_true', help='also <name>_overlay.mp4, the video with its trace')
    parser.add_argument('--overwrite', action='store_true', help='write anew what is there already')
    parser.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    parser.add_argument('--batch-size', type=int, default=16, help='windows at once (default: %(default)s)')
    parser.add_argument('--frame-batch-size', type=int, help='frames at once in the backbones (default: by the model)')
    parser.add_argument('--faces', choices=['largest', 'longest', 'all'], default='largest', help='whose trace it is')
    parser.add_argument('--min-seconds', type=float, default=1.0, help='that a face is seen, for --faces all')
    parser.add_argument('--detector', default='retinaface', help='retinaface, mtcnn or a YuNet file *.onnx')
    parser.add_argument('--detect-every', type=int, default=1, metavar='N', help='search every N-th frame for faces')
    parser.add_argument('--face-size', type=int, help='side of aligned faces, where nothing else says it')
    parser.add_argument('--no-voice', action='store_true', help='do not look for voices')
    parser.add_argument(
        '--schedule', choices=['overlap', 'delayed'], default='overlap', help='windows as in a test, or as of a stream'
    )
    parser.add_argument('--hop', type=int, help='frames between two windows (default: that of the config)')
    parser.add_argument('--delay', type=int, default=0, help='frames of delay, for --schedule delayed')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    # Else a file that is being written would stay.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

    from mmaffect.errors import MMAffectError
    from mmaffect.inference import AffectInferencer, open_recording
    from mmaffect.inference.output import TraceFolder
    from mmaffect.inference.sources import unique_names, without_repeats
    from mmaffect.utils.progress import Progress

    folder = TraceFolder(args.out, args.formats, args.report, args.overlay, args.overwrite)
    folder.check_place(args.inputs)
    inferencer = AffectInferencer(
        args.model,
        args.weights,
        args.device,
        amp=args.amp,
        batch_size=args.batch_size,
        frame_batch_size=args.frame_batch_size,
        detector=args.detector,
        faces=args.faces,
        detect_every=args.detect_every,
        min_seconds=args.min_seconds,
        voice=not args.no_voice,
        schedule=args.schedule,
        hop=args.hop,
        delay=args.delay,
        face_size=args.face_size,
    )
    if 'visual' in inferencer.encoder.modalities:
        inferencer.detector  # noqa: B018 - a wrong name is an error of the whole run
    failed = 0

    def attempt(work, *arguments):
        """Do it; what fails for this input costs one line."""
        nonlocal failed
        try:
            return work(*arguments)
        except (MMAffectError, OSError) as error:
            failed += 1
            print(f'error: {one_line(error)}', file=sys.stderr, flush=True)

    named = [one for source in args.inputs for one in attempt(open_recording, source) or ()]
    recordings = unique_names(without_repeats(named))
    readable = {one.name: count for one in recordings if (count := attempt(lambda one: len(one.times), one))}
    command = shlex.join(['python', *sys.argv])
    traces = until = 0
    with Progress(sum(readable.values()), 'frames') as progress:
        for recording in recordings:
            if recording.name in readable:
                found = attempt(_trace, inferencer, folder, recording, progress, command)
                traces += len(found or ())
                until += readable[recording.name]
                progress.skip(until - progress.done)
    failures = f'; {failed} failed' if failed else ''
    print(f'\n{traces} traces of {len(recordings)} recordings in {args.out}{failures}')
    print('; '.join(f'{stage} {seconds:.2f} s' for stage, seconds in inferencer.stages.items()))
    print(inferencer.notice)
    return 1 if failed else 0


def _trace(inferencer, folder, recording, progress, command) -> list:
    """Traces of one recording and their files."""
    from mmaffect.inference.stages import StageTimes

    before = StageTimes(inferencer.stages)
    made = inferencer.made_of(recording)
    traces = folder.kept(recording, made)
    kept = bool(traces)
    if kept:
        progress.skip(len(recording.times))
    else:
        for trace in inferencer.trace_recording(recording, progress=progress, command=command, made=made):
            with inferencer.stages.measure('writing'):
                folder.write(trace)
            traces.append(trace)
    with inferencer.stages.measure('writing'):
        folder.write_views(recording, traces, kept)
    spent = {stage: seconds - before.get(stage, 0.0) for stage, seconds in inferencer.stages.items()}
    times = ', '.join(f'{stage} {seconds:.2f} s' for stage, seconds in spent.items())
    for trace in traces:
        print(f'{_summary(trace)}; {"kept" if kept else times}', flush=True)
    return traces


def _summary(trace) -> str:
    names = ('declared', 'decoded', 'with_face', 'with_voice', 'predicted')
    counts = [(trace.header['frames'][name], name.replace('_', ' ')) for name in names]
    frames = ', '.join(f'{count} {name}' for count, name in counts if count is not None)
    figures = trace.summary()
    means = ', '.join(f'{target} {figures[f"{target}/mean"]:+.3f}' for target in trace.targets)
    flags = f' ({", ".join(trace.flags)})' if trace.flags else ''
    return f'{trace.trial}: frames {frames}; mean {means}{flags}'


if __name__ == '__main__':
    run_tool(main)
