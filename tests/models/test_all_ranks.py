import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmaffect.errors import ConfigError
from mmaffect.models.layers import AllRankBatchNorm, use_sync_batch_norm
from mmaffect.models.losses import CCCLoss, ccc_loss
from tests.models.all_ranks_runs import (
    NORMS,
    TRAININGS,
    WINDOWS,
    loss_batch,
    loss_cases,
    norm_batch,
    norm_twice,
    on_rank,
    train,
    write_moving_corpus,
)
from tests.ranks import run_on_ranks


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    write_moving_corpus(folder / 'corpus')
    return folder


@pytest.fixture(scope='module')
def ranks(folder):
    """What two ranks computed, once for all tests."""
    return run_on_ranks(on_rank, folder)


def differences(one, two):
    """Largest difference by name; of running statistics in units of themselves, if they are above 1."""
    found = {}
    for key, value in one.items():
        size = max(1.0, value.abs().max().item()) if 'running' in key else 1.0
        found[key] = (value.double() - two[key].double()).abs().max().item() / size
    return found


@pytest.mark.parametrize('name', TRAININGS)
def test_two_ranks_train_as_one_process_with_the_double_batch(ranks, folder, name):
    one, two = train(folder, name, 1, **TRAININGS[name]), ranks[0][name]
    assert differences(two['end'], ranks[1][name]['end']) == dict.fromkeys(one['end'], 0.0)
    assert differences(one['start'], two['start']) == dict.fromkeys(one['start'], 0.0)
    moved, apart = differences(one['start'], one['end']), differences(one['end'], two['end'])
    weights = set(one['gradient'])
    assert max(moved[key] for key in weights) > 1e-3
    if name == 'float64 Adam':
        # A shift before a BatchNorm changes no output: its gradient is 0, and Adam takes a whole step along the sign of
        # what rounding leaves of that. So do two runs of one process that see the windows of a batch in another order.
        idle = {key for key, largest in one['gradient'].items() if largest < 1e-12}
        assert all(key.endswith('bias') and moved[key] <= 20 * 1e-3 for key in idle)
        apart = {key: value for key, value in apart.items() if key not in idle and 'running_mean' not in key}
        weights -= idle
    # In float32 the order of sums alone changes statistics by as much.
    weight_bound, bound = (1e-5, 1e-4) if name == 'float32' else (1e-10, 1e-10)
    assert max(apart[key] for key in weights) <= weight_bound
    assert max(apart.values()) <= bound


@pytest.mark.parametrize('sizes', WINDOWS)
@pytest.mark.parametrize(('reduction', 'sample'), loss_cases())
def test_loss_and_gradient_of_all_ranks(ranks, sizes, reduction, sample):
    pred, target, mask = loss_batch()
    expected = ccc_loss(pred.requires_grad_(), target, mask, reduction, sample)
    expected.backward()
    found = [rank['losses'][sizes, reduction, sample] for rank in ranks]
    assert [loss for loss, _ in found] == pytest.approx([expected.item()] * 2, abs=1e-14)
    # DDP averages over the two ranks.
    torch.testing.assert_close(torch.cat([g for _, g in found]) / 2, pred.grad, rtol=0, atol=1e-13)


def test_ranks_without_a_frame(ranks):
    for loss, gradient in (rank['silent'] for rank in ranks):
        assert loss == 0
        assert (gradient == 0).all()


@pytest.mark.parametrize('sizes', WINDOWS)
@pytest.mark.parametrize('name', NORMS)
def test_batch_norm_of_all_ranks(ranks, name, sizes):
    expected = norm_twice(*norm_batch(name))
    found = [rank['norms'][name, sizes] for rank in ranks]
    assert set(found[0]) == set(expected)
    for key, value in expected.items():
        parts = [one[key] for one in found]
        if key in ('y', 'x.grad'):
            together = torch.cat(parts)
        elif key.endswith('.grad'):
            together = parts[0] + parts[1]  # each rank has the share of its own batch
        else:
            assert torch.equal(*parts)
            together = parts[0]
        torch.testing.assert_close(together, value, rtol=0, atol=1e-11)


