"""What a run depends on, as flat settings that can be compared."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmengine.config import Config

from ..datasets.features import INDEX, corpus_folder, feature_files
from ..utils.files import sha256
from .config_parts import runner_keys
from .running import data_loaders

TRAINING = ('train_dataloader', 'val_dataloader')
TEST = ('test_dataloader',)
# They say where, how fast and with how many words a run is made, not what comes out.
IRRELEVANT = re.compile(
    r'(work_dir|launcher|env_cfg|visualizer|vis_backends|log_processor|log_level|resume|experiment_name'
    r'|default_hooks\.(logger|visualization)'
    r'|\w+_dataloader\.(num_workers|persistent_workers|pin_memory|prefetch_factor))(\..*)?'
)
PATHS = re.compile(r'load_from|\w+_dataloader\.dataset\.data_root|(.*\.)?init_cfg(\.\d+)?\.checkpoint')


def run_settings(cfg: Config, loaders: Sequence[str] = TRAINING) -> dict[str, object]:
    """Settings of a config that can change a result, and what its data and weights are made of.

    Args:
        cfg: the config.
        loaders: data loaders of the run; what belongs to the others is left out.

    Returns:
        By dotted key plain values; paths of this machine are absolute.
    """
    parts = ('train', 'val', 'test')
    other = {f'{part}_{kind}' for part in parts for kind in ('dataloader', 'cfg', 'evaluator')} - {
        f'{name.removesuffix("_dataloader")}_{kind}' for name in loaders for kind in ('dataloader', 'cfg', 'evaluator')
    }
    found: dict[str, object] = {}
    # Other top-level names are fragments that the config puts together.
    used = runner_keys().arguments.keys() - other
    for key, value in _leaves({key: value for key, value in cfg.to_dict().items() if key in used}):
        if IRRELEVANT.fullmatch(key):
            continue
        found[key] = value
        if PATHS.fullmatch(key) and isinstance(value, str) and Path(value).exists():
            path = Path(value).resolve()
            found[key] = str(path)
            if path.is_file():
                found[f'{key} (size, time)'] = [path.stat().st_size, path.stat().st_mtime_ns]
    for name in loaders:
        for loader in data_loaders(cfg, (name,)):
            found |= {f'{name}: {key}': value for key, value in _indexes(loader.dataset)}
    # As it comes back from a file.
    return json.loads(json.dumps(found))


def settings_digest(settings: Mapping[str, object]) -> str:
    """SHA-256 of settings, whatever their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def run_digest(cfg: Config, loaders: Sequence[str] = TRAINING) -> str:
    """:func:`settings_digest` of :func:`run_settings`."""
    return settings_digest(run_settings(cfg, loaders))


def settings_difference(then: Mapping[str, object], now: Mapping[str, object], limit: int = 3) -> str:
    """The first settings that differ, as text.

    Examples:
        >>> settings_difference({'model.dropout': 0.1, 'a': 1}, {'model.dropout': 0.2, 'a': 1})
        'model.dropout = 0.1, now 0.2'
    """
    keys = [key for key in dict.fromkeys([*then, *now]) if then.get(key, _ABSENT) != now.get(key, _ABSENT)]
    texts = [f'{key} = {_short(then, key)}, now {_short(now, key)}' for key in keys[:limit]]
    return '; '.join(texts) + (f'; and {len(keys) - limit} more' if len(keys) > limit else '')


_ABSENT = object()


def _short(settings: Mapping[str, object], key: str) -> str:
    if key not in settings:
        return 'absent'
    text = repr(settings[key])
    return text if len(text) <= 60 else f'{text[:57]}...'


def _leaves(node: object, key: str = '') -> Iterator[tuple[str, object]]:
    """Values that hold no others by dotted key; empty containers are values."""
    if isinstance(node, Mapping) and node:
        items = [(str(name), value) for name, value in node.items()]
    elif isinstance(node, list | tuple) and node:
        items = [(str(number), value) for number, value in enumerate(node)]
    else:
        if isinstance(node, Mapping | list | tuple | str | int | float | None):
            yield key, list(node) if isinstance(node, tuple) else node
        else:  # a class or function, without its address in memory
            yield key, re.sub(r' at 0x[0-9a-fA-F]+', '', repr(node))
        return
    for name, value in items:
        yield from _leaves(value, f'{key}.{name}' if key else name)


def _indexes(dataset: Mapping) -> Iterator[tuple[str, object]]:
    """What changes with the data of a dataset: the indexes of its corpus and of its features and masks."""
    root = dataset['data_root']
    yield 'corpus.json', sha256(Path(root, 'corpus.json'))[:16]
    sets = [('features', name) for name in (dataset.get('features') or {}).values()]
    if isinstance(dataset.get('masks'), str):
        sets.append(('masks', dataset['masks']))
    for kind, name in sets:
        folder = corpus_folder(root, kind, name)
        if (folder / INDEX).is_file():
            yield f'{kind} {name}', sha256(folder / INDEX)[:16]
        else:  # of others
            files = [
                (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(feature_files(folder))
            ]
            yield f'{kind} {name}', hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
