"""Measure what damaged sound and pictures cost a model: CCC by corruption and severity.

    python tools/analysis/robustness.py configs/grjca_demo.py work_dirs/grjca_demo/best.pth

Models on cached features need those that encoded them, once for each: --encoder CONFIG CHECKPOINT. Every frame is
encoded once, and again only where it is corrupted. Table, figures and picture are written to the folder, where a
measurement that was interrupted continues.
"""

import argparse
from pathlib import Path

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    from mmaffect.utils.options import OptionsAction

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file, or a name that list_models() gives')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--encoder',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='model whose backbones made the cached features that the model takes; may be given twice',
    )
    parser.add_argument('--data-root', help="folder of the prepared corpus, instead of the config's")
    parser.add_argument('--split', choices=['val', 'test'], help="validation or test trials (default: the config's)")
    parser.add_argument('--corruptions', nargs='+', metavar='NAME', help='names of corruptions (default: all)')
    parser.add_argument('--severities', type=int, nargs='+', default=[1, 2, 3, 4, 5], help='(default: 1 2 3 4 5)')
    parser.add_argument('--trials', type=int, metavar='N', help='only the first N trials, to try something out')
    parser.add_argument('--seed', type=int, default=0, help='of the corruptions (default %(default)s)')
    parser.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: the best there is)')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    parser.add_argument('--out', help='folder of results (default: work_dirs/robustness/<config>)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, help='override config keys: a.b=value; lists as "a.b=[1,2]"'
    )
    args = parser.parse_args()
    if args.trials is not None and args.trials < 1:
        parser.error(f'--trials {args.trials}: expected at least 1')
    if args.seed < 0:
        parser.error(f'--seed {args.seed}: expected at least 0')
    return args


def main() -> None:
    args = parse_args()

    from mmengine.device import get_device

    from mmaffect.apis import init_model
    from mmaffect.apis.zoo import config_path
    from mmaffect.compat import keep_freed_memory
    from mmaffect.engine.robustness import check_annotated, choose_corruptions, conditions_of, frame_encoders
    from mmaffect.engine.robustness_report import Robustness, pooled_ccc
    from mmaffect.engine.robustness_run import measure_robustness, read_dataset, robustness_settings
    from mmaffect.engine.running import check_device, load_config
    from mmaffect.errors import ConfigError
    from mmaffect.utils.download import fetch

    device = check_device(args.device or get_device())
    if device.type == 'cpu':
        keep_freed_memory()
    path = config_path(args.config)
    cfg = load_config(path, options=args.cfg_options, data_root=args.data_root)
    dataset = read_dataset(cfg, args.split)
    corpus = dataset.corpus
    trials = list(dict.fromkeys(window['trial'] for window in map(dataset.get_data_info, range(len(dataset)))))
    trials = trials[: args.trials]
    check_annotated(corpus, trials)
    sources = [(cfg, fetch(args.checkpoint))]
    for config, weights in args.encoder:
        sources.append((load_config(config_path(config), data_root=args.data_root), fetch(weights)))
    model, *others = (init_model(one, weights, str(device)) for one, weights in sources)
    cached = [name for name, stream in model.streams.items() if stream.backbone is None]
    if bool(cached) != bool(others):
        raise ConfigError(
            f'{path}: its {" and ".join(cached)} features are cached; expected --encoder CONFIG CHECKPOINT, whose '
            'backbones made them'
            if cached
            else f'{path}: the model has its backbones; expected no --encoder'
        )
    encoders = frame_encoders(others or [model], corpus, amp=args.amp)
    corruptions, left_out = choose_corruptions(args.corruptions, tuple(model.streams))
    conditions = conditions_of(corruptions, sorted(args.severities))
    out_dir = Path(args.out or Path('work_dirs/robustness', path.stem))
    for name, modality in left_out.items():
        print(f'{name}: left out, since the model has no {modality} stream')
    print(f'{len(trials)} trials, clean and under {len(conditions) - 1} conditions; kept in {out_dir}', flush=True)

    moments = measure_robustness(
        model,
        dataset,
        encoders,
        trials,
        conditions,
        out_dir,
        robustness_settings(sources, dataset.split, args.seed, args.amp),
        seed=args.seed,
        amp=args.amp,
    )
    found = Robustness(
        model=path.stem,
        checkpoint=str(args.checkpoint),
        corpus=corpus.name,
        split=dataset.metainfo['split'],
        synthetic=corpus.synthetic,
        trials=len(trials),
        frames=int(moments['clean'][:, 0, 0].sum()),
        seed=args.seed,
        corruptions=corruptions,
        severities=sorted(args.severities),
        ccc=pooled_ccc(moments, model.head.targets),
        left_out=left_out,
    )
    found.write(out_dir)
    print(f'\n{found.markdown()}\n')
    print(f'written: {out_dir}/robustness.csv, .json, .md and .png')


if __name__ == '__main__':
    run_tool(main)
