"""ONNX files of an estimator: the whole model for a window, and its parts for a stream."""

import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.config import Config
from torch import Tensor, nn

from ..errors import ConfigError
from ..models import AffectEstimator
from ..utils.files import replacing, sha256, write_text
from ..version import __version__
from .description import describe
from .graphs import AudioEncoder, Fusion, VisualEncoder, WholeModel, gate_names
from .settings import Settings, read_settings

if TYPE_CHECKING:
    from onnx import ModelProto

METADATA = 'metadata.json'


@dataclass(frozen=True)
class Graph:
    """One file to be.

    Attributes:
        name: of the file, without ``.onnx``.
        module: what is exported.
        inputs: example of every input by name.
        dynamic: names of the axis that may have any length, by input.
        outputs: names of the outputs.
    """

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    dynamic: dict[str, tuple[int, str]]
    outputs: tuple[str, ...]


def export_onnx(
    model: AffectEstimator,
    out: str | Path,
    cfg: Config | None = None,
    *,
    opset: int = 18,
    face_size: int | None = None,
    check: bool = True,
    about: Mapping[str, object] | None = None,
) -> dict:
    """Write the ONNX files of a model, and a description of what goes in and comes out.

    ``model.onnx`` is the whole model for one window; ``visual_encoder.onnx``, ``audio_encoder.onnx`` (any number of
    frames at once) and ``fusion.onnx`` (one window of their features) are the same in parts, so that a stream computes
    each frame once. A model without backbones is its fusion alone. ``metadata.json`` says all that somebody needs who
    has neither PyTorch nor this package.

    Args:
        model: the model; it is not changed, and exported in evaluation mode and float32.
        out: folder, made if it is not there.
        cfg: its config; by default ``model.cfg``.
        opset: of ONNX, at least 18.
        face_size: side of the aligned faces, pixels; by default that of the corpus.
        check: compare every file with PyTorch by onnxruntime (:func:`check_onnx`).
        about: further keys for ``metadata.json``, such as the name and the hash of the weights.

    Returns:
        What ``metadata.json`` holds.

    Raises:
        ConfigError: if a package is missing, a part cannot be exported, or its result differs from PyTorch's.
    """
    _require('onnx', 'onnxscript', *(('onnxruntime',) if check else ()))
    if opset < 18:
        raise ConfigError(f'opset={opset}; expected at least 18')
    settings = read_settings(model, cfg if cfg is not None else model.cfg, face_size)
    # A copy has no compiled parts, and evaluation mode leaves the caller's alone.
    own = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    synthetic = bool((getattr(model, 'dataset_meta', None) or {}).get('synthetic'))
    found = describe(own, settings, synthetic) | {'opset': opset} | dict(about or {})
    files = {}
    for graph in graphs(own, settings):
        path = out / f'{graph.name}.onnx'
        proto = _convert(graph, opset)
        proto.doc_string = found['notice']
        with replacing(path) as temporary:
            temporary.write_bytes(proto.SerializeToString(deterministic=True))
        files[path.name] = {
            'sha256': sha256(path),
            'bytes': path.stat().st_size,
            'inputs': _signature(proto.graph.input),
            'outputs': _signature(proto.graph.output),
        }
    found |= {'files': files}
    if check:
        from .onnx_check import check_onnx

        for name, difference in check_onnx(own, [out / name for name in files], settings).items():
            files[name]['largest_difference_to_pytorch'] = difference
    write_text(out / METADATA, json.dumps(found, indent=1) + '\n')
    return found


