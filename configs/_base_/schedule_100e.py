# Adam, warm-up until epoch 5, then a tenth of the learning rate after 5 epochs without a higher validation CCC.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-4))

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, begin=0, end=5, convert_to_iter_based=True),
    dict(type='PlateauLR', monitor='CCC/mean', rule='greater', factor=0.1, patience=5, by_epoch=True, begin=5),
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=12)

early_stopping = dict(type='EarlyStoppingHook', monitor='CCC/mean', rule='greater', min_delta=0.0, patience=50)
