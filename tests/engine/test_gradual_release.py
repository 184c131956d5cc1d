import json
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

from mmaffect.engine.hooks import GradualReleaseHook
from mmaffect.engine.release import find_part, freeze, is_pretrained, set_mode
from mmaffect.engine.running import load_config
from mmaffect.errors import ConfigError
from mmaffect.registry import MODELS
from tests.engine.recipe_runs import TinyModel, tiny_run
from tests.ranks import run_on_ranks

ROOT = Path(__file__).parents[2]
GROUPS = [['visual.backbone.output'], ['visual.backbone.stages.3', 'audio.backbone.embeddings.2'], ['audio.backbone']]
# An epoch of warm-up, then two that count; after the second the learning rate is below min_lr.
SCHEDULERS = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=1, convert_to_iter_based=True),
    dict(type='PlateauLR', patience=0, begin=1),
]
RELEASE = dict(type='GradualReleaseHook', groups=GROUPS, min_lr=2e-6, min_epochs=1)
CYCLE = 3


def start(folder, epochs=20, script=lambda epoch: 0.5 - epoch / 100, release=RELEASE, hooks=(), **more):
    return tiny_run(folder, script, epochs, SCHEDULERS, [release, *hooks], **more)


def run(*arguments, **more):
    runner, trace = start(*arguments, **more)
    runner.train()
    return runner, trace


def test_groups_are_released_one_after_another_until_none_is_left(tmp_path):
    runner, trace = run(tmp_path)
    assert runner.epoch == 3 * CYCLE
    names = {name for name, _ in runner.model.named_parameters()}
    free = {name for name in names if '.backbone.' not in name}
    for released in (1, 2, 3):
        parts = tuple(f'{part}.' for group in GROUPS[:released] for part in group)
        expected = free | {name for name in names if name.startswith(parts)}
        # The release comes after the cycle's last epoch, before the trace looks.
        first = 0 if released == 1 else (released - 1) * CYCLE - 1
        for epoch in trace.epochs[first : released * CYCLE - 1]:
            assert epoch['trained'] == expected
    assert len({frozenset(epoch['trained']) for epoch in trace.epochs}) == 3


def test_only_what_is_released_changes(tmp_path):
    _, trace = run(tmp_path, release={**RELEASE, 'reload_best': False}, lr=1e-2)
    for before, after in zip(trace.epochs[:5], trace.epochs[1:6], strict=True):
        for name, value in before['state'].items():
            changed = not torch.equal(value, after['state'][name])
            if '.output.0.' in name and 'visual' in name and name.endswith(('mean', 'var', 'tracked')):
                assert changed
            elif '.output.0.' in name and name.endswith(('mean', 'var', 'tracked')):
                assert not changed  # eval mode
            else:
                assert changed == (name in before['trained'])


def test_a_release_starts_anew_from_the_best_weights(tmp_path):
    runner, trace = run(tmp_path, lr=1e-2, release={**RELEASE, 'min_lr': 2e-4})
    first, release = trace.epochs[0], trace.epochs[CYCLE - 1]
    assert all(torch.equal(first['state'][name], release['state'][name]) for name in first['state'])
    assert first['moments'] == len(first['trained'])
    assert release['moments'] == 0
    # Warm-up and drops are those of the first cycle.
    assert trace.rates[2 * CYCLE : 4 * CYCLE] == trace.rates[: 2 * CYCLE]
    assert trace.rates[0] == pytest.approx(1e-3)
    (plateau,) = (one for one in runner.param_schedulers if hasattr(one, 'best'))
    assert plateau.best == 0.5


def test_a_release_begins_the_early_stopping_anew(tmp_path):
    stop = dict(type='EarlyStoppingHook', patience=3)
    assert run(tmp_path / 'with', hooks=[stop])[0].epoch == 3 * CYCLE
    assert run(tmp_path / 'without', release=dict(type='EarlyStoppingHook', patience=3))[0].epoch == 4


def test_the_log_has_every_release(tmp_path):
    run(tmp_path)
    (scalars,) = tmp_path.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [(row['release'], row['step']) for row in rows if 'release' in row] == [(0, 0), (1, 3), (2, 6)]
    (log,) = tmp_path.glob('*/*.log')
    assert 'epoch 3: release 1 of visual.backbone.stages.3, audio.backbone.embeddings.2; 88 of 876' in log.read_text()