def graphs(model: AffectEstimator, settings: Settings) -> list[Graph]:
    """The files of a model, the whole one first.

    Args:
        model: in evaluation mode, on the CPU.
        settings: how its data are cut.
    """
    length, names = settings.window, tuple(model.streams)
    outputs = ('affect', *gate_names(model, length))
    masks = {f'{name}_mask': torch.ones(1, length, dtype=torch.bool) for name in names if model.neck is not None}
    features = {f'{name}_features': torch.zeros(1, length, model.streams[name].in_channels) for name in names}
    whole: dict[str, Tensor] = {}
    dynamic: dict[str, tuple[int, str]] = {}
    parts = []
    for name in names:
        if name == 'visual' and settings.face_size is not None:
            side, clip = settings.face_size, settings.clips
            faces = (1, length if clip is None else len(clip[0]), side, side, 3)
            whole['faces'] = torch.zeros(faces, dtype=torch.uint8)
            shape = (2, side, side, 3) if clip is None else (2, settings.clip_frames, side, side, 3)
            example = {'faces' if clip is None else 'clips': torch.zeros(shape, dtype=torch.uint8)}
            encoder = VisualEncoder(model, clip is not None)
            parts.append(Graph('visual_encoder', encoder, example, dict.fromkeys(example, (0, 'n')), ('features',)))
        elif name == 'audio' and settings.front_end is not None:
            rows, bands = model.data_preprocessor.patch_rows, settings.front_end.n_mels
            whole['logmel'] = torch.zeros(1, rows + 1, bands)
            whole['num_rows'] = torch.tensor([rows + 1])
            whole['patch_start'] = torch.zeros(1, length, dtype=torch.int64)
            dynamic['logmel'] = (1, 'rows')
            example = {'patches': torch.zeros(2, rows, bands)}
            parts.append(Graph('audio_encoder', AudioEncoder(model), example, {'patches': (0, 'n')}, ('features',)))
        else:
            whole[f'{name}_features'] = features[f'{name}_features']
    index = None if settings.clips is None else torch.from_numpy(settings.clips[1])
    fusion = Graph('fusion', Fusion(model), features | masks, {}, outputs)
    if not parts:
        return [fusion]
    return [Graph('model', WholeModel(model, index), whole | masks, dynamic, outputs), *parts, fusion]


def _convert(graph: Graph, opset: int) -> 'ModelProto':
    import onnx

    axes = (graph.dynamic.get(name) for name in graph.inputs)
    shapes = tuple({axis[0]: torch.export.Dim(axis[1], min=1)} if axis else {} for axis in axes)
    if isinstance(graph.module, Fusion | WholeModel):  # whose inputs are one variadic argument
        shapes = (shapes,)
    try:
        with _quiet():
            program = torch.onnx.export(
                graph.module,
                tuple(graph.inputs.values()),
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamic_shapes=shapes,
                opset_version=opset,
                dynamo=True,
                verbose=False,
            )
        proto = program.model_proto
        _clean(proto)
        onnx.checker.check_model(proto)
    except Exception as error:  # the exporter reports what it cannot do by many types
        reason = _reason(error)
        raise ConfigError(f'{graph.name}.onnx: the model cannot be exported to ONNX: {reason}') from error
    return proto


def _clean(proto: 'ModelProto') -> None:
    """Take out where the code lies on this machine."""
    del proto.metadata_props[:]
    proto.producer_name, proto.producer_version = 'mmaffect', __version__
    stack = [proto.graph, *proto.functions]
    while stack:
        graph = stack.pop()
        graph.doc_string = ''
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ''
            del node.metadata_props[:]
            stack += [one.g for one in node.attribute if one.HasField('g')]
        for value in graph.value_info:
            del value.metadata_props[:]
        for field in ('input', 'output', 'initializer'):
            for value in getattr(graph, field):
                if hasattr(value, 'metadata_props'):
                    del value.metadata_props[:]


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f'{type(error).__name__}: {lines[0][:200] if lines else ""}'


@contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'onnxscript')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _signature(values: object) -> dict[str, dict]:
    from onnx.helper import tensor_dtype_to_np_dtype

    return {
        one.name: {
            'dtype': tensor_dtype_to_np_dtype(one.type.tensor_type.elem_type).name,
            'shape': [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim],
        }
        for one in values
    }


def _require(*names: str) -> None:
    from importlib.util import find_spec

    for name in names:
        if find_spec(name) is None:
            raise ConfigError(f'{name} is not installed; install mmaffect[export]')
