"""Mends for known seams between MMEngine and its surroundings, one function each, with the symptom it mends."""

import ctypes
import os
import sys
import warnings
from collections.abc import Mapping
from datetime import timedelta
from pickle import UnpicklingError

import numpy as np
import torch

from .errors import ConfigError
from .utils.files import replacing


def allow_runner_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` read what a Runner writes.

    Symptom: ``UnpicklingError: Weights only load failed ... HistoryBuffer`` on ``--resume``, since torch 2.6 refuses
    what MMEngine keeps beside the weights. The classes are allowed by name; a foreign file still cannot run code.
    ``getattr``, with which a file could reach anything, stands for the methods of a history only.
    """
    from mmengine.logging.history_buffer import HistoryBuffer

    def history_method(owner: object, name: str) -> object:
        if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
            raise UnpicklingError(f'weights_only: getattr({owner!r}, {name!r}) is not allowed')
        return getattr(owner, name)

    try:
        from numpy._core.multiarray import _reconstruct, scalar
    except ImportError:  # NumPy 1
        from numpy.core.multiarray import _reconstruct, scalar
    numbers = [np.float64, np.float32, np.int64, np.int32, np.bool_]
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            (history_method, 'builtins.getattr'),
            _reconstruct,
            scalar,
            np.ndarray,
            np.dtype,
            *(type(np.dtype(kind)) for kind in numbers),
        ]
    )


def write_whole_checkpoints() -> None:
    """Let a Runner write a checkpoint under a temporary name and rename it when it is on the disk.

    Symptom: MMEngine writes in place, so that a killed run leaves half a file under the name from which it would be
    resumed; and it keeps a second copy of the file in memory meanwhile. Remote back ends are left to MMEngine.
    """
    from mmengine.runner import runner

    if runner.save_checkpoint is not _save_checkpoint:
        runner.save_checkpoint = _save_checkpoint


def _save_checkpoint(
    checkpoint: dict, filename: str, file_client_args: dict | None = None, backend_args: dict | None = None
) -> None:
    from mmengine.runner.checkpoint import save_checkpoint

    if '://' in filename or file_client_args or backend_args:
        save_checkpoint(checkpoint, filename, file_client_args, backend_args)
        return
    with replacing(filename) as temporary:
        torch.save(checkpoint, temporary)
        with open(temporary, 'rb') as file:
            os.fsync(file.fileno())


def quiet_ranks() -> None:
    """Keep every rank from two warnings that a user can do nothing about.

    Symptom: MMEngine tells of ``MKL_NUM_THREADS=1``, which it sets, and PyTorch 2.13 and later of DDP's
    ``broadcast_buffers``, which MMEngine passes.
    """
    os.environ.setdefault('MKL_NUM_THREADS', '1')
    warnings.filterwarnings('ignore', message=r'(?s).*broadcast_buffers', category=FutureWarning)


def init_cpu_process_group(launcher: str, timeout: float | None = None) -> None:
    """Start gloo before the Runner does.

    Symptom: ``Found no NVIDIA driver`` under torchrun on a machine without a GPU, since ``mmengine.dist`` calls
    ``torch.cuda.set_device`` for every back end. The Runner leaves a process group alone that is there already.

    Args:
        launcher: ``'pytorch'``, ``'slurm'`` or ``'mpi'`` (Open MPI).
        timeout: seconds that a rank waits for another, as in ``env_cfg.dist_cfg``; ``None``: PyTorch's 30 minutes.

    Raises:
        ConfigError: if the launcher did not start this process.
    """
    slurm = {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS', 'LOCAL_RANK': 'SLURM_LOCALID'}
    mpi = {name: f'OMPI_COMM_WORLD_{name.replace("WORLD_", "")}' for name in slurm}
    for name, source in {'slurm': slurm, 'mpi': mpi}.get(launcher, {}).items():
        if source not in os.environ:
            raise ConfigError(f'--launcher {launcher}: the environment has no {source}; start it by that launcher')
        os.environ[name] = os.environ[source]
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'):
        if name not in os.environ:
            script = f'tools/{"slurm" if launcher == "slurm" else "dist"}_train.sh'
            raise ConfigError(f'--launcher {launcher}: the environment has no {name}; start it by {script}')
    torch.distributed.init_process_group('gloo', timeout=None if timeout is None else timedelta(seconds=timeout))


def cpu_model_wrapper() -> dict:
    """Config of DDP on CPUs.

    Symptom: MMEngine's default wrapper passes ``device_ids``, which DDP refuses for a model on the CPU.
    """
    return {'type': 'MMDistributedDataParallel', 'device_ids': None, 'broadcast_buffers': False}


def use_sync_batch_norm_everywhere() -> None:
    """Let ``sync_bn='torch'`` of a config also work on CPUs, and keep what comes after a BatchNorm in it.

    Symptoms: ``SyncBatchNorm layers only work with GPU modules`` under gloo; and a model of timm that has lost its
    activations, since MMEngine puts a plain SyncBatchNorm in the place of a BatchNormAct2d.
    """
    import mmengine.model
    from mmengine._strategy import distributed
    from mmengine.device import get_device
    from mmengine.model.utils import convert_sync_batchnorm
    from mmengine.runner import runner

    from .models.layers import use_sync_batch_norm

    def convert(module: torch.nn.Module, implementation: str = 'torch') -> torch.nn.Module:
        if implementation == 'torch':
            return use_sync_batch_norm(module, get_device())
        if implementation != 'mmcv':
            raise ConfigError(f"sync_bn={implementation!r}; expected 'torch' or 'mmcv'")
        try:
            return convert_sync_batchnorm(module, implementation)
        except ImportError:
            raise ConfigError("sync_bn='mmcv': this mmcv has no ops; sync_bn='torch' needs none") from None

    for place in (mmengine.model, runner, distributed):
        place.convert_sync_batchnorm = convert


def register_package() -> None:
    """Make ``_base_='mmaffect::...'`` and scopes of inferencers known to MMEngine.

    Symptom: ``MODULE2PACKAGE`` lists OpenMMLab's own projects only.
    """
    from mmengine.config import utils

    utils.MODULE2PACKAGE.setdefault('mmaffect', 'mmaffect')


def import_custom_modules(custom_imports: Mapping | None, filename: str) -> None:
    """Import what a config lists as ``custom_imports``.

    Symptom: MMEngine leaves the key of a Python-style config alone, and the user's classes are not registered.

    Args:
        custom_imports: ``dict(imports=['my_fusion'], allow_failed_imports=False)``, or ``None``.
        filename: the config file, for errors.

    Raises:
        ConfigError: if a module does not import.
    """
    if not custom_imports:
        return
    from mmengine.utils import import_modules_from_strings

    try:
        import_modules_from_strings(**custom_imports)
    except (ImportError, TypeError) as error:
        raise ConfigError(
            f'{filename}: custom_imports: {error}; modules are found in the folders of PYTHONPATH'
        ) from None


def keep_freed_memory() -> None:
    """Let glibc keep large blocks instead of returning each to the system.

    Symptom: training on the CPU spends most of its time in page faults, since every activation is mapped and unmapped
    anew (measured: 3 to 6 times slower). The process then keeps its peak of memory. Does nothing on other systems.
    """
    if not sys.platform.startswith('linux'):
        return
    try:
        mallopt = ctypes.CDLL('libc.so.6').mallopt
    except (OSError, AttributeError):  # musl
        return
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, -1)
    mallopt(m_top_pad, 256 << 20)
