"""Every config, on batches of a demo corpus."""

import copy
import io
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from mmengine.config import Config

from mmaffect.datasets import Corpus, collate_windows
from mmaffect.datasets.features import FeatureWriter, corpus_folder
from mmaffect.datasets.preparation import prepare
from mmaffect.demo.corpus import make_demo_corpus
from mmaffect.demo.plan import Settings
from mmaffect.engine.checkpoint import load_weights
from mmaffect.engine.running import load_config
from mmaffect.models import FusionNeck
from mmaffect.registry import DATASETS, MODELS

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)
WINDOWS = 2

# By class, never by config: the same networks, narrower and shallower.
NARROW = {
    'IResNet': dict(units=[1, 1, 1, 1], channels=[4, 4, 4, 4]),
    'VGGish': dict(channels=[2, 2, 2, 2, 2, 2], hidden=4),
    'R2Plus1D': dict(units=[1, 1, 1, 1], channels=[2, 2, 2, 512]),
    'AudioResNet': dict(units=[1, 1, 1, 1], channels=[2, 2, 2, 512]),
}


@pytest.fixture(scope='session')
def corpora(tmp_path_factory, worker_id):
    """Demo corpora by what a config asks of them: audio front end and side of the faces."""
    # Workers of pytest-xdist share the folder above theirs, and make it together once.
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == 'master' else base.parent) / 'demo_corpora'
    with FileLock(f'{root}.lock'), redirect_stdout(io.StringIO()):
        if not (root / 'done').exists():
            make_demo_corpus(root / 'raw', Settings(trials=10, seconds=4.0))
            for front_end, size in (('paper', 48), ('vggish', 48), ('paper', 112)):
                prepare(root / 'raw', root / f'{front_end}{size}', front_end=front_end, face_size=size)
            (root / 'done').touch()
    return root


def corpus_of(cfg, corpora):
    """The corpus that fits a config, with random features of the width that its streams expect."""
    dataset = cfg.train_dataloader.dataset
    size = 112 if any(step.get('size') == 112 for step in dataset.pipeline) else 48
    root = corpora / f'{dataset.front_end}{size}'
    streams = {**cfg.model, **(cfg.model.get('further') or {})}
    for modality, name in (dataset.get('features') or {}).items():
        folder = corpus_folder(root, 'features', name)
        with FileLock(f'{root}.lock'):
            writer = FeatureWriter(folder, {})
            corpus = Corpus(root)
            for trial in corpus.trials:
                if not writer.done(trial):
                    shape = corpus.info(trial).num_frames, streams[modality].in_channels
                    writer.write(trial, np.random.default_rng(0).normal(size=shape).astype(np.float32))
    return root


def narrow(node):
    """Shrink every network of a model's config that has a narrow form."""
    if isinstance(node, dict):
        node.update(copy.deepcopy(NARROW.get(node.get('type'), {})))
        for child in node.values():
            narrow(child)
    if isinstance(node, dict) and node.get('image_size'):
        node['image_size'] = 32


@pytest.mark.parametrize('path', CONFIGS)
def test_config(path, corpora, tmp_path):
    cfg = load_config(ROOT / path)
    assert cfg.test_dataloader == cfg.val_dataloader
    assert cfg.test_evaluator == cfg.val_evaluator

    # Dumped and read again, it is the same.
    cfg.dump(tmp_path / 'dumped.py')
    again = load_config(tmp_path / 'dumped.py')
    for key in ('model', 'train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler', 'custom_hooks'):
        assert again[key] == cfg[key], key

    root = corpus_of(cfg, corpora)
    model_cfg = Config(dict(model=copy.deepcopy(cfg.model.to_dict()))).model
    narrow(model_cfg)
    torch.manual_seed(0)
    model = MODELS.build(model_cfg)
    for split in ('train', 'val'):
        dataset = DATASETS.build({**cfg[f'{split}_dataloader'].dataset, 'data_root': str(root)})
        batch = collate_windows([dataset[i] for i in range(WINDOWS)])
        data = model.data_preprocessor(batch, split == 'train')
        if split == 'train':
            losses = model(**data, mode='loss')
            loss, _ = model.parse_losses(losses)
            assert torch.isfinite(loss)
            assert 0 < loss.item() < 2.5
            loss.backward()
            # A parameter without a gradient would stop a distributed training.
            idle = [name for name, parameter in model.named_parameters() if parameter.grad is None]
            assert idle == []
            assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    model.eval()
    with torch.no_grad():
        raw = model(**data, mode='tensor')
        samples = model(**data, mode='predict')
    targets = model.head.targets
    assert raw.shape == (WINDOWS, cfg.val_dataloader.dataset.window, len(targets))
    for sample in samples:
        assert sample.pred_affect.shape == (len(sample.valid), len(targets))
        assert sample.pred_affect.abs().max() <= 1

    torch.save({'state_dict': model.state_dict()}, tmp_path / 'model.pth')
    torch.manual_seed(1)
    other = MODELS.build(model_cfg).eval()
    load_weights(other, tmp_path / 'model.pth')
    with torch.no_grad():
        assert torch.equal(other(**data, mode='tensor'), raw)


def test_every_fusion_is_compared_on_both_corpora():
    compared = {path for path in CONFIGS if path.startswith('configs/comparison/')}
    names = {Path(path).stem.rpartition('_')[0] for path in compared}
    assert compared == {f'configs/comparison/{name}_{corpus}.py' for name in names for corpus in ('affwild2', 'demo')}
    necks = {load_config(ROOT / path).model.get('neck', {}).get('type') for path in compared}
    # The third stream of RJCMA has no place in a model of two.
    fusions = {name for name, kind in MODELS.module_dict.items() if issubclass(kind, FusionNeck)}
    assert necks == fusions - {'ReleasedRJCMA'} | {None}
