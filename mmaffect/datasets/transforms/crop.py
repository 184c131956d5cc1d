"""Crop and flip, drawn once a window here and executed on the device by the data preprocessor."""

from mmcv.transforms import BaseTransform

from ...errors import ConfigError
from ...registry import TRANSFORMS


def _margin(size: int, results: dict) -> int | None:
    """Pixels between face and crop; ``None`` for a window without faces."""
    if 'faces' not in results:
        return None
    side = results['faces'].shape[1]
    if side < size:
        raise ConfigError(f'size={size}; the faces of this corpus have {side} pixels')
    return side - size


@TRANSFORMS.register_module()
class RandomFaceCrop(BaseTransform):
    """Draw the place of a crop, the same for all frames of a window.

    Required key: ``rng``. Added key, where there are ``faces``: ``crop`` (top, left).

    Args:
        size: side of the crop, pixels.
    """

    def __init__(self, size: int = 40) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        margin = _margin(self.size, results)
        if margin is not None:
            results['crop'] = tuple(results['rng'].integers(0, margin + 1, 2).tolist())
        return results

    def __repr__(self) -> str:
        return f'RandomFaceCrop(size={self.size})'


@TRANSFORMS.register_module()
class CenterFaceCrop(BaseTransform):
    """Crop the centre of every face.

    Added key, where there are ``faces``: ``crop`` (top, left).

    Args:
        size: side of the crop, pixels.
    """

    def __init__(self, size: int = 40) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        margin = _margin(self.size, results)
        if margin is not None:
            results['crop'] = (margin // 2, margin // 2)
        return results

    def __repr__(self) -> str:
        return f'CenterFaceCrop(size={self.size})'


@TRANSFORMS.register_module()
class RandomFaceFlip(BaseTransform):
    """Draw whether all frames of a window are mirrored left to right.

    Required key: ``rng``. Added key: ``flip``.

    Args:
        prob: probability in [0, 1].

    Raises:
        ConfigError: for another probability.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError(f'RandomFaceFlip: prob={prob}; expected 0 to 1')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        results['flip'] = bool(results['rng'].random() < self.prob)
        return results

    def __repr__(self) -> str:
        return f'RandomFaceFlip(prob={self.prob})'
