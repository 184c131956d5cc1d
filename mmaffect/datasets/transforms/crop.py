"""Crop and flip, drawn once a window here and executed on the device by the data preprocessor."""

from mmcv.transforms import BaseTransform

from ...errors import ConfigError
from ...registry import TRANSFORMS


def _check_size(size: int, faces_shape: tuple[int, ...]) -> int:
    """Margin between face and crop, pixels."""
    margin = faces_shape[1] - size
    if margin < 0:
        raise ConfigError(f'size={size}; the faces of this corpus have {faces_shape[1]} pixels')
    return margin


@TRANSFORMS.register_module()
class RandomFaceCrop(BaseTransform):
    """Draw the place of a crop, the same for all frames of a window.

    Required keys: ``faces``, ``rng``. Added key: ``crop`` (top, left).

    Args:
        size: side of the crop, pixels.
    """

    def __init__(self, size: int = 40) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        margin = _check_size(self.size, results['faces'].shape)
        results['crop'] = tuple(results['rng'].integers(0, margin + 1, 2).tolist())
        return results

    def __repr__(self) -> str:
        return f'RandomFaceCrop(size={self.size})'


@TRANSFORMS.register_module()
class CenterFaceCrop(BaseTransform):
    """Crop the centre of every face.

    Required key: ``faces``. Added key: ``crop`` (top, left).

    Args:
        size: side of the crop, pixels.
    """

    def __init__(self, size: int = 40) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        margin = _check_size(self.size, results['faces'].shape)
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
