"""From a name to a model that predicts, with weights from the index over a server on the loopback address."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from safetensors.torch import load_file

from mmaffect.apis import get_model, get_model_info, init_model, list_models, zoo
from mmaffect.errors import CheckpointError, ConfigError, DownloadError
from mmaffect.structures import AffectDataSample
from mmaffect.utils.files import sha256
from tests.loopback import Server

ROOT = Path(__file__).parents[2]
TINY = """
default_scope = 'mmaffect'
model = dict(
    type='AffectEstimator',
    visual=dict(
        type='Stream',
        backbone=dict(type='IResNet', units=[1, 1, 1, 1], channels=[2, 2, 2, 2], out_channels=4),
        batch_norm=True,
    ),
    head=dict(type='AffectHead', in_channels=4, hidden=4, dropout=0.0, loss=dict(type='CCCLoss')),
)
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Root of a zoo of one model, and weights that fit it."""
    root = tmp_path / 'zoo'
    (root / 'configs').mkdir(parents=True)
    (root / 'configs/tiny.py').write_text(TINY)
    (root / 'configs/_base_').mkdir()
    (root / 'configs/_base_/part.py').write_text('')
    (root / zoo.INDEX).write_text('Import: [tiny.yml]\n')
    monkeypatch.setenv('MMAFFECT_ZOO', str(root))
    torch.manual_seed(1)
    weights = root / 'tiny.pth'
    write_entry(root, None)
    torch.save({'state_dict': init_model('tiny').state_dict()}, weights)
    return root


def write_entry(root, url, **changes):
    file = root / 'tiny.pth'
    entry = {'Name': 'tiny', 'In Collection': 'Tiny', 'Config': 'configs/tiny.py', 'Weights': url}
    if url:
        entry |= {'Weights Size': file.stat().st_size, 'Weights SHA-256': sha256(file), **changes}
    content = {'Collections': [{'Name': 'Tiny', 'Paper': {'Title': 'A paper'}}], 'Models': [entry]}
    (root / 'tiny.yml').write_text(yaml.safe_dump(content))


def predict(model):
    sample = AffectDataSample()
    sample.valid = torch.ones(3, dtype=torch.bool)
    inputs = {'visual': torch.linspace(-1, 1, 3 * 3 * 1600).view(1, 3, 3, 40, 40)}
    with torch.no_grad():
        return model(inputs, [sample], mode='predict')[0].pred_affect


def test_names():
    assert {'grjca_affwild2', 'grjca_demo'} <= set(list_models())
    assert list_models('grjca_demo') == ['grjca_demo']
    assert list_models(['grjca_demo', 'grjca_aff*']) == ['grjca_affwild2', 'grjca_demo']
    assert list_models('nothing*') == []
    assert not any(name.startswith('_') for name in list_models())


def test_what_is_known_of_a_model():
    info = get_model_info('grjca_affwild2')
    assert info.config == ROOT / 'configs/grjca_affwild2.py'
    assert info.collection['Paper']['URL'] == 'https://arxiv.org/abs/2503.12261v1'
    assert info.entry['Results'][0]['Metrics'] == {'CCC valence': 0.623, 'CCC arousal': 0.660}
    assert info.weights is None
    assert not info.synthetic
    assert get_model_info('audio_demo').entry == {}
    assert get_model_info('grjca_demo').synthetic


def test_unknown_name():
    with pytest.raises(ConfigError, match=r"'grcja_affwild2' does not exist; did you mean grjca_affwild2"):
        get_model('grcja_affwild2')


def test_no_weights_are_published():
    with pytest.raises(ConfigError, match=r'grjca_affwild2: no weights are published; Aff-Wild2 needs a signed'):
        get_model('grjca_affwild2', pretrained=True)
    with pytest.raises(ConfigError, match=r'audio_demo: no weights are published; train it'):
        get_model('audio_demo', pretrained=True)
    with pytest.raises(ConfigError, match='takes the name of a model'):
        get_model(ROOT / 'configs/grjca_demo.py', pretrained=True)


def test_weights_that_come_with_the_package(monkeypatch):
    """Nothing is asked for them, whatever MMAFFECT_ZOO says."""
    monkeypatch.setenv('MMAFFECT_ZOO', 'https://example.invalid/weights')
    weights = get_model_info('grjca_demo').weights
    path = Path(weights.url)
    assert path.parent == ROOT / 'weights'
    assert (path.stat().st_size, sha256(path)) == (weights.size, weights.sha256)
    assert weights.sha256[:8] in path.name
    model = get_model('grjca_demo', pretrained=True)
    state = load_file(path)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}
    # Log-mel values of the demo corpus in dB, which the preprocessor must know.
    assert model.data_preprocessor.audio_mean.item() == pytest.approx(-23.03, abs=0.01)
    assert model.dataset_meta['synthetic']
    assert model.dataset_meta['corpus'] == 'demo'


def test_weights_stay_within_the_folder(tiny):
    write_entry(tiny, 'tiny.pth')
    assert get_model_info('tiny').weights.url == str(tiny / 'tiny.pth')
    assert torch.equal(
        predict(get_model('tiny', pretrained=True).eval()), predict(init_model('tiny', tiny / 'tiny.pth'))
    )
    for place in ('../tiny.pth', 'configs/../../tiny.pth', '/etc/passwd'):
        write_entry(tiny, place)
        with pytest.raises(ConfigError, match=f'tiny: Weights: {place}; expected a URL, or a path within {tiny}'):
            get_model_info('tiny')


def test_what_a_checkpoint_says_of_its_data(tiny):
    assert init_model('tiny', tiny / 'tiny.pth').dataset_meta is None
    state = torch.load(tiny / 'tiny.pth')['state_dict']
    for meta, expected in (({'dataset_meta': {'synthetic': True}}, {'synthetic': True}), ({'dataset_meta': 3}, None)):
        torch.save({'state_dict': state, 'meta': meta}, tiny / 'tiny.pth')
        assert init_model('tiny', tiny / 'tiny.pth').dataset_meta == expected
        assert get_model('tiny', tiny / 'tiny.pth').dataset_meta == expected


def test_folder_of_the_user(tiny):
    write_entry(tiny, 'https://example.invalid/v1/tiny.pth')
    assert list_models('t*') == ['tiny']
    assert get_model_info('tiny').collection['Paper']['Title'] == 'A paper'
    assert get_model_info('tiny').weights.size == (tiny / 'tiny.pth').stat().st_size
    # The file is taken from the folder, and nothing is downloaded.
    model = get_model('tiny', pretrained=True).eval()
    assert torch.equal(predict(model), predict(init_model('tiny', tiny / 'tiny.pth')))
    (tiny / 'tiny.pth').write_bytes(b'PK')
    with pytest.raises(DownloadError, match='2 bytes; expected'):
        get_model('tiny', pretrained=True)


@pytest.fixture
def served(tiny, tmp_path, monkeypatch):
    """The tiny zoo as the package's own, its weights on a server."""
    server = Server((tiny / 'tiny.pth').read_bytes())
    write_entry(tiny, server.url)
    monkeypatch.delenv('MMAFFECT_ZOO')
    monkeypatch.setattr(zoo, 'zoo_roots', lambda: [tiny])
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    yield server
    server.close()


