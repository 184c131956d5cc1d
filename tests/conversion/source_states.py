"""State dicts with the names and shapes of the published files, written down from their code."""

import torch

IR50_STAGES = [(64, 64, 3), (64, 128, 4), (128, 256, 14), (256, 512, 3)]
VGGISH_CONVS = {0: (1, 64), 3: (64, 128), 6: (128, 256), 8: (256, 256), 11: (256, 512), 13: (512, 512)}
I3D_MODULES = {
    '3b': (192, 64, 96, 128, 16, 32, 32),
    '3c': (256, 128, 128, 192, 32, 96, 64),
    '4b': (480, 192, 96, 208, 16, 48, 64),
    '4c': (512, 160, 112, 224, 24, 64, 64),
    '4d': (512, 128, 128, 256, 24, 64, 64),
    '4e': (512, 112, 144, 288, 32, 64, 64),
    '4f': (528, 256, 160, 320, 32, 128, 128),
    '5b': (832, 256, 160, 320, 32, 128, 128),
    '5c': (832, 384, 192, 384, 48, 128, 128),
}


def batch_norm(name, n):
    shapes = {f'{name}.{part}': (n,) for part in ('weight', 'bias', 'running_mean', 'running_var')}
    return shapes | {f'{name}.num_batches_tracked': ()}


def linear(name, n_in, n_out):
    return {f'{name}.weight': (n_out, n_in), f'{name}.bias': (n_out,)}


def ir50(side):
    """Shapes of face.evoLVe's Backbone(50, 'ir') for a final map of ``side`` x ``side``."""
    shapes = {'input_layer.0.weight': (64, 3, 3, 3), **batch_norm('input_layer.1', 64), 'input_layer.2.weight': (64,)}
    shapes |= batch_norm('output_layer.0', 512) | linear('output_layer.3', 512 * side * side, 512)
    shapes |= batch_norm('output_layer.4', 512)
    units = [unit for a, b, n in IR50_STAGES for unit in [(a, b)] + [(b, b)] * (n - 1)]
    for i, (a, b) in enumerate(units):
        body = f'body.{i}'
        if a != b:
            shapes[f'{body}.shortcut_layer.0.weight'] = (b, a, 1, 1)
            shapes |= batch_norm(f'{body}.shortcut_layer.1', b)
        shapes |= batch_norm(f'{body}.res_layer.0', a)
        shapes |= {f'{body}.res_layer.1.weight': (b, a, 3, 3), f'{body}.res_layer.2.weight': (b,)}
        shapes |= {f'{body}.res_layer.3.weight': (b, b, 3, 3)} | batch_norm(f'{body}.res_layer.4', b)
    return shapes


def vggish():
    shapes = {}
    for i, (a, b) in VGGISH_CONVS.items():
        shapes |= {f'features.{i}.weight': (b, a, 3, 3), f'features.{i}.bias': (b,)}
    for i, (a, b) in {0: (12288, 4096), 2: (4096, 4096), 4: (4096, 128)}.items():
        shapes |= linear(f'embeddings.{i}', a, b)
    return shapes


def i3d():
    def unit(name, a, b, k):
        return {f'{name}.conv3d.weight': (b, a, k, k, k)} | batch_norm(f'{name}.bn', b)

    shapes = {'logits.conv3d.weight': (400, 1024, 1, 1, 1), 'logits.conv3d.bias': (400,)}
    shapes |= unit('Conv3d_1a_7x7', 3, 64, 7) | unit('Conv3d_2b_1x1', 64, 64, 1) | unit('Conv3d_2c_3x3', 64, 192, 3)
    for name, (a, b0, b1a, b1b, b2a, b2b, b3b) in I3D_MODULES.items():
        shapes |= unit(f'Mixed_{name}.b0', a, b0, 1)
        shapes |= unit(f'Mixed_{name}.b1a', a, b1a, 1) | unit(f'Mixed_{name}.b1b', b1a, b1b, 3)
        shapes |= unit(f'Mixed_{name}.b2a', a, b2a, 1) | unit(f'Mixed_{name}.b2b', b2a, b2b, 3)
        shapes |= unit(f'Mixed_{name}.b3b', a, b3b, 1)
    return shapes


def resnet18(classes=1000, channels=3):
    """Shapes of torchvision's resnet18."""
    shapes = {'conv1.weight': (64, channels, 7, 7)} | batch_norm('bn1', 64)
    width = 64
    for i, out in enumerate((64, 128, 256, 512), start=1):
        for j in range(2):
            name, a = f'layer{i}.{j}', width if j == 0 else out
            shapes |= {f'{name}.conv1.weight': (out, a, 3, 3), f'{name}.conv2.weight': (out, out, 3, 3)}
            shapes |= batch_norm(f'{name}.bn1', out) | batch_norm(f'{name}.bn2', out)
            if a != out:
                shapes |= {f'{name}.downsample.0.weight': (out, a, 1, 1)} | batch_norm(f'{name}.downsample.1', out)
        width = out
    return shapes | linear('fc', 512, classes)


def tcn(modal, n_in, widths, taps=5):
    """Shapes of the framework's TemporalConvNet, whose convolutions are registered twice."""
    shapes = {}
    for i, n_out in enumerate(widths):
        block = f'temporal.{modal}.network.{i}'
        for names, n in ((('conv1', 'net.0'), n_in), (('conv2', 'net.4'), n_out)):
            for name in names:
                shapes |= {f'{block}.{name}.bias': (n_out,), f'{block}.{name}.weight_g': (n_out, 1, 1)}
                shapes |= {f'{block}.{name}.weight_v': (n_out, n, taps)}
        if n_in != n_out:
            shapes |= {f'{block}.downsample.weight': (n_out, n_in, 1), f'{block}.downsample.bias': (n_out,)}
        n_in = n_out
    return shapes | batch_norm(f'bn.{modal}', widths[-1])


