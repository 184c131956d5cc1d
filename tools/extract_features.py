"""Write per-frame features of frozen backbones into a corpus, so that fusions train on them in minutes.

    python tools/extract_features.py configs/grjca_affwild2.py work_dirs/.../best.pth data/affwild2 --name ir50_vggish

A config then reads them with features=dict(visual='ir50_vggish/visual', audio='ir50_vggish/audio') in its datasets, and
streams with in_channels=... in the place of a backbone. A run that was interrupted continues where it stopped.
"""

import argparse

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    from mmaffect.utils.options import OptionsAction

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of a model with backbones')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='its checkpoint, or converted weights of its backbones; without, the weights that the config names',
    )
    parser.add_argument('corpus', help='folder of the prepared corpus')
    parser.add_argument('--name', required=True, help='of the features: CORPUS/features/NAME/{visual,audio}')
    parser.add_argument('--batch-size', type=int, default=4, help='windows at once (default %(default)s)')
    parser.add_argument('--workers', type=int, default=2, help='processes that read (default %(default)s)')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    parser.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: the best there is)')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, help='override config keys: a.b=value')
    args = parser.parse_args()
    if args.batch_size < 1 or args.workers < 0:
        parser.error(f'batch size {args.batch_size}, workers {args.workers}: expected at least 1 and 0')
    return args


def main() -> None:
    args = parse_args()

    from pathlib import Path

    from mmengine.device import get_device
    from mmengine.runner import set_random_seed

    from mmaffect.compat import keep_freed_memory
    from mmaffect.datasets import Corpus
    from mmaffect.engine.extraction import extract_features, load_backbones, settings_digest
    from mmaffect.engine.running import build_model, check_device, init_weights, load_config
    from mmaffect.errors import ConfigError
    from mmaffect.utils.files import sha256

    cfg = load_config(args.config, options=args.cfg_options, data_root=args.corpus)
    if cfg.get('val_dataloader') is None:
        raise ConfigError(f'{args.config}: has no val_dataloader; its dataset says how frames are read')
    Corpus(args.corpus)
    device = check_device(args.device or get_device())
    if device.type == 'cpu':
        keep_freed_memory()
    # Weights that the config does not name are drawn.
    set_random_seed(cfg.get('randomness', {}).get('seed', 0))
    model = build_model(cfg)
    source = {'config': Path(args.config).stem, 'checkpoint': None, 'settings': settings_digest(cfg, args.amp)}
    if args.checkpoint:
        load_backbones(model, args.checkpoint)
        source['checkpoint'] = sha256(args.checkpoint)
    else:
        print('no checkpoint: the backbones have the weights that the config gives them')
        init_weights(model)
    folders = extract_features(
        model.to(device),
        cfg.val_dataloader.dataset,
        args.name,
        source,
        batch_size=args.batch_size,
        workers=args.workers,
        amp=args.amp,
    )
    for folder in folders:
        print(f'extracted: {folder}')


if __name__ == '__main__':
    run_tool(main)
