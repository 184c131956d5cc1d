"""Other voices of a corpus."""

from ...errors import CorpusError
from ..corpus import Corpus, Trial


def other_voices(trial: Trial, corpus: Corpus, owner: str) -> list[str]:
    """Trials with sound of the same split, of another video, and of other people where these are known.

    Args:
        trial: whose people are left out.
        corpus: where the trials are from.
        owner: who asks, for the error.

    Raises:
        CorpusError: if there is none.
    """
    info, people = trial.info, corpus.people
    names = [
        name
        for name in corpus.split(info.split)
        if (other := corpus.info(name)).has_audio
        and other.video != info.video
        and people[name].isdisjoint(people[info.name])
    ]
    if not names:
        raise CorpusError(
            f'{corpus.root}: {owner} needs the voice of somebody else for trial {info.name}, and split '
            f'{info.split!r} has none'
        )
    return names
