# The streams of JCA and RJCA: I3D-TCN on clips of 8 faces over 32 frames, ResNet-18 on a second of log-mel.
# I3D keeps every time step; its TCN runs within a clip, and the highest value over time is the clip's. Before a trial's
# beginning a clip is black. The authors' backbones are pretrained (Kinetics; Kuhnke's ResNet-18) and frozen: see
# ir50_vggish.py for how a config says so, tools/extract_features.py for frozen ones.
clips = dict(clip_frames=8, clip_dilation=4, align='causal')
visual_stream = dict(
    type='Stream',
    backbone=dict(
        type='ClipTCN',
        backbone=dict(type='I3D', time_stride=1, time_window=2, pool_time=False),
        temporal=dict(type='TemporalConvNet', in_channels=1024, channels=[512, 512, 512, 512]),
    ),
)
audio_stream = dict(type='Stream', backbone=dict(type='AudioResNet', depth=18))
data_preprocessor = dict(
    type='AffectDataPreprocessor', crop_size=112, image_size=224, patch_rows=107, audio_mean=-14.8, audio_std=19.895
)
# One CCC a target over all frames of the batch.
loss = dict(type='CCCLoss', reduction='batch')
