"""Where the windows of a trial lie."""

from ..errors import ConfigError


def window_starts(num_frames: int, length: int, hop: int, stride: int = 1) -> list[int]:
    """First frames of the windows that cover a trial.

    Windows begin every ``hop`` frames; where the tail is left over, the last ``length`` frames are one more. A trial
    that is shorter than a window gives one, which is then padded.

    With a stride, a window holds every ``stride``-th frame; each of the ``stride`` sequences that a trial then
    has is covered on its own, so that every frame of the trial is in a window (RJCA's windows of 16 clips).

    Args:
        num_frames: frames of the trial, at least 1.
        length: frames of a window, L.
        hop: frames of a window between the beginnings of two windows, 1 to ``length``.
        stride: frames of the trial from one frame of a window to the next.

    Returns:
        First frame of every window, ascending.

    Raises:
        ConfigError: if ``hop`` would leave frames out, or a number is not positive.

    Examples:
        >>> window_starts(750, 300, 200)
        [0, 200, 400, 450]
        >>> window_starts(120, 300, 200)
        [0]
        >>> window_starts(10, 3, 3, stride=2)  # 0 2 4, 1 3 5, 4 6 8, 5 7 9
        [0, 1, 4, 5]
    """
    if stride < 1:
        raise ConfigError(f'stride={stride}; expected at least 1')
    if not 1 <= hop <= length:
        raise ConfigError(f'hop={hop}; expected 1 to the length of a window, {length}')
    starts = []
    for phase in range(min(stride, num_frames)):
        frames = -(-(num_frames - phase) // stride)
        begins = list(range(0, max(frames - length, 0) + 1, hop))
        if begins[-1] + length < frames:
            begins.append(frames - length)
        starts += [phase + stride * begin for begin in begins]
    return sorted(starts)


def clip_frames(frames: range, count: int, dilation: int) -> list[list[int]]:
    """Frames of the clip of every frame; a clip ends at its frame.

    Args:
        frames: frames of a window.
        count: frames of a clip, T.
        dilation: frames from one frame of a clip to the next.

    Returns:
        One list of T frame numbers a frame; those before the trial are negative.

    Examples:
        >>> clip_frames(range(5, 7), 3, 2)
        [[1, 3, 5], [2, 4, 6]]
    """
    return [[frame - dilation * (count - 1 - k) for k in range(count)] for frame in frames]
