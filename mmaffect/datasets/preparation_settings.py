"""What every preparation of a corpus can be told."""

from dataclasses import dataclass

from ..errors import ConfigError
from ..media.log_mel import get_front_end
from ..utils.checks import check_size


@dataclass(frozen=True)
class PreparationSettings:
    """How a corpus is prepared, whatever it is made of.

    Args:
        jobs: worker processes.
        front_end: name of the audio front end, ``'paper'`` or ``'vggish'``.
        face_size: side of the stored faces, pixels.
        waveform: keep the sound itself too, mono at 16 kHz.
        shard: ``(i, n)``: only every ``n``-th trial, beginning with the ``i``-th (from 1).
        skip_broken: leave broken trials out instead of stopping at the first.

    Raises:
        ConfigError: if one of them is out of range.
    """

    jobs: int = 1
    front_end: str = 'paper'
    face_size: int = 48
    waveform: bool = False
    shard: tuple[int, int] = (1, 1)
    skip_broken: bool = False

    def __post_init__(self) -> None:
        check_size('prepare', 'jobs', self.jobs)
        check_size('prepare', 'face_size', self.face_size)
        get_front_end(self.front_end)
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise ConfigError(f'prepare: shard={self.shard!r}; expected (i, n) with i from 1 to n')
