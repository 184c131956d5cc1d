from .ccc_loss import CCCLoss, ccc_loss

__all__ = ['CCCLoss', 'ccc_loss']
