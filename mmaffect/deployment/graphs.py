"""What is exported: the parts of an estimator with their preparation inside, from plain arrays to plain arrays."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models import AffectEstimator
from ..models.preprocessors.affect_data_preprocessor import cut_patches


class VisualEncoder(nn.Module):
    """Features of faces: uint8 pixels to what the visual backbone says.

    Args:
        model: the estimator.
        clips: whether a frame has a clip of faces and not one.
    """

    def __init__(self, model: AffectEstimator, clips: bool) -> None:
        super().__init__()
        preprocessor = model.data_preprocessor
        self.stream = model.visual
        self.crop_size = preprocessor.crop_size
        self.image_size = preprocessor.image_size or preprocessor.crop_size
        self.clips = clips
        self.register_buffer('mean', preprocessor.face_mean.clone())
        self.register_buffer('scale', 1 / preprocessor.face_std)

    def prepare(self, faces: Tensor) -> Tensor:
        """Crop the middle of ``(n, S, S, 3)`` uint8 and normalise it to ``(n, 3, s, s)`` float32."""
        edge = (faces.shape[1] - self.crop_size) // 2
        middle = faces[:, edge : edge + self.crop_size, edge : edge + self.crop_size]
        x = ((middle.float() - self.mean) * self.scale).permute(0, 3, 1, 2)
        if self.image_size != self.crop_size:
            size = (self.image_size, self.image_size)
            x = F.interpolate(x, size, mode='bilinear', align_corners=False, antialias=True)
        return x

    def forward(self, faces: Tensor) -> Tensor:
        """Embed ``(n, S, S, 3)``, or clips ``(n, T, S, S, 3)``, uint8 RGB: ``(n, d)``."""
        if not self.clips:
            return self.stream.embed(self.prepare(faces).unsqueeze(0))[0]
        clips = self.prepare(faces.flatten(0, 1)).unflatten(0, faces.shape[:2])
        return self.stream.embed(clips.transpose(1, 2).unsqueeze(0))[0]


class AudioEncoder(nn.Module):
    """Features of the sound around frames: log-mel patches to what the audio backbone says.

    Args:
        model: the estimator.
    """

    def __init__(self, model: AffectEstimator) -> None:
        super().__init__()
        preprocessor = model.data_preprocessor
        self.stream = model.audio
        self.rows = preprocessor.patch_rows
        self.fill = preprocessor.audio_fill
        self.depth = preprocessor.audio_depth
        self.register_buffer('mean', preprocessor.audio_mean.clone())
        self.register_buffer('std', preprocessor.audio_std.clone())

    def cut(self, logmel: Tensor, num_rows: Tensor, patch_start: Tensor) -> Tensor:
        """Normalised patches ``(L, 1, P, n_mels)`` of ``(1, R, n_mels)``, as the data preprocessor cuts them."""
        fill = None if self.fill is None else (self.fill - self.mean) / self.std
        depth = None if self.depth is None else self.depth / self.std
        return cut_patches((logmel - self.mean) / self.std, num_rows, patch_start, self.rows, fill, depth)[0]

    def forward(self, patches: Tensor) -> Tensor:
        """Embed patches ``(n, P, n_mels)`` of log-mel values as the front end gives them: ``(n, d)``."""
        x = ((patches - self.mean) / self.std).unsqueeze(1)
        if self.depth is not None:
            x = x.maximum(x.amax((-2, -1), keepdim=True) - self.depth / self.std)
        return self.stream.embed(x.unsqueeze(0))[0]


class Fusion(nn.Module):
    """Everything after the backbones: features of a window of frames to affect and gates.

    Args:
        model: the estimator.
    """

    def __init__(self, model: AffectEstimator) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(model.streams)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Fuse a window.

        Args:
            *inputs: of every stream in the order of ``names``, its features ``(1, L, d)``; then, where there is a
                neck, of every stream its mask ``(1, L)`` bool.

        Returns:
            Affect ``(1, L, k)`` in [-1, 1], and the share ``(1, L)`` of every gate.
        """
        count = len(self.names)
        features = dict(zip(self.names, inputs[:count], strict=True))
        masks = dict(zip(self.names, inputs[count:] or [None] * count, strict=True))
        fused, gates = self.model.fuse(features, masks, return_gates=True)
        # As the estimator's predict: a head without tanh can leave the range of affect.
        affect = self.model.head(fused).clamp(-1, 1)
        return (affect, *(gates.shares().values() if gates is not None else ()))


class WholeModel(nn.Module):
    """From faces and log-mel rows of a window to affect and gates.

    Args:
        model: the estimator.
        clip_index: ``(L, T)`` int64, faces of every frame's clip; ``None``: one face a frame.
    """

    def __init__(self, model: AffectEstimator, clip_index: Tensor | None) -> None:
        super().__init__()
        self.visual = self.audio = None
        if model.visual is not None and model.visual.backbone is not None:
            self.visual = VisualEncoder(model, clip_index is not None)
        if model.audio is not None and model.audio.backbone is not None:
            self.audio = AudioEncoder(model)
        self.fusion = Fusion(model)
        self.register_buffer('clip_index', clip_index)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run a window.

        Args:
            *inputs: of every stream in the order of the fusion's ``names``: visual, ``(1, F, S, S, 3)`` uint8; audio,
                ``(1, R, n_mels)`` float32, ``(1,)`` int64 rows that are real, ``(1, L)`` int64 first row of every
                patch; of streams without a backbone their features; then the masks, as :class:`Fusion` takes them.

        Returns:
            As :class:`Fusion`.
        """
        rest, features = list(inputs), []
        for name in self.fusion.names:
            encoder = getattr(self, name, None)
            first = rest.pop(0)
            if name == 'visual' and encoder is not None:
                faces = first[0] if self.clip_index is None else first[0][self.clip_index]
                features.append(encoder(faces).unsqueeze(0))
            elif name == 'audio' and encoder is not None:
                features.append(encoder.stream.embed(encoder.cut(first, rest.pop(0), rest.pop(0)).unsqueeze(0)))
            else:
                features.append(first)
        return self.fusion(*features, *rest)


def gate_names(model: AffectEstimator, length: int) -> list[str]:
    """Names of the gates of a model as in traces, such as ``'audio/iteration_1'``; empty if it has none."""
    if model.neck is None:
        return []
    features = {name: torch.zeros(1, length, stream.in_channels) for name, stream in model.streams.items()}
    masks = {name: torch.ones(1, length, dtype=torch.bool) for name in features}
    with torch.no_grad():
        _, gates = model.fuse(features, masks, return_gates=True)
    return list(gates.shares()) if gates is not None else []
