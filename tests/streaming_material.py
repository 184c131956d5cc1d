"""Models and recordings for tests of streams."""

import numpy as np
import torch
from mmengine.config import Config

from mmaffect.faces import Face, FaceDetector
from mmaffect.media.log_mel import get_front_end
from mmaffect.registry import FACE_DETECTORS, MODELS
from tests.toy_estimators import CLIPS, IMAGES, L, sound_stream

HEAD = dict(type='AffectHead', hidden=6, dropout=0.0)


def neck(kind, audio=6, visual=6):
    return dict(type=kind, audio_channels=audio, visual_channels=visual, seq_len=L)


PAPER = dict(front_end='paper')
CASES = {
    'both': (
        dict(visual=IMAGES, audio=sound_stream(107), neck=neck('GRJCA'), head={**HEAD, 'in_channels': 12}),
        PAPER,
    ),
    'ahead': (
        dict(visual=IMAGES, audio=sound_stream(96), neck=neck('RJCA'), head={**HEAD, 'in_channels': 12}),
        dict(front_end='vggish', align='ahead'),
    ),
    'audio': (
        dict(audio=sound_stream(30), head={**HEAD, 'in_channels': 6}),
        dict(front_end='vggish', align='causal', patch_rows=30, modalities=('audio',)),
    ),
    'visual': (dict(visual=IMAGES, head={**HEAD, 'in_channels': 6}), dict(modalities=('visual',))),
    'clips': (
        dict(visual=CLIPS, head={**HEAD, 'in_channels': 6}),
        dict(modalities=('visual',), clip_frames=4, clip_dilation=2),
    ),
}


def settings(case, root='nowhere', **more):
    pipeline = [dict(type='CenterFaceCrop', size=40), dict(type='PackAffectInputs')]
    return dict(type='AffectDataset', data_root=str(root), split='test', window=L, hop=7, pipeline=pipeline) | (
        CASES[case][1] | more
    )


def make_model(case, **more):
    """A model whose predictions differ, with its config."""
    torch.manual_seed(0)
    dataset = settings(case, **more)
    rows = dataset.get('patch_rows') or get_front_end(dataset.get('front_end', 'paper')).patch_rows
    prepared = dict(type='AffectDataPreprocessor', patch_rows=rows, audio_mean=-30.0, audio_std=10.0)
    model = MODELS.build(dict(type='AffectEstimator', data_preprocessor=prepared, **CASES[case][0])).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1)
    model.cfg = Config(dict(test_dataloader=dict(dataset=dataset, collate_fn=dict(type='collate_windows'))))
    return model


class Material:
    """Faces, times and sound of a recording."""

    def __init__(self, frames=43, seconds=1.8, vary=False, faces=True, sound=True, seed=1):
        g = np.random.default_rng(seed)
        self.faces = g.integers(0, 256, (frames, 48, 48, 3), dtype=np.uint8)
        steps = g.uniform(0.01, 0.09, frames) if vary else np.full(frames, 0.04)
        self.times = np.cumsum(steps) - steps[0]
        self.present = np.full(frames, faces)
        self.sound = None
        self.seconds = seconds if sound else 0.0
        self.g = g

    def at(self, front_end):
        """Sound at the rate of a front end."""
        if self.sound is None:
            rate = front_end.sample_rate
            time = np.arange(round(self.seconds * rate)) / rate
            tone = np.sin(2 * np.pi * (200 + 300 * time) * time)
            self.sound = (0.3 * tone + 0.05 * self.g.standard_normal(len(time))).astype(np.float32)
        return self.sound


POINTS = np.array([[20, 20], [40, 20], [30, 32], [22, 42], [38, 42]], np.float32)


@FACE_DETECTORS.register_module(force=True)
class StreamTestDetector(FaceDetector):
    """A face wherever the picture begins with a white pixel; it moves with the second one."""

    def detect(self, frame):
        if frame[0, 0, 0] < 255:
            return []
        shift = np.float32(frame[0, 1, 0] % 5)
        return [Face(np.array([15 + shift, 10, 30, 40], np.float32), 0.9, POINTS + shift)]


DETECTOR = dict(type='StreamTestDetector')
