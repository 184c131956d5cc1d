import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmaffect.datasets import Corpus, collate_windows
from mmaffect.engine.extraction import extract_features, load_backbones, settings_digest
from mmaffect.engine.running import load_config
from mmaffect.registry import DATASETS, MODELS
from tests.corpora import TRIALS, write_corpus

L = 20
VISUAL = dict(type='IResNet', units=[1, 1, 1, 1], channels=[4, 4, 4, 4], out_channels=6)
AUDIO = dict(type='VGGish', channels=[2] * 6, hidden=4, out_channels=5)
PREPROCESSOR = dict(type='AffectDataPreprocessor', audio_mean=-30.0, audio_std=10.0)


def estimator(visual, audio):
    return MODELS.build(
        dict(
            type='AffectEstimator',
            data_preprocessor=PREPROCESSOR,
            visual=dict(
                type='Stream',
                **visual,
                temporal=dict(type='TemporalConvNet', in_channels=6, channels=[8]),
                batch_norm=True,
            ),
            audio=dict(type='Stream', **audio),
            neck=dict(type='GRJCA', audio_channels=5, visual_channels=8, seq_len=L),
            head=dict(type='AffectHead', in_channels=13, hidden=7, dropout=0.0),
        )
    ).eval()


def visual_alone(backbone, channels):
    torch.manual_seed(0)
    head = dict(type='AffectHead', in_channels=channels)
    return MODELS.build(dict(type='AffectEstimator', visual=dict(type='Stream', backbone=backbone), head=head))


def windows(root, **arguments):
    pipeline = [dict(type='CenterFaceCrop'), dict(type='PackAffectInputs')]
    base = dict(type='AffectDataset', data_root=str(root), split='val', window=L, hop=10, pipeline=pipeline)
    return {**base, **arguments}


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / 'corpus')


def test_predictions_from_cached_features_are_those_of_the_whole_model(corpus):
    torch.manual_seed(0)
    whole = estimator(dict(backbone=VISUAL), dict(backbone=AUDIO))
    folders = extract_features(whole, windows(corpus), 'ours', {'config': 'x'}, batch_size=3)
    assert folders == [corpus / 'features/ours/audio', corpus / 'features/ours/visual']
    for trial, _, frames, _ in TRIALS:
        assert np.load(folders[1] / f'{trial}.npy').shape == (frames, 6)

    cached = estimator(dict(in_channels=6), dict(in_channels=5))
    state = {key: value for key, value in whole.state_dict().items() if '.backbone.' not in key}
    cached.load_state_dict(state)
    features = dict(visual='ours/visual', audio='ours/audio')
    for split in ('train', 'val', 'test'):
        one = DATASETS.build(windows(corpus, split=split))
        other = DATASETS.build(windows(corpus, split=split, features=features))
        with torch.no_grad():
            found = [
                model.test_step(collate_windows([dataset[i] for i in range(len(dataset))]))
                for model, dataset in ((whole, one), (cached, other))
            ]
        for a, b in zip(*found, strict=True):
            assert (a.trial, a.start) == (b.trial, b.start)
            assert torch.allclose(a.pred_affect, b.pred_affect, atol=1e-5)
            assert torch.equal(a.valid, b.valid)


def test_clip_features(corpus):
    model = visual_alone(dict(type='R2Plus1D', units=[1, 1, 1, 1], channels=[2, 2, 2, 3]), 3)
    # Strided windows of clips, as RJCA trains on them, still give a feature for every frame.
    dataset = windows(corpus, stride=4, clip_frames=3, clip_dilation=2)
    (folder,) = extract_features(model, dataset, 'clips', {})
    found = np.load(folder / 'd1.npy')
    assert found.shape == (70, 3)
    one = DATASETS.build({**dataset, 'modalities': ['visual']})
    with torch.no_grad():
        inputs = model.data_preprocessor(collate_windows([one[1]]))['inputs']
        direct = model.visual.embed(inputs['visual'])[0].numpy()
    start = one.get_data_info(1)['start']
    assert np.allclose(direct[:5], found[start : start + 20 : 4], atol=1e-5)


def test_a_killed_run_goes_on(corpus):
    torch.manual_seed(0)
    model = estimator(dict(backbone=VISUAL), dict(backbone=AUDIO))
    folders = extract_features(model, windows(corpus), 'ours', {'config': 'x'})
    paths = sorted(path for folder in folders for path in folder.glob('*.npy'))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}
    gone = folders[0] / 'a2.npy'
    gone.unlink()
    extract_features(model, windows(corpus), 'ours', {'config': 'x'})
    written = {path for path in paths if path.stat().st_mtime_ns != before[path][0]}
    assert written == {gone, folders[1] / 'a2.npy'}
    assert all(path.read_bytes() == before[path][1] for path in paths)
    with pytest.raises(ValueError, match="config = 'x', not 'y'"):
        extract_features(model, windows(corpus), 'ours', {'config': 'y'})


