"""A recording and its report."""

import pytest

from mmaffect.report import write_report
from tests.report.traces import grey_video, make_trace


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    return grey_video(tmp_path_factory.mktemp('media') / 'clip.mp4')


@pytest.fixture(scope='module')
def report(video, tmp_path_factory):
    trace = make_trace(source=video)
    return write_report(tmp_path_factory.mktemp('report') / 'clip.html', trace), trace
