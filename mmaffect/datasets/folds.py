"""The six folds of cross-validation."""

from collections.abc import Sequence

from ..errors import ConfigError

NUM_FOLDS = 6


def split_folds(train: Sequence[str], val: Sequence[str], fold: int) -> tuple[list[str], list[str]]:
    """Trials to train on and to validate on in one of six folds.

    The training trials in order are cut into five parts of equal length, the last one taking what is left over, and
    the official validation set is the sixth. Fold 0 validates on the sixth, fold 1 on the fifth, ... fold 5 on the
    first, as in the released GRJCA code; on Aff-Wild2 (356 and 76 trials) the parts are trials 0-70, 71-141, 142-212,
    213-283, 284-355 and 356-431.

    Args:
        train: training trials, in order.
        val: official validation trials, in order.
        fold: 0 to 5; 0 is the official split.

    Returns:
        Training trials and validation trials of the fold.

    Raises:
        ConfigError: if there is no such fold.

    Examples:
        >>> split_folds(['a', 'b', 'c', 'd', 'e', 'f'], ['v'], 1)
        (['v', 'a', 'b', 'c', 'd'], ['e', 'f'])
    """
    if fold not in range(NUM_FOLDS):
        raise ConfigError(f'fold={fold!r}; expected 0 to {NUM_FOLDS - 1} (0 is the official split)')
    size = len(train) // (NUM_FOLDS - 1)
    parts = [list(train[i * size : (i + 1) * size]) for i in range(NUM_FOLDS - 2)]
    parts += [list(train[(NUM_FOLDS - 2) * size :]), list(val)]
    parts = parts[NUM_FOLDS - fold :] + parts[: NUM_FOLDS - fold]
    return [trial for part in parts[:-1] for trial in part], parts[-1]


def fold_name(fold: int) -> str:
    """Name of a fold for reports.

    Examples:
        >>> fold_name(0)
        'fold 0 (official split)'
    """
    return f'fold {fold} (official split)' if fold == 0 else f'fold {fold} (not comparable with the official split)'
