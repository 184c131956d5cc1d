"""Downloads from a server on the loopback address that fails in every way that servers do."""

import hashlib
import multiprocessing
import random
import time

import pytest

from mmaffect.errors import DownloadError
from mmaffect.utils import download
from mmaffect.utils.download import fetch
from tests.loopback import Server

DATA = random.Random(0).randbytes(300_000)
FORK = multiprocessing.get_context('fork')
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.delenv('MMAFFECT_ZOO', raising=False)
    monkeypatch.setattr(download, 'RETRY_SECONDS', (0.01, 0.01))
    server = Server(DATA)
    yield server
    server.close()


def names(folder):
    """Files of the cache, without the empty lock."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != '.lock') if folder.exists() else []


def test_complete_then_cached(server, tmp_path):
    path = fetch(server.url, sha256=SHA, size=len(DATA), cache=tmp_path)
    assert path.read_bytes() == DATA
    assert names(tmp_path) == [f'weights-{SHA[:8]}.pth']
    assert fetch(server.url, sha256=SHA.upper(), size=len(DATA), cache=tmp_path) == path
    assert server.requests == [('/weights.pth', None)]


def test_hash_in_the_url(server, tmp_path):
    assert fetch(f'{server.url}#sha256={SHA}', cache=tmp_path).name == f'weights-{SHA[:8]}.pth'
    with pytest.raises(DownloadError, match='expected 64 hexadecimal digits'):
        fetch(f'{server.url}#sha256=12', cache=tmp_path)


def test_a_damaged_file_of_the_cache_is_fetched_again(server, tmp_path):
    path = fetch(server.url, sha256=SHA, cache=tmp_path)
    path.write_bytes(b'0' + DATA[1:])
    assert fetch(server.url, sha256=SHA, cache=tmp_path).read_bytes() == DATA
    assert len(server.requests) == 2


def test_a_cut_transfer_continues_where_it_was_cut(server, tmp_path):
    server.faults = [{'cut': 100_000}, {'cut': 50_000}]
    assert fetch(server.url, sha256=SHA, size=len(DATA), cache=tmp_path).read_bytes() == DATA
    assert server.ranges_asked == [None, 'bytes=100000-', 'bytes=150000-']
    assert names(tmp_path) == [f'weights-{SHA[:8]}.pth']


def test_after_a_failure_the_next_call_continues(server, tmp_path):
    server.faults = [{'cut': 70_000}, 500, 500]
    with pytest.raises(DownloadError, match='HTTP status 500'):
        fetch(server.url, sha256=SHA, cache=tmp_path)
    assert f'weights-{SHA[:8]}.pth' not in names(tmp_path)
    server.requests.clear()
    assert fetch(server.url, sha256=SHA, cache=tmp_path).read_bytes() == DATA
    assert server.ranges_asked == ['bytes=70000-']


def test_after_a_killed_process_the_next_one_continues(server, tmp_path):
    server.faults = [{'cut': 100_000, 'stall': True}]
    process = FORK.Process(target=fetch, args=(server.url,), kwargs=dict(sha256=SHA, cache=tmp_path))
    process.start()
    part = tmp_path / f'weights-{SHA[:8]}.pth.part'
    end = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 50_000):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.join()
    server.delay.set()
    done = part.stat().st_size
    assert not (tmp_path / f'weights-{SHA[:8]}.pth').exists()
    assert fetch(server.url, sha256=SHA, cache=tmp_path).read_bytes() == DATA
    assert server.ranges_asked == [None, f'bytes={done}-']


def test_a_server_that_ignores_ranges_sends_all_again(server, tmp_path):
    server.faults, server.ranges = [{'cut': 100_000}], False
    assert fetch(server.url, sha256=SHA, cache=tmp_path).read_bytes() == DATA
    assert server.ranges_asked == [None, 'bytes=100000-']


@pytest.mark.parametrize('etag', ['"v2"', None])
def test_the_partial_file_is_of_another_version(server, tmp_path, etag):
    # With a new ETag the server starts anew; without any, the hash finds it out and the file is fetched again.
    server.etag = '"v1"' if etag else None
    server.data, server.faults = bytes(300_000), [{'cut': 100_000}, 500, 500]
    with pytest.raises(DownloadError):
        fetch(server.url, sha256=SHA, cache=tmp_path)
    server.data, server.etag = DATA, etag
    server.requests.clear()
    assert fetch(server.url, sha256=SHA, cache=tmp_path).read_bytes() == DATA
    assert server.ranges_asked == (['bytes=100000-'] if etag else ['bytes=100000-', None])


def test_without_a_hash_and_a_version_a_cut_starts_anew(server, tmp_path):
    server.etag, server.faults = None, [{'cut': 100_000}]
    assert fetch(server.url, cache=tmp_path).read_bytes() == DATA
    assert server.ranges_asked == [None, None]


def test_wrong_checksum(server, tmp_path):
    with pytest.raises(DownloadError, match=f'SHA-256 is {SHA}, expected {"0" * 64}'):
        fetch(server.url, sha256='0' * 64, cache=tmp_path)
    assert names(tmp_path) == []


def test_wrong_size(server, tmp_path):
    with pytest.raises(DownloadError, match='300000 bytes; expected 299999'):
        fetch(server.url, sha256=SHA, size=299_999, cache=tmp_path)
    assert names(tmp_path) == []


def test_404_is_not_asked_again(server, tmp_path):
    server.faults = [404]
    with pytest.raises(DownloadError, match=r'weights\.pth: HTTP status 404 \(Not Found\)'):
        fetch(server.url, sha256=SHA, cache=tmp_path)
    assert len(server.requests) == 1
    assert names(tmp_path) == []


def test_500_once(server, tmp_path):
    server.faults = [500, 503]
    assert fetch(server.url, sha256=SHA, cache=tmp_path).read_bytes() == DATA
    assert len(server.requests) == 3


def test_500_always(server, tmp_path):
    server.faults = [500] * 20
    with pytest.raises(DownloadError, match=r'HTTP status 500 .* \(tried 3 times\)'):
        fetch(server.url, sha256=SHA, cache=tmp_path)
    assert len(server.requests) == 3
    assert names(tmp_path) == []


@pytest.mark.parametrize('fault', ['html', 'html as bytes'])
def test_html_page(server, tmp_path, fault):
    server.faults = [fault]
    with pytest.raises(DownloadError, match='an HTML page, not the file'):
        fetch(server.url, sha256=SHA, cache=tmp_path)
    assert len(server.requests) == 1
    assert names(tmp_path) == []


def test_redirects(server, tmp_path):
    server.faults = ['to /other/weights.pth']
    assert fetch(server.url, sha256=SHA, cache=tmp_path).read_bytes() == DATA
    with pytest.raises(DownloadError, match=r'HTTP status 302 .*infinite loop'):
        fetch(server.url.replace('weights.pth', 'loop.pth'), cache=tmp_path)
    assert len(server.requests) < 12


@pytest.mark.parametrize('target', ['ftp://127.0.0.1/a', 'file:///etc/passwd'])
def test_redirect_to_another_scheme(server, tmp_path, target):
    server.faults = [f'to {target}']
    with pytest.raises(DownloadError, match=r'redirects from http to|is not allowed'):
        fetch(server.url, sha256=SHA, cache=tmp_path)


def test_redirect_from_https_to_http():
    from urllib.request import Request

    with pytest.raises(DownloadError, match='redirects from https to http; refused'):
        download._Redirects().redirect_request(Request('https://a.b/c'), None, 302, '', {}, 'http://a.b/c')


@pytest.mark.parametrize('url', ['ftp://a.b/c.pth', 's3://a/b.pth', 'torchvision://resnet18'])
def test_other_schemes(url, tmp_path):
    with pytest.raises(DownloadError, match='expected https, http or file'):
        fetch(url, cache=tmp_path)


def test_nobody_listens(server, tmp_path):
    server.close()
    with pytest.raises(DownloadError, match=r'Connection refused \(tried 3 times\)'):
        fetch(server.url, sha256=SHA, cache=tmp_path)


def test_no_space(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download.shutil, 'disk_usage', lambda path: type('Usage', (), {'free': 1000}))
    with pytest.raises(DownloadError, match=r'1000 bytes free; .* needs 300000'):
        fetch(server.url, sha256=SHA, cache=tmp_path)
    assert names(tmp_path) == []


def test_a_file_longer_than_it_may_be(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, 'MAX_BYTES', 1000)
    with pytest.raises(DownloadError, match='300000 bytes; expected at most 1000'):
        fetch(server.url, cache=tmp_path)


def _fetch_in_process(url, cache, results):
    results.put(fetch(url, sha256=SHA, cache=cache).read_bytes() == DATA)


def test_two_processes_download_once(server, tmp_path):
    results = FORK.Queue()
    both = [FORK.Process(target=_fetch_in_process, args=(server.url, tmp_path, results)) for _ in range(2)]
    for process in both:
        process.start()
    assert [results.get(timeout=30), results.get(timeout=30)] == [True, True]
    for process in both:
        process.join()
    assert len(server.requests) == 1


def test_files_and_folders(tmp_path, monkeypatch):
    path = tmp_path / 'a b.pth'
    path.write_bytes(DATA)
    assert fetch(path, sha256=SHA, size=len(DATA)) == path
    assert fetch(path.as_uri(), sha256=SHA) == path
    with pytest.raises(DownloadError, match='SHA-256 is'):
        fetch(path, sha256='0' * 64)
    with pytest.raises(DownloadError, match='expected 1'):
        fetch(path, size=1)
    with pytest.raises(DownloadError, match='no such file'):
        fetch(tmp_path / 'none.pth')
    assert path.exists()


def test_a_folder_stands_for_the_network(tmp_path, monkeypatch):
    (tmp_path / 'weights.pth').write_bytes(DATA)
    monkeypatch.setenv('MMAFFECT_ZOO', str(tmp_path))
    assert fetch('https://example.invalid/weights.pth', sha256=SHA) == tmp_path / 'weights.pth'
    with pytest.raises(DownloadError, match=r'other\.pth: no such file \(MMAFFECT_ZOO is set'):
        fetch('https://example.invalid/other.pth', sha256=SHA)


def test_another_address_stands_for_the_network(server, tmp_path, monkeypatch):
    monkeypatch.setenv('MMAFFECT_ZOO', server.url.replace('weights.pth', 'mirror/'))
    assert fetch('https://example.invalid/v1/weights.pth', sha256=SHA, cache=tmp_path).read_bytes() == DATA
    assert server.requests == [('/mirror/weights.pth', None)]


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert download.cache_folder() == tmp_path / 'mmaffect'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert download.cache_folder() == tmp_path / '.cache' / 'mmaffect'


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DownloadError, match=r'Not a directory|File exists'):
        fetch(server.url, sha256=SHA, cache=tmp_path / 'file' / 'cache')