def test_every_frame_is_extracted_whatever_the_config_reads(corpus):
    torch.manual_seed(0)
    model = estimator(dict(backbone=VISUAL), dict(backbone=AUDIO))
    few = windows(corpus, indices=2, split='train', fold=3, stride=2, random_phase=True, window=L)
    folders = extract_features(model, few, 'few', {}, workers=2)
    whole = extract_features(model, windows(corpus), 'whole', {})
    for one, other in zip(folders, whole, strict=True):
        for trial, *_ in TRIALS:
            assert np.allclose(np.load(one / f'{trial}.npy'), np.load(other / f'{trial}.npy'), atol=1e-6)


def test_bfloat16_and_a_config_that_reads_features(corpus):
    dataset = windows(corpus)
    (exact,) = extract_features(visual_alone(VISUAL, 6), dataset, 'exact', {'config': 'x'})
    # A config that itself reads features of another model.
    other = {**dataset, 'features': dict(visual='not/there')}
    (low,) = extract_features(visual_alone(VISUAL, 6), other, 'low', {'config': 'x'}, amp=True)
    a, b = (np.load(folder / 'd1.npy') for folder in (exact, low))
    assert 0 < np.abs(a - b).max() < 0.1


def test_another_width_is_refused(corpus):
    extract_features(visual_alone(VISUAL, 6), windows(corpus), 'ours', {'config': 'x'})
    with pytest.raises(ValueError, match='channels = 6, not 5'):
        extract_features(visual_alone({**VISUAL, 'out_channels': 5}, 5), windows(corpus), 'ours', {'config': 'x'})


def test_log_mel_is_normalised_by_the_corpus_or_as_the_training_was(corpus, tmp_path):
    def build():
        torch.manual_seed(0)
        return MODELS.build(
            dict(
                type='AffectEstimator',
                audio=dict(type='Stream', backbone=AUDIO),
                head=dict(type='AffectHead', in_channels=5),
            )
        )

    model, index = build(), Corpus(corpus)
    state = {key: value for key, value in model.state_dict().items() if '.backbone.' in key}
    torch.save({'state_dict': state}, tmp_path / 'backbone.pth')
    load_backbones(model, tmp_path / 'backbone.pth')
    extract_features(model, windows(corpus), 'own', {})
    assert model.data_preprocessor.audio_mean.item() == pytest.approx(index.audio_mean)

    model.data_preprocessor.set_audio_statistics(-3.0, 7.0)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'whole.pth')
    trained = build()
    load_backbones(trained, tmp_path / 'whole.pth')
    extract_features(trained, windows(corpus), 'trained', {})
    assert (trained.data_preprocessor.audio_mean.item(), trained.data_preprocessor.audio_std.item()) == (-3.0, 7.0)
    assert not np.allclose(
        np.load(corpus / 'features/own/audio/d1.npy'), np.load(corpus / 'features/trained/audio/d1.npy')
    )


def test_a_checkpoint_without_a_backbone(tmp_path):
    whole = estimator(dict(backbone=VISUAL), dict(backbone=AUDIO))
    state = {key: value for key, value in whole.state_dict().items() if key.startswith('visual.')}
    torch.save({'state_dict': state}, tmp_path / 'visual.pth')
    with pytest.raises(ValueError, match=r'weights of the backbones are not in it \(audio\.backbone\.'):
        load_backbones(whole, tmp_path / 'visual.pth')


def test_settings_that_change_features(corpus):
    def digest(amp=False, **options):
        options = {key.replace('__', '.'): value for key, value in options.items()}
        path = Path(__file__).parents[2] / 'configs/grjca_demo.py'
        return settings_digest(load_config(path, options=options, data_root=str(corpus)), amp)

    assert digest() == digest(val_dataloader__dataset__hop=7) == digest(val_dataloader__dataset__fold=2)
    others = [
        digest(True),
        digest(val_dataloader__dataset__align='ahead'),
        digest(model__visual__backbone__dropout=0.9),
        digest(model__data_preprocessor__face_mean=1.0),
    ]
    assert len({digest(), *others}) == 5


def test_features_have_no_features(corpus):
    with pytest.raises(ValueError, match='no backbone'):
        extract_features(estimator(dict(in_channels=6), dict(in_channels=5)), windows(corpus), 'x', {})


def test_tool(corpus, monkeypatch, capsys):
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    monkeypatch.setattr(
        sys, 'argv', ['extract_features.py', 'configs/grjca_demo.py', str(corpus), '--name', 'drawn', '--workers', '0']
    )
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(root / 'tools/extract_features.py'), run_name='__main__')
    assert ended.value.code == 0
    assert 'no checkpoint' in capsys.readouterr().out
    assert np.load(corpus / 'features/drawn/visual/d1.npy').shape == (70, 64)
