"""What the runs of a study are made from: corpora, encoders and their features. What is there is kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..datasets.corpus import Corpus
from ..datasets.preparation import prepare
from ..demo.corpus import make_demo_corpus
from ..demo.plan import Settings
from ..errors import CorpusError
from ..utils.processes import run_in_processes
from .design import StudySettings

ENCODERS = ('visual', 'audio')
FEATURES = 'demo'
"""Name of the features, that configs/comparison/*_demo.py read."""


@dataclass(frozen=True)
class Places:
    """Where the material of a study is.

    Args:
        data: folder of its corpora.
        work_dir: folder of encoders and runs.
        encoder_corpus: prepared corpus that the encoders are trained on.
    """

    data: Path
    work_dir: Path
    encoder_corpus: Path

    def raw(self, weak: float) -> Path:
        """The raw corpus with a share of decoupled time."""
        return self.data / f'raw_w{weak:.1f}'

    def corpus(self, weak: float) -> Path:
        """The prepared one."""
        return self.data / f'w{weak:.1f}'

    def encoder(self, modality: str) -> Path:
        """The work dir of an encoder."""
        return self.work_dir / 'encoders' / modality

    def run(self, weak: float, fusion: str, seed: int) -> Path:
        """The work dir of a run."""
        return self.work_dir / 'runs' / f'w{weak:.1f}' / fusion / f'seed_{seed}'


def make_material(
    places: Places, settings: StudySettings, jobs: int, tell: Callable[[str], None] = print
) -> dict[float, str]:
    """Make what is missing of corpora, encoders and features.

    Args:
        places: where they are.
        settings: what they depend on.
        jobs: processes at once, one thread each.
        tell: called with a line a step.

    Returns:
        By share of decoupled time, the prepared corpus with its features.

    Raises:
        MMAffectError: the first that cannot be made.
    """
    corpora = {}
    for weak in settings.weak:
        tell(f'corpus with {weak:.0%} of its time decoupled: {places.corpus(weak)}')
        corpora[weak] = str(make_study_corpus(places, weak, settings, jobs))
    tell(f'corpus of the encoders: {places.encoder_corpus}')
    trained_on = str(make_encoder_corpus(places, settings, jobs))
    tell(f'encoders: {places.work_dir / "encoders"}')
    tasks = [(one, trained_on, str(places.encoder(one)), settings.encoder_epochs) for one in ENCODERS]
    checkpoints = dict(zip(ENCODERS, _all(train_encoder, tasks, jobs), strict=True))
    tell('features of every corpus')
    _all(extract, [(*pair, corpus) for corpus in corpora.values() for pair in checkpoints.items()], jobs)
    return corpora


def _all(function: Callable, tasks: Sequence[tuple], jobs: int) -> list[str]:
    """What every call returns, in order; the first error ends the others."""
    found = {}
    with closing(run_in_processes(function, tasks, jobs, preload=(__name__,))) as outcomes:
        for index, outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            found[index] = outcome
    return [found[index] for index in range(len(tasks))]


def make_study_corpus(places: Places, weak: float, settings: StudySettings, jobs: int) -> Path:
    """Make and prepare the corpus of a share of decoupled time; its people and their affect do not depend on the share.

    Returns:
        The prepared corpus.

    Raises:
        CorpusError: a folder holds something else, or the corpus does not tell its conditions.
        MMAffectError: as :func:`mmaffect.demo.corpus.make_demo_corpus`.
    """
    drawn = Settings(
        trials=settings.trials,
        seconds=settings.seconds,
        weak=weak,
        seed=settings.corpus_seed,
        validation=settings.validation,
    )
    make_demo_corpus(places.raw(weak), drawn, jobs)
    root = places.corpus(weak)
    prepare(places.raw(weak), root, jobs=jobs)
    if not Corpus(root).conditions:
        raise CorpusError(f'{root}: tells no conditions of its frames; delete the folder to prepare it again')
    return root


def make_encoder_corpus(places: Places, settings: StudySettings, jobs: int) -> Path:
    """Make and prepare the corpus of the encoders, of other people than the study's; one that is prepared is taken.

    Returns:
        The prepared corpus.
    """
    root = places.encoder_corpus
    if not (root / 'corpus.json').is_file():
        raw = root.with_name(f'{root.name}_raw')
        drawn = Settings(trials=settings.encoder_trials, seconds=settings.seconds)
        make_demo_corpus(raw, drawn, jobs)
        prepare(raw, root, jobs=jobs)
    Corpus(root)
    return root


def train_encoder(modality: str, corpus: str, work_dir: str, epochs: int) -> str:
    """Train an encoder on its corpus; a finished one is kept, also one of ``tools/train.py``.

    Args:
        modality: ``'visual'`` or ``'audio'``: ``configs/<modality>_demo.py``.
        corpus: the prepared corpus.
        work_dir: of the training.
        epochs: of the training.

    Returns:
        Its checkpoint after the last epoch: nothing is chosen by a validation.

    Raises:
        MMAffectError: as :func:`mmaffect.engine.training.train_or_keep`.
    """
    from ..engine.running import load_config
    from ..engine.training import SETTINGS, check_data, train_or_keep

    checkpoint = Path(work_dir, f'epoch_{epochs}.pth')
    if not (checkpoint.is_file() and not Path(work_dir, SETTINGS).is_file()):
        cfg = load_config(encoder_config(modality), options=last_epoch(epochs), data_root=corpus, work_dir=work_dir)
        check_data(cfg)
        with one_thread():
            train_or_keep(cfg, tell=lambda line: print(f'{modality} encoder: {line}', flush=True))
    return str(checkpoint)


def last_epoch(epochs: int) -> dict[str, object]:
    """Options of a training of so many epochs, at whose end the learning rate is as low as after the usual twelve."""
    return {'train_cfg.max_epochs': epochs, 'param_scheduler.1.end': epochs}


def extract(modality: str, checkpoint: str, corpus: str) -> str:
    """Write what an encoder says of every frame of a corpus, as ``tools/extract_features.py`` does.

    Returns:
        The folder of the features.

    Raises:
        CorpusError: the corpus has features of another encoder or of other frames.
        CheckpointError: the checkpoint is missing or damaged.
    """
    from ..engine.extraction import extract_features, load_backbones, settings_digest
    from ..engine.running import build_model, load_config
    from ..utils.files import sha256

    cfg = load_config(encoder_config(modality), data_root=corpus)
    model = build_model(cfg)
    load_backbones(model, checkpoint)
    source = {
        'config': Path(encoder_config(modality)).stem,
        'checkpoint': sha256(checkpoint),
        'settings': settings_digest(cfg, amp=False),
    }
    with one_thread():
        (folder,) = extract_features(model, cfg.val_dataloader.dataset, FEATURES, source)
    return str(folder)


def encoder_config(modality: str) -> Path:
    """Config of an encoder, ``configs/<modality>_demo.py``."""
    from ..apis.zoo import zoo_roots

    return zoo_roots()[0] / 'configs' / f'{modality}_demo.py'


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute with one thread in a block: how sums are split over threads changes their last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
