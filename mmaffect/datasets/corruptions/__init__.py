"""Test-time corruption of whole trials of any prepared corpus; :func:`build_corruption` makes one from a config."""

from collections.abc import Mapping, Sequence

from ...errors import ConfigError
from ...registry import CORRUPTIONS
from .audio_dropout import AudioDropout
from .audio_noise import AudioNoise
from .audio_shift import AudioShift
from .base import SEVERITIES, Corruption
from .face_blur import FaceBlur
from .face_dropout import FaceDropout
from .face_jpeg import FaceJPEG
from .face_occlusion import FaceOcclusion
from .voice_swap import VoiceSwap

__all__ = [
    'SEVERITIES',
    'AudioDropout',
    'AudioNoise',
    'AudioShift',
    'Corruption',
    'FaceBlur',
    'FaceDropout',
    'FaceJPEG',
    'FaceOcclusion',
    'VoiceSwap',
    'build_corruption',
    'build_corruptions',
]


def build_corruption(config: Mapping | Corruption, place: str = 'corruption') -> Corruption:
    """A corruption.

    Args:
        config: ``dict(type='AudioNoise', severity=3)``, or one that is built already.
        place: key of the config, for the error.

    Raises:
        ConfigError: if there is none of this name, or an argument does not fit.
    """
    if isinstance(config, Corruption):
        return config
    if not isinstance(config, Mapping) or 'type' not in config:
        raise ConfigError(f"{place}={config!r}; expected dict(type='AudioNoise', ...)")
    if isinstance(config['type'], str) and CORRUPTIONS.get(config['type']) is None:
        known = ', '.join(sorted(CORRUPTIONS.module_dict))
        raise ConfigError(f'{place}.type={config["type"]!r}: no such corruption; there are {known}')
    try:
        return CORRUPTIONS.build(dict(config))
    except TypeError as error:
        raise ConfigError(f'{place}={dict(config)!r}: {error}') from None


def build_corruptions(
    configs: Sequence[Mapping | Corruption], modalities: Sequence[str], features: Mapping[str, str]
) -> tuple[Corruption, ...]:
    """Corruptions of what a dataset reads.

    Args:
        configs: as of :func:`build_corruption`.
        modalities: that are read.
        features: by modality, the cached features that are read in its place.

    Raises:
        ConfigError: as :func:`build_corruption`, or if one would change nothing that is read.
    """
    corruptions = tuple(build_corruption(config, f'corruptions.{i}') for i, config in enumerate(configs))
    for i, one in enumerate(corruptions):
        place = f'corruptions.{i}={one}: changes {one.modality!r}'
        if one.modality not in modalities:
            raise ConfigError(f'{place}, modalities={tuple(modalities)}; expected it among them')
        if one.modality in features:
            raise ConfigError(
                f'{place}, which is read from the cached features {features[one.modality]!r}; expected faces and sound '
                'of the corpus, for a model with its backbones'
            )
    return corruptions
