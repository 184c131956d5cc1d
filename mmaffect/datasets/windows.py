"""Where the windows of a trial lie."""

from ..errors import ConfigError


def window_starts(num_frames: int, length: int, hop: int) -> list[int]:
    """First frames of the windows that cover a trial.

    Windows begin every ``hop`` frames; where the tail is left over, the last ``length`` frames are one more. A trial
    that is shorter than a window gives one, which is then padded.

    Args:
        num_frames: frames of the trial, at least 1.
        length: frames of a window.
        hop: frames between the beginnings of two windows, 1 to ``length``.

    Returns:
        First frame of every window, ascending.

    Raises:
        ConfigError: if ``hop`` would leave frames out, or is not positive.

    Examples:
        >>> window_starts(750, 300, 200)
        [0, 200, 400, 450]
        >>> window_starts(120, 300, 200)
        [0]
    """
    if not 1 <= hop <= length:
        raise ConfigError(f'hop={hop}; expected 1 to the length of a window, {length}')
    if num_frames <= length:
        return [0]
    starts = list(range(0, num_frames - length + 1, hop))
    if starts[-1] + length < num_frames:
        starts.append(num_frames - length)
    return starts
