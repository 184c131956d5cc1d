"""Pictures and sound as they come, from a device, a stream or a file that plays, through a queue that never grows."""

from __future__ import annotations

import threading
import time as wall
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from .container import quarter_turns, start_time

if TYPE_CHECKING:
    from av.container import InputContainer

BLOCK_SECONDS = 0.1
QUEUE_FRAMES = 25
QUEUE_SOUND = 10.0
SILENT_DEVICE = 10.0
JOIN_SECONDS = 2.0


@dataclass(frozen=True, eq=False)
class Piece:
    """A frame, or a block of sound.

    Attributes:
        time: seconds on the clock of its capture; of a block, the time of its first sample.
        frame: ``(H, W, 3)`` uint8, RGB; None where it is sound.
        sound: ``(n,)`` float32, mono; None where it is a frame.
    """

    time: float
    frame: np.ndarray | None = None
    sound: np.ndarray | None = None


class CaptureClock:
    """Seconds since the start of a capture; its parts share one.

    Args:
        ticks: a clock that never goes back, in seconds.
        speed: seconds of the capture in one of ``ticks``, greater than 0.
    """

    def __init__(self, ticks: Callable[[], float] = wall.monotonic, speed: float = 1.0) -> None:
        self.speed = speed
        self._ticks = ticks
        self._lock = threading.Lock()
        self._zero: float | None = None

    def start(self, at: float = 0.0) -> None:
        """Let it be ``at`` seconds now; only the first call counts."""
        with self._lock:
            if self._zero is None:
                self._zero = self._ticks() - at / self.speed

    def now(self) -> float:
        """Seconds of the capture; 0 before the start."""
        return 0.0 if self._zero is None else (self._ticks() - self._zero) * self.speed


