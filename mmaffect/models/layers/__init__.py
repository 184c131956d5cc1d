from .all_ranks import AllRankBatchNorm, sum_over_ranks, use_sync_batch_norm

__all__ = ['AllRankBatchNorm', 'sum_over_ranks', 'use_sync_batch_norm']
