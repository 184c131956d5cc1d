# The streams of Kuhnke et al.: R(2+1)D-18 on 8 faces, 6 frames apart; ResNet-18 on 10 s of log-mel around the frame.
# Theirs is pretrained on Kinetics; tools/model_converters has both that and their own model.
clips = dict(clip_frames=8, clip_dilation=6, patch_rows=1001)
visual_stream = dict(type='Stream', backbone=dict(type='R2Plus1D', depth=18, in_channels=3))
audio_stream = dict(type='Stream', backbone=dict(type='AudioResNet', depth=18))
data_preprocessor = dict(
    type='AffectDataPreprocessor',
    crop_size=112,
    patch_rows=1001,
    face_mean=[0.43216 * 255, 0.394666 * 255, 0.37645 * 255],
    face_std=[0.22803 * 255, 0.22145 * 255, 0.216989 * 255],
    audio_mean=-14.8,
    audio_std=19.895,
    audio_fill=-100.0,  # silence, in dB
    audio_depth=80.0,
)
# Clips do not see each other: a window is no more than a part of the batch, over which the CCC is taken.
loss = dict(type='CCCLoss', reduction='batch')