def test_random_features_are_warned_of_once(tmp_path, monkeypatch):
    def warnings(name, **more):
        runner, _ = start(tmp_path / name, epochs=4, **more)
        found = []
        monkeypatch.setattr(runner.logger, 'warning', found.append)
        runner.train()
        return [line for line in found if 'random features' in line]

    (line,) = warnings('random')
    assert 'visual.backbone, audio.backbone' in line
    assert warnings('loaded', load_from=str(tmp_path / 'random/epoch_4.pth')) == []
    torch.save(TinyModel().visual.backbone.state_dict(), tmp_path / 'backbone.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'backbone.pth'))
    assert warnings('pretrained', model=TinyModel(init_cfg)) == []


@pytest.mark.parametrize('cut', [1, 2, 3, 4, 8, 9])
def test_it_continues_after_a_resume(tmp_path, cut):
    runner, whole = run(tmp_path / 'whole', checkpoint=dict(max_keep_ckpts=-1))
    resumed, rest = run(tmp_path / 'rest', resume=str(tmp_path / f'whole/epoch_{cut}.pth'))
    assert resumed.epoch == runner.epoch
    assert rest.rates == whole.rates[2 * cut :]
    assert [epoch['trained'] for epoch in rest.epochs] == [epoch['trained'] for epoch in whole.epochs[cut:]]
    final, again = runner.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(final[name], again[name]) for name in final)


def test_an_empty_place_is_passed_over(tmp_path):
    class Cached(TinyModel):
        """With cached features in the place of a backbone."""

        def __init__(self, kept):
            super().__init__()
            for stream in (self.visual, self.audio):
                if stream is not getattr(self, kept, ''):
                    del stream.backbone
                    stream.backbone = None

    runner, _ = run(tmp_path / 'audio', model=Cached('audio'))
    assert runner.epoch == 2 * CYCLE
    runner, _ = run(tmp_path / 'none', epochs=12, model=Cached(''))
    assert runner.epoch == 12


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(groups=[]), r'groups=\[\]; expected lists'),
        (dict(groups=['visual.backbone']), 'expected lists of names'),
        (dict(groups=[['visual.backbone'], []]), 'expected lists of names'),
        (dict(groups=[['neck']]), "'neck' is in none of frozen"),
        (dict(frozen='visual'), "frozen='visual'; expected a list"),
        (dict(min_lr=0), 'min_lr=0'),
        (dict(min_epochs=-1), 'min_epochs=-1'),
        (dict(frozen_mode='frozen'), "frozen_mode='frozen'; expected 'eval' or 'train'"),
    ],
)
def test_it_refuses(arguments, text):
    with pytest.raises(ConfigError, match=text):
        GradualReleaseHook(**{'groups': GROUPS, **arguments})


@pytest.mark.parametrize(
    ('more', 'text'),
    [
        (
            dict(release={**RELEASE, 'groups': [['visual.backbone.outputs']]}),
            "'visual.backbone.outputs' is no module of TinyModel; did you mean 'visual.backbone.output'",
        ),
        (dict(checkpoint=dict(save_best=None)), 'GradualReleaseHook: needs default_hooks.checkpoint'),
    ],
)
def test_it_refuses_to_begin(tmp_path, more, text):
    with pytest.raises(ConfigError, match=text):
        run(tmp_path, **more)


def test_it_needs_schedulers(tmp_path):
    runner, _ = tiny_run(tmp_path, lambda epoch: 0.1, 1, [], [RELEASE])
    with pytest.raises(ConfigError, match='needs a param_scheduler'):
        runner.train()


def test_set_mode():
    model = nn.ModuleDict(
        dict(
            frozen=nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()),
            mixed=nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()), nn.Dropout()),
            plain=nn.Dropout(),
        )
    )
    freeze(model, [model['frozen'], model['mixed']], [model['mixed'][0]])
    set_mode(model)
    modes = {name: module.training for name, module in model.named_modules()}
    off = {'frozen', 'frozen.0', 'frozen.1', 'mixed.1', 'mixed.1.0', 'mixed.1.1'}
    assert {name for name, trains in modes.items() if not trains} == off


