# What the released LFAN (ABAW3 and later) and GRJCA code have in common and the paper has not: VGGish's own log-mel
# without normalisation, patches that begin at the frame, variances over n - 1 in the loss, windows shuffled once.
released_audio = dict(data_root='data/affwild2_vggish', front_end='vggish', align='ahead')
released_preprocessor = dict(type='AffectDataPreprocessor', crop_size=40, patch_rows=96, audio_mean=0.0, audio_std=1.0)
released_loss = dict(type='CCCLoss', sample_variance=True)
released_sampler = dict(type='WindowSampler', shuffle=True, reshuffle=False)
