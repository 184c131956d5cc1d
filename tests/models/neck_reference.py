"""What the tests of necks share: small necks, windows and masks, and NumPy evaluations that use none of our code."""

import numpy as np
import torch

from mmaffect.registry import MODELS

L, D_A, D_V, D_T = 5, 4, 6, 3
EXTRA = {
    'RJCA': dict(seq_len=L),
    'GRJCA': dict(seq_len=L),
    'ReleasedGRJCA': dict(seq_len=L),
    'LowRankJCA': dict(seq_len=L, encoded=7, rank=3),
    'LFAN': dict(encoded=8),
    'MultiheadLFAN': dict(encoded=8),
}


def randomize(module):
    """Random biases and normalisations, which start at 0 and 1."""
    for key, parameter in module.named_parameters():
        if 'bias' in key or 'norm' in key:
            torch.nn.init.normal_(parameter, std=0.5)


def build(name, **arguments):
    torch.manual_seed(3)
    if name == 'ReleasedRJCMA':
        sizes = dict(channels=(D_V, D_A), seq_len=L)
    else:
        sizes = dict(audio_channels=D_A, visual_channels=D_V, **EXTRA.get(name, {}))
    neck = MODELS.build(dict(type=name, **{**sizes, **arguments})).double().eval()
    randomize(neck)
    return neck


def batch(*widths, windows=3):
    """Windows of L frames, audio and visual if no ``widths`` are given."""
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(windows, L, d, dtype=torch.float64, generator=generator) for d in widths or (D_A, D_V)]


def masks():
    """Audio and visual. Frame 0: neither; 1: sound only; 2: picture only; others: both. Window 1 has no sound."""
    audio, visual = torch.ones(3, L, dtype=torch.bool), torch.ones(3, L, dtype=torch.bool)
    audio[:, [0, 2]] = False
    visual[:, [0, 1]] = False
    audio[1] = False
    return audio, visual


def arrays(module):
    return {key: value.numpy() for key, value in module.state_dict().items()}


def prepared(x, mask, normalize):
    """One stream of one window as a neck is to see it: normalised, then zeros where ``mask`` is False."""
    x = x.numpy()
    if normalize:
        x = x / np.sqrt((x**2).sum(axis=1))[:, None]
    return x if mask is None else np.where(mask.numpy()[:, None], x, 0)


def check(neck, reference, normalize):
    """Compare a neck with ``reference(X_a, X_v, weights, mask_a, mask_v)`` of one window, without and with masks."""
    audio, visual = batch(neck.audio_channels, neck.visual_channels)
    weights = arrays(neck)
    for given in ((None, None), masks()):
        out = neck(audio, visual, *given).detach().numpy()
        assert out.shape == (3, L, neck.out_channels)
        for b in range(3):
            mask = [None if m is None else m[b] for m in given]
            X_a, X_v = (prepared(x[b], m, normalize) for x, m in zip((audio, visual), mask, strict=True))
            m_a, m_v = (np.ones(L, bool) if m is None else m.numpy() for m in mask)
            assert np.abs(out[b] - reference(X_a, X_v, weights, m_a, m_v)).max() <= 1e-9


def relu(x):
    return np.where(x > 0, x, 0)


def softmax(x):
    """Over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def linear(x, weights, name):
    return np.einsum('...c,ec->...e', x, weights[f'{name}.weight']) + weights[f'{name}.bias']


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_direction(x, h, c, weights, suffix):
    """Outputs of one layer in one direction over ``x`` in its order."""
    out = []
    for frame in x:
        gates = (
            weights[f'lstm.weight_ih_{suffix}'] @ frame
            + weights[f'lstm.bias_ih_{suffix}']
            + weights[f'lstm.weight_hh_{suffix}'] @ h
            + weights[f'lstm.bias_hh_{suffix}']
        )
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def residual_lstm(x, weights, num_layers=2, bidirectional=True, normalize=True):
    """ResidualLSTM of one window, from the definition of an LSTM."""
    directions = 2 if bidirectional else 1
    hidden, cell = np.split(weights['initial'], 2)
    y = x
    for layer in range(num_layers):
        n = layer * directions
        parts = [lstm_direction(y, hidden[n], cell[n], weights, f'l{layer}')]
        if bidirectional:
            backwards = lstm_direction(y[::-1], hidden[n + 1], cell[n + 1], weights, f'l{layer}_reverse')
            parts.append(backwards[::-1])
        y = np.concatenate(parts, axis=1)
    y = linear(np.concatenate([x, y], axis=1), weights, 'embedding')
    return y / np.linalg.norm(y, axis=1, keepdims=True) if normalize else y