def test_batch_norm_in_low_precision_and_in_eval_mode(ranks):
    x = norm_batch('vectors')[1].bfloat16()
    norm = nn.BatchNorm1d(6)
    expected = norm(x.float())
    low = torch.cat([rank['others']['low'] for rank in ranks])
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), expected, rtol=0.01, atol=0.01)
    torch.testing.assert_close(ranks[0]['others']['running_mean'], norm.running_mean)
    norm.eval()
    torch.testing.assert_close(ranks[1]['others']['alone'], norm(torch.ones(2, 6)))
    # Without statistics of the training, an evaluation takes those of its own batch, on this rank alone.
    assert ranks[0]['others']['alone'].mean(0).abs().max() < 1e-6


def test_batch_norms_are_replaced_with_all_that_they_hold():
    model = nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4), nn.Sequential(nn.BatchNorm2d(5, momentum=0.3)))
    model[1].eval()
    model[2][0].weight.requires_grad_(False)
    before = model.state_dict(keep_vars=True)
    converted = use_sync_batch_norm(model)
    assert converted is model
    after = model.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[key] is before[key] for key in before)
    assert [type(model[1]), type(model[2][0])] == [AllRankBatchNorm] * 2
    assert not model[1].training
    assert model[2][0].training
    assert model[2][0].momentum == 0.3
    assert type(use_sync_batch_norm(model, 'cuda')[1]) is nn.SyncBatchNorm
    assert type(use_sync_batch_norm(model, 'cpu')[1]) is AllRankBatchNorm


def test_batch_norm_of_timm_keeps_its_activation():
    timm_layers = pytest.importorskip('timm.layers')
    norm = timm_layers.BatchNormAct2d(4, act_layer=nn.SiLU)
    x = torch.randn(2, 4, 3, 3)
    converted = use_sync_batch_norm(norm)
    assert type(converted) is AllRankBatchNorm
    assert torch.equal(converted(x), norm(x))
    assert isinstance(converted.act, nn.SiLU)
    assert type(use_sync_batch_norm(norm, 'cuda')).__name__ == 'SyncBatchNormAct'


def test_a_batch_norm_that_does_more_is_refused():
    class Shifted(nn.BatchNorm1d):
        def forward(self, x):
            return super().forward(x) + 1

    with pytest.raises(ConfigError, match=r'sync_bn: 1\.0 is a Shifted'):
        use_sync_batch_norm(nn.Sequential(nn.ReLU(), nn.Sequential(Shifted(2))))


def test_a_wrong_implementation_is_named():
    import mmengine.runner.runner as runner

    from mmaffect.compat import use_sync_batch_norm_everywhere

    use_sync_batch_norm_everywhere()
    with pytest.raises(ConfigError, match="sync_bn='tensorflow'; expected 'torch' or 'mmcv'"):
        runner.convert_sync_batchnorm(nn.BatchNorm1d(2), 'tensorflow')
    assert type(runner.convert_sync_batchnorm(nn.BatchNorm1d(2))) in (AllRankBatchNorm, nn.SyncBatchNorm)


@pytest.mark.parametrize(('reduction', 'same'), [('window', True), ('batch', False)])
def test_accumulation_is_the_double_batch_for_a_loss_per_window(reduction, same):
    """With as many windows that count in each part, and no BatchNorm."""
    g = torch.Generator().manual_seed(0)
    x, target = torch.randn(4, 9, 3, generator=g), torch.rand(4, 9, 2, generator=g)
    mask = torch.rand(4, 9, generator=g) > 0.2
    weights = []
    for parts in (1, 2):
        model = nn.Linear(3, 2)
        with torch.no_grad():
            model.weight.copy_(torch.arange(6.0).view(2, 3) / 6)
            model.bias.zero_()
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts=parts)
        loss = CCCLoss(reduction=reduction)
        for windows in torch.arange(4).chunk(parts):
            wrapper.update_params(loss(model(x[windows]), target[windows], mask[windows]))
        weights.append(model.weight.detach())
    assert torch.allclose(*weights, rtol=0, atol=1e-6) == same
