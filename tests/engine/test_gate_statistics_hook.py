"""Statistics of the gates, against NumPy on the gates that the neck itself returns."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from mmaffect.models.necks import GRJCA, RJCA, ReleasedGRJCA
from mmaffect.registry import HOOKS

AUDIO, VISUAL, L = 5, 7, 6
NECKS = {
    'paper': lambda: GRJCA(AUDIO, VISUAL, L, num_iters=3),
    'flat': lambda: ReleasedGRJCA(AUDIO, VISUAL, L, gating='flat'),
    'hierarchical': lambda: ReleasedGRJCA(AUDIO, VISUAL, L, gating='hierarchical'),
}


class Model(nn.Module):
    def __init__(self, neck):
        super().__init__()
        self.neck = neck

    def forward(self, batch):
        return self.neck(*batch)


def batches():
    """Two uneven batches; one window without sound, one padded."""
    g = torch.Generator().manual_seed(0)
    for windows in (3, 2):
        masks = torch.rand(2, windows, L, generator=g) > 0.3
        masks[0, 0] = False
        masks[:, 1, 4:] = False
        yield (
            torch.randn(windows, L, AUDIO, generator=g),
            torch.randn(windows, L, VISUAL, generator=g),
            *masks,
        )


def runner_of(model, windows=5):
    loader = SimpleNamespace(dataset=range(windows))
    hub = MessageHub(f'gates{np.random.default_rng().integers(1 << 60)}')
    return SimpleNamespace(model=model, val_dataloader=loader, message_hub=hub)


def validate(runner, hook, data=None):
    """What the model predicts and what is logged."""
    hook.before_val_epoch(runner)
    with torch.no_grad():
        predicted = [runner.model(batch) for batch in (data or batches())]
    hook.after_val_epoch(runner, {'CCC/mean': 0.1})
    return predicted, {key: float(scalar.current()) for key, scalar in runner.message_hub.log_scalars.items()}


def expected(model):
    """Means over the frames of the masks, in NumPy."""
    wanted = {}
    with torch.no_grad():
        found = [(model.neck(*batch, return_gates=True)[1], batch) for batch in batches()]
    for number, modality in enumerate(('audio', 'visual')):
        mask = np.concatenate([batch[2 + number].numpy().ravel() for _, batch in found])

        def mean(parts, column, mask=mask):
            values = np.concatenate([part.numpy()[..., column].ravel() for part in parts])
            return values.astype(np.float64)[mask].mean()

        for t in range(len(getattr(found[0][0], modality))):
            wanted[f'val/gate/{modality}/iteration_{t + 1}'] = mean([getattr(g, modality)[t] for g, _ in found], -1)
        stages = [getattr(g, f'{modality}_stage') for g, _ in found]
        first = 1 if getattr(found[0][0], modality) else 0
        for m in range(stages[0].shape[-1]):
            wanted[f'val/gate/{modality}/stage_{m + first}'] = mean(stages, m)
    return wanted


@pytest.mark.parametrize('kind', NECKS)
def test_means_over_real_frames(kind):
    torch.manual_seed(1)
    model = Model(NECKS[kind]()).eval()
    plain = [model(batch) for batch in batches()]
    predicted, found = validate(runner_of(model), HOOKS.build(dict(type='GateStatisticsHook')))
    wanted = expected(model)
    assert found == pytest.approx(wanted, abs=1e-9)
    assert len(found) == {'paper': 12, 'flat': 6, 'hierarchical': 8}[kind]
    assert all(torch.equal(a, b) for a, b in zip(predicted, plain, strict=True))
    # Nothing is left in the model.
    assert torch.equal(model(next(batches())), plain[0])


def test_every_validation_begins_anew_and_repeated_windows_do_not_count():
    model = Model(NECKS['paper']()).eval()
    hook, runner = HOOKS.build(dict(type='GateStatisticsHook')), runner_of(model)
    validate(runner, hook, [next(batches())])
    again = validate(runner, hook)[1]
    assert again == pytest.approx(expected(model), abs=1e-9)
    data = [*batches(), next(batches())]
    assert validate(runner, hook, data)[1] == again


def test_two_ranks_count_every_window_once(monkeypatch):
    """Five windows on two ranks: 0, 2, 4 and 1, 3, 0, as DefaultSampler deals them out."""
    model = Model(NECKS['hierarchical']()).eval()
    whole = [torch.cat(parts) for parts in zip(*batches(), strict=True)]
    place = 'mmaffect.engine.hooks.gate_statistics_hook'
    monkeypatch.setattr(f'{place}.get_world_size', lambda: 2)
    parts = []

    def gather(own):
        parts.append(own)
        return parts

    monkeypatch.setattr(f'{place}.all_gather_object', gather)
    for rank, windows in enumerate(([0, 2, 4], [1, 3, 0])):
        monkeypatch.setattr(f'{place}.get_rank', lambda rank=rank: rank)
        data = [[part[windows[:2]] for part in whole], [part[windows[2:]] for part in whole]]
        found = validate(runner_of(model), HOOKS.build(dict(type='GateStatisticsHook')), data)[1]
    assert found == pytest.approx(expected(model), abs=1e-6)


def test_without_sound_there_is_no_share_of_audio_and_without_masks_all_frames_count():
    model = Model(NECKS['paper']()).eval()
    audio, visual, audio_mask, visual_mask = next(batches())
    silent = (audio, visual, torch.zeros_like(audio_mask), visual_mask)
    found = validate(runner_of(model, 3), HOOKS.build(dict(type='GateStatisticsHook')), [silent])[1]
    assert {key.split('/')[2] for key in found} == {'visual'}
    found = validate(runner_of(model, 3), HOOKS.build(dict(type='GateStatisticsHook')), [(audio, visual)])[1]
    with torch.no_grad():
        gates = model.neck(audio, visual, return_gates=True)[1]
    assert found['val/gate/audio/iteration_2'] == pytest.approx(gates.audio[1][..., 1].numpy().mean(), abs=1e-6)


@pytest.mark.parametrize('model', [nn.Linear(2, 2), Model(None), Model(RJCA(AUDIO, VISUAL, L))])
def test_a_model_without_gates_is_left_alone(model):
    hook, runner = HOOKS.build(dict(type='GateStatisticsHook')), runner_of(model)
    hook.before_val_epoch(runner)
    if getattr(model, 'neck', None) is not None:
        assert model(next(batches())).shape == (3, L, AUDIO + VISUAL)
    hook.after_val_epoch(runner, {'CCC/mean': 0.1})
    assert not runner.message_hub.log_scalars


def test_under_autocast_and_a_compiled_neck():
    model = Model(NECKS['paper']()).eval()
    wanted = expected(model)
    with torch.autocast('cpu', torch.bfloat16):
        found = validate(runner_of(model), HOOKS.build(dict(type='GateStatisticsHook')))[1]
    assert found == pytest.approx(wanted, abs=0.05)

    model.neck.compile(backend='eager')
    model(next(batches()))
    hook, runner = HOOKS.build(dict(type='GateStatisticsHook')), runner_of(model)
    for _ in range(2):
        assert validate(runner, hook)[1] == pytest.approx(wanted, abs=1e-6)
    assert model.neck._compiled_call_impl is not None
    assert isinstance(model(next(batches())), torch.Tensor)
