"""A browser for tests of pages."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
NEEDED = 'Chromium (Debian: apt install chromium, or its path in MMAFFECT_CHROMIUM) and pip install playwright'


@pytest.fixture(scope='session')
def browser() -> Iterator:
    executable = os.environ.get('MMAFFECT_CHROMIUM') or next(filter(None, map(shutil.which, NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        executable = None
    if executable is None:
        if os.environ.get('CI'):
            pytest.fail(f'reports are not tested without {NEEDED}')
        pytest.skip(f'needs {NEEDED}')
    flags = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--mute-audio']
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=flags)
        yield started
        started.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable]:
    """Function that opens a file offline; at the end, nothing was said on the console and no request left the page."""
    contexts, said, requests, opened = [], [], [], []

    def open_file(path: Path, *, width: int = 1280, scheme: str = 'light'):
        context = browser.new_context(
            viewport={'width': width, 'height': 900}, color_scheme=scheme, offline=True, reduced_motion='reduce'
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on('console', lambda message: said.append(f'{message.type}: {message.text}'))
        page.on('pageerror', lambda error: said.append(f'error: {error}'))
        page.on('request', lambda request: requests.append(request.url))
        opened.append(path.as_uri())
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in requests if url not in opened and not url.startswith(('blob:', 'data:'))] == []
    assert requests
