"""Rehearsed decoupling: what was replaced, by what, how often, and that nothing else changed."""

import numpy as np
import pytest
import torch

from mmaffect.models.necks.rehearsal import draw_spans, rehearse

FRAMES = 30


def numbered(windows, modality):
    """Features that tell window, frame and modality: ``(windows, FRAMES, 2)``, the second negated."""
    one = modality * 10_000 + torch.arange(windows)[:, None] * 100 + torch.arange(FRAMES)
    return torch.stack((one, -one), -1).float()


def rehearsed(windows=400, share=0.5, seed=0):
    torch.manual_seed(seed)
    present = torch.rand(windows, FRAMES, 2) > 0.1
    streams = [numbered(windows, 1), numbered(windows, 2)]
    return streams, present, rehearse(streams, present, share)


def test_replaces_by_another_window_or_by_the_first_frame():
    streams, present, found = rehearsed()
    kinds = np.zeros((2, 2), int)
    for m, (before, after) in enumerate(zip(streams, found.streams, strict=True)):
        for b in range(len(before)):
            which = found.decoupled[b, :, m]
            assert torch.equal(after[b, ~which], before[b, ~which])
            assert torch.equal(found.present[b, ~which, m], present[b, ~which, m])
            if not which.any():
                continue
            # One span.
            inside = torch.where(which)[0]
            assert len(inside) == inside[-1] - inside[0] + 1
            if torch.equal(after[b, which], before[b - 1, which]):
                kinds[m, 0] += 1
                assert torch.equal(found.present[b, which, m], present[b - 1, which, m])
            else:
                kinds[m, 1] += 1
                assert (after[b, which] == before[b, inside[0]]).all()
                assert (found.present[b, which, m] == present[b, inside[0], m]).all()
    # 400 windows, half of them, two modalities, two kinds: 50 each, standard deviation 6.6.
    assert (abs(kinds - 50) < 27).all()
    assert not found.decoupled.all(-1).any()


def test_share_of_windows():
    with_a_span = [int(rehearsed(share=share)[2].decoupled.flatten(1).any(1).sum()) for share in (0.0, 0.25, 1.0)]
    assert with_a_span[0] == 0
    assert 60 < with_a_span[1] < 140
    # Some spans only touch their window, between two frames.
    assert with_a_span[2] > 380


def test_a_window_alone_is_held():
    for seed in range(20):
        streams, _, found = rehearsed(windows=1, share=1.0, seed=seed)
        for m in range(2):
            which = found.decoupled[0, :, m]
            if which.any():
                assert (found.streams[m][0, which] == streams[m][0, which][:1]).all()


def test_inputs_stay_and_draws_follow_the_seed():
    streams, _, found = rehearsed()
    assert torch.equal(streams[0], numbered(400, 1))
    *_, again = rehearsed()
    *_, other = rehearsed(seed=1)
    assert torch.equal(found.decoupled, again.decoupled)
    assert torch.equal(found.streams[1], again.streams[1])
    assert not torch.equal(found.decoupled, other.decoupled)


def test_gradients_reach_what_is_seen():
    torch.manual_seed(2)
    x = torch.randn(4, FRAMES, 3, requires_grad=True)
    found = rehearse((x, x.detach()), torch.ones(4, FRAMES, 2, dtype=torch.bool), 1.0)
    found.streams[0].sum().backward()
    # Every frame that is shown adds one, wherever it is shown.
    assert x.grad.sum() == pytest.approx(4 * FRAMES * 3)


@pytest.mark.parametrize('length', [(0.1, 0.4), (1.0, 1.0)])
def test_spans_meet_the_window(length):
    torch.manual_seed(0)
    spans = draw_spans(500, 100, length, torch.device('cpu'))
    sizes = spans.sum(1)
    assert sizes.max() <= 100 * length[1] + 1
    # Those that lie within the window have their full size; about all of them meet it.
    assert (sizes > 0).float().mean() > 0.97
    inside = sizes[~spans[:, 0] & ~spans[:, -1] & (sizes > 0)]
    assert (inside >= 100 * length[0] - 1).all()
