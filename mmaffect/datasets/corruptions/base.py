"""What all corruptions share: levels, random numbers, and trials that they leave alone."""

import hashlib
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, get_args

import numpy as np

from ...errors import ConfigError
from ..corpus import Corpus, Trial

Severity = Literal[1, 2, 3, 4, 5]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


class Corruption(ABC):
    """Damages one modality of a whole trial, so that windows that overlap agree.

    Random numbers come from the seed, the trial and the class, and not from the severity: as it rises, the same spans
    grow and the same noise gets louder. Two of one class in a row need two seeds.

    Args:
        severity: 1 (least) to 5, which stand for the values of ``LEVELS``.
        seed: of what is drawn.

    Attributes:
        modality: what is damaged, ``'audio'`` or ``'visual'``.
        LEVELS: value of each severity.
        level: the value that is used.

    Raises:
        ConfigError: if an argument is out of range.
    """

    modality: ClassVar[Literal['audio', 'visual']]
    LEVELS: ClassVar[tuple[float, ...]]

    def __init__(self, severity: Severity = 3, seed: int = 0) -> None:
        owner = type(self).__name__
        if isinstance(severity, bool) or severity not in SEVERITIES:
            raise ConfigError(f'{owner}: severity={severity!r}; expected an integer from 1 to 5')
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ConfigError(f'{owner}: seed={seed!r}; expected an integer of at least 0')
        self.severity = int(severity)
        self.seed = seed
        self.level = self.LEVELS[self.severity - 1]
        self._text = f'severity={self.severity}'

    def override(self, name: str, value: float | None, low: float, high: float) -> None:
        """Take the value of an explicit argument, if there is one, in the place of that of the severity.

        Args:
            name: of the argument.
            value: ``None``: the severity decides.
            low, high: its range.

        Raises:
            ConfigError: if it is no number in this range.
        """
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            owner = type(self).__name__
            raise ConfigError(f'{owner}: {name}={value!r}; expected a number from {low:g} to {high:g}')
        self.level = value
        self._text = f'{name}={value:g}'

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._text})'

    def rng(self, trial: str) -> np.random.Generator:
        """Generator of everything that is drawn for a trial."""
        text = f'{self.seed}/{type(self).__name__}/{trial}'
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest(), 'big'))

    def apply(self, trial: Trial, corpus: Corpus) -> Trial:
        """Damage a trial.

        Args:
            trial: of the corpus, damaged before or not; its arrays are not changed.
            corpus: front end, rate of the waveform, people, and other trials.

        Returns:
            The damaged trial; the same one where it has nothing of the modality.

        Raises:
            CorpusError: if the corpus has not what is needed.
        """
        there = trial.info.has_audio if self.modality == 'audio' else trial.info.faces_present > 0
        return self.damage(trial, corpus, self.rng(trial.info.name)) if there else trial

    @abstractmethod
    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        """:meth:`apply` to a trial that has the modality; ``rng`` is fresh from :meth:`rng`."""
