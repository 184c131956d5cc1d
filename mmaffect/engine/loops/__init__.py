from .epoch_based_train_loop import EpochBasedTrainLoop, check_loop

__all__ = ['EpochBasedTrainLoop', 'check_loop']
