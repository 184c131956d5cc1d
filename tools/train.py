"""Train a model: python tools/train.py configs/grjca_affwild2.py [--data-root data/affwild2]."""

import argparse
import os

from mmaffect.utils.cli import run_tool, runner_arguments


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue from the latest checkpoint of the work dir, or from the one given',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by (ranks * batch size) / auto_scale_lr.base_batch_size',
    )
    parser.add_argument('--seed', type=int, help="of every random draw, instead of the config's")
    parser.add_argument(
        '--deterministic', action='store_true', help='refuse algorithms that differ from run to run (slower on GPUs)'
    )
    runner_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))

    from mmaffect.engine.resume import prepare_resume
    from mmaffect.engine.running import build_runner, load_tool_config, require, use_amp, use_randomness

    cfg = load_tool_config(args)
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        require(cfg, 'auto_scale_lr')
        cfg.auto_scale_lr.enable = True
    use_randomness(cfg, args.seed, args.deterministic)
    prepare_resume(cfg, args.resume, args.seed)
    build_runner(cfg).train()


if __name__ == '__main__':
    run_tool(main)
