"""The page of a report as text."""

import base64
import dataclasses
import hashlib
import json
import tracemalloc
from html.parser import HTMLParser

import numpy as np
import pytest

from mmaffect.errors import ConfigError
from mmaffect.inference.notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from mmaffect.report import report_html, write_report
from mmaffect.report.facts import figure
from mmaffect.report.page import BLOCK, write_page
from tests.report.traces import make_trace, one_target


class Parsed(HTMLParser):
    """Elements, their attributes, and the text in each."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.found, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))
        self.open.append(self.found[-1])

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for element in self.open:
            element[2].append(data)

    def texts(self, tag, **attributes):
        return [
            ''.join(parts)
            for name, attrs, parts in self.found
            if name == tag and all(attrs.get(key) == value for key, value in attributes.items())
        ]


def data_of(page):
    return json.loads(Parsed(page).texts('script', type='application/json')[0])


def unpacked(text, dtype='<i2'):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_the_policy_lets_in_nothing_but_what_is_in_the_file():
    page = Parsed(report_html(make_trace()))
    (policy,) = [attrs['content'] for tag, attrs, _ in page.found if attrs.get('http-equiv')]
    rules = dict(rule.split(' ', 1) for rule in policy.split('; '))
    assert rules['default-src'] == "'none'"
    assert rules['img-src'] == rules['media-src'] == 'data: blob:'
    (script,) = [s for s in page.texts('script') if 'use strict' in s]
    for text, rule in ((script, rules['script-src']), (page.texts('style')[0], rules['style-src'])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rule == f"'sha256-{digest}'"
    assert not any({'src', 'href', 'style', 'onclick', 'onload'} & attrs.keys() for _, attrs, _ in page.found)


def test_every_value_is_in_the_page():
    trace = make_trace(frames=200, annotated=True)
    trace.affect[5] = np.nan
    data = data_of(report_html(trace))
    packed = data['traces'][0]
    assert unpacked(packed['times'], '<f8').tolist() == trace.times.tolist()
    valence = unpacked(packed['affect']['valence'])
    assert valence[5] == -32768
    kept = np.delete(np.arange(200), 5)
    np.testing.assert_allclose(valence[kept] / 32767, trace.affect[kept, 0], atol=2e-5)
    np.testing.assert_allclose(unpacked(packed['annotated']['arousal']) / 32767, trace.annotated[:, 1], atol=2e-5)
    np.testing.assert_allclose(
        unpacked(packed['gates']['audio/stage_1']) / 32767, trace.gates['audio/stage_1'], atol=2e-5
    )
    assert unpacked(packed['presence']['face'], 'u1').tolist() == trace.face.tolist()
    box = unpacked(packed['box']).reshape(-1, 4)
    assert (box[~trace.face] == -32768).all()
    assert np.abs(box[trace.face] - trace.box[trace.face]).max() <= 0.5
    assert data['duration'] == pytest.approx(200 / 25)


def test_presence_that_nobody_knows_is_not_drawn():
    data = data_of(report_html(make_trace(flags=['face_unknown'])))
    assert list(data['traces'][0]['presence']) == ['voice']


def test_figures_and_facts_are_those_of_the_trace():
    trace = make_trace(annotated=True, flags=['variable_frame_rate'], window={'length': 300, 'hop': 100, 'delay': None})
    page = Parsed(report_html(trace))
    cells = page.texts('td')
    assert f'{trace.affect[:, 0].astype(float).mean():.3f}'.replace('-', '\u2212') in cells
    assert f'{trace.affect[:, 1].astype(float).std():.3f}' in cells
    active = (trace.affect >= 0).all(axis=1).mean()
    assert any(cell.startswith('positive, active') and f'{100 * active:.1f}' in cell for cell in cells)
    facts = dict(zip(page.texts('dt'), page.texts('dd'), strict=True))
    assert facts['SHA-256 of weights'] == '0123abcd'
    assert facts['Frames with a face'] == '45 (90.0\u202f%)'
    assert facts['Frames predicted'] == '50'
    assert facts['Flags'] == 'variable frame rate'
    assert facts['Window'] == 'length 300, hop 100'
    assert facts['Command'] == 'tools/infer.py clip.mp4'
    (notice,) = page.texts('p', role='note')
    assert notice.startswith(f'{NOTICE} {SYNTHETIC_MODEL_NOTICE}')
    assert 'no accuracy on people' in notice


@pytest.mark.parametrize(
    ('header', 'term', 'words'),
    [
        (
            {'window': {'length': 100, 'hop': 50, 'stride': 1, 'schedule': 'overlap', 'delay': 0}},
            'Window',
            '100 frames, a new one every 50 frames, overlaps averaged',
        ),
        (
            {'window': {'length': 60, 'hop': 1, 'stride': 2, 'schedule': 'delayed', 'delay': 8}},
            'Window',
            '60 frames, of which each is 2 after the one before, a new one every frame, values 8 frames late',
        ),
        ({'window': 'long'}, 'Window', 'long'),
        (
            {'faces': {'detector': 'retinaface', 'every': 1, 'choice': 'largest'}},
            'Faces',
            'the largest face, detected in every frame by retinaface',
        ),
        (
            {'faces': {'detector': 'mtcnn', 'every': 3, 'choice': 'all', 'min_seconds': 1.0}},
            'Faces',
            'all faces of 1 s or more, detected in one of 3 frames by mtcnn',
        ),
        ({'frames': 'many'}, 'Flags', 'none'),
        ({'frames': {'decoded': '?', 'with_face': 3}}, 'Frames with a face', '3'),
    ],
)
def test_facts_in_words_whatever_the_header_holds(header, term, words):
    trace = make_trace()
    page = Parsed(report_html(dataclasses.replace(trace, header={**trace.header, **header})))
    assert dict(zip(page.texts('dt'), page.texts('dd'), strict=True))[term] == words


def test_a_figure_that_is_rounded_to_nothing_has_no_sign():
    assert [figure(value) for value in (-0.0004, -0.0006, 0.0, float('nan'), None)] == [
        '0.000', '\u22120.001', '0.000', '–', '–',
    ]  # fmt: skip


def test_one_target_and_no_gates():
    trace = one_target(make_trace(gates=False))
    page = report_html(trace)
    assert list(data_of(page)['traces'][0]['affect']) == ['arousal']
    assert 'by quadrant' not in page


@pytest.mark.parametrize(
    ('traces', 'text'), [([], 'at least one'), ([make_trace('a'), make_trace('b')], r'2 recordings \(a, b\)')]
)
def test_what_is_no_recording(tmp_path, traces, text):
    with pytest.raises(ConfigError, match=text):
        write_report(tmp_path / 'a.html', traces)
    assert not list(tmp_path.iterdir())


def test_a_video_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / 'a.html', make_trace(), tmp_path / 'none.mp4')
    assert not list(tmp_path.iterdir())


def test_media_of_any_size_are_written_in_bounded_memory(tmp_path):
    content = np.random.default_rng(0).bytes(8 * BLOCK + 12345)
    (tmp_path / 'clip.mp4').write_bytes(content)
    tracemalloc.start()
    write_page(tmp_path / 'a.html', '<p>\n', tmp_path / 'clip.mp4')
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 7 * BLOCK
    blocks = Parsed((tmp_path / 'a.html').read_text()).texts('script', type='application/octet-stream;base64')
    assert len(blocks) == 9
    assert b''.join(map(base64.b64decode, blocks)) == content
