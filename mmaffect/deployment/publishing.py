"""From a checkpoint of training to a file of weights that can be handed on."""

import hashlib
import json
import re
from pathlib import Path

from ..engine.checkpoint import META_KEY, read_checkpoint, without_wrapper
from ..errors import CheckpointError
from ..utils.files import replacing
from ..version import __version__

# Of a Runner's; beside these it holds the whole config, paths and times.
KEPT = ('epoch', 'iter', 'seed')


def publish(checkpoint: str | Path, out: str | Path) -> Path:
    """Write the weights of a checkpoint alone, as safetensors, with the first digits of their SHA-256 in the name.

    The file's header says of which epoch and seed they are, and what is known of the training data (``dataset_meta``);
    :func:`mmaffect.engine.checkpoint.read_checkpoint` returns that as ``meta``. The same checkpoint gives the same
    file.

    Args:
        checkpoint: file of a Runner, or any that holds weights.
        out: where to write it, such as ``weights/grjca_demo``; ``.safetensors`` may be left out.

    Returns:
        Path of the file, such as ``weights/grjca_demo-0a1b2c3d.safetensors``.

    Raises:
        CheckpointError: if the checkpoint cannot be read safely.
    """
    from safetensors.torch import save

    out = Path(out)
    if out.suffix in ('.pth', '.pt', '.bin'):
        raise CheckpointError(f'{out}: written as safetensors; give it a name without {out.suffix}')
    found = read_checkpoint(checkpoint, log=False)
    # Tied weights are written twice: safetensors has no sharing.
    state = {key: value.contiguous().clone() for key, value in without_wrapper(found['state_dict']).items()}
    meta = found.get('meta') or {}
    kept = {'version': __version__, **{key: meta[key] for key in KEPT if key in meta}}
    if meta.get('dataset_meta'):
        kept['dataset_meta'] = dict(meta['dataset_meta'])
    try:
        header = {META_KEY: json.dumps(kept, allow_nan=False)}
    except (TypeError, ValueError):
        raise CheckpointError(f'{checkpoint}: its meta holds values that JSON has not') from None
    data = save(state, metadata=header)
    # A checkpoint that was published before has the digits in its name.
    stem = re.sub(r'-[0-9a-f]{8}$', '', out.name.removesuffix('.safetensors'))
    path = out.with_name(f'{stem}-{hashlib.sha256(data).hexdigest()[:8]}.safetensors')
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path
