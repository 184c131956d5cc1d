"""Every card says what the values mean, where they must not be used, and what is true of its model."""

import re
from pathlib import Path

import pytest
import torch

from mmaffect.apis import get_model_info
from mmaffect.apis.zoo import read_index
from mmaffect.engine.running import build_model, load_config
from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from mmaffect.inference.notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from mmaffect.utils.cli import one_line

ROOT = Path(__file__).parents[2]
MODELS = {one['Name']: one for one in read_index(ROOT)[1]}
CARDS = ROOT / 'docs/model_cards'


def test_one_card_a_model():
    assert sorted(path.stem for path in CARDS.iterdir()) == sorted(MODELS)
    zoo = (ROOT / 'model_zoo.md').read_text()
    assert all(f'](docs/model_cards/{name}.md)' in zoo for name in MODELS)


@pytest.mark.parametrize('name', MODELS)
def test_card(name):
    text = (CARDS / f'{name}.md').read_text()
    info = get_model_info(name)
    assert f'# {name}\n' in text
    assert NOTICE in text
    assert 'Article 5(1)(f)' in text
    assert 'Article 50(3)' in text
    assert (SYNTHETIC_MODEL_NOTICE in text) == info.synthetic
    # What is measured on drawn faces never stands alone.
    assert (SYNTHETIC_NOTICE in text) == ('synthetic demo corpus |' in text)
    assert info.collection['Paper']['URL'] in text
    with torch.device('meta'):
        model = build_model(load_config(info.config))
    assert f'{sum(one.numel() for one in model.parameters()):,}; ' in text
    if model.neck is not None:
        assert f'| fusion | `{type(model.neck).__name__}`: ' in text
    for result in MODELS[name]['Results']:
        figures = [f'{result["Metrics"][f"CCC {target}"]:.3f}' for target in ('valence', 'arousal')]
        assert ' | '.join(figures) in text


@pytest.mark.parametrize(
    'path', [*sorted(CARDS.iterdir()), ROOT / 'docs/deployment.md', ROOT / 'model_zoo.md'], ids=str
)
def test_links_lead_somewhere(path):
    for link in re.findall(r'\]\((?!https?:)([^)#]+)', path.read_text()):
        assert (path.parent / link).exists(), link


def test_use_says_what_it_must():
    text = one_line(ValueError((ROOT / 'mmaffect/USE.md').read_text()))
    for words in (
        'perceived expression',
        'not what a person feels',
        'Article 5(1)(f)',
        'save for medical and safety reasons',
        'Article 50(3)',
        'no accuracy on people',
        'No recording, feature or result is sent anywhere',
    ):
        assert words in text, words
