"""What is exported, run by onnxruntime, against PyTorch on windows of a corpus and on random ones."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from mmaffect.datasets import AffectDataset, collate_windows
from mmaffect.deployment import check_onnx, export_onnx
from mmaffect.deployment.settings import read_settings
from mmaffect.errors import ConfigError
from mmaffect.inference.notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from mmaffect.models import FusionNeck
from mmaffect.registry import MODELS
from mmaffect.utils.files import sha256
from tests.corpora import write_corpus
from tests.deployment.onnx_models import (
    CHANNELS,
    NECKS,
    WINDOW,
    cached,
    config,
    estimator,
    face_stream,
    sound_stream,
    stream,
)

PREPARED = dict(crop_size=16, patch_rows=16)


def run(path, **inputs):
    session = onnxruntime.InferenceSession(str(path))
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, inputs), strict=True))


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """A small GRJCA with both backbones: its folder, the model, and what was written about it."""
    model = estimator(8, visual=face_stream(), audio=sound_stream(), neck=NECKS['grjca'][0], preprocessor=PREPARED)
    model.dataset_meta = dict(synthetic=True)
    out = tmp_path_factory.mktemp('onnx')
    return out, model, export_onnx(model, out, config(patch_rows=16), face_size=20, about={'model': 'small'})


def test_every_neck_is_here():
    kinds = {neck['type'] for neck, _ in NECKS.values()}
    fusions = {name for name, kind in MODELS.module_dict.items() if issubclass(kind, FusionNeck)}
    # The third stream of RJCMA has no place in an estimator.
    assert kinds == fusions - {'ReleasedRJCMA'}


@pytest.mark.parametrize('name', NECKS)
def test_every_neck(name, tmp_path):
    neck, width = NECKS[name]
    model = estimator(width, visual=cached(), audio=cached(), neck=neck)
    export_onnx(model, tmp_path, config(), check=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['fusion.onnx', 'metadata.json']
    g = np.random.default_rng(1)
    for masks in (np.ones((2, WINDOW), bool), g.random((2, WINDOW)) > 0.5, np.zeros((2, WINDOW), bool)):
        inputs = {
            'visual': g.normal(size=(1, WINDOW, CHANNELS)).astype(np.float32),
            'audio': g.normal(size=(1, WINDOW, CHANNELS)).astype(np.float32),
            'visual_mask': masks[:1],
            'audio_mask': masks[1:],
        }
        with torch.no_grad():
            expected = model({key: torch.from_numpy(value) for key, value in inputs.items()}).numpy()
        inputs |= {f'{stream}_features': inputs.pop(stream) for stream in ('visual', 'audio')}
        found = run(tmp_path / 'fusion.onnx', **inputs)
        np.testing.assert_allclose(found['affect'], expected, atol=1e-5)
        assert np.ptp(expected) > 1e-3


def test_windows_of_a_corpus(exported, tmp_path):
    """The whole model and its parts, on what the dataset gives, against the estimator as tools/test.py runs it."""
    out, model, _ = exported
    write_corpus(tmp_path / 'corpus', face_size=20)
    dataset = AffectDataset(
        tmp_path / 'corpus',
        'train',
        window=WINDOW,
        hop=WINDOW,
        patch_rows=16,
        pipeline=[dict(type='CenterFaceCrop', size=16), dict(type='PackAffectInputs')],
    )
    windows = {}
    for index in range(len(dataset)):
        windows[dataset.get_data_info(index)['trial']] = index
    assert set(windows) >= {'a1', 'b1', 'b2'}  # cut short, padded and without sound
    for index in windows.values():
        item = dataset[index]
        batch = model.data_preprocessor(collate_windows([item]))
        with torch.no_grad():
            predicted = model(**batch, mode='predict')[0].pred_affect.numpy()
            embedded = model.embed(batch['inputs'])
            masks = {name: batch['inputs'][f'{name}_mask'] for name in ('visual', 'audio')}
            gates = model.fuse(embedded, masks, return_gates=True)[1].shares()
        raw = {key: value.numpy()[None] for key, value in item['inputs'].items()}
        rows = raw['logmel'].shape[1]
        logmel = raw['logmel'].astype(np.float32) if rows else np.zeros((1, 1, 64), np.float32)
        flags = {'visual_mask': raw['visual_mask'], 'audio_mask': raw['audio_mask']}
        whole = run(
            out / 'model.onnx',
            faces=raw['faces'],
            logmel=logmel,
            num_rows=np.array([rows]),
            patch_start=raw['patch_start'],
            **flags,
        )
        wanted = (raw['patch_start'][0][:, None] + np.arange(16)).clip(0, max(rows - 1, 0))
        patches = logmel[0][wanted] if rows else np.full((WINDOW, 16, 64), -30, np.float32)
        features = {
            'visual_features': run(out / 'visual_encoder.onnx', faces=raw['faces'][0])['features'][None],
            'audio_features': run(out / 'audio_encoder.onnx', patches=patches)['features'][None],
        }
        parts = run(out / 'fusion.onnx', **features, **flags)
        for found in (whole, parts):
            np.testing.assert_allclose(found['affect'][0, : len(predicted)], predicted, atol=1e-5)
            for name, share in gates.items():
                np.testing.assert_allclose(found[name.removeprefix('gate/')], share, atol=1e-5)


def test_frames_are_encoded_in_any_number(exported):
    out, *_ = exported
    faces = np.random.default_rng(0).integers(0, 256, (5, 20, 20, 3), dtype=np.uint8)
    together = run(out / 'visual_encoder.onnx', faces=faces)['features']
    assert together.shape == (5, CHANNELS)
    alone = [run(out / 'visual_encoder.onnx', faces=faces[i : i + 1])['features'][0] for i in range(5)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_what_is_written_about_it(exported):
    out, _, about = exported
    assert json.loads((out / 'metadata.json').read_text()) == about
    assert (about['schema'], about['version'], about['model']) == ('mmaffect.onnx', 1, 'small')
    assert about['window'] == {'length': WINDOW, 'hop': 4, 'stride': 1}
    assert (about['faces']['size'], about['faces']['crop']) == (20, 16)
    assert (about['sound']['patch_rows'], about['sound']['front_end']['name']) == (16, 'paper')
    assert (about['sound']['mean'], about['sound']['std']) == (-30, 11)
    assert about['synthetic'] is True
    assert about['notice'] == f'{NOTICE} {SYNTHETIC_MODEL_NOTICE}'
    assert list(about['files']) == ['model.onnx', 'visual_encoder.onnx', 'audio_encoder.onnx', 'fusion.onnx']
    for name, file in about['files'].items():
        assert file['sha256'] == sha256(out / name)
        assert file['largest_difference_to_pytorch'] < 1e-5
        session = onnxruntime.InferenceSession(str(out / name))
        for kind, values in (('inputs', session.get_inputs()), ('outputs', session.get_outputs())):
            assert {one.name: one.shape for one in values} == {key: one['shape'] for key, one in file[kind].items()}
    assert about['files']['model.onnx']['inputs']['logmel'] == {'dtype': 'float32', 'shape': [1, 'rows', 64]}
    assert list(about['files']['fusion.onnx']['outputs']) == ['affect', *about['gates']]
    assert about['gates'][:2] == ['audio/iteration_1', 'audio/iteration_2']


def test_files_say_nothing_of_this_machine(exported):
    out, *_ = exported
    for path in out.glob('*.onnx'):
        assert b'.py' not in path.read_bytes()
        proto = onnx.load(path)
        onnx.checker.check_model(proto, full_check=True)
        assert proto.doc_string.startswith(NOTICE)


def test_the_same_file_again_and_the_model_as_it_was(tmp_path):
    model = estimator(8, visual=cached(), audio=cached(), neck=NECKS['grjca'][0]).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (export_onnx(model, tmp_path / one, config(), check=False) for one in 'ab')
    assert first == second
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_clips_and_silence(tmp_path):
    """The preparation of Kuhnke's and of the I3D models at once: clips, scaled faces, a floor under every patch."""
    model = estimator(
        CHANNELS + 2,
        visual=stream(dict(type='R2Plus1D', units=[1] * 4, channels=[2, 2, 2, CHANNELS])),
        audio=stream(dict(type='AudioResNet', units=[1] * 4, channels=[2] * 4)),
        neck=dict(type='ConcatFusion', audio_channels=2, visual_channels=CHANNELS),
        tanh=False,
        preprocessor=dict(patch_rows=40, audio_fill=-100.0, audio_depth=20.0, crop_size=16, image_size=24),
    )
    cfg = config(clip_frames=3, clip_dilation=2, stride=3, patch_rows=40)
    about = export_onnx(model, tmp_path, cfg, face_size=20)
    assert about['files']['visual_encoder.onnx']['inputs']['clips']['shape'] == ['n', 3, 20, 20, 3]
    frames = {3 * n - back for n in range(WINDOW) for back in (0, 2, 4)}
    assert about['faces']['frames_of_a_window'] == sorted(frames)
    assert about['sound']['beyond_the_recording'] == -100
    assert all(file['largest_difference_to_pytorch'] < 1e-5 for file in about['files'].values())


