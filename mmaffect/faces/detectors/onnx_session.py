"""ONNX Runtime with the settings that detectors share."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError
from .base import missing

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(model: bytes | Path, threads: int) -> 'InferenceSession':
    """A session of ONNX Runtime, on a GPU where ``onnxruntime-gpu`` is installed and finds one.

    Args:
        model: an ONNX file or what is in it.
        threads: threads on the CPU; 0: one a core.

    Raises:
        ConfigError: if ``threads`` is negative or ONNX Runtime is missing.
    """
    if not isinstance(threads, int) or threads < 0:
        raise ConfigError(f'threads={threads!r}; expected an integer of at least 0')
    try:
        import onnxruntime
    except ImportError:
        raise missing('onnxruntime') from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Else its threads keep the cores busy while PyTorch or a decoder would work.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    wanted = ('CUDAExecutionProvider', 'CPUExecutionProvider')
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(model, options, providers=providers)