def backbones():
    visual = {f'spatial.visual.backbone.{key}': shape for key, shape in ir50(5).items()}
    audio = {f'spatial.audio.backbone.{key}': shape for key, shape in vggish().items()}
    return visual | linear('spatial.visual.logits', 512, 8) | audio


def lfan(video=(256, 256, 128, 128), logmel=(64, 64, 32, 32), egemaps=None, modal_dim=32):
    """Shapes of the authors' LFAN on video and logmel, and egemaps where widths are given."""
    shapes = backbones() | tcn('video', 512, video) | tcn('logmel', 128, logmel)
    widths = {'video': video[-1], 'logmel': logmel[-1]}
    if egemaps:
        shapes |= tcn('egemaps', 88, egemaps)
        widths['egemaps'] = egemaps[-1]
    attention = 'fusion.layers.self_attn'
    for modal, width in widths.items():
        shapes |= linear(f'{attention}.qkv_proj.{modal}', width, 3 * modal_dim)
    joined = len(widths) * modal_dim
    shapes |= linear(f'{attention}.o_proj', joined, joined)
    shapes |= {'fusion.layers.norm1.weight': (joined,), 'fusion.layers.norm1.bias': (joined,)}
    return shapes | linear('regressor', video[-1] + joined, 1)


FLAT = {'video_gating_fc_layer': ('visual', 3), 'audio_gating_fc_layer': ('audio', 3)}
# Names assumed: those of the released hierarchical gates are not known, save that one is the "high level" gate.
HIERARCHICAL = {
    'video_gating_fc_layer1': ('visual', 2),
    'video_gating_fc_layer2': ('visual', 3),
    'video_high_level_gating_fc_layer': ('visual', 2),
    'audio_gating_fc_layer1': ('audio', 2),
    'audio_gating_fc_layer2': ('audio', 3),
    'audio_high_level_gating_fc_layer': ('audio', 2),
}


def grjca(
    video=(512, 512, 256, 256), logmel=(128, 128, 128, 128), seq_len=300, gates=FLAT, hidden=256, fusion='fusion.'
):
    """Shapes of a released GRJCA, with its unused members."""
    widths = {'visual': video[-1], 'audio': logmel[-1]}
    d = sum(widths.values())
    shapes = backbones() | tcn('video', 512, video) | tcn('logmel', 128, logmel) | tcn('bert', 768, (8, 4))
    for t in range(2):
        layer = f'{fusion}coattn.dcn_layers.{t}'
        shapes |= linear(f'{layer}.dense_coattn.query_linear', d, d)
        for m, width in enumerate(widths.values()):
            shapes |= linear(f'{layer}.dense_coattn.key{m + 1}_linear', seq_len, seq_len)
            shapes |= linear(f'{layer}.dense_coattn.value{m + 1}_linear', width, width)
            shapes |= linear(f'{layer}.linears.{m}.0', d, width)
    for name, (stream, choices) in gates.items():
        shapes |= linear(f'{fusion}{name}', widths[stream], choices)
    shapes |= linear(f'{fusion}text_gating_fc_layer', 128, 3)
    for name in ('vregressor', 'aregressor'):
        shapes |= linear(f'{fusion}{name}.0', 512, 128) | linear(f'{fusion}{name}.3', 128, 1)
    shapes |= {f'{fusion}Joint.init_hidden': (8, 256)} | linear(f'{fusion}Joint.linear', 1536, 512)
    for layer in range(2):
        for suffix in ('', '_reverse'):
            shapes |= {f'{fusion}Joint.rnn.weight_ih_l{layer}{suffix}': (1024, 1024 if layer == 0 else 512)}
            shapes |= {f'{fusion}Joint.rnn.weight_hh_l{layer}{suffix}': (1024, 256)}
            shapes |= {f'{fusion}Joint.rnn.bias_{part}_l{layer}{suffix}': (1024,) for part in ('ih', 'hh')}
    return shapes | linear('regressor1', d, hidden) | batch_norm('bn1', hidden) | linear('regressor2', hidden, 1)


def filled(shapes, scale=0.05, seed=0):
    """Random weights; BatchNorms near the identity, so that no layer dies, and shared TCN weights shared."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in shapes.items():
        first = key.replace('.net.0.', '.conv1.').replace('.net.4.', '.conv2.')
        if first != key:
            state[key] = state[first]
        elif key.endswith('num_batches_tracked'):
            state[key] = torch.tensor(7)
        else:
            state[key] = torch.empty(shape).normal_(0, scale, generator=generator)
            if key.endswith(('running_var', 'weight_g')) or (len(shape) == 1 and key.endswith('.weight')):
                state[key].abs_().add_(0.5)
    return state


def on_meta(shapes):
    """Tensors without data."""
    dtypes = {key: torch.int64 if key.endswith('num_batches_tracked') else torch.float32 for key in shapes}
    return {key: torch.empty(shape, dtype=dtypes[key], device='meta') for key, shape in shapes.items()}


def light(shapes, seed=0):
    """Random weights in double precision, but backbones without data."""
    spatial = {key: shape for key, shape in shapes.items() if key.startswith('spatial.')}
    rest = filled({key: shape for key, shape in shapes.items() if key not in spatial}, scale=0.3, seed=seed)
    rest = {key: value.double() if value.is_floating_point() else value for key, value in rest.items()}
    return on_meta(spatial) | rest