def test_from_the_index_to_a_prediction(served, tiny, tmp_path):
    expected = predict(init_model('tiny', tiny / 'tiny.pth'))
    assert not torch.equal(predict(init_model('tiny')), expected)
    served.faults = [{'cut': 1000}]
    assert torch.equal(predict(get_model('tiny', pretrained=True).eval()), expected)
    assert served.ranges_asked == [None, 'bytes=1000-']
    assert torch.equal(predict(get_model('tiny', pretrained=True).eval()), expected)
    assert torch.equal(predict(init_model('tiny', served.url)), expected)
    assert len(list((tmp_path / 'cache/mmaffect').glob('*.pth'))) == 2  # the index's, and that of an unknown hash
    assert len(served.requests) == 3


def test_weights_that_are_not_those_of_the_index(served, tiny):
    data = bytearray(served.data)
    data[len(data) // 2] ^= 1
    served.data = bytes(data)
    with pytest.raises(DownloadError, match='SHA-256 is'):
        get_model('tiny', pretrained=True)
    served.data = b'<html>' + bytes(100)
    with pytest.raises(DownloadError, match='bytes; expected'):
        get_model('tiny', pretrained=True)


def test_weights_of_another_model(served, tiny):
    torch.save({'state_dict': {'w': torch.zeros(1)}}, tiny / 'tiny.pth')
    served.data = (tiny / 'tiny.pth').read_bytes()
    write_entry(tiny, served.url)
    with pytest.raises(CheckpointError, match='a checkpoint of another model'):
        get_model('tiny', pretrained=True)


def test_broken_indices(tiny):
    write_entry(tiny, 'https://example.invalid/tiny.pth', **{'Weights SHA-256': None, 'Weights Size': 'large'})
    with pytest.raises(ConfigError, match='no "Weights Size"'):
        get_model_info('tiny')
    for text, message in (
        ('Models: [{Name: tiny}]', 'without Name, Config and Weights'),
        ('[', 'not YAML'),
        ('- a', 'holds a list'),
    ):
        (tiny / 'tiny.yml').write_text(text)
        with pytest.raises(ConfigError, match=message):
            get_model_info('tiny')
    (tiny / 'tiny.yml').unlink()
    with pytest.raises(ConfigError, match=r'tiny\.yml: No such file'):
        get_model_info('tiny')


def test_init_model(tiny):
    model = init_model(tiny / 'configs/tiny.py', cfg_options={'model.head.hidden': 8})
    assert not model.training
    assert model.head.fc1.out_features == 8
    assert init_model(model.cfg).head.fc1.out_features == 8
    assert init_model(model.cfg, cfg_options={'model.head.hidden': 6}).head.fc1.out_features == 6
    assert model.cfg.model.head.hidden == 8
    assert get_model('tiny').training
    with pytest.raises(ConfigError, match=r"no such argument of AffectHead; did you mean 'hidden'"):
        init_model(model.cfg, cfg_options={'model.head.hiden': 6})
    with pytest.raises(ConfigError, match=r"^device='abacus': not available here; expected cpu[ :a-z0-9]*$"):
        init_model('tiny', device='abacus')
    with pytest.raises(ConfigError, match="device='cuda:99'"):
        get_model('tiny', device='cuda:99')
    with pytest.raises(ConfigError, match=r'cfg-options model\.head\.hidden\.a'):
        init_model(model.cfg, cfg_options={'model.head.hidden.a': 6})
    with pytest.raises(ConfigError, match=r"^model\.head\.hidden = 'abc': expected an integer"):
        init_model('tiny', cfg_options={'model.head.hidden': 'abc'})
    with pytest.raises(ConfigError, match='AffectHead: hidden=-1; expected an integer of at least 1'):
        init_model('tiny', cfg_options={'model.head.hidden': -1})
    demo = Config.fromfile(get_model_info('grjca_demo').config)
    with pytest.raises(ConfigError, match=r'window = 100, model\.neck\.seq_len = 30: expected the same'):
        init_model(demo, cfg_options={'model.neck.seq_len': 30})
    with pytest.raises(ConfigError, match='has no model'):
        get_model(Config(dict(default_scope='mmaffect')))
    with pytest.raises(CheckpointError, match='a checkpoint of another model'):
        init_model(model.cfg, tiny / 'tiny.pth')


def test_initial_weights_are_those_of_the_config(tiny, capfd):
    cfg = init_model('tiny').cfg
    source = torch.load(tiny / 'tiny.pth')['state_dict']
    cfg.model.visual.backbone.init_cfg = dict(
        type='Pretrained', checkpoint=str(tiny / 'tiny.pth'), prefix='visual.backbone.'
    )
    capfd.readouterr()
    for model in (get_model(cfg), init_model(cfg)):
        for key, value in model.visual.backbone.state_dict().items():
            assert torch.equal(value, source[f'visual.backbone.{key}'])
    output = capfd.readouterr()
    assert (output.out + output.err).count('\n') <= 2
    cfg.model.visual.backbone.init_cfg.checkpoint = 'none.pth'
    with pytest.raises(DownloadError, match='no such file'):
        get_model(cfg)
    # What a checkpoint overwrites is not fetched before.
    assert torch.equal(get_model(cfg, tiny / 'tiny.pth').head.fc1.bias, source['head.fc1.bias'])


@pytest.mark.parametrize('suffix', ['.py', '.json', '.yml', '.yaml'])
def test_config_files_of_any_kind(tiny, tmp_path, suffix):
    path = tmp_path / f'other{suffix}'
    cfg = init_model('tiny').cfg
    Config({key: cfg[key] for key in ('default_scope', 'model')}).dump(path)
    assert init_model(path).head.fc1.out_features == 4
    with pytest.raises(ConfigError, match='takes the name of a model'):
        get_model(path, pretrained=True)
    with pytest.raises(ConfigError, match='no such config file'):
        get_model(f'none{suffix}')


def test_installed_wheel_finds_its_configs(tmp_path):
    """What a wheel holds, without the repository beside it."""
    build = [sys.executable, 'setup.py', '--quiet', 'build_py', '--build-lib', str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True)
    code = (
        'import mmaffect; from mmaffect.apis import list_models, get_model_info as info;'
        'demo, count = info("grjca_demo"), len(list_models("*_affwild2"));'
        'print(mmaffect.__file__, demo.config, demo.weights.url, count)'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, check=True)
    package, config, weights, count = done.stdout.split()
    assert package == str(tmp_path / 'mmaffect/__init__.py')
    assert config == str(tmp_path / 'mmaffect/.mim/configs/grjca_demo.py')
    assert Path(weights).parent == tmp_path / 'mmaffect/.mim/weights'
    assert sha256(weights) == get_model_info('grjca_demo').weights.sha256
    assert (tmp_path / 'mmaffect/USE.md').read_text() == (ROOT / 'mmaffect/USE.md').read_text()
    assert int(count) == len(list_models('*_affwild2'))
