"""Test a checkpoint: python tools/test.py CONFIG CHECKPOINT [--data-root ...] [--out traces/]."""

import argparse
import math
import os

from mmaffect.utils.cli import run_tool, runner_arguments


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--split', choices=['val', 'test'], help='validation (default) or test trials')
    parser.add_argument('--out', help='write predictions of every trial to this folder, as CSV and PNG')
    runner_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))

    import torch
    from mmengine.device import get_device
    from mmengine.dist import is_main_process

    from mmaffect.engine.checkpoint import load_weights
    from mmaffect.engine.release import unwrapped
    from mmaffect.engine.running import build_runner, load_tool_config, require
    from mmaffect.evaluation.functional import figures_table
    from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE

    cfg = load_tool_config(args)
    require(cfg, 'test_dataloader', 'test_evaluator')
    if args.split:
        cfg.test_dataloader.dataset.split = args.split
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    cfg.test_evaluator = evaluators + ([dict(type='TraceWriter', out_dir=args.out)] if args.out else [])
    cfg.load_from, cfg.resume = None, False
    runner = build_runner(cfg, loaders=('test_dataloader',))
    load_weights(unwrapped(runner.model), args.checkpoint)
    with torch.autocast(get_device(), torch.bfloat16, enabled=args.amp):
        figures = runner.test()
    if is_main_process():
        metainfo = runner.test_dataloader.dataset.metainfo
        print(f'\n{metainfo["corpus"]}, {metainfo["split"]}, {args.checkpoint}\n')
        if not any(math.isfinite(value) for value in figures.values()):
            print('no annotations, no figures')
            return
        print(f'{figures_table(figures)}\n')
        if metainfo['synthetic']:
            print(SYNTHETIC_NOTICE)


if __name__ == '__main__':
    run_tool(main)
