"""Print a config with its bases and options merged: python tools/print_config.py CONFIG [--cfg-options a.b=value]."""

import argparse

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    from mmaffect.utils.options import OptionsAction

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, or a name that list_models() gives')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, help='override config keys: a.b=value')
    parser.add_argument('--out', help='write it to this file instead')
    return parser.parse_args()


def main() -> None:
    args = parse_args()

    from mmaffect.apis.zoo import config_path
    from mmaffect.engine.running import load_config
    from mmaffect.utils.files import write_text

    text = load_config(config_path(args.config), options=args.cfg_options).pretty_text
    if args.out:
        write_text(args.out, text)
    else:
        print(text)


if __name__ == '__main__':
    run_tool(main)
