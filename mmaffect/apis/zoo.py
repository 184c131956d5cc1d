"""The model zoo: config files, and the metafiles that say what is known of each."""

import os
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import yaml

from ..errors import ConfigError
from ..utils.download import MIRROR, is_url, local_path

INDEX = 'model-index.yml'
CONFIG_SUFFIXES = ('.py', '.json', '.yml', '.yaml')


class Weights(NamedTuple):
    """Published weights.

    Attributes:
        url: where they are: a URL, or the path of a file that comes with the index.
        size: bytes.
        sha256: hexadecimal digits.
    """

    url: str
    size: int
    sha256: str


class ModelInfo(NamedTuple):
    """What is known of a model.

    Attributes:
        name: of the config, as :func:`list_models` gives it.
        config: the config file.
        collection: entry of the metafile about the system: its paper, code, licence.
        entry: entry of the metafile about the model: sizes and results; empty if it has none.
        weights: ``None`` if none are published.
        synthetic: its weights were trained on a synthetic corpus, and what they say about people means nothing.
    """

    name: str
    config: Path
    collection: dict
    entry: dict
    weights: Weights | None
    synthetic: bool

    @classmethod
    def of(cls, name: str, config: Path, collection: dict, entry: dict, root: Path) -> 'ModelInfo':
        """What an entry of a metafile says.

        Args:
            name: of the config.
            config: the config file.
            collection: entry about the system.
            entry: entry about the model.
            root: folder of the index.

        Raises:
            ConfigError: if its weights lack size or SHA-256, or lie outside ``root``.
        """
        return cls(name, config, collection, entry, _weights(entry, root), bool(entry.get('Synthetic')))


def list_models(pattern: str | Sequence[str] | None = None) -> list[str]:
    """Names of all configs.

    Args:
        pattern: wildcard pattern, or several; all configs, if ``None``.

    Examples:
        >>> list_models('grjca_a*')
        ['grjca_affwild2']
    """
    patterns = ['*'] if pattern is None else [pattern] if isinstance(pattern, str) else list(pattern)
    return sorted(name for name in _configs() if any(fnmatch(name, one) for one in patterns))


def get_model_info(name: str) -> ModelInfo:
    """What is known of a model.

    Args:
        name: as :func:`list_models` gives it.

    Raises:
        ConfigError: for an unknown name, with the nearest ones, or a broken metafile.
    """
    configs = _configs()
    if name not in configs:
        close = get_close_matches(name, configs, n=3, cutoff=0.5)
        hint = f'did you mean {", ".join(close)}?' if close else 'list_models() names those that do'
        raise ConfigError(f'model {name!r} does not exist; {hint}')
    for root in zoo_roots():
        collections, models = read_index(root)
        for entry in models:
            if (root / entry['Config']).resolve() == configs[name].resolve():
                collection = collections.get(entry.get('In Collection'), {})
                return ModelInfo.of(name, configs[name], collection, entry, root)
    return ModelInfo(name, configs[name], {}, {}, None, False)


def config_path(config: str | Path) -> Path:
    """Path of a config file that is given by its path or by its name.

    Raises:
        ConfigError: for an unknown name.
    """
    return Path(config) if is_config_file(config) else get_model_info(str(config)).config


def is_config_file(config: str | Path) -> bool:
    """Whether a config is given by its path, and not by its name."""
    return str(config).endswith(CONFIG_SUFFIXES)


def zoo_roots() -> list[Path]:
    """Folders that hold configs and a ``model-index.yml``.

    The package's own: ``mmaffect/.mim`` of an installed wheel, the repository of a checkout; and the folder of the
    environment variable ``MMAFFECT_ZOO``, if it has an index.

    Raises:
        ConfigError: if the package has none.
    """
    package = Path(__file__).parents[1]
    own = next((root for root in (package / '.mim', package.parent) if (root / INDEX).is_file()), None)
    if own is None:
        raise ConfigError(f'{package}: no {INDEX} beside the package; install it anew with pip')
    mirror = os.environ.get(MIRROR)
    if mirror and not is_url(mirror) and (local_path(mirror) / INDEX).is_file():
        return [own, local_path(mirror)]
    return [own]


def read_index(root: Path) -> tuple[dict[str, dict], list[dict]]:
    """Read the metafiles that an index lists.

    Args:
        root: folder of ``model-index.yml``.

    Returns:
        Collections by name, and models.

    Raises:
        ConfigError: for a file that is missing or not as it should be.
    """
    return read_metafiles([root / path for path in _read(root / INDEX).get('Import') or []])


def read_metafiles(paths: Sequence[Path]) -> tuple[dict[str, dict], list[dict]]:
    """Read metafiles.

    Returns:
        Collections by name, and models.

    Raises:
        ConfigError: for a file that is missing or not as it should be.
    """
    collections, models = {}, []
    for path in paths:
        content = _read(path)
        for one in content.get('Collections') or []:
            collections[one['Name']] = one
        for one in content.get('Models') or []:
            if not isinstance(one, dict) or not {'Name', 'Config', 'Weights'} <= set(one):
                raise ConfigError(f'{path}: a model without Name, Config and Weights')
            models.append(one)
    return collections, models


def _configs() -> dict[str, Path]:
    return {name: path for root in reversed(zoo_roots()) for name, path in _configs_of(root)}


def _configs_of(root: Path) -> Iterator[tuple[str, Path]]:
    folder = root / 'configs'
    for path in folder.rglob('*.py'):
        name = path.relative_to(folder).with_suffix('').as_posix()
        if not name.startswith('_') and '/_' not in name:
            yield name, path


def _weights(entry: dict, root: Path) -> Weights | None:
    url = entry['Weights']
    if url is None:
        return None
    if '://' not in str(url):
        path = Path(os.path.normpath(root / str(url)))
        if not path.is_relative_to(os.path.normpath(root)):
            raise ConfigError(f'{entry["Name"]}: Weights: {url}; expected a URL, or a path within {root}')
        url = str(path)
    try:
        return Weights(url, int(entry['Weights Size']), str(entry['Weights SHA-256']))
    except (KeyError, TypeError, ValueError):
        raise ConfigError(f'{entry["Name"]}: its weights have no "Weights Size" and "Weights SHA-256"') from None


def _read(path: Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError(f'{path}: {error.strerror}') from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path}: not YAML ({" ".join(str(error).split())})') from None
    if not isinstance(content, dict):
        raise ConfigError(f'{path}: holds a {type(content).__name__}; expected a mapping')
    return content
