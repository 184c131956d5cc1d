import copy

import pytest
import torch
from torch import nn

from mmaffect.engine.optim import AutocastOptimWrapper
from mmaffect.errors import ConfigError

DTYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))


def batches(count):
    g = torch.Generator().manual_seed(1)
    return [(torch.randn(8, 5, generator=g), torch.randn(8, 2, generator=g)) for _ in range(count)]


def wrapped(model, **arguments):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return AutocastOptimWrapper(optimizer, **arguments)


def step(wrapper, model, batch, factor=1.0):
    with wrapper.optim_context(model):
        out = model(batch[0])
    wrapper.update_params(nn.functional.mse_loss(out.float(), batch[1]) * factor)
    return out.dtype


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('parts', [1, 2])
def test_like_float32_but_for_rounding(dtype, parts):
    low, full = network(), network()
    wrapper = wrapped(low, dtype=dtype, accumulative_counts=parts, clip_grad=dict(max_norm=0.5))
    optimizer = torch.optim.Adam(full.parameters(), lr=0.01)
    for n, batch in enumerate(batches(12)):
        assert step(wrapper, low, batch) == DTYPES[dtype]
        (nn.functional.mse_loss(full(batch[0]), batch[1]) / parts).backward()
        if (n + 1) % parts == 0:
            nn.utils.clip_grad_norm_(full.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
    start = network().state_dict()
    for key, value in full.state_dict().items():
        assert low.state_dict()[key].dtype == torch.float32
        moved = (value - start[key]).abs().max()
        assert moved > 0.02
        assert (low.state_dict()[key] - value).abs().max() < 0.25 * moved


def test_gradients_are_clipped_without_the_scale():
    model, expected = network(), network()
    wrapper = AutocastOptimWrapper(
        torch.optim.SGD(model.parameters(), lr=1.0), clip_grad=dict(max_norm=0.1), dtype='float16'
    )
    batch = batches(1)[0]
    with torch.autocast('cpu', torch.float16):
        out = expected(batch[0])
    (nn.functional.mse_loss(out.float(), batch[1]) * wrapper.loss_scaler.get_scale()).backward()
    for parameter in expected.parameters():
        parameter.grad /= 65536
    norm = nn.utils.clip_grad_norm_(expected.parameters(), 0.1)
    assert norm > 0.2
    step(wrapper, model, batch)
    for moved, start, one in zip(model.parameters(), network().parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(moved, start - one.grad, rtol=0, atol=1e-7)


@pytest.mark.parametrize('factor', [float('inf'), float('nan')])
@pytest.mark.parametrize('clip', [None, dict(max_norm=1.0)])
def test_a_step_that_is_not_finite_is_left_out(factor, clip):
    model = network()
    wrapper = wrapped(model, dtype='float16', clip_grad=clip)
    first, second = batches(2)
    step(wrapper, model, first)
    before = copy.deepcopy(model.state_dict())
    adam = copy.deepcopy(wrapper.optimizer.state_dict())
    step(wrapper, model, second, factor)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert str(wrapper.optimizer.state_dict()) == str(adam)
    assert wrapper.loss_scaler.get_scale() == 32768
    step(wrapper, model, second)
    assert not torch.equal(before['0.weight'], model[0].weight)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_one_part_that_is_not_finite_leaves_out_the_whole_accumulated_step():
    model = network()
    wrapper = wrapped(model, dtype='float16', accumulative_counts=2)
    before = copy.deepcopy(model.state_dict())
    for batch, factor in zip(batches(2), (float('inf'), 1.0), strict=True):
        step(wrapper, model, batch, factor)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize('dtype', DTYPES)
def test_a_resumed_run_continues_to_the_bit(dtype, tmp_path):
    model = network()
    scale = dict(loss_scale=dict(init_scale=256.0, growth_interval=3)) if dtype == 'float16' else {}
    arguments = dict(dtype=dtype, **scale)
    wrapper = wrapped(model, **arguments)
    data = batches(8)
    for batch in data[:4]:
        step(wrapper, model, batch)
    torch.save({'model': model.state_dict(), 'optimizer': wrapper.state_dict()}, tmp_path / 'state.pth')
    for batch in data[4:]:
        step(wrapper, model, batch)

    saved = torch.load(tmp_path / 'state.pth')
    other = network()
    other.load_state_dict(saved['model'])
    resumed = wrapped(other, **arguments)
    resumed.load_state_dict(saved['optimizer'])
    assert ('loss_scaler' in saved['optimizer']) == (dtype == 'float16')  # and it was not taken out
    for batch in data[4:]:
        step(resumed, other, batch)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), model.parameters(), strict=True))
    if dtype == 'float16':
        assert resumed.loss_scaler.get_scale() == wrapper.loss_scaler.get_scale() == 256 * 4


def test_resume_in_another_precision():
    low, high = wrapped(network(), dtype='float16', loss_scale=dict(init_scale=8.0)), wrapped(network())
    state = low.state_dict()
    high.load_state_dict(state)
    assert 'loss_scaler' not in high.state_dict()
    other = wrapped(network(), dtype='float16')
    other.load_state_dict(high.state_dict())
    assert other.loss_scaler.get_scale() == 65536
    other.load_state_dict(state)
    assert other.loss_scaler.get_scale() == 8
    fixed = wrapped(network(), dtype='float16', loss_scale=128)
    fixed.load_state_dict(state)
    assert fixed.loss_scaler.get_scale() == 128


def test_a_fixed_scale_stays():
    model = network()
    wrapper = wrapped(model, dtype='float16', loss_scale=128)
    for factor in (1.0, float('inf'), 1.0):
        step(wrapper, model, batches(1)[0], factor)
    assert wrapper.loss_scaler.get_scale() == 128


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(dtype='float8'), "optim_wrapper.dtype='float8'; expected one of"),
        (dict(loss_scale=512.0), "loss_scale=512.0: for dtype='float16' only"),
        (dict(dtype='float16', loss_scale='fixed'), "loss_scale='fixed'; expected 'dynamic', a number"),
        (dict(dtype='float16', loss_scale=-1), 'loss_scale=-1; expected'),
        (dict(dtype='float16', loss_scale=dict(growth=2)), "loss_scale={'growth': 2}: .*growth"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        wrapped(network(), **arguments)
