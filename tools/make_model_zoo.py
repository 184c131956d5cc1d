"""Write model-index.yml, model_zoo.md and docs/model_cards/*.md from configs/metafiles/*.yml.

``--measure`` first counts parameters, FLOPs and activations of every model and writes them into the metafiles;
``--check`` writes nothing and exits with 1 if a file is out of date, a config has no entry or one of its sizes changed.
"""

import argparse
import difflib
import sys
from pathlib import Path

import yaml

from mmaffect.apis.zoo import INDEX, ModelInfo, read_metafiles
from mmaffect.errors import ConfigError
from mmaffect.utils.cli import run_tool
from mmaffect.utils.files import write_text

ROOT = Path(__file__).parents[1]
KEYS = ('In Collection', 'Form', 'Metadata', 'Results')
BACKBONES = ('Audio Backbone', 'Visual Backbone')
SIZES = ('Parameters', 'FLOPs', 'Window', 'Activations')
ZOO = 'model_zoo.md'
CARDS = 'docs/model_cards'
GENERATED = 'tools/make_model_zoo.py writes this file from configs/metafiles/*.yml'

HEADER = f"""<!-- {GENERATED}; do not edit it. -->
# Model zoo

No weights trained by mmaffect on Aff-Wild2 are published: the corpus needs a signed licence, and none of the rows for
it was reproduced here yet. Weights that others published are read by `tools/model_converters/`. The weights of
`grjca_demo` come with the package, to try it out: they were trained on a synthetic corpus, and what they say about
people means nothing. What every model is, what it takes and what it must not be used for stands in its card.

`mmaffect.apis.get_model('grjca_affwild2')` builds a model by its config's name; `list_models('*grjca*')` finds names.
Weights are fetched once into `~/.cache/mmaffect`, continued after a cut, and compared with their SHA-256 whenever they
are loaded. Without a network, `MMAFFECT_ZOO=/mnt/weights` names a folder (or a URL prefix) from which files are taken
by name; a folder may have a `model-index.yml`, metafiles and configs of its own.

## Models

Sizes are counted by `tools/analysis/get_complexity.py` for one window; 1 GFLOP is half a billion multiplications with
additions. A frame of the window is a clip where the visual backbone takes clips. Activations are what backward keeps of
one window in float32 with every layer trained: times the batch size, they are most of the memory of a training.
"""
REPORTED = """
## As reported by the authors

**Figures of the papers, not of this repository.** CCC; each row names the split as its source does.

The GRJCA paper ([arXiv 2503.12261 v1](https://arxiv.org/abs/2503.12261v1), Table 1) does not say which fold its
"Affwild2 development set" is; its released code trains and validates fold 1 by default (validation on training trials
285-356), which is not comparable with the official validation set (fold 0 here). Its rows about other systems are what
it quotes.
"""
SYSTEMS = """
## Papers, code and where weights come from
"""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument('--check', action='store_true', help='write nothing; exit with 1 if something is out of date')
    choice.add_argument('--measure', action='store_true', help='count the sizes of every model anew')
    parser.add_argument('--root', type=Path, default=ROOT, help='folder with configs/metafiles (for tests)')
    return parser.parse_args()


def metafiles(root: Path) -> list[Path]:
    """Metafiles by name."""
    return sorted((root / 'configs/metafiles').glob('*.yml'))


def index_text(root: Path) -> str:
    """Text of model-index.yml."""
    lines = [f'  - {path.relative_to(root).as_posix()}' for path in metafiles(root)]
    return '\n'.join([f'# {GENERATED}.', 'Import:', *lines, ''])


def zoo_text(root: Path) -> str:
    """Text of model_zoo.md."""
    collections, models = read_metafiles(metafiles(root))
    check_entries(models, SIZES)
    parts = [HEADER, table(*model_rows(models)), REPORTED, table(*result_rows(models)), SYSTEMS]
    parts += [system_text(one) for one in collections.values()]
    return '\n'.join(parts)


def card_path(model: dict) -> str:
    """Path of a model's card, from the root."""
    return f'{CARDS}/{model["Name"]}.md'


def cards(root: Path) -> dict[str, str]:
    """Text of every model card by its path from the root; models without a config have none."""
    from mmaffect.apis.model_card import model_card
    from mmaffect.engine.running import load_config

    collections, models = read_metafiles(metafiles(root))
    found = {}
    for one in models:
        config = root / one['Config']
        if config.is_file():
            info = ModelInfo.of(one['Name'], config, collections[one['In Collection']], one, root)
            found[card_path(one)] = f'<!-- {GENERATED}; do not edit it. -->\n{model_card(info, load_config(config))}'
    return found


def check_entries(models: list[dict], sizes: tuple[str, ...] = ()) -> None:
    """Refuse entries that lack what the table shows.

    Raises:
        ConfigError: naming the first model and key.
    """
    for one in models:
        metadata = one.get('Metadata')
        missing = [key for key in KEYS if key not in one]
        missing += [key for key in (*BACKBONES, *sizes) if not isinstance(metadata, dict) or key not in metadata]
        if missing:
            hint = '; run --measure' if missing[0] in sizes else ''
            raise ConfigError(f'{one["Name"]}: no {missing[0]!r} in its metafile{hint}')


