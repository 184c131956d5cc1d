"""Check configs before they run: python tools/check_config.py CONFIG... [--cfg-options a.b=value] [--build].

Every key and value is compared with the constructor that takes it, as at the start of training and testing. All
problems of all configs are listed, each on a line of its own with the path of its key and the nearest valid one.
"""

import argparse
import sys

from mmaffect.utils.cli import one_line, run_tool


def parse_args() -> argparse.Namespace:
    from mmaffect.utils.options import OptionsAction

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config file, or a name that list_models() gives')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, help='override config keys: a.b=value; lists as "a.b=[1,2]"'
    )
    parser.add_argument('--data-root', help="folder of the prepared corpus, instead of the config's")
    parser.add_argument('--build', action='store_true', help='build the model too, which finds values out of range')
    return parser.parse_args()


def main() -> int:
    args = parse_args()

    from mmaffect.apis.zoo import config_path
    from mmaffect.engine.running import build_model, load_config
    from mmaffect.errors import MMAffectError

    failed = False
    for config in args.configs:
        try:
            cfg = load_config(config_path(config), options=args.cfg_options, data_root=args.data_root)
            if args.build:
                build_model(cfg)
        except MMAffectError as error:
            failed = True
            for line in getattr(error, 'lines', [one_line(error)]):
                # What is wrong with the file itself begins with its name.
                print(f'error: {line}' if line.startswith(config) else f'error: {config}: {line}', file=sys.stderr)
        else:
            print(f'{config}: fits')
    return int(failed)


if __name__ == '__main__':
    run_tool(main)
