"""Valence and arousal while they happen: python tools/live.py --camera --microphone, or python tools/live.py FILE."""

import argparse
import signal
import sys

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'source', nargs='?', help='a file, which plays at its own speed; a pipe, - or an address (rtsp://, udp://, ...)'
    )
    parser.add_argument('--camera', nargs='?', const='', metavar='DEVICE', help='a camera, by default the first one')
    parser.add_argument('--microphone', nargs='?', const='', metavar='DEVICE', help='a microphone, likewise')
    parser.add_argument('--size', metavar='WxH', help='pixels to ask the camera for')
    parser.add_argument(
        '--speed',
        default='1',
        help='seconds of a file in a second (default: 1); max: as fast as it goes, of a pipe too',
    )
    parser.add_argument('--model', help='name, config or checkpoint (default: the model of --weights, or of the demo)')
    parser.add_argument('--weights', help='checkpoint (default: the published one)')
    parser.add_argument('--device', help='such as cuda:0 (default: a GPU if there is one)')
    parser.add_argument('--hop', type=int, help='frames from one prediction to the next (default: window / 20)')
    parser.add_argument('--delay', type=int, default=0, help='frames of the future that a value knows (default: 0)')
    parser.add_argument('--fps', type=float, help='frames a second to ask the camera for, and of the stated latency')
    parser.add_argument('--detector', default='retinaface', help='retinaface, mtcnn or a YuNet .onnx file')
    parser.add_argument('--every', type=int, default=1, help='pictures from one searched for faces to the next')
    parser.add_argument('--no-voice', action='store_true', help='do not tell in which frames somebody is heard')
    parser.add_argument('--seconds', type=float, help='end after so many seconds of the source')
    parser.add_argument('--out', metavar='FILE', help='write the trace, *.csv, *.json or *.npz, while it grows')
    parser.add_argument('--window', action='store_true', help='show picture and values in a window; q ends')
    args = parser.parse_args()
    if (args.source is None) == (args.camera is None and args.microphone is None):
        parser.error('expected a file, or --camera and --microphone')
    return args


def main() -> int:
    args = parse_args()
    from mmaffect.inference.loading import load_estimator
    from mmaffect.live.session import LiveSession
    from mmaffect.live.view import TextView, WindowView
    from mmaffect.utils.threads import cores_left

    windows = [WindowView()] if args.window else []
    loaded = load_estimator(args.model, args.weights, args.device)
    session = LiveSession(
        loaded,
        source=args.source,
        camera=args.camera,
        microphone=args.microphone,
        size=args.size,
        speed=args.speed,
        fps=args.fps,
        hop=args.hop,
        delay=args.delay,
        detector=args.detector,
        every=args.every,
        voice=not args.no_voice,
        out=args.out,
        command=' '.join(sys.argv),
    )

    def stop(number: int, frame: object) -> None:
        # The second one ends at once; what was written until then is whole.
        signal.signal(number, signal.default_int_handler)
        session.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    view = TextView(session.inferencer.encoder.targets, session.presence)
    with cores_left():
        return session.run([view, *windows], args.seconds)


if __name__ == '__main__':
    run_tool(main)
