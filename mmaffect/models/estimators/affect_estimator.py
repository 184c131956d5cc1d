"""Streams, fusion and head in one model."""

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Literal

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ...errors import ConfigError
from ...registry import MODELS
from ...structures import AffectDataSample
from ..necks.grjca import Gates
from ..necks.precision import Evidence


@MODELS.register_module()
class AffectEstimator(BaseModel):
    """Audio and visual stream, fusion neck and head; with one stream, no neck.

    Args:
        head: config of the head.
        visual: config of the visual stream, such as :class:`Stream`.
        audio: config of the audio stream.
        further: by name, configs of further streams, from cached features of that name; the neck is given their
            features and masks as ``further`` and ``further_masks`` (published LFAN: eGeMAPS or MFCC).
        neck: config of the fusion neck.
        data_preprocessor: config of the data preprocessor.
        compiled: parts that ``torch.compile`` compiles when they are first used, such as ``['visual.backbone',
            'audio.backbone', 'neck']``; keys of checkpoints stay. MMEngine's ``compile`` of a config takes the whole
            training step instead, which breaks into many graphs at data samples, losses and the optimizer, and leaves
            validation and inference as they are.
        compile_backend: of ``torch.compile``.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if there is no stream, a neck is missing or left over, two parts differ in width, or there is no
            such part or backend to compile.
    """

    def __init__(
        self,
        head: dict,
        visual: dict | None = None,
        audio: dict | None = None,
        further: Mapping[str, dict] | None = None,
        neck: dict | None = None,
        data_preprocessor: dict | None = None,
        compiled: Sequence[str] = (),
        compile_backend: str = 'inductor',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(MODELS.build(data_preprocessor or {'type': 'AffectDataPreprocessor'}), init_cfg)
        further = further or {}
        streams = (visual is not None) + (audio is not None)
        if streams == 0:
            raise ConfigError('AffectEstimator: neither visual nor audio is given')
        if (streams == 2) != (neck is not None):
            raise ConfigError(
                f'AffectEstimator: {streams} stream(s), neck={neck}; two streams need one, one needs none'
            )
        self.visual = MODELS.build(visual) if visual else None
        self.audio = MODELS.build(audio) if audio else None
        if further and (streams < 2 or {'audio', 'visual'} & set(further)):
            raise ConfigError(f'AffectEstimator: further={sorted(further)}; expected other names, beside both streams')
        self.further = nn.ModuleDict({name: MODELS.build(stream) for name, stream in further.items()})
        self.neck = MODELS.build(neck) if neck else None
        self.head = MODELS.build(head)
        self._check_widths()
        self._compile(compiled, compile_backend)

    def _compile(self, names: Sequence[str], backend: str) -> None:
        parts = {name: part for name, part in self.named_modules() if name}
        for name in names:
            if name not in parts:
                near = get_close_matches(name, parts, n=1, cutoff=0.0)[0]
                raise ConfigError(f'model.compiled: the model has no {name!r}; did you mean {near!r}?')
            try:
                parts[name].compile(backend=backend)
            except torch._dynamo.exc.InvalidBackend:
                known = ', '.join(torch.compiler.list_backends())
                raise ConfigError(f'model.compile_backend={backend!r}; expected one of {known}') from None

    def _check_widths(self) -> None:
        given = {}
        for modality in ('audio', 'visual'):
            stream = getattr(self, modality)
            if stream is not None and self.neck is not None:
                given[f'neck.{modality}_channels'] = (self.neck, f'{modality}_channels', stream.out_channels)
        if self.neck is not None:
            widths = {name: stream.out_channels for name, stream in self.further.items()}
            if (expected := dict(getattr(self.neck, 'further_channels', {}))) != widths:
                raise ConfigError(f'model.neck.further_channels = {expected}: the further streams have {widths}')
        last = self.neck or self.visual or self.audio
        given['head.in_channels'] = (self.head, 'in_channels', last.out_channels)
        for path, (part, name, width) in given.items():
            # Parts of others need not say what they expect.
            if getattr(part, name, width) != width:
                raise ConfigError(f'model.{path} = {getattr(part, name)}: what comes there has {width} channels')

    @property
    def streams(self) -> dict[str, nn.Module]:
        """Every stream of the model by name, in the order in which they run."""
        own = {'visual': self.visual, 'audio': self.audio}
        return {name: stream for name, stream in own.items() if stream is not None} | dict(self.further.items())

    def extract_feat(self, inputs: dict[str, Tensor]) -> Tensor:
        """Fused features ``(B, L, d)`` of a preprocessed batch: ``fuse(embed(inputs), masks)``."""
        return self._extract(inputs, False)[0]

    def _extract(self, inputs: dict[str, Tensor], return_gates: bool) -> tuple[Tensor, Gates | Evidence | None]:
        # A stream is called as a whole here, so that one that is compiled or hooked runs as such.
        sequences = {name: stream(inputs[name]) for name, stream in self.streams.items()}
        return self._combine(sequences, {name: inputs.get(f'{name}_mask') for name in sequences}, return_gates)

    def embed(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Features of every frame on its own, ``(B, L, in_channels)`` by stream.

        Args:
            inputs: as :class:`AffectDataPreprocessor` returns them; streams without input are left out.
        """
        return {name: stream.embed(inputs[name]) for name, stream in self.streams.items() if name in inputs}

    def fuse(
        self, features: dict[str, Tensor], masks: dict[str, Tensor], return_gates: bool = False
    ) -> Tensor | tuple[Tensor, Gates | Evidence | None]:
        """Fused features of windows, from what :meth:`embed` says of their frames.

        Args:
            features: by stream, ``(B, L, in_channels)``.
            masks: by stream, ``(B, L)`` bool, frames that it has.
            return_gates: also return the gates of the neck; ``None`` where it has none.

        Returns:
            ``(B, L, d)``, what the head takes.
        """
        sequences = {name: stream.integrate(features[name]) for name, stream in self.streams.items()}
        fused, gates = self._combine(sequences, masks, return_gates)
        return (fused, gates) if return_gates else fused

    def _combine(
        self, sequences: dict[str, Tensor], masks: dict[str, Tensor], return_gates: bool
    ) -> tuple[Tensor, Gates | Evidence | None]:
        if self.neck is None:
            return next(iter(sequences.values())), None
        further = {}
        if self.further:
            further['further'] = {name: sequences[name] for name in self.further}
            further['further_masks'] = {name: masks[name] for name in self.further}
        if return_gates and 'return_gates' in inspect.signature(self.neck.forward).parameters:
            further['return_gates'] = True
        fused = self.neck(sequences['audio'], sequences['visual'], masks['audio'], masks['visual'], **further)
        return fused if 'return_gates' in further else (fused, None)

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[AffectDataSample] | None = None,
        mode: Literal['tensor', 'loss', 'predict'] = 'tensor',
    ) -> Tensor | dict[str, Tensor] | list[AffectDataSample]:
        """Run the model on a preprocessed batch.

        Args:
            inputs: as :class:`AffectDataPreprocessor` returns them.
            data_samples: one a window; not needed for ``'tensor'``.
            mode: ``'tensor'``: ``(B, L, k)`` predictions; ``'loss'``: dict of losses; ``'predict'``: the data samples
                with ``pred_affect`` ``(n, k)`` on the CPU.

        Raises:
            ValueError: for another mode.
        """
        if mode == 'tensor':
            return self.head(self.extract_feat(inputs))
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode={mode!r}; expected 'tensor', 'loss' or 'predict'")

    def loss(self, inputs: dict[str, Tensor], data_samples: list[AffectDataSample]) -> dict[str, Tensor]:
        """Losses over the frames that have a valid annotation: of the head, and of a neck that has its own."""
        own = getattr(self.neck, 'loss', None)
        features, gates = self._extract(inputs, own is not None)
        target, mask = (x.to(features.device) for x in stack_targets(data_samples, features.shape[1]))
        losses = self.head.loss(features, target, mask)
        return losses if own is None else losses | own(gates, target, mask)

    def predict(self, inputs: dict[str, Tensor], data_samples: list[AffectDataSample]) -> list[AffectDataSample]:
        """Data samples with predictions for their real frames."""
        predictions = self.head(self.extract_feat(inputs)).float().cpu()
        for sample, prediction in zip(data_samples, predictions, strict=True):
            # A head without tanh can leave the range of affect.
            sample.pred_affect = prediction[: len(sample.valid)].clamp(-1, 1)
            sample.set_field(self.head.targets, 'targets', field_type='metainfo')
        return data_samples


def stack_targets(data_samples: list[AffectDataSample], frames: int) -> tuple[Tensor, Tensor]:
    """Targets and masks of windows, padded to ``frames``.

    Returns:
        ``(B, frames, 2)`` float32 and ``(B, frames)`` bool, False in the padding.
    """
    target = pad_sequence([sample.gt_affect for sample in data_samples], batch_first=True)
    mask = pad_sequence([sample.valid for sample in data_samples], batch_first=True)
    short = frames - target.shape[1]
    return nn.functional.pad(target, (0, 0, 0, short)), nn.functional.pad(mask, (0, short))
