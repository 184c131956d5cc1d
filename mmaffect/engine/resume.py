"""Which checkpoint a run continues from, read once."""

import logging
import os
import re
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader

from ..errors import CheckpointError, DownloadError
from ..utils.download import fetch
from .checkpoint import read_checkpoint

# Read to be checked, and not yet taken by the Runner, which would read it again; by path, size and time.
_opened: dict[tuple, dict] = {}


def prepare_resume(cfg: Config, resume: str | None) -> None:
    """Set up ``--resume``.

    Args:
        cfg: the config.
        resume: ``'auto'``: the latest checkpoint of the work dir that can be read, if there is one; a path: that one;
            ``None``: none.

    Raises:
        CheckpointError: if the work dir has checkpoints, and none of them can be read.
        DownloadError: if none of them is there any more.
    """
    if resume is None:
        return
    if resume == 'auto':
        found = latest_checkpoint(cfg.work_dir)
        resume = None if found is None else str(found)
        if found is None:
            _warn(f'{cfg.work_dir}: no checkpoint to resume from; training begins anew')
    cfg.resume = resume is not None
    cfg.load_from = resume


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """The latest checkpoint of a run; a damaged one is passed over with a warning.

    Args:
        work_dir: folder of a run. ``last_checkpoint`` in it names the latest, relative to it or, as MMEngine writes it,
            by a full path, which may have changed since.

    Returns:
        Its path; ``None`` if there is none.

    Raises:
        CheckpointError: if none can be read.
        DownloadError: if there is no file any more.
    """
    work_dir = Path(work_dir)
    try:
        named = Path((work_dir / 'last_checkpoint').read_text(encoding='utf-8').strip())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f'{work_dir}/last_checkpoint: {error}') from None
    last = work_dir / named if (work_dir / named).is_file() else work_dir / named.name
    found = [path for path in work_dir.glob('*.pth') if re.fullmatch(r'(epoch|iter)_\d+\.pth', path.name)]
    others = sorted(set(found) - {last}, key=lambda path: path.stat().st_mtime, reverse=True)
    problem = None
    for path in (last, *others):
        try:
            open_checkpoint(path)
        except (CheckpointError, DownloadError) as error:
            problem = problem or error
            _warn(f'{error}; trying the checkpoint before it')
        else:
            return path
    raise problem


def open_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint that the Runner, or another call, will open next; then it is not read again.

    Args:
        path: path or URL.

    Raises:
        CheckpointError: as :func:`read_checkpoint`.
        DownloadError: if it cannot be fetched.
    """
    file = fetch(str(path))
    try:
        key = (str(file), os.stat(file).st_size, os.stat(file).st_mtime_ns)
    except OSError:
        key = (str(file),)
    if key not in _opened:
        _opened.clear()
        _opened[key] = read_checkpoint(file)
    return _opened[key]


def use_safe_loading() -> None:
    """Let every checkpoint that MMEngine opens in this process go through :func:`read_checkpoint`.

    Symptom: MMEngine calls ``torch.load`` as it is, knows no safetensors, and takes a download for whole.
    """
    CheckpointLoader.register_scheme(('', 'http://', 'https://'), _load_from_anywhere, force=True)


def _load_from_anywhere(filename: str, map_location: object = None) -> dict:
    found = open_checkpoint(filename)
    _opened.clear()
    return found


def _warn(text: str) -> None:
    # Before there is a process group, by which MMEngine would tell.
    if os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0':
        print_log(text, logger='current', level=logging.WARNING)
