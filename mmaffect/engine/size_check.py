"""Checks that the model and the data of a config fit each other, before anything is built."""

import inspect
from collections.abc import Iterator, Mapping

from mmengine.config import Config, ConfigDict

from ..datasets.affect_dataset import MODALITIES, AffectDataset
from ..errors import ConfigError
from ..media.log_mel import get_front_end
from ..models.preprocessors import AffectDataPreprocessor
from ..registry import TRANSFORMS
from .lookup import find, project_of

DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def leaf_datasets(cfg: Config, names: tuple[str, ...] = DATALOADERS) -> dict[str, ConfigDict]:
    """Datasets of a config that read data, which wrappers such as ``RepeatDataset`` hold in turn.

    Args:
        cfg: the config of a Runner.
        names: of its data loaders.

    Returns:
        Each with its path in the config. What is no dict is left out.
    """
    return {path: one for name in names for path, one in _leaves(cfg.get(name), name)}


def _leaves(node: object, path: str) -> Iterator[tuple[str, ConfigDict]]:
    if not isinstance(node, Mapping):
        return
    inner = {f'{path}.dataset': node['dataset']} if 'dataset' in node else {}
    if isinstance(node.get('datasets'), (list, tuple)):
        inner |= {f'{path}.datasets.{i}': one for i, one in enumerate(node['datasets'])}
    if not inner and '.' in path:
        yield path, node
    for place, one in inner.items():
        yield from _leaves(one, place)


def is_affect_dataset(dataset: Mapping) -> bool:
    """Whether a dataset reads a prepared corpus."""
    kind = dataset.get('type')
    kind = find(kind, 'dataset') if isinstance(kind, str) and project_of(dataset) is None else kind
    return inspect.isclass(kind) and issubclass(kind, AffectDataset)


def check_sizes(cfg: Config) -> None:
    """Compare what a model expects with what the datasets of a config give.

    Args:
        cfg: the config of a Runner; other models and datasets than this package's are left alone.

    Raises:
        ConfigError: for a modality that is not read, a backbone beside cached features or neither, windows, patches or
            crops of another size, or a sampler whose indices a wrapper of datasets cannot take, with the paths in the
            config.
    """
    for name in DATALOADERS:
        _check_sampler(cfg.get(name) or {}, name)
    model = cfg.get('model') or {}
    if model.get('type') != 'AffectEstimator':
        return
    for name in DATALOADERS:
        for path, dataset in leaf_datasets(cfg, (name,)).items():
            if dataset.get('type') in ('AffectDataset', AffectDataset):
                _check_modalities(model, dataset, path)
                _check_lengths(model, dataset, path)


def _check_sampler(loader: Mapping, path: str) -> None:
    dataset, sampler = loader.get('dataset'), loader.get('sampler')
    if not isinstance(dataset, Mapping) or not isinstance(sampler, Mapping):
        return
    if str(sampler.get('type')).rpartition('.')[2] == 'WindowSampler' and set(dataset) & {'dataset', 'datasets'}:
        raise ConfigError(
            f'{path}.sampler.type = {sampler["type"]!r}: {dataset.get("type")} cannot pass on its seeds; '
            "did you mean 'DefaultSampler'?"
        )


def _check_modalities(model: Mapping, dataset: Mapping, path: str) -> None:
    features = dataset.get('features') or {}
    for modality in MODALITIES:
        stream = model.get(modality)
        if stream is None:
            continue
        modalities = _value(dataset, AffectDataset, 'modalities')
        if modality not in modalities:
            raise ConfigError(f'{path}.modalities = {list(modalities)}: model.{modality} needs {modality!r}')
        if (stream.get('backbone') is None) != (modality in features):
            raise ConfigError(
                f'{path}.features = {dict(features)}, model.{modality}.backbone = {stream.get("backbone")}: '
                'a stream needs either a backbone or cached features'
            )

    known = {one for one in MODALITIES if model.get(one) is not None} | set(model.get('further') or {})
    if set(features) - known or set(model.get('further') or {}) - set(features):
        raise ConfigError(f'{path}.features = {dict(features)}: the streams of the model are {sorted(known)}')


def _check_lengths(model: Mapping, dataset: Mapping, path: str) -> None:
    preprocessor = model.get('data_preprocessor') or {}
    features = dataset.get('features') or {}
    window, neck = _value(dataset, AffectDataset, 'window'), model.get('neck') or {}
    # PrecisionFusion has another fusion within it.
    for place, one in (('neck', neck), ('neck.beside', neck.get('beside'))):
        if isinstance(one, Mapping) and (seq_len := one.get('seq_len')) not in (None, window):
            raise ConfigError(f'{path}.window = {window}, model.{place}.seq_len = {seq_len}: expected the same')
    if model.get('audio') and 'audio' not in features and not dataset.get('waveform'):
        front_end = get_front_end(_value(dataset, AffectDataset, 'front_end'))
        rows = dataset.get('patch_rows') or front_end.patch_rows
        expected = _value(preprocessor, AffectDataPreprocessor, 'patch_rows')
        if rows != expected:
            raise ConfigError(
                f'{path}.patch_rows = {rows}, model.data_preprocessor.patch_rows = {expected}: expected the same'
            )
    if model.get('visual') and 'visual' not in features:
        side = _value(preprocessor, AffectDataPreprocessor, 'crop_size')
        for i, step in enumerate(dataset.get('pipeline', ())):
            if 'FaceCrop' not in str(step.get('type')):
                continue
            size = _value(step, TRANSFORMS.get(step['type']), 'size')
            if size != side:
                raise ConfigError(
                    f'{path}.pipeline.{i}.size = {size}, model.data_preprocessor.crop_size = {side}: expected the same'
                )


def _value(node: Mapping, kind: type, name: str) -> object:
    return node.get(name, inspect.signature(kind).parameters[name].default)