class Capture:
    """Threads read pieces, a bounded queue holds them until they are asked for: ``with capture: capture.read()``.

    A thread never waits for the reader: when the queue is full, the oldest frame or block is dropped and counted.

    Args:
        name: of the source, for what is said about it.
        producers: one iterable of :class:`Piece` a thread, each in the order of its times. What it raises as
            MediaError, OSError or error of FFmpeg ends the capture, with ``problem``.
        clock: of their times.
        sample_rate: of the sound, Hz; None where there is none.
        has_picture: whether frames will come.
        paced: give a piece only when the clock is at its time (a file that is played).
        lossless: let the threads wait for the reader instead of dropping anything (a file, as fast as it is read).
        max_frames: frames that may wait in the queue.
        max_sound: seconds of sound that may wait in it.

    Attributes:
        dropped_frames: frames that nobody read in time.
        dropped_sound: the same of sound, in seconds.
        problem: one line about what ended the capture; None where it ended by itself or goes on.
    """

    def __init__(
        self,
        name: str,
        producers: Sequence[Iterable[Piece]],
        clock: CaptureClock,
        *,
        sample_rate: int | None,
        has_picture: bool,
        paced: bool = False,
        lossless: bool = False,
        max_frames: int = QUEUE_FRAMES,
        max_sound: float = QUEUE_SOUND,
    ) -> None:
        self.name = name
        self.clock = clock
        self.sample_rate = sample_rate
        self.has_picture = has_picture
        self.paced = paced
        self.lossless = lossless
        self.max_frames = max_frames
        self.max_sound = max_sound
        self.dropped_frames = 0
        self.dropped_sound = 0.0
        self.problem: str | None = None
        self._error: BaseException | None = None
        self._pieces: deque[Piece] = deque()
        self._frames = self._samples = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in producers]
        self._running = len(self._threads)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come; ``read`` may still have something."""
        with self._changed:
            return self._running == 0 or self.problem is not None

    @property
    def waiting_frames(self) -> int:
        """Frames in the queue."""
        return self._frames

    def start(self) -> Capture:
        """Start the threads."""
        for thread in self._threads:
            thread.start()
        return self

    def read(self, timeout: float = 0.1) -> list[Piece]:
        """Take everything that is in the queue.

        Args:
            timeout: seconds to wait for the first piece.

        Returns:
            Pieces in the order in which they came; none where nothing came, or where the capture has ended.

        Raises:
            Exception: what a producer raised that is no problem of its source.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or not self._running or self.problem, timeout)
            pieces = list(self._pieces)
            self._pieces.clear()
            self._frames = self._samples = 0
            self._changed.notify_all()
            error, self._error = self._error, None
        if error is not None:
            raise error
        return pieces

    def close(self) -> None:
        """End the threads; one that hangs in its device is left to the end of the process."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(JOIN_SECONDS)

    def __enter__(self) -> Capture:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, producer: Iterable[Piece]) -> None:
        import av

        pieces = iter(producer)
        try:
            for piece in pieces:
                if self.paced:
                    # A microphone gives a block when it is over.
                    self._await(piece.time + (0 if piece.sound is None else len(piece.sound) / self.sample_rate))
                if self._stop.is_set():
                    break
                self._put(piece)
        except MediaError as error:
            self._fail(str(error))
        except (av.FFmpegError, OSError) as error:
            self._fail(f'{self.name}: the stream broke off ({error.strerror or error})')
        except BaseException as error:
            # Of a thread nobody would hear of it.
            self._error = error
        finally:
            if hasattr(pieces, 'close'):
                pieces.close()
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _fail(self, problem: str) -> None:
        with self._changed:
            self.problem = self.problem or problem

    def _await(self, time: float) -> None:
        self.clock.start()
        while not self._stop.is_set() and (left := (time - self.clock.now()) / self.clock.speed) > 0:
            self._stop.wait(min(left, 0.5))

    def _put(self, piece: Piece) -> None:
        with self._changed:
            if self.lossless:
                self._changed.wait_for(lambda: self._stop.is_set() or not self._full())
            self._pieces.append(piece)
            if piece.sound is None:
                self._frames += 1
            else:
                self._samples += len(piece.sound)
            if not self.lossless:
                self._shorten()
            self._changed.notify_all()

    def _full(self) -> bool:
        return self._frames >= self.max_frames or self._samples >= self.max_sound * (self.sample_rate or 1)

    def _shorten(self) -> None:
        while self._frames > self.max_frames:
            self._drop(sound=False)
            self._frames -= 1
            self.dropped_frames += 1
        while self.sample_rate and self._samples > self.max_sound * self.sample_rate:
            count = len(self._drop(sound=True).sound)
            self._samples -= count
            self.dropped_sound += count / self.sample_rate

    def _drop(self, sound: bool) -> Piece:
        oldest = next(i for i, piece in enumerate(self._pieces) if (piece.sound is not None) == sound)
        piece = self._pieces[oldest]
        del self._pieces[oldest]
        return piece


def container_pieces(
    container: InputContainer, name: str, clock: CaptureClock, *, arrival: bool, picture: bool, sound: bool
) -> Iterator[Piece]:
    """Frames and blocks of sound of an open container, which is closed at the end.

    Args:
        container: a device, a pipe, an address or a file.
        name: of it, for errors.
        clock: of the capture; without ``arrival`` it is started with the time of the first piece.
        arrival: the times are those at which pieces come, as of devices, each of which has a clock of its own: the
            first piece has the time at which it came, the others follow by the device's clock. Else they are the
            times of the container.
        picture: give the frames of its best video stream.
        sound: give the sound of its best audio stream.

    Raises:
        MediaError: if nothing comes for ten seconds that can be decoded, or the sound changes its form.
    """
    import av

    streams = [container.streams.best('video')] * picture + [container.streams.best('audio')] * sound
    to_float = av.AudioResampler(format='fltp')
    zeros: dict[bool, float] = {}
    samples = 0
    last = -np.inf
    try:
        for frame in _decoded(container, streams, name):
            is_sound = isinstance(frame, av.AudioFrame)
            length = frame.samples / frame.sample_rate if is_sound else 0.0
            own = frame.time
            if own is None:
                own = samples / frame.sample_rate if is_sound else clock.now()
            if arrival:
                zero = zeros.setdefault(is_sound, max(clock.now() - length, 0.0) - own)
            else:
                zero = -start_time(container)
                clock.start(own + zero)
            if is_sound:
                samples += frame.samples
                yield from _sound_pieces(to_float, frame, own + zero, name)
            elif own + zero > last:
                last = own + zero
                image = np.rot90(frame.to_ndarray(format='rgb24'), quarter_turns(frame))
                yield Piece(last, frame=np.ascontiguousarray(image))
    finally:
        container.close()


def _decoded(container: InputContainer, streams: list, name: str) -> Iterator:
    """Frames in the order in which they come; what is damaged is left out, as where one joins a stream late."""
    import av

    quiet_since, damage, came = wall.monotonic(), None, False
    while True:
        try:
            for packet in container.demux(*streams):
                try:
                    frames = packet.decode()
                except av.InvalidDataError as error:
                    frames, damage = (), error
                for frame in frames:
                    yield frame
                    quiet_since, came = wall.monotonic(), True
                if wall.monotonic() - quiet_since > SILENT_DEVICE:
                    break
            else:
                if damage is not None and not came:
                    raise damage
                return
        except av.BlockingIOError:
            # Some devices say so while they have no frame yet.
            wall.sleep(0.005)
        if wall.monotonic() - quiet_since > SILENT_DEVICE:
            raise MediaError(f'{name}: nothing came for {SILENT_DEVICE:.0f} s')


def _sound_pieces(to_float, frame, time: float, name: str) -> Iterator[Piece]:
    try:
        converted = to_float.resample(frame)
    except ValueError as error:
        raise MediaError(f'{name}: its sound changes its form within the stream ({error})') from None
    for part in converted:
        samples = np.nan_to_num(part.to_ndarray().mean(axis=0, dtype=np.float32), posinf=0.0, neginf=0.0)
        yield Piece(time, sound=samples)
        time += len(samples) / part.sample_rate
