"""Fetching weights: from a URL, a file, or a mirror on a machine without a network.

By urllib, since no library that the package needs anyway resumes, verifies and locks.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from ..errors import DownloadError
from .files import sha256 as sha256_of
from .files import write_text
from .progress import Progress

MIRROR = 'MMAFFECT_ZOO'
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)
SILENCE_SECONDS = 30.0
LOCK_SECONDS = 3600.0
MAX_BYTES = 8 << 30
BLOCK = 1 << 20


def fetch(
    source: str | Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    cache: Path | None = None,
) -> Path:
    """Get a file onto this machine, whole and verified, or not at all.

    A URL is downloaded once, continued where a cut left it, and has its name in the cache only after its size and
    SHA-256 were compared. Where the environment variable ``MMAFFECT_ZOO`` names a folder or a URL prefix, the file of
    that name is taken from there and nothing else is asked.

    Args:
        source: ``https://``, ``http://`` or ``file://`` URL, or a path; ``#sha256=<digits>`` at a URL's end is taken
            as ``sha256``.
        sha256: hexadecimal digits of the file.
        size: of the file, bytes.
        cache: folder of downloads, by default :func:`cache_folder`.

    Returns:
        Path of the file: in the cache, or where it lies if it is on this machine.

    Raises:
        DownloadError: if it cannot be had, or is not the file that was expected.
    """
    url, expected = _split(str(source))
    expected = sha256.lower() if sha256 else expected
    mirror = os.environ.get(MIRROR)
    if mirror and is_url(url):
        name = file_name(url)
        url = f'{mirror.rstrip("/")}/{name}' if is_url(mirror) else str(local_path(mirror) / name)
    try:
        if not is_url(url):
            return _verified(local_path(url), url, expected, size)
        return _Download(url, expected, size, cache or cache_folder()).run()
    except OSError as error:
        raise DownloadError(f'{url}: {error.strerror or error}') from None


def is_url(source: str) -> bool:
    """Whether a source is a URL that has to be downloaded; other schemes than HTTP(S) and ``file`` are refused."""
    scheme, separator, _ = source.partition('://')
    if separator and scheme.lower() not in ('http', 'https', 'file'):
        raise DownloadError(f'{source}: scheme {scheme!r}; expected https, http or file')
    return bool(separator) and scheme.lower() != 'file'


def local_path(source: str) -> Path:
    """Path of a ``file://`` URL or of a path that may begin with ``~``."""
    return Path(urllib.request.url2pathname(source[7:]) if source.startswith('file://') else source).expanduser()


def file_name(url: str) -> str:
    """Last part of a URL's path."""
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition('/')[2])
    if not re.fullmatch(r'[\w][\w.+=@ -]*', name):
        raise DownloadError(f'{url}: ends in {name!r}; expected a file name')
    return name


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/mmaffect``, or ``~/.cache/mmaffect``."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mmaffect'


def is_page(head: bytes) -> bool:
    """Whether a file that begins so is an HTML or XML page, as servers send in the place of a file."""
    return head.removeprefix(b'\xef\xbb\xbf').lstrip().lower().startswith((b'<!doctype', b'<html', b'<?xml'))


def _split(source: str) -> tuple[str, str | None]:
    url, _, fragment = source.partition('#sha256=') if '://' in source else (source, '', '')
    if fragment and not re.fullmatch('[0-9a-fA-F]{64}', fragment):
        raise DownloadError(f'{source}: sha256={fragment!r}; expected 64 hexadecimal digits')
    return url, fragment.lower() or None


def _verified(path: Path, source: str, expected: str | None, size: int | None) -> Path:
    if not path.is_file():
        hint = f' ({MIRROR} is set: nothing else is asked)' if os.environ.get(MIRROR) else ''
        raise DownloadError(f'{source}: no such file{hint}')
    if size is not None and path.stat().st_size != size:
        raise DownloadError(f'{source}: {path.stat().st_size} bytes; expected {size}')
    if expected is not None and (found := sha256_of(path)) != expected:
        raise DownloadError(f'{source}: SHA-256 is {found}, expected {expected}')
    return path


class _CutError(Exception):
    """The transfer ended early, or the server asks to try again."""


