"""Exported files against PyTorch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..datasets.transforms import CenterFaceCrop
from ..errors import ConfigError
from ..models import AffectEstimator
from .graphs import Fusion
from .settings import Settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

TOLERANCE = 1e-4
# Share of the frames that a stream has, and whether there is any sound at all.
CASES = {'everything': (1.0, True), 'half': (0.5, True), 'nothing': (0.0, True), 'silence': (0.0, False)}


def check_onnx(
    model: AffectEstimator, files: Sequence[str | Path], settings: Settings, seed: int = 0
) -> dict[str, float]:
    """Run exported files by onnxruntime on random windows, and compare what they give with the model.

    The windows have every frame, half of them, none, and no sound at all. The model takes them by its own data
    preprocessor; the fusion takes the features of the exported encoders.

    Args:
        model: in evaluation mode and float32, on the CPU.
        files: as :func:`mmaffect.deployment.export_onnx` writes them.
        settings: how its data are cut.
        seed: of the random windows.

    Returns:
        Largest absolute difference by file.

    Raises:
        ConfigError: if one is above 1e-4 or not a number.
    """
    sessions = {Path(path).stem: open_session(path) for path in files}
    rng = np.random.default_rng(seed)
    largest = dict.fromkeys(sessions, 0.0)
    for share, sound in CASES.values():
        window = _window(model, settings, rng, share, sound)
        for name, found, expected in _compared(model, settings, sessions, window):
            difference = float(np.abs(found - expected).max())
            largest[name] = float(np.maximum(largest[name], difference))
    for name, difference in largest.items():
        if not difference <= TOLERANCE:
            raise ConfigError(f'{name}.onnx: differs from PyTorch by {difference:.2g}; expected at most {TOLERANCE:g}')
    return {f'{name}.onnx': difference for name, difference in largest.items()}


def open_session(path: str | Path) -> 'InferenceSession':
    """An exported file, to be run on the CPU."""
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])


def _window(
    model: AffectEstimator, settings: Settings, rng: np.random.Generator, share: float, sound: bool
) -> dict[str, np.ndarray]:
    """Random inputs of one window, as the dataset would give them, with a leading axis of 1."""
    length, window = settings.window, {}
    for name, stream in model.streams.items():
        window[f'{name}_mask'] = rng.random((1, length)) < share
        if stream.backbone is None:
            window[f'{name}_features'] = rng.normal(size=(1, length, stream.in_channels)).astype(np.float32)
    if settings.face_size is not None:
        clips, side = settings.clips, settings.face_size
        images = length if clips is None else len(clips[0])
        window['faces'] = rng.integers(0, 256, (1, images, side, side, 3), dtype=np.uint8)
        if clips is not None:
            window['clip_index'] = clips[1][None]
    if settings.front_end is not None:
        preprocessor = model.data_preprocessor
        rows = 2 * preprocessor.patch_rows + length
        values = rng.normal(
            float(preprocessor.audio_mean), float(preprocessor.audio_std), (1, rows, settings.front_end.n_mels)
        )
        window['logmel'] = values.astype(np.float32)
        window['num_rows'] = np.array([rows if sound else 0])
        # Some lie before the first and after the last row.
        window['patch_start'] = np.sort(rng.integers(-preprocessor.patch_rows, rows, (1, length)))
    return window


@torch.no_grad()
def _compared(
    model: AffectEstimator, settings: Settings, sessions: 'dict[str, InferenceSession]', window: dict[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """By file, what it gives and what it should."""
    inputs = {key: torch.from_numpy(value) for key, value in window.items()}
    if 'faces' in window:
        cropped = CenterFaceCrop(model.data_preprocessor.crop_size).transform({'faces': window['faces'][0]})
        inputs |= {'crop': torch.tensor([cropped['crop']]), 'flip': torch.tensor([False])}
    prepared = model.data_preprocessor({'inputs': inputs})['inputs']
    features = {f'{name}_features': value.numpy() for name, value in model.embed(prepared).items()}
    masks = [prepared[f'{name}_mask'] for name in model.streams] if model.neck is not None else []
    expected = [one.numpy() for one in Fusion(model)(*map(torch.from_numpy, features.values()), *masks)]
    # What the estimator itself predicts, beside its parts.
    expected[0] = model(prepared).clamp(-1, 1).numpy()
    exported = dict(window)
    for name, given in _encoder_inputs(model, settings, window).items():
        found = sessions[f'{name}_encoder'].run(None, given)[0]
        yield f'{name}_encoder', found, features[f'{name}_features'][0]
        exported[f'{name}_features'] = found[None]
    for name in ('model', 'fusion'):
        if name in sessions:
            taken = {one.name for one in sessions[name].get_inputs()}
            given = {key: value for key, value in exported.items() if key in taken}
            for found, wanted in zip(sessions[name].run(None, given), expected, strict=True):
                yield name, found, wanted


def _encoder_inputs(
    model: AffectEstimator, settings: Settings, window: dict[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """What the encoders take of a window, cut as somebody would who has this package not."""
    found = {}
    if settings.face_size is not None:
        faces, clips = window['faces'][0], settings.clips
        found['visual'] = {'faces': faces} if clips is None else {'clips': faces[clips[1]]}
    if settings.front_end is not None:
        preprocessor, count = model.data_preprocessor, int(window['num_rows'][0])
        wanted = window['patch_start'][0][:, None] + np.arange(preprocessor.patch_rows)
        patches = window['logmel'][0][wanted.clip(0, max(count - 1, 0))]
        if count == 0:
            patches = np.full_like(patches, float(preprocessor.audio_mean))
        elif preprocessor.audio_fill is not None:
            patches[(wanted < 0) | (wanted >= count)] = preprocessor.audio_fill
        found['audio'] = {'patches': patches}
    return found