def test_frozen_parts_lose_their_gradients():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    model(torch.ones(1, 1)).sum().backward()
    freeze(model, [model[0]], [])
    assert [one.grad is None for one in model.parameters()] == [True, True, False, False]


def test_find_part_and_is_pretrained():
    inner = BaseModule(init_cfg=[dict(type='Xavier'), dict(type='Pretrained', checkpoint='x.pth')])
    model = nn.ModuleDict(dict(a=nn.Sequential(inner), b=nn.Sequential(nn.Linear(1, 1))))
    assert find_part(model, 'a.0', 'Test') is inner
    assert is_pretrained(model, 'a')
    assert not is_pretrained(model, 'b.0')
    with pytest.raises(ConfigError, match=r"Test: 'b.0.weight' is no module"):
        find_part(model, 'b.0.weight', 'Test')


@pytest.mark.parametrize('name', ['grjca', 'grjca_released', 'hgrjca_released', 'lfan', 'lfan_mfcc', 'lfan_abaw3'])
def test_groups_of_the_configs_are_the_layers_of_the_released_code(name):
    cfg = load_config(ROOT / f'configs/{name}_affwild2.py')
    (release,) = (hook for hook in cfg.custom_hooks if hook.type == 'GradualReleaseHook')
    with torch.device('meta'):
        backbones = {
            'visual': MODELS.build(cfg.model.visual.backbone.to_dict()),
            'audio': MODELS.build(cfg.model.audio.backbone.to_dict()),
        }
    sizes = []
    for group in release.groups:
        parts = [part.split('.backbone.') for part in group]
        sizes.append(
            {
                stream: sum(one.numel() for of, part in parts if of == stream
                            for one in backbones[of].get_submodule(part).parameters())
                for stream in backbones
            }
        )  # fmt: skip
    # Counted by hand. Output: BN(512), 12800 x 512 + 512, BN(512).
    output = 2 * 512 + 12800 * 512 + 512 + 2 * 512
    # A unit of width w: BN, two 3x3 convolutions, PReLU, BN; the first of stage 4 comes from 256 channels.
    unit = lambda w: 2 * w + 2 * 9 * w * w + w + 2 * w  # noqa: E731
    first = 2 * 256 + 9 * 256 * 512 + 512 + 9 * 512 * 512 + 2 * 512 + 256 * 512 + 2 * 512
    visual = [output, first + 2 * unit(512), 3 * unit(256)]
    audio = [4096 * 128 + 128, 4096 * 4096 + 4096, 12288 * 4096 + 4096]
    if name in ('lfan', 'lfan_mfcc'):
        audio = [0, 0, 0]
    assert sizes == [{'visual': v, 'audio': a} for v, a in zip(visual, audio, strict=True)]
    assert [round(v / 1e6, 2) for v in visual] == [6.56, 13.12, 3.54]


def release_on_ranks(folder):
    torch.distributed.init_process_group('gloo')
    # Without dropout, and with BatchNorm's own statistics: two ranks of 4 rows are one process of 8.
    model = TinyModel()
    for stream in (model.visual, model.audio):
        del stream.backbone.output[:2]
    wrapper = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
    runner, trace = start(
        folder / 'work',
        model=model,
        cfg={'model_wrapper_cfg': wrapper},
        launcher='pytorch',
        lr=1e-2,
        release={**RELEASE, 'min_lr': 2e-4},
    )
    runner.train()
    return trace.epochs


def test_two_ranks_exchange_the_gradients_of_what_is_released(tmp_path):
    one, other = run_on_ranks(release_on_ranks, tmp_path)
    assert len(one) == len(other) == 3 * CYCLE
    for mine, theirs in zip(one, other, strict=True):
        assert mine['trained'] == theirs['trained']
        for name, value in mine['state'].items():
            assert torch.equal(value, theirs['state'][name]), name
    # What is released moves.
    for number, part in enumerate(
        ('visual.backbone.output.0', 'visual.backbone.stages.3.0', 'audio.backbone.output.0')
    ):
        before, after = (one[CYCLE * number + epoch]['state'][f'{part}.weight'] for epoch in (0, 1))
        assert not torch.equal(before, after), part
