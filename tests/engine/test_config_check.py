from pathlib import Path

import pytest

from mmaffect.engine.running import load_config

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize('name', sorted(path.name for path in CONFIGS.glob('*.py')))
def test_every_config_passes_and_survives_a_dump(name, tmp_path):
    cfg = load_config(CONFIGS / name)
    cfg.dump(tmp_path / name)
    assert load_config(tmp_path / name).model == cfg.model
    assert cfg.test_dataloader == cfg.val_dataloader


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'modle.neck.type': 'RJCA'}, "modle.neck.type: no such key; did you mean 'model'"),
        ({'model.neck.temprature': 0.2}, "model.neck.temprature: .*did you mean 'temperature'"),
        ({'model.neck.type': 'GJRCA'}, "model.neck.type = 'GJRCA'.*did you mean 'GRJCA'"),
        ({'model.visual.backbone.dept': 34}, "did you mean 'depth'"),
        ({'train_dataloader.batchsize': 3}, "did you mean 'batch_size'"),
        ({'train_dataloader.dataset.windw': 3}, "did you mean 'window'"),
        ({'train_dataloader.dataset.pipeline.0.siz': 3}, r"pipeline\.0\.siz.*did you mean 'size'"),
        ({'train_cfg.max_epoch': 3}, "did you mean 'max_epochs'"),
        ({'val_evaluator.type': 'CCMetric'}, "did you mean 'CCCMetric'"),
        ({'optim_wrapper.optimizer.learning_rate': 1}, 'no such argument of Adam'),
        ({'optim_wrapper.optimizer.type': 'Adm'}, "did you mean 'Adam'"),
        ({'param_scheduler.1.patiance': 1}, "did you mean 'patience'"),
        ({'custom_hooks.0.typ': 'x'}, 'custom_hooks.0.typ'),
    ],
)
def test_wrong_keys_are_named_with_the_nearest(options, text):
    with pytest.raises(ValueError, match=text):
        load_config(CONFIGS / 'grjca_affwild2.py', options=options)


def test_missing_argument(tmp_path):
    cfg = load_config(CONFIGS / 'grjca_affwild2.py')
    del cfg.model.neck['seq_len']
    cfg.dump(tmp_path / 'cut.py')
    with pytest.raises(ValueError, match=r'model\.neck\.seq_len: GRJCA needs this argument'):
        load_config(tmp_path / 'cut.py')


def test_files_that_are_no_config(tmp_path):
    with pytest.raises(ValueError, match='no such config file'):
        load_config(tmp_path / 'none.py')
    (tmp_path / 'bad.py').write_text('model = dict(')
    with pytest.raises(ValueError, match='SyntaxError'):
        load_config(tmp_path / 'bad.py')
