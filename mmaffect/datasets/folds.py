"""The six folds of cross-validation."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from logging import WARNING

from mmengine.logging import print_log

from ..errors import ConfigError, CorpusError
from .corpus import Corpus

NUM_FOLDS = 6
NUM_PARTS = NUM_FOLDS - 1


def split_folds(
    train: Sequence[str], val: Sequence[str], fold: int, people: Mapping[str, Collection[str]] | None = None
) -> tuple[list[str], list[str]]:
    """Trials to train on and to validate on in one of six folds.

    The training trials in order are cut into five parts of equal length, the last one taking what is left over, and
    the official validation set is the sixth. Fold 0 validates on the sixth, fold 1 on the fifth, ... fold 5 on the
    first, as in the released GRJCA code; on Aff-Wild2 (356 and 76 trials) the parts are trials 0-70, 71-141, 142-212,
    213-283, 284-355 and 356-431.

    Where it is known who is in the trials, those that share somebody stay together, at the place of the first of them,
    and each cut is moved to the nearest place between two such groups; behind one that moved by more than half a part,
    the rest is cut into equal parts. Official validation trials with somebody on
    whom one of folds 1 to 5 validates are left out of its training. Fold 0 is the official split in any case.

    Args:
        train: training trials, in order.
        val: official validation trials, in order.
        fold: 0 to 5; 0 is the official split.
        people: by trial, who is in it; a trial that is not named or holds nobody shares nobody.

    Returns:
        Training trials and validation trials of the fold.

    Raises:
        ConfigError: if there is no such fold.

    Examples:
        >>> split_folds(['a', 'b', 'c', 'd', 'e', 'f'], ['v'], 1)
        (['v', 'a', 'b', 'c', 'd'], ['e', 'f'])
        >>> split_folds(['a', 'b', 'c', 'd', 'e', 'f'], ['v'], 1, {'d': ['p4'], 'e': ['p4']})
        (['v', 'a', 'b', 'c', 'd', 'e'], ['f'])
    """
    if fold not in range(NUM_FOLDS):
        raise ConfigError(f'fold={fold!r}; expected 0 to {NUM_PARTS} (0 is the official split)')
    people = people or {}
    if fold == 0:
        return list(train), list(val)
    parts = _cut(group_trials(train, people), len(train) // NUM_PARTS)
    number = NUM_PARTS - fold
    validated = {person for trial in parts[number] for person in people.get(trial, ())}
    parts.append([trial for trial in val if validated.isdisjoint(people.get(trial, ()))])
    parts = parts[number + 1 :] + parts[: number + 1]
    return [trial for part in parts[:-1] for trial in part], parts[-1]


def corpus_fold(corpus: Corpus, fold: int) -> tuple[list[str], list[str]]:
    """:func:`split_folds` of a corpus, checked by :func:`check_fold`.

    Raises:
        ConfigError: if there is no such fold.
        CorpusError: if training and validation of folds 1 to 5 share somebody.
    """
    train, val = split_folds(corpus.split('train'), corpus.split('val'), fold, corpus.people)
    check_fold(train, val, fold, corpus.people)
    return train, val


def check_fold(train: Sequence[str], val: Sequence[str], fold: int, people: Mapping[str, Collection[str]]) -> None:
    """Make sure that nobody is in training and in validation of a fold.

    The official split, fold 0, is kept as it is: what it shares is a warning.

    Raises:
        CorpusError: if folds 1 to 5 share somebody; the text names the person and two trials.
    """
    shared = shared_labels(train, val, people)
    if not shared:
        return
    person, (first, second) = next(iter(shared.items()))
    text = f'{fold_name(fold)}: {person!r} is in trial {first!r} of training and in {second!r} of validation'
    if fold:
        raise CorpusError(text)
    more = f', and {len(shared) - 1} more people are in both' if len(shared) > 1 else ''
    print_log(f'{text}{more}; the official split is kept as it is', 'current', WARNING)


def shared_labels(
    train: Sequence[str], val: Sequence[str], labels: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, str]]:
    """What training and validation have in common.

    Args:
        train: training trials.
        val: validation trials.
        labels: by trial, such as the people in it or its video.

    Returns:
        By label, the first training trial and the first validation trial that have it.

    Examples:
        >>> shared_labels(['a', 'b'], ['c'], {'a': ['p1'], 'b': ['p2'], 'c': ['p2']})
        {'p2': ('b', 'c')}
    """
    places: dict[str, str] = {}
    for trial in train:
        for label in labels.get(trial, ()):
            places.setdefault(label, trial)
    found: dict[str, tuple[str, str]] = {}
    for trial in val:
        for label in labels.get(trial, ()):
            if label in places:
                found.setdefault(label, (places[label], trial))
    return found


def fold_name(fold: int) -> str:
    """Name of a fold for reports.

    Examples:
        >>> fold_name(0)
        'fold 0 (official split)'
    """
    return f'fold {fold} (official split)' if fold == 0 else f'fold {fold} (not comparable with the official split)'


def group_trials(trials: Sequence[str], people: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Trials that share somebody, directly or by others, in the order of the first of each group.

    Args:
        trials: in order.
        people: by trial, who is in it; a trial that is not named or holds nobody shares nobody.
    """
    groups: list[tuple[set[str], list[int]]] = []
    for number, trial in enumerate(trials):
        who, members = set(people.get(trial, ())), [number]
        for group in [group for group in groups if not group[0].isdisjoint(who)]:
            groups.remove(group)
            who |= group[0]
            members += group[1]
        groups.append((who, sorted(members)))
    return [[trials[number] for number in members] for _, members in sorted(groups, key=lambda group: group[1])]


def _cut(groups: Sequence[Sequence[str]], size: int) -> list[list[str]]:
    """Five parts, cut between groups as near as can be to multiples of ``size``; none is empty if that is possible.

    Behind a cut that had to move by more than half a part, the rest is distributed evenly anew.
    """
    ends = [0]
    for group in groups:
        ends.append(ends[-1] + len(group))
    cuts = [0]
    enough = len(groups) >= NUM_PARTS
    goals = [k * size for k in range(NUM_PARTS)]
    for k in range(1, NUM_PARTS):
        places = range(cuts[-1] + 1, len(groups) - NUM_PARTS + k + 1) if enough else range(cuts[-1], len(groups) + 1)
        cuts.append(min(places, key=lambda place: abs(ends[place] - goals[k])))
        end = ends[cuts[-1]]
        if abs(end - goals[k]) * 2 > size:
            goals[k + 1 :] = [end + (ends[-1] - end) * n / (NUM_PARTS - k) for n in range(1, NUM_PARTS - k)]
    cuts.append(len(groups))
    return [[trial for group in groups[start:stop] for trial in group] for start, stop in pairwise(cuts)]
