"""The report of a validation set."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..evaluation.functional import Agreement
from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from ..inference.notice import NOTICE
from .facts import figure, whole
from .packing import pack_times, pack_unit
from .page import build_page, plain, text, write_page
from .trace_report import packed_annotation
from .validation_figures import Trial, density, pooled_figures, trial_figures

if TYPE_CHECKING:
    from ..traces.trace import Trace

STYLES = ('base.css', 'validation.css')
SCRIPTS = ('base.js', 'drawing.js', 'validation_charts.js', 'validation.js')


def write_validation_report(
    path: str | Path,
    traces: Sequence[Trace],
    *,
    title: str = 'Validation',
    synthetic: bool | None = None,
) -> Path:
    """Write one HTML file: pooled CCC, CCC of every trial, scatter, and all trials, the worst first, with their traces.

    Args:
        path: file to write, ``*.html``.
        traces: of the trials, with ``annotated``.
        title: of the page.
        synthetic: whether the corpus is; None: it is not known, and the page says what the traces say.

    Returns:
        ``path``.

    Raises:
        ConfigError: no trace, traces of different targets, or none with a valid annotation.
    """
    if not traces:
        raise ConfigError('a report of no trial; expected traces with annotated valence or arousal')
    targets = traces[0].targets
    for trace in traces:
        if trace.targets != targets:
            found = ', '.join(trace.targets)
            raise ConfigError(f'{trace.trial}: predicts {found}; expected {", ".join(targets)}, as {traces[0].trial}')
    trials = [trial_figures(trace) for trace in traces]
    pooled = {target: pooled_figures(trials, target) for target in targets}
    trials.sort(key=_worst_first)
    if not any(one.frames for one in pooled.values()):
        raise ConfigError(f'{len(traces)} traces without a valid annotation; expected annotated valence or arousal')
    frames = max(one.frames for one in pooled.values())
    page = build_page(
        'validation.html',
        title=title,
        styles=STYLES,
        scripts=SCRIPTS,
        data={
            'targets': list(targets),
            'trials': [_packed(trial) for trial in trials],
            'density': {target: _packed_density(trials, target) for target in targets},
        },
        places={
            'lead': text(f'{len(trials)} trials · {whole(frames)} annotated frames'),
            'pooled': '\n'.join(_pooled_markup(target, one) for target, one in pooled.items()),
            'undefined': _undefined_markup(trials),
            'scatters': '\n'.join(_scatter_markup(target) for target in targets),
            'orders': ''.join(f'<option value="{target}">{target.capitalize()}</option>' for target in targets),
            'trials': '\n'.join(_trial_markup(number, trial) for number, trial in enumerate(trials)),
        },
        notices=_notices(traces, synthetic),
    )
    return write_page(path, page)


def _notices(traces: Sequence[Trace], synthetic: bool | None) -> list[str]:
    if synthetic is None:
        found = list(dict.fromkeys(trace.notice for trace in traces))
        synthetic = any(trace.header.get('synthetic') for trace in traces)
    else:
        found = [NOTICE]
    return [*found, SYNTHETIC_NOTICE] if synthetic else found


def _worst_first(trial: Trial) -> tuple[bool, float, str]:
    """Trials without a CCC last."""
    undefined = not np.isfinite(trial.mean)
    return undefined, 0.0 if undefined else trial.mean, trial.trace.trial


def _packed(trial: Trial) -> dict:
    trace = trial.trace
    finite = {target: value if np.isfinite(value) else None for target, value in trial.ccc.items()}
    return {
        'name': plain(trace.trial),
        'ccc': finite,
        'times': pack_times(trace.times),
        'affect': {target: pack_unit(trace.affect[:, k]) for k, target in enumerate(trace.targets)},
        'annotated': packed_annotation(trace) or {},
    }


def _packed_density(trials: Sequence[Trial], target: str) -> dict:
    """Roots of the counts as bytes: few frames can be seen beside many."""
    counts = np.sqrt(density(trials, target))
    scaled = np.ceil(255 * counts / max(counts.max(), 1)).astype(np.uint8)
    return {'bins': len(counts), 'counts': base64.b64encode(scaled.tobytes()).decode()}


def _pooled_markup(target: str, one: Agreement) -> str:
    low, high = map(figure, one.interval)
    return (
        f'<section class="card pooled {target}" aria-label="{target.capitalize()}, pooled">'
        f'<h2>{target.capitalize()}</h2><p class="big"><span>CCC</span> {figure(one.ccc, 4)}</p>'
        f'<p class="soft">95\u202f% interval {low} to {high}, by bootstrap over trials</p>'
        f'<dl><dt>Mean CCC per trial</dt><dd>{figure(one.mean_per_trial)} ({one.defined} of {one.trials} trials)</dd>'
        f'<dt>PCC</dt><dd>{figure(one.pcc)}</dd><dt>RMSE</dt><dd>{figure(one.rmse)}</dd>'
        f'<dt>Frames</dt><dd>{whole(one.frames)}</dd></dl></section>'
    )


def _undefined_markup(trials: Sequence[Trial]) -> str:
    named = [f'<li><b>{text(trial.trace.trial)}</b>: {text(_reasons(trial))}</li>' for trial in trials if trial.reasons]
    if not named:
        return ''
    count = '1 trial' if len(named) == 1 else f'{len(named)} trials'
    return (
        f'<div class="undefined" id="undefined"><p>CCC is undefined in {count}; the pooled figures count the valid '
        f'frames, the mean per trial leaves out the trial:</p><ul>{"".join(named)}</ul></div>'
    )


def _reasons(trial: Trial) -> str:
    """By target, or once if it is the same for all."""
    reasons = trial.reasons
    if len(reasons) == len(trial.ccc) and len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return '; '.join(f'{target}: {reason}' for target, reason in reasons.items())


def _scatter_markup(target: str) -> str:
    return (
        f'<figure class="scatter"><canvas data-target="{target}" role="img" aria-label="Density of frames by '
        f'annotated and predicted {target}; the line is where both are the same"></canvas></figure>'
    )


def _trial_markup(number: int, trial: Trial) -> str:
    figures = ''.join(
        f'<span class="ccc {target}"><i>{target}</i> {figure(trial.ccc[target])}</span>' for target in trial.ccc
    )
    return (
        f'<details class="trial" id="trial-{number}" data-trial="{number}"><summary>'
        f'<span class="name">{text(trial.trace.trial)}</span><span class="figures">{figures}</span>'
        f'<canvas class="small" aria-hidden="true"></canvas></summary>'
        f'<canvas class="large" role="img" aria-label="Predicted and annotated affect of {text(trial.trace.trial)}">'
        '</canvas></details>'
    )