def test_one_modality_and_one_target(tmp_path):
    model = estimator(CHANNELS, targets=('arousal',), visual=face_stream(), preprocessor=PREPARED)
    about = export_onnx(model, tmp_path, config(modalities=['visual']), face_size=16)
    assert about['targets'] == ['arousal']
    assert list(about['files']) == ['model.onnx', 'visual_encoder.onnx', 'fusion.onnx']
    assert list(about['files']['model.onnx']['inputs']) == ['faces']
    assert about['files']['fusion.onnx']['outputs'] == {'affect': {'dtype': 'float32', 'shape': [1, WINDOW, 1]}}


def test_further_streams(tmp_path):
    neck = NECKS['lfan'][0] | dict(further_channels=dict(mfcc=CHANNELS))
    model = estimator(
        22, visual=face_stream(), audio=cached(), further=dict(mfcc=cached()), neck=neck, preprocessor=PREPARED
    )
    about = export_onnx(model, tmp_path, config(), face_size=16)
    given = ['visual_mask', 'audio_mask', 'mfcc_mask']
    assert list(about['files']['model.onnx']['inputs']) == ['faces', 'audio_features', 'mfcc_features', *given]


class Unexportable(torch.nn.Module):
    in_channels = out_channels = CHANNELS

    def forward(self, x):
        return torch.linalg.qr(x)[0]


