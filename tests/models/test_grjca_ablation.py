"""GRJCA with one of its two kinds of gates, or with gates that see both modalities, against NumPy."""

import numpy as np
import pytest
import torch

from mmaffect.errors import ConfigError
from mmaffect.inference.windows import run_windows
from mmaffect.registry import MODELS
from tests.models.neck_reference import D_A, D_V, L, arrays, batch, build, masks, prepared, relu, softmax

ITERATION, STAGE, BOTH = dict(stage_gate=False), dict(iteration_gate=False), dict(gate_input='both')


def attended(neck, audio, visual):
    """X_a^t and X_v^t of one window, t = 0..M, by the recursion of the neck without gates."""
    plain = build('RJCA', num_iters=len(neck.layers))
    plain.load_state_dict({key: value for key, value in neck.state_dict().items() if key.startswith('layers.')})
    with torch.no_grad():
        given = torch.from_numpy(audio)[None], torch.from_numpy(visual)[None]
        return [[x[0].numpy() for x in xs] for xs in plain.recurse(*given)]


def output(X, seen, m, weights, M, T, iteration, stage):
    """Of one modality: gated features of every iteration, then those of all or of the last."""
    gated = []
    for t in range(1, M + 1):
        shares = np.tile([0.0, 1.0], (len(X[t]), 1))
        if iteration:
            # Without a stage gate, only the last iteration is looked at.
            if not stage and t < M:
                continue
            shares = softmax(seen[t] @ weights[f'gates.{t - 1 if stage else 0}.W_gl_{m}'] / T)
        gated.append(relu(shares[:, :1] * X[t - 1] + shares[:, 1:] * X[t]))
    if not stage:
        return gated[-1]
    shares = softmax(seen[M] @ weights[f'stage_gate.W_gl_{m}'] / T)
    return relu(np.einsum('lm,mld->ld', shares, np.stack(gated)))


@pytest.mark.parametrize('num_iters', [1, 2, 3])
@pytest.mark.parametrize('arguments', [{}, ITERATION, STAGE, BOTH, {**BOTH, **ITERATION}])
def test_equals_numpy(arguments, num_iters):
    neck = build('GRJCA', num_iters=num_iters, temperature=0.3, **arguments)
    audio, visual = batch()
    on = [arguments.get(f'{kind}_gate', True) for kind in ('iteration', 'stage')]
    for given in ((None, None), masks()):
        found = neck(audio, visual, *given).detach().numpy()
        for b in range(3):
            own = [None if mask is None else mask[b] for mask in given]
            window = [prepared(x[b], mask, True) for x, mask in zip((audio, visual), own, strict=True)]
            X_a, X_v = attended(neck, *window)
            joint = [np.concatenate(pair, axis=1) for pair in zip(X_a, X_v, strict=True)]
            wanted = [
                output(X, joint if 'gate_input' in arguments else X, m, arrays(neck), num_iters, 0.3, *on)
                for X, m in ((X_a, 'a'), (X_v, 'v'))
            ]
            np.testing.assert_allclose(found[b], np.concatenate(wanted, axis=1), rtol=0, atol=1e-12)


def test_a_gate_that_is_off_has_no_weights():
    keys = {name: set(build('GRJCA', **gates).state_dict()) for name, gates in (('i', ITERATION), ('s', STAGE))}
    whole = set(build('GRJCA').state_dict())
    assert whole == set(build('GRJCA', iteration_gate=True, stage_gate=True).state_dict())
    assert whole - keys['i'] == {f'{gate}.W_gl_{m}' for gate in ('gates.1', 'stage_gate') for m in 'av'}
    assert whole - keys['s'] == {f'gates.{t}.W_gl_{m}' for t in range(2) for m in 'av'}


def test_what_a_gate_sees_has_two_words():
    with pytest.raises(ConfigError, match="gate_input='all'; expected 'own' or 'both'"):
        build('GRJCA', gate_input='all')


def test_both_off():
    with pytest.raises(ConfigError, match='iteration_gate=False, stage_gate=False; expected at least one True'):
        build('GRJCA', iteration_gate=False, stage_gate=False)


@pytest.mark.parametrize(
    ('arguments', 'names'),
    [
        (dict(type='GRJCA', stage_gate=False), ['iteration_2']),
        (dict(type='GRJCA', iteration_gate=False), ['stage_1', 'stage_2']),
        (dict(type='GRJCA'), ['iteration_1', 'iteration_2', 'stage_1', 'stage_2']),
        (dict(type='ReleasedGRJCA'), ['stage_0', 'stage_1', 'stage_2']),
        (dict(type='ReleasedGRJCA', gating='hierarchical'), ['iteration_1', 'iteration_2', 'stage_1', 'stage_2']),
    ],
)
def test_names_of_the_shares(arguments, names):
    neck = build(arguments.pop('type'), **arguments)
    fused, gates = neck(*batch(), return_gates=True)
    shares = gates.shares()
    assert list(shares) == [f'{modality}/{name}' for modality in ('audio', 'visual') for name in names]
    assert torch.equal(fused, neck(*batch()))
    for modality in ('audio', 'visual'):
        stages = [share for name, share in shares.items() if f'{modality}/stage' in name]
        assert not stages or torch.allclose(sum(stages), torch.ones(3, L, dtype=torch.float64))


@pytest.mark.parametrize(('arguments', 'names'), [(ITERATION, ['iteration_2']), (STAGE, ['stage_1', 'stage_2'])])
def test_windows_of_a_recording(arguments, names):
    size = dict(audio_channels=D_A, visual_channels=D_V)
    model = MODELS.build(
        dict(
            type='AffectEstimator',
            data_preprocessor=dict(type='AffectDataPreprocessor'),
            audio=dict(type='Stream', in_channels=D_A),
            visual=dict(type='Stream', in_channels=D_V),
            neck=dict(type='GRJCA', seq_len=L, **size, **arguments),
            head=dict(type='AffectHead', in_channels=D_A + D_V, hidden=3),
        )
    ).eval()
    values = {name: x.float().numpy() for name, x in zip(('audio', 'visual'), batch(), strict=True)}
    affect, shares = run_windows(model, values, {name: np.ones((3, L), bool) for name in values})
    assert affect.shape == (3, L, 2)
    assert list(shares) == [f'{modality}/{name}' for modality in ('audio', 'visual') for name in names]


@pytest.mark.parametrize('arguments', [ITERATION, STAGE])
def test_gradients_reach_every_weight(arguments):
    neck = build('GRJCA', **arguments)
    neck(*batch()).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in neck.parameters())
