"""Small models whose frames see both neighbours and padding, with configs, for tests of inference."""

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from mmaffect.faces import Face, FaceDetector
from mmaffect.media.log_mel import get_front_end
from mmaffect.registry import MODELS

L = 20
IMAGES = dict(
    type='Stream',
    backbone=dict(type='IResNet', units=[1, 1, 1, 1], channels=[4, 4, 4, 4], out_channels=6),
    temporal=dict(type='TemporalConvNet', in_channels=6, channels=[6], dropout=0.0),
    batch_norm=True,
)
# Every frame sees the whole window, also its padding.
BOTH_WAYS = dict(type='ResidualLSTM', in_channels=8, out_channels=6, hidden=4, num_layers=1)
CLIPS = dict(
    type='Stream', backbone=dict(type='R2Plus1D', channels=[4, 4, 4, 8], units=[1, 1, 1, 1]), temporal=BOTH_WAYS
)


def sound_stream(rows):
    backbone = dict(type='VGGish', channels=[2] * 6, hidden=4, out_channels=8, patch_rows=rows)
    return dict(type='Stream', backbone=backbone, temporal=BOTH_WAYS)


def _head(channels):
    return dict(type='AffectHead', in_channels=channels, hidden=6, dropout=0.0)


def _neck(kind, length=L):
    return dict(type=kind, audio_channels=6, visual_channels=6, seq_len=length)


# Model, and what differs in its dataset.
CASES = {
    'both': (dict(visual=IMAGES, audio=sound_stream(107), neck=_neck('GRJCA'), head=_head(12)), {}),
    'ahead': (
        dict(visual=IMAGES, audio=sound_stream(96), neck=_neck('RJCA'), head=_head(12)),
        dict(front_end='vggish', align='ahead'),
    ),
    'stride': (
        dict(visual=IMAGES, audio=sound_stream(107), neck=_neck('RJCA', 8), head=_head(12)),
        dict(window=8, hop=5, stride=3, align='causal'),
    ),
    'audio': (dict(audio=sound_stream(30), head=_head(6)), dict(align='causal', patch_rows=30, modalities=('audio',))),
    'visual': (dict(visual=IMAGES, head=_head(6)), dict(modalities=('visual',))),
    'clips': (dict(visual=CLIPS, head=_head(6)), dict(modalities=('visual',), clip_frames=4, clip_dilation=2)),
    'strided clips': (
        dict(visual=CLIPS, head=_head(6)),
        dict(modalities=('visual',), clip_frames=3, clip_dilation=2, window=8, hop=8, stride=4),
    ),
}


def toy_config(case='both', root='nowhere', **more):
    """The config of a model, and of its dataset on a corpus."""
    parts, settings = CASES[case]
    pipeline = [dict(type='CenterFaceCrop', size=40), dict(type='PackAffectInputs')]
    dataset = dict(type='AffectDataset', data_root=str(root), split='test', window=L, hop=15, pipeline=pipeline)
    dataset |= {**settings, **more}
    rows = dataset.get('patch_rows') or get_front_end(dataset.get('front_end', 'paper')).patch_rows
    prepared = dict(type='AffectDataPreprocessor', patch_rows=rows, audio_mean=-30.0, audio_std=10.0)
    return Config(
        dict(
            model=dict(type='AffectEstimator', data_preprocessor=prepared, **parts),
            test_dataloader=dict(
                dataset=dataset,
                batch_size=3,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='collate_windows'),
            ),
        )
    )


def toy_model(case='both', root='nowhere', **more):
    """A model in evaluation mode whose predictions differ from frame to frame, with its config."""
    torch.manual_seed(0)
    cfg = toy_config(case, root, **more)
    model = MODELS.build(cfg.model).eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1)
    model.cfg = cfg
    return model


class BrightFaces(FaceDetector):
    """Finds a face of known place in every frame that is not dark."""

    def __init__(self):
        self.searched = 0

    def detect(self, frame):
        self.searched += 1
        if frame.mean() < 20:
            return []
        points = np.array([[20, 24], [40, 24], [30, 34], [22, 44], [38, 44]], np.float32)
        return [Face(np.array([10, 8, 40, 48], np.float32), 0.9, points)]