def model_rows(models: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of models."""
    sizes = ['parameters', 'GFLOPs per window', 'activations, GiB per window']
    head = ['config', 'system, form', 'audio', 'visual', *sizes, 'weights', 'card']
    rows = []
    for one in models:
        found = one['Metadata']
        system = ', '.join([one['In Collection'], one['Form']]) + (f'. {one["Remark"]}' if 'Remark' in one else '')
        backbones = [found[key] or '–' for key in BACKBONES]
        flops = f'{found["FLOPs"] / 1e9:,.1f} ({found["Window"]} frames)'
        sizes = [f'{found["Parameters"]:,}', flops, f'{found["Activations"] / 2**30:,.2f}']
        rows.append([config_link(one), system, *backbones, *sizes, weights_text(one), f'[card]({card_path(one)})'])
    return head, rows


def result_rows(models: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of reported figures."""
    head = ['config of the system here', 'split', 'reported in', 'valence', 'arousal']
    rows = []
    for one in models:
        for result in one['Results']:
            figures = [f'{result["Metrics"][f"CCC {target}"]:.3f}' for target in ('valence', 'arousal')]
            rows.append([config_link(one), result['Split'], result['Reported In'], *figures])
    return head, rows


def config_link(model: dict) -> str:
    """Markdown link to a config."""
    return f'[`{model["Name"]}`]({model["Config"]})'


def weights_text(model: dict) -> str:
    """Markdown of a model's weights."""
    if model['Weights'] is None:
        return 'not published'
    return f'[{model["Weights Size"] / 1e6:,.1f} MB]({model["Weights"]}), SHA-256 `{model["Weights SHA-256"]}`'


def system_text(collection: dict) -> str:
    """Markdown of a system's paper and code."""
    paper = collection['Paper']
    parts = [f'- **{collection["Name"]}**: [{paper["Title"]}]({paper["URL"]}).']
    if collection.get('Code'):
        parts.append(f"Authors' code: [{collection['Code'].split('github.com/')[-1]}]({collection['Code']}),")
        parts.append(f'licence: {collection["Code Licence"]}.')
    if 'Provenance' in collection:
        parts.append(collection['Provenance'])
    return ' '.join(parts)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown table."""
    return '\n'.join(f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows]) + '\n'


def sizes_of(config: Path) -> dict[str, int]:
    """Sizes of a config's model, as in its metafile."""
    from mmaffect.apis import get_complexity
    from mmaffect.engine.running import load_config

    found = get_complexity(load_config(config))
    return dict(zip(SIZES, (*found.total, found.frames, found.activations), strict=True))


def measure(root: Path) -> None:
    """Count the sizes of every model and write them into the metafiles."""
    check_entries(read_metafiles(metafiles(root))[1])
    for path in metafiles(root):
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        for model in content.get('Models') or []:
            found = sizes_of(root / model['Config'])
            model['Metadata'].update(found)
            print(f'{model["Name"]}: {", ".join(f"{key} {value:,}" for key, value in found.items())}')
        write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))


def texts(root: Path) -> dict[str, str]:
    """Text of every file that this tool writes, by its path from the root."""
    return {INDEX: index_text(root), ZOO: zoo_text(root), **cards(root)}


def problems(root: Path) -> list[str]:
    """What is out of date, one line each."""
    found = []
    for name, text in texts(root).items():
        old = (root / name).read_text(encoding='utf-8') if (root / name).is_file() else ''
        diff = difflib.unified_diff(old.splitlines(), text.splitlines(), lineterm='', n=0)
        changed = next((line for line in diff if line[:1] in '+-' and line[:3] not in ('+++', '---')), None)
        if changed is not None:
            found.append(f'{name}: out of date: {changed}')
    models = read_metafiles(metafiles(root))[1]
    known = {card_path(one) for one in models}
    for path in sorted((root / CARDS).glob('*.md')):
        if path.relative_to(root).as_posix() not in known:
            found.append(f'{path.relative_to(root)}: the card of no model')
    for one in models:
        if not (root / one['Config']).is_file():
            found.append(f'{one["Name"]}: {one["Config"]} does not exist')
        elif one['Name'] != Path(one['Config']).stem:
            found.append(f'{one["Name"]}: not the name of {one["Config"]}')
        else:
            for key, size in sizes_of(root / one['Config']).items():
                old = one['Metadata'][key]
                # What backward keeps differs a little between versions of PyTorch.
                if abs(size - old) > (0.01 * old if key == 'Activations' else 0):
                    found.append(f'{one["Name"]}: {key} {size}, its metafile says {old}')
    listed = {one['Config'] for one in models}
    for path in sorted((root / 'configs').glob('*_affwild2.py')):
        if path.relative_to(root).as_posix() not in listed:
            found.append(f'{path.relative_to(root)}: no entry in configs/metafiles')
    return found


def main() -> int:
    args = parse_args()
    if not metafiles(args.root):
        raise ConfigError(f'{args.root}/configs/metafiles: no metafiles')
    if args.check:
        found = problems(args.root)
        for line in found:
            print(line, file=sys.stderr)
        if found:
            print('run: python tools/make_model_zoo.py --measure', file=sys.stderr)
        return 1 if found else 0
    if args.measure:
        measure(args.root)
    found = texts(args.root)
    for name, text in found.items():
        write_text(args.root / name, text)
    print(f'wrote {INDEX}, {ZOO} and {len(found) - 2} cards in {CARDS}')
    return 0


if __name__ == '__main__':
    run_tool(main)
