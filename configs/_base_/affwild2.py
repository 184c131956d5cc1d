# Windows of 300 frames with hop 200, 40x40 crops of 48x48 faces, the paper's audio front end; fold 0 (official split).
windows = dict(
    type='AffectDataset', data_root='data/affwild2', fold=0, window=300, hop=200, front_end='paper', align='centre'
)
loader = dict(
    batch_size=12,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    collate_fn=dict(type='mmaffect.collate_windows'),
)
train_pipeline = [
    dict(type='RandomFaceCrop', size=40),
    dict(type='RandomFaceFlip', prob=0.5),
    dict(type='PackAffectInputs'),
]
test_pipeline = [
    dict(type='CenterFaceCrop', size=40),
    dict(type='PackAffectInputs'),
]

train_dataloader = dict(
    **loader,
    sampler=dict(type='WindowSampler', shuffle=True),
    dataset=dict(**windows, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**windows, split='val', pipeline=test_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='CCCMetric')
test_evaluator = val_evaluator