RETRIED = (_CutError, urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


class _Download:
    """One URL on its way into the cache.

    Beside the file lie ``<name>.part``, what has come so far, ``<name>.part.json``, of which version it is, and
    ``<name>.lock``.
    """

    def __init__(self, url: str, expected: str | None, size: int | None, cache: Path) -> None:
        self.url, self.expected, self.size = url, expected, size
        name = Path(file_name(url))
        # Files of one name and other contents, such as best.pth, live beside each other.
        mark = expected or hashlib.sha256(url.encode()).hexdigest()
        self.path = cache / f'{name.stem}-{mark[:8]}{name.suffix}'
        self.part = self.path.with_name(f'{self.path.name}.part')
        self.version = self.path.with_name(f'{self.path.name}.part.json')

    def run(self) -> Path:
        if self._is_cached():
            return self.path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path.with_name(f'{self.path.name}.lock'))
        try:
            with lock.acquire(timeout=LOCK_SECONDS):
                if not self._is_cached():
                    self._with_retries()
        except Timeout:
            raise DownloadError(f'{self.url}: another process has been at it for {LOCK_SECONDS:.0f} s') from None
        except NotImplementedError:  # some network file systems
            raise DownloadError(f'{self.path.parent}: no locks here; set XDG_CACHE_HOME to another folder') from None
        return self.path

    def _is_cached(self) -> bool:
        if not self.path.is_file():
            return False
        try:
            _verified(self.path, self.url, self.expected, self.size)
        except DownloadError:
            self.path.unlink(missing_ok=True)
            return False
        return True

    def _with_retries(self) -> None:
        failures = 0
        while True:
            before = self._done()
            try:
                self._transfer()
                self._finish(resumed=before > 0)
                return
            except RETRIED as error:
                reason = ' '.join(str(getattr(error, 'reason', None) or error).split()) or type(error).__name__
                # A file that grows by and by may take any number of attempts.
                failures = 0 if self._done() - before > BLOCK else failures + 1
                if failures > len(RETRY_SECONDS):
                    raise DownloadError(f'{self.url}: {reason} (tried {failures} times)') from None
                time.sleep(RETRY_SECONDS[max(failures, 1) - 1])

    def _done(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _transfer(self) -> None:
        done, request = self._done(), urllib.request.Request(self.url, headers={'Accept-Encoding': 'identity'})
        validator = self._validator()
        if done and self.size is not None and done >= self.size:
            return
        if done and (validator or self.expected):
            request.add_header('Range', f'bytes={done}-')
            if validator:
                request.add_header('If-Range', validator)
        try:
            response = _opener().open(request, timeout=SILENCE_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416 and done:  # the partial file is of another version, or whole
                    self._discard()
                    raise _CutError('the server cannot continue the file') from None
                if error.code >= 500 or error.code in (408, 429):
                    raise _CutError(f'HTTP status {error.code} ({error.reason})') from None
                reason = ' '.join(str(error.reason).split())
                raise DownloadError(f'{self.url}: HTTP status {error.code} ({reason})') from None
        with response:
            self._receive(response, done)

    def _receive(self, response: http.client.HTTPResponse, done: int) -> None:
        start = _range_start(response) if response.status == 206 else 0
        if start not in (0, done):
            self._discard()
            raise _CutError('the server sent another range than was asked for')
        if response.headers.get_content_type() == 'text/html':
            raise DownloadError(f'{self.url}: the server sent an HTML page, not the file')
        length = response.headers.get('Content-Length')
        total = start + int(length) if length and length.isdigit() else self.size
        self._check_room(total, start)
        if start == 0:
            self._discard()
            write_text(self.version, json.dumps({'validator': _validator_of(response)}))
        with open(self.part, 'ab') as file, Progress(total or 0, 'bytes', start) as progress:
            self._copy(response, file, progress if total else None, start)
        if total is not None and self._done() < total:
            raise _CutError(f'cut after {self._done()} of {total} bytes')

    def _copy(
        self, response: http.client.HTTPResponse, file: BinaryIO, progress: Progress | None, position: int
    ) -> None:
        limit = self.size if self.size is not None else MAX_BYTES
        while block := response.read1(BLOCK):
            if position == 0 and is_page(block):
                file.close()
                self._discard()
                raise DownloadError(f'{self.url}: the server sent an HTML page, not the file')
            position += len(block)
            if position > limit:
                file.close()
                self._discard()
                raise DownloadError(f'{self.url}: longer than the expected {limit} bytes')
            file.write(block)
            if progress is not None:
                progress.update(len(block))

    def _check_room(self, total: int | None, start: int) -> None:
        if self.size is not None and total is not None and total != self.size:
            self._discard()
            raise DownloadError(f'{self.url}: {total} bytes; expected {self.size}')
        if total is not None and total > MAX_BYTES:
            raise DownloadError(f'{self.url}: {total} bytes; expected at most {MAX_BYTES}')
        free = shutil.disk_usage(self.path.parent).free
        if total is not None and total - start > free:
            raise DownloadError(f'{self.path.parent}: {free} bytes free; {self.url} needs {total - start}')

    def _finish(self, resumed: bool) -> None:
        try:
            _verified(self.part, self.url, self.expected, self.size)
        except DownloadError as error:
            self._discard()
            if resumed:  # its first half may be of another version
                raise _CutError(str(error).removeprefix(f'{self.url}: ')) from None
            raise
        with open(self.part, 'rb') as file:
            os.fsync(file.fileno())
        os.replace(self.part, self.path)
        self.version.unlink(missing_ok=True)

    def _validator(self) -> str | None:
        try:
            found = json.loads(self.version.read_text(encoding='utf-8'))['validator']
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, str) and found.isprintable() else None

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)


def _validator_of(response: http.client.HTTPResponse) -> str | None:
    etag = response.headers.get('ETag')
    # If-Range takes no weak tags.
    return etag if etag and not etag.startswith('W/') else response.headers.get('Last-Modified')


def _range_start(response: http.client.HTTPResponse) -> int | None:
    found = re.match(r'bytes (\d+)-', response.headers.get('Content-Range', ''))
    return int(found[1]) if found else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(self, request, file, code, message, headers, new_url):
        old, new = (urllib.parse.urlsplit(url).scheme for url in (request.full_url, new_url))
        if new not in ('http', 'https') or (old == 'https' and new == 'http'):
            raise DownloadError(f'{request.full_url}: redirects from {old} to {new}; refused')
        return super().redirect_request(request, file, code, message, headers, new_url)


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [('User-Agent', 'mmaffect')]
    return opener