def test_what_cannot_be_exported_is_one_line(tmp_path):
    model = estimator(8, visual=cached(), audio=cached(), neck=NECKS['concat'][0])
    with pytest.raises(ConfigError, match='opset=9; expected at least 18'):
        export_onnx(model, tmp_path, config(), opset=9)
    model.audio.temporal = Unexportable()
    with pytest.raises(ConfigError, match=r'^fusion\.onnx: the model cannot be exported to ONNX: \w+') as error:
        export_onnx(model, tmp_path, config())
    assert '\n' not in str(error.value)
    assert list(tmp_path.glob('*.onnx')) == []
    faces = estimator(CHANNELS, visual=face_stream(), preprocessor=PREPARED)
    with pytest.raises(ConfigError, match='crop_size=16: nothing says how large the faces are'):
        read_settings(faces, config())
    with pytest.raises(ConfigError, match='face_size=12; expected at least crop_size=16'):
        read_settings(faces, config(), 12)
    with pytest.raises(ConfigError, match='no data loader of an AffectDataset'):
        read_settings(faces, config().__class__())
    with pytest.raises(ConfigError, match='model is a Linear'):
        read_settings(torch.nn.Linear(1, 1), config())


def test_a_file_of_other_weights_is_found_out(exported):
    out, model, about = exported
    files = [out / name for name in about['files']]
    settings = read_settings(model, config(patch_rows=16), 20)
    assert check_onnx(model, files, settings, seed=5)['fusion.onnx'] < 1e-5
    weight = model.head.fc2.bias
    weight.data += 0.01
    try:
        with pytest.raises(ConfigError, match=r'onnx: differs from PyTorch by 0\.0\d+; expected at most 0\.0001'):
            check_onnx(model, files, settings)
    finally:
        weight.data -= 0.01
