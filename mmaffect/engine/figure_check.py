"""Checks that a figure by which a run decides is one that its validation gives."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from ..structures import AFFECT
from .value_check import shorten, unknown

CCC_FIGURES = ('CCC', 'PCC', 'RMSE', 'CCC_per_trial')
MONITORS = ('monitor', 'save_best')


def known_figures(cfg: Mapping) -> set[str] | None:
    """Figures that the validation of a config gives.

    Returns:
        Their names, with ``*`` for a word that only the corpus knows; ``None`` if there is no validation, or a metric
        or model of others.
    """
    evaluator = cfg.get('val_evaluator')
    if isinstance(evaluator, Mapping) and 'metrics' in evaluator:
        evaluator = evaluator['metrics']
    metrics = [evaluator] if isinstance(evaluator, Mapping) else evaluator
    model = cfg.get('model')
    if not metrics or not isinstance(metrics, (list, tuple)) or not isinstance(model, Mapping):
        return None
    head = model.get('head')
    if _name(model) != 'AffectEstimator' or _name(head) != 'AffectHead':
        return None
    targets = head.get('targets', AFFECT)
    if not isinstance(targets, (list, tuple)):
        return None
    found: set[str] = set()
    for metric in metrics:
        if _name(metric) == 'CCCMetric':
            names = [f'{figure}/{target}' for figure in CCC_FIGURES for target in targets]
            if metric.get('by_condition'):
                names += [f'CCC_by_condition/*/{target}' for target in targets]
            prefix = metric.get('prefix')
            found |= {f'{prefix}/{name}' if prefix else name for name in [*names, 'CCC/mean']}
        elif _name(metric) != 'TraceWriter':
            return None
    return found


def figure_problems(path: str, node: Mapping, owner: str, figures: set[str] | None) -> Iterator[str]:
    """Figures named by a hook or scheduler that the validation does not give.

    Args:
        path: of the node.
        node: config of a hook or a scheduler.
        owner: package of its class; classes of others may watch what they like.
        figures: of :func:`known_figures`.
    """
    if figures is None or owner not in ('mmaffect', 'mmengine'):
        return
    for key in MONITORS:
        names = node.get(key)
        for name in names if isinstance(names, (list, tuple)) else [names]:
            # MMEngine's own CheckpointHook then takes the first figure.
            auto = name == 'auto' and owner == 'mmengine'
            if not isinstance(name, str) or auto or name in figures:
                continue
            if not any(fnmatchcase(name, figure) for figure in figures):
                yield f'{path}.{key} = {shorten(names)}: {unknown(name, figures, "figure of the validation")}'


def _name(node: object) -> str | None:
    name = node.get('type') if isinstance(node, Mapping) else None
    return name.rpartition('.')[2] if isinstance(name, str) else getattr(name, '__name__', None)
