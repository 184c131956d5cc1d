"""Small models with configs and checkpoints in files, whose figures depend on sound and on faces."""

import torch

from tests.toy_estimators import toy_model

TRIALS = [
    ('a1', 'train', 40, True),
    ('d1', 'val', 70, True),
    ('d2', 'val', 33, True),
    ('d3', 'val', 12, True),  # shorter than a window
    ('d4', 'val', 45, False),
    ('e1', 'test', 45, True),
]


def saved(folder, name, case, root):
    """Config file and checkpoint of one of the toy estimators, tested on the validation trials of a corpus."""
    model = toy_model(case, root, split='val')
    with torch.no_grad():
        # As they are drawn, hardly a feature of sound differs from frame to frame.
        for parameter in [] if model.audio is None else model.audio.backbone.parameters():
            parameter.copy_(torch.rand_like(parameter) - 0.3)
    torch.save(model.state_dict(), folder / f'{name}.pth')
    return dumped(model.cfg, folder, name), folder / f'{name}.pth'


def dumped(cfg, folder, name):
    """A config as a file, with what a Runner needs for a test."""
    cfg.test_cfg, cfg.test_evaluator = dict(type='TestLoop'), dict(type='CCCMetric', resamples=10)
    cfg.test_dataloader.collate_fn.type = 'mmaffect.collate_windows'
    cfg.default_scope, cfg.work_dir = 'mmaffect', str(folder / 'work_dir')
    cfg.dump(folder / f'{name}.py')
    return folder / f'{name}.py'
