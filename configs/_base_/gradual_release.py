# Gradual release of IR-50 and VGGish, for custom_hooks: the last layers are trained from the beginning, those before
# them once the learning rate is below 1e-8, each time with a new warm-up. Groups of the released code.
gradual_release = dict(
    type='GradualReleaseHook',
    groups=[
        ['visual.backbone.output', 'audio.backbone.embeddings.4'],  # fc3
        ['visual.backbone.stages.3', 'audio.backbone.embeddings.2'],  # fc2
        [*(f'visual.backbone.stages.2.{unit}' for unit in (11, 12, 13)), 'audio.backbone.embeddings.0'],  # fc1
    ],
    frozen=['visual.backbone', 'audio.backbone'],
    min_lr=1e-8,
    min_epochs=5,
    frozen_mode='eval',
)
