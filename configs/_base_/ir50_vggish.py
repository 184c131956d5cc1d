# The streams of the paper: IR-50 + TCN on 40x40 faces, VGGish + TCN on log-mel patches (BatchNorm: released code).
# The paper's backbones are pretrained (MS-Celeb-1M, then FER+; AudioSet), these begin at random until a config says
#     visual_stream['backbone'].update(
#         init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ir50.pth', prefix='visual.backbone.')
#     )
# and the same for audio_stream; tools/model_converters makes such files of those that others published.
visual_stream = dict(
    type='Stream',
    backbone=dict(type='IResNet', depth=50),
    temporal=dict(type='TemporalConvNet', in_channels=512, channels=[512, 512, 256, 256]),
    batch_norm=True,
)
audio_stream = dict(
    type='Stream',
    backbone=dict(type='VGGish', patch_rows=107),
    temporal=dict(type='TemporalConvNet', in_channels=128, channels=[128, 128, 128, 128]),
    batch_norm=True,
)
data_preprocessor = dict(type='AffectDataPreprocessor', crop_size=40, patch_rows=107)
head = dict(type='AffectHead', in_channels=384, hidden=256, dropout=0.8, loss=dict(type='CCCLoss'))
