import numpy as np
import pytest
import torch

from mmaffect.models.losses import CCCLoss, ccc_loss


def ccc(p, t, ddof=0):
    """Lin's coefficient from NumPy's moments, the population's or with the sample's variances."""
    covariance = np.mean((p - p.mean()) * (t - t.mean()))
    return 2 * covariance / (np.var(p, ddof=ddof) + np.var(t, ddof=ddof) + (p.mean() - t.mean()) ** 2)


@pytest.fixture
def windows():
    g = np.random.default_rng(0)
    target = g.uniform(-1, 1, (3, 20, 2))
    pred = 0.5 * target + g.normal(0, 0.3, (3, 20, 2))
    mask = g.random((3, 20)) > 0.3
    target[~mask] = np.nan
    return pred, target, mask


def as_tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_window_reduction(windows):
    pred, target, mask = windows
    expected = np.mean([1 - ccc(pred[b, mask[b], k], target[b, mask[b], k]) for b in range(3) for k in range(2)])
    assert ccc_loss(*as_tensors(*windows), eps=0.0).item() == pytest.approx(expected, abs=1e-12)


def test_batch_reduction(windows):
    pred, target, mask = windows
    expected = np.mean([1 - ccc(pred[mask][:, k], target[mask][:, k]) for k in range(2)])
    assert ccc_loss(*as_tensors(*windows), 'batch', eps=0.0).item() == pytest.approx(expected, abs=1e-12)


def test_gradient(windows):
    pred, target, mask = as_tensors(*windows)
    for reduction in ('window', 'batch'):
        assert torch.autograd.gradcheck(lambda p, r=reduction: ccc_loss(p, target, mask, r), pred.requires_grad_())
    ccc_loss(pred, target, mask).backward()
    assert (pred.grad[~mask] == 0).all()


def test_windows_without_frames_do_not_count(windows):
    pred, target, mask = as_tensors(*windows)
    empty = torch.cat([mask, torch.zeros(1, 20, dtype=torch.bool)])
    padded = [torch.cat([x, torch.full((1, 20, 2), torch.nan, dtype=x.dtype)]) for x in (pred, target)]
    padded[0][-1] = 0.3
    assert ccc_loss(*padded, empty).item() == pytest.approx(ccc_loss(pred, target, mask).item(), abs=1e-12)
    nothing = ccc_loss(pred.requires_grad_(), target, torch.zeros_like(mask))
    nothing.backward()
    assert nothing.item() == 0
    assert (pred.grad == 0).all()


def test_a_window_of_one_frame_does_not_count(windows):
    pred, target, mask = as_tensors(*windows)
    one = mask.clone()
    one[2] = False
    without = ccc_loss(pred[:2], target[:2], one[:2])
    one[2, mask[2].nonzero()[0]] = True
    assert ccc_loss(pred, target, one).item() == pytest.approx(without.item(), abs=1e-12)


def test_two_equal_constants_are_finite():
    pred = torch.full((1, 5, 1), 0.2, requires_grad=True)
    loss = CCCLoss()(pred, torch.full((1, 5, 1), 0.2), torch.ones(1, 5, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert torch.isfinite(pred.grad).all()


def test_float32_under_autocast(windows):
    pred, target, mask = as_tensors(*windows)
    full = ccc_loss(pred.bfloat16().float(), target.float(), mask)
    with torch.autocast('cpu', torch.bfloat16):
        low = ccc_loss(pred.bfloat16(), target.float(), mask)
    assert low.dtype == torch.float32
    assert torch.equal(low, full)


def test_unknown_reduction():
    with pytest.raises(ValueError, match="'mean'"):
        CCCLoss('mean')


def test_sample_variance_is_that_of_the_released_code():
    """A perfect prediction of n frames has CCC (n - 1) / n: covariance over n, variances over n - 1."""
    g = torch.Generator().manual_seed(2)
    truth = torch.randn(2, 16, 1, generator=g, dtype=torch.float64)
    mask = torch.ones(2, 16, dtype=torch.bool)
    assert ccc_loss(truth, truth, mask, sample_variance=True, eps=0.0).item() == pytest.approx(1 / 16)


def test_sample_variance_of_the_frames_that_count(windows):
    pred, target, mask = windows
    found = [ccc(pred[b, mask[b], k], target[b, mask[b], k], ddof=1) for b in range(3) for k in range(2)]
    loss = ccc_loss(*as_tensors(*windows), sample_variance=True, eps=0.0)
    assert loss.item() == pytest.approx(1 - np.mean(found), abs=1e-12)


@pytest.mark.parametrize('sample_variance', [False, True])
@pytest.mark.parametrize('reduction', ['window', 'batch'])
def test_the_module_passes_its_arguments_on(windows, reduction, sample_variance):
    tensors = as_tensors(*windows)
    module = CCCLoss(reduction=reduction, sample_variance=sample_variance, loss_weight=0.25)
    every = {
        (r, s): ccc_loss(*tensors, reduction=r, sample_variance=s).item()
        for r in ('window', 'batch')
        for s in (False, True)
    }
    assert len(set(every.values())) == 4
    assert module(*tensors).item() == pytest.approx(0.25 * every[reduction, sample_variance], abs=1e-12)
