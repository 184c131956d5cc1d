"""The training recipes of the configs, simulated, beside a computation of their rules in plain Python."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmaffect.engine.running import load_config
from tests.engine.recipe_runs import tiny_run

ROOT = Path(__file__).parents[2]
EPOCHS, BATCHES = 100, 7


def saw_tooth_warm_up(lr, epoch, batch):
    return lr * (epoch + 1) * batch / (25 * BATCHES)


def linear_warm_up(lr, epoch, batch):
    return lr * (0.01 + 0.99 * (epoch * BATCHES + batch) / (5 * BATCHES - 1))


def rules(scores, warm_up, first_lr=1e-4, groups=3):
    """Learning rate of every iteration, and epochs of the releases.

    A group is released at epoch 0 and when the learning rate is below 1e-8 more than 5 epochs after the last release;
    after the last group the training ends. Warm-up in the first 5 epochs of a group; then the sixth epoch in a row
    without a new best score makes it a tenth.
    """
    rates, releases = [], [0]
    best, lr, start, bad = float('-inf'), first_lr, 0, 0
    for epoch in range(EPOCHS):
        if lr < 1e-8 and epoch - start > 5:
            if len(releases) == groups:
                break
            releases.append(epoch)
            lr, start, bad = first_lr, epoch, 0
        for batch in range(BATCHES):
            rates.append(warm_up(first_lr, epoch - start, batch) if epoch - start < 5 else lr)
        improved = scores[epoch] > best
        best = max(best, scores[epoch])
        if epoch - start >= 5:
            bad = 0 if improved else bad + 1
            if bad > 5:
                lr, bad = lr * 0.1, 0
    return rates, releases


def simulate(folder, config, scores):
    """Learning rate of every iteration, epochs of the releases, and what the trace of every epoch holds."""
    cfg = load_config(ROOT / config)
    needed = ('GradualReleaseHook', 'RevertToBestHook', 'EarlyStoppingHook')
    runner, trace = tiny_run(
        folder,
        scores.__getitem__,
        cfg.train_cfg.max_epochs,
        cfg.param_scheduler,
        [hook for hook in cfg.custom_hooks if hook.type in needed],
        optim_wrapper=cfg.optim_wrapper.to_dict(),
        checkpoint={**cfg.default_hooks.checkpoint, 'interval': EPOCHS},
        batches=BATCHES,
    )
    runner.train()
    (scalars,) = folder.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    return trace.rates, [row['step'] for row in rows if 'release' in row], trace.epochs


NEVER = [0.2] + [0.1] * (EPOCHS - 1)
# In a warm-up, after one and after three drops, after the first release; NaN; negative; equal to the best.
SOMETIMES = [-0.3] * EPOCHS
for epoch, score in {2: -0.2, 13: -0.1, 14: 0.0, 15: float('nan'), 34: 0.01, 60: 0.3, 61: 0.3, 66: 0.31}.items():
    SOMETIMES[epoch] = score


@pytest.mark.parametrize(
    ('config', 'warm_up'),
    [
        ('configs/grjca_released_affwild2.py', saw_tooth_warm_up),
        ('configs/grjca_affwild2.py', linear_warm_up),
    ],
)
@pytest.mark.parametrize('scores', [NEVER, SOMETIMES], ids=['never', 'sometimes'])
def test_the_run_follows_the_rules(tmp_path, config, warm_up, scores):
    rates, releases, epochs = simulate(tmp_path / 'run', config, scores)
    expected_rates, expected_releases = rules([s if s == s else -1 for s in scores], warm_up)
    assert releases == expected_releases
    np.testing.assert_allclose(rates, expected_rates, rtol=1e-12)
    if scores is NEVER:
        assert releases == [0, 35, 70]
        assert len(rates) == EPOCHS * BATCHES
        # Four drops leave it at 1e-8, which is not below 1e-8.
        assert rates[34 * BATCHES] == pytest.approx(1e-8)
    if warm_up is saw_tooth_warm_up:
        assert rates == pytest.approx(expected_rates, rel=1e-15)
        best = float('-inf')
        for epoch, score in enumerate(scores):
            if not score > best and epoch:
                kept, now = epochs[epoch - 1]['state'], epochs[epoch]['state']
                assert all((kept[name] == now[name]).all() for name in kept), epoch
            best = max(best, score) if score == score else best


def test_rounding_of_four_drops():
    lr = 1e-4
    for _ in range(4):
        lr *= 0.1
    assert lr == 1.0000000000000004e-08
