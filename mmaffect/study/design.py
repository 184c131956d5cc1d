"""What the study compares, and how much of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..demo.conditions import AUDIO_KINDS, AV_OFFSET, VISUAL_KINDS
from ..demo.plan import MIN_VALIDATION, NUM_TEST, TRAIN, Settings
from ..errors import ConfigError

Group = Literal['single', 'fusion', 'released', 'ablation', 'extension']
GROUPS: tuple[Group, ...] = ('single', 'fusion', 'released', 'ablation', 'extension')
LABELS: dict[Group, str] = {
    'single': 'one modality alone',
    'fusion': 'published fusions',
    'released': 'forms of released code',
    'ablation': 'variants',
    'extension': 'our own',
}
"""What the fusions of a group are called in tables."""
PUBLISHED: tuple[Group, ...] = ('single', 'fusion', 'released')


@dataclass(frozen=True)
class Fusion:
    """One of the models that are compared.

    Args:
        name: in commands and in the table.
        label: in reports.
        config: file in ``configs/comparison`` without ``.py``, or the path of any config.
        group: what kind of model it is.
        options: ``--cfg-options`` of every run.
        budget: times the epochs of the study that it is trained for.
    """

    name: str
    label: str
    config: str
    group: Group
    options: Mapping[str, object] = field(default_factory=dict)
    budget: int = 1

    @property
    def path(self) -> Path:
        """The config file."""
        if self.config.endswith('.py'):
            return Path(self.config)
        from ..apis.zoo import zoo_roots

        return zoo_roots()[0] / 'configs' / 'comparison' / f'{self.config}.py'


def _all(*fusions: Fusion) -> dict[str, Fusion]:
    return {fusion.name: fusion for fusion in fusions}


def _rjca(name: str, label: str, iterations: int) -> Fusion:
    return Fusion(name, label, 'rjca_demo', 'fusion', {'model.neck.num_iters': iterations})


def _grjca(name: str, label: str, group: Group = 'ablation', **neck: object) -> Fusion:
    return Fusion(name, label, 'grjca_demo', group, {f'model.neck.{key}': value for key, value in neck.items()})


def _told(name: str, label: str, config: str) -> Fusion:
    hidden = {'audio': [*AUDIO_KINDS, AV_OFFSET], 'visual': [*VISUAL_KINDS]}
    options = {f'{loader}_dataloader.dataset.hidden': hidden for loader in ('train', 'val')}
    return Fusion(name, f'{label}, told what is decoupled', config, 'ablation', options)


def _precision(name: str, label: str, **neck: object) -> Fusion:
    return Fusion(
        name, label, 'precision_demo', 'ablation', {f'model.neck.{key}': value for key, value in neck.items()}
    )


FUSIONS = _all(
    Fusion('audio', 'audio alone', 'audio_demo', 'single'),
    Fusion('visual', 'visual alone', 'visual_demo', 'single'),
    Fusion('concat', 'concatenation', 'concat_demo', 'fusion'),
    Fusion('ca', 'CA', 'ca_demo', 'fusion'),
    Fusion('jca_released', 'JCA, released', 'jca_released_demo', 'released'),
    _rjca('rjca_m1', 'JCA (RJCA, M = 1)', 1),
    _rjca('rjca_m2', 'RJCA, M = 2', 2),
    _rjca('rjca_m3', 'RJCA, M = 3', 3),
    _grjca('grjca', 'GRJCA', 'fusion', num_iters=2, temperature=0.1, iteration_gate=True, stage_gate=True),
    _grjca('grjca_iteration_gate', 'GRJCA, iteration gate alone', stage_gate=False),
    _grjca('grjca_stage_gate', 'GRJCA, stage gate alone', iteration_gate=False),
    _grjca('grjca_m1', 'GRJCA, M = 1', num_iters=1),
    _grjca('grjca_m3', 'GRJCA, M = 3', num_iters=3),
    _grjca('grjca_t005', 'GRJCA, T = 0.05', temperature=0.05),
    _grjca('grjca_t05', 'GRJCA, T = 0.5', temperature=0.5),
    _grjca('grjca_t1', 'GRJCA, T = 1', temperature=1.0),
    Fusion('lfan', 'LFAN', 'lfan_demo', 'fusion'),
    Fusion('lfan_abaw3', 'LFAN, ABAW3 form', 'lfan_abaw3_demo', 'fusion'),
    Fusion('grjca_released', 'GRJCA, released', 'grjca_released_demo', 'released'),
    Fusion('hgrjca_released', 'HGRJCA, released', 'hgrjca_released_demo', 'released'),
    Fusion('precision', 'precision-weighted fusion', 'precision_demo', 'extension'),
    _grjca('grjca_no_norm', 'GRJCA, not normalised', normalize=False),
    _grjca('grjca_no_dropout', 'GRJCA, no dropout', dropout=0.0),
    _grjca('grjca_both', 'GRJCA, gates see both modalities', gate_input='both'),
    Fusion('grjca_long', 'GRJCA, 3 times the epochs', 'grjca_demo', 'ablation', budget=3),
    Fusion('concat_norm', 'concatenation, normalised', 'concat_demo', 'ablation', {'model.neck.normalize': True}),
    Fusion('concat_long', 'concatenation, 3 times the epochs', 'concat_demo', 'ablation', budget=3),
    _told('concat_told', 'concatenation', 'concat_demo'),
    _told('grjca_told', 'GRJCA', 'grjca_demo'),
    _told('precision_told', 'precision-weighted', 'precision_demo'),
    _precision('precision_own', 'precision-weighted, reliability from one modality', cross=False),
    _precision('precision_unsupervised', 'precision-weighted, no likelihood', loss_weight=0.0),
    _precision('precision_unrehearsed', 'precision-weighted, no rehearsal', rehearsal=0.0),
    _precision('precision_instant', 'precision-weighted, no pooling over time', widths=[0.05] * 4),
    _precision('precision_concat', 'precision-weighted, beside concatenation', beside=None),
)
"""By name, in the order of tables."""


@dataclass(frozen=True)
class StudySettings:
    """What decides the results of a study.

    Args:
        weak: shares of decoupled time, each in [0, 1).
        fusions: names, of :data:`FUSIONS`.
        seeds: of the runs, 0 or more.
        trials: of a corpus.
        validation: how many of them are for validation; `None`: a quarter.
        seconds: mean length of a trial.
        corpus_seed: of the corpora: draws their people, the same for every share.
        epochs: of a run.
        batch_size: windows of a training step.
        encoder_epochs: of the encoders.
        encoder_trials: of the corpus that they are trained on.

    Raises:
        ConfigError: a value is out of range, given twice, or no fusion.
    """

    weak: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6)
    fusions: tuple[str, ...] = tuple(FUSIONS)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    trials: int = 96
    validation: int | None = None
    seconds: float = 14.0
    corpus_seed: int = 2
    epochs: int = 12
    batch_size: int = 16
    encoder_epochs: int = 12
    encoder_trials: int = 48

    def __post_init__(self) -> None:
        for name in ('weak', 'fusions', 'seeds'):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ConfigError(f'{name} = {", ".join(map(str, values)) or "none"}; expected at least one, each once')
        for weak in self.weak:
            if not 0 <= weak < 1 or round(weak, 1) != weak:
                raise ConfigError(f'weak {weak:g}; expected a share of 0, 0.1, ... or 0.9')
        for fusion in self.fusions:
            if fusion not in FUSIONS:
                raise ConfigError(f'fusion {fusion!r}; expected one of {", ".join(FUSIONS)}')
        for seed in self.seeds:
            if not 0 <= seed < 2**32:
                raise ConfigError(f'seed {seed}; expected 0 to {2**32 - 1}')
        if not 0 <= self.corpus_seed < 2**32:
            raise ConfigError(f'corpus_seed {self.corpus_seed}; expected 0 to {2**32 - 1}')
        try:
            Settings(self.trials, self.seconds, validation=self.validation)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        for name in ('epochs', 'batch_size', 'encoder_epochs'):
            if getattr(self, name) < 2:
                raise ConfigError(f'{name} = {getattr(self, name)}; expected at least 2')

    def with_validation(self, trials: int) -> 'StudySettings':
        """The same training trials, and so many for validation.

        Raises:
            ConfigError: fewer than 2.
        """
        if trials < MIN_VALIDATION:
            raise ConfigError(f'validation is {trials}; expected at least {MIN_VALIDATION} trials')
        training = Settings(self.trials, self.seconds, validation=self.validation).counts[TRAIN]
        return replace(self, trials=training + trials + NUM_TEST, validation=trials)


QUICK = StudySettings(
    weak=(0.0, 0.6),
    fusions=('concat', 'rjca_m2', 'grjca'),
    seeds=(0, 1),
    trials=32,
    seconds=10.0,
    encoder_trials=32,
)
"""A study in minutes, which shows that everything works; its figures mean little."""


def runs_of(settings: StudySettings) -> list[tuple[float, str, int]]:
    """Share, fusion and seed of every run: seed by seed, so that a study that is stopped has compared all fusions."""
    return [(weak, fusion, seed) for seed in settings.seeds for weak in settings.weak for fusion in settings.fusions]
