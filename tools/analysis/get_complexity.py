"""Parameters, FLOPs and activations of a model: python tools/analysis/get_complexity.py CONFIG [--json].

FLOPs are 2 x multiply-accumulates of matrix products, convolutions and attention, in inference, for one window.
Activations are the bytes that backward keeps of one window in float32 with every layer trained: times the batch size,
they are most of the memory of a training. Nothing is computed: tensors have shapes only.
"""

import argparse
import json

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    from mmaffect.utils.options import OptionsAction

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file, or a name that list_models() gives')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, help='override config keys: a.b=value')
    parser.add_argument('--json', action='store_true', help='print JSON')
    return parser.parse_args()


def main() -> None:
    args = parse_args()

    from mmaffect.apis import get_complexity
    from mmaffect.apis.zoo import config_path
    from mmaffect.engine.running import load_config

    found = get_complexity(load_config(config_path(args.config), options=args.cfg_options))
    print(json.dumps(found.as_dict(), indent=2) if args.json else found.as_table())


if __name__ == '__main__':
    run_tool(main)
