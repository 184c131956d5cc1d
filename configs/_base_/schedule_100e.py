# Adam, warm-up until epoch 5, then a tenth of the learning rate after 5 epochs without a higher validation CCC.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-4))

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, begin=0, end=5, convert_to_iter_based=True),
    dict(
        type='ReduceOnPlateauLR',
        monitor='CCC/mean',
        rule='greater',
        factor=0.1,
        patience=5,
        # A relative threshold accepts a worse CCC while the best is negative.
        threshold=0.0,
        threshold_rule='abs',
        by_epoch=True,
        begin=5,
        end=1_000_000_000,  # by default max_epochs, which a user may cut or raise
    ),
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=12)

early_stopping = dict(type='EarlyStoppingHook', monitor='CCC/mean', rule='greater', min_delta=0.0, patience=50)
