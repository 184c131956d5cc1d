"""Which checkpoint a run continues from, read once."""

import logging
import os
import re
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader

from ..errors import CheckpointError, ConfigError, DownloadError
from ..utils.download import fetch
from .checkpoint import read_checkpoint

# In a work dir: of which run its checkpoints are; each of them says the same in its meta.
RUN = '.run'
# Read to be checked, and not yet taken by the Runner, which would read it again; by path, size and time.
_opened: dict[tuple, dict] = {}


def prepare_resume(cfg: Config, resume: str | None, seed: int | None = None) -> None:
    """Set up ``--resume``, or ``resume = True`` of a config; the seed is that of the run that goes on.

    Args:
        cfg: the config.
        resume: ``'auto'``: the latest checkpoint of the work dir that can be read, if there is one; a path: that one;
            ``None``: none, unless the config says so.
        seed: given by ``--seed``.

    Raises:
        CheckpointError: if the work dir has checkpoints, and none of them can be read; or if the one that is given is
            of weights only.
        DownloadError: if none of them is there any more.
        ConfigError: if the run has another seed than ``--seed``.
    """
    if resume is None:
        if not cfg.get('resume'):
            return
        resume = cfg.get('load_from') or 'auto'
    if resume == 'auto':
        found = latest_checkpoint(cfg.work_dir)
        resume = None if found is None else str(found)
        if found is None:
            _warn(f'{cfg.work_dir}: no checkpoint to resume from; training begins anew')
    cfg.resume = resume is not None
    cfg.load_from = resume
    if resume is None:
        return
    checkpoint = open_checkpoint(resume)
    meta = checkpoint.get('meta')
    if 'optimizer' not in checkpoint or not isinstance(meta, dict) or not {'epoch', 'iter'} <= meta.keys():
        raise CheckpointError(
            f'{resume}: holds weights only; begin a run with them by "--cfg-options load_from={resume}"'
        )
    found_seed = meta.get('seed')
    if found_seed is None:
        return
    if seed is not None and seed != found_seed:
        raise ConfigError(f'--seed {seed}: {resume} is of a run with seed {found_seed}, which goes on')
    # The sampler is built before MMEngine looks at the checkpoint.
    cfg.randomness = {**(cfg.get('randomness') or {}), 'seed': found_seed}


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
    run = (work_dir / RUN).read_text() if (work_dir / RUN).is_file() else None
    problem = None
    for path in (last, *others):
        try:
            checkpoint = open_checkpoint(path)
            if path != last and run and checkpoint.get('meta', {}).get('run') != run:
                continue  # left by an earlier run in this folder
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
