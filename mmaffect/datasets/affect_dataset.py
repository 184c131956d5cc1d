"""Windows of a prepared corpus."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from mmengine.dataset import BaseDataset
from torch.utils.data import get_worker_info

from ..errors import ConfigError, CorpusError
from ..media.log_mel import Align, FrontEnd
from ..registry import DATASETS, TRANSFORMS
from ..structures import AFFECT
from ..utils.checks import check_size
from ..utils.random_state import seed_all
from .corpus import SPLITS, Corpus, Split, Trial
from .cutting import cut_patches, cut_rows, cut_waveform
from .features import FaceMasks, Features, corpus_folder
from .folds import corpus_fold, fold_name, split_folds
from .sampler import SeededIndex
from .windows import clip_frames, window_starts

Modality = Literal['audio', 'visual']
MODALITIES: tuple[Modality, ...] = ('audio', 'visual')
# Corrupted trials that are kept; the windows of a test come trial by trial.
KEPT_TRIALS = 2


@DATASETS.register_module()
class AffectDataset(BaseDataset):
    """Windows of consecutive frames: 300 with hop 200, and the last 300 of each trial.

    Short trials are padded; masks say which frames are real. An item costs no decoding and no copy: its arrays are
    views of the corpus' memory maps until they are collated.

    Args:
        data_root: folder of the prepared corpus.
        split: ``'train'`` or ``'val'`` of the fold, or ``'test'``.
        fold: 0 to 5; 0 is the official split.
        window: frames of a window, L.
        hop: frames of a window between two windows.
        stride: frames of the trial from one frame of a window to the next (RJCA: 32).
        random_phase: with a stride, an epoch has one of the ``stride`` windows that begin next to each other, drawn
            anew each time; else it has them all, so that every frame is in a window.
        modalities: what is read, ``'audio'``, ``'visual'`` or both.
        front_end: audio front end that the corpus must have, ``'paper'`` or ``'vggish'``.
        align: where the audio patch of a frame lies: ``'centre'``, ``'ahead'`` (released code) or ``'causal'``.
        patch_rows: log-mel rows of the patch of a frame; by default those of the front end.
        clip_frames: images that a frame is given: 1, or a clip of so many that ends at the frame.
        clip_dilation: frames of the trial from one image of a clip to the next.
        masks: name of a folder under ``<data_root>/masks`` with one uint8 ``(T, S, S)`` a trial, the fourth channel of
            the faces (Kuhnke's drawn landmarks).
        waveform: read the waveform (of a corpus that was prepared with it) in the place of log-mel patches.
        waveform_margin: seconds of waveform before the first and after the last frame of a window.
        features: by modality, cached features to read instead: a name under ``<data_root>/features``, or the full path
            of a folder with one ``(T, d)`` array a trial. Other keys, such as ``'text'``, are read beside them, for the
            further streams of a model.
        corruptions: what is done to whole trials, one after the other, to test how robust a model is: configs of
            :mod:`mmaffect.datasets.corruptions`, such as ``dict(type='AudioNoise', severity=3)``. Each of a modality
            that is read, and not from cached features. The arrays of a few trials are then held in memory. ``masks``
            stay as they are, but for frames that lose their face.
        hidden: by modality, conditions in whose frames it is given as absent, such as ``{'audio': ['silence']}``: what
            a fusion could reach that knew when not to listen or look. The corpus must tell the conditions.
        pipeline: transforms.
        indices: only the first so many windows, or those of these numbers, to try something out.
        lazy_init: read the corpus' index on first use only.

    Raises:
        CorpusError: if the corpus is missing or damaged, was prepared with another front end, or has no such trials
            or features, or does not tell the conditions that are to be hidden.
        ConfigError: if an argument is out of range.
    """

    METAINFO: ClassVar[dict] = {'targets': AFFECT}

    def __init__(
        self,
        data_root: str | Path,
        split: Split,
        fold: int = 0,
        window: int = 300,
        hop: int = 200,
        stride: int = 1,
        random_phase: bool = False,
        modalities: Sequence[Modality] = MODALITIES,
        front_end: str = 'paper',
        align: Align = 'centre',
        patch_rows: int | None = None,
        clip_frames: int = 1,
        clip_dilation: int = 1,
        masks: str | None = None,
        waveform: bool = False,
        waveform_margin: float = 0.5,
        features: Mapping[str, str] | None = None,
        corruptions: Sequence[dict] = (),
        hidden: Mapping[str, Sequence[str]] | None = None,
        pipeline: Sequence[dict | Callable] = (),
        indices: int | Sequence[int] | None = None,
        lazy_init: bool = False,
    ) -> None:
        if split not in SPLITS:
            raise ConfigError(f'split={split!r}; expected one of {SPLITS}')
        for name, value in (
            ('window', window),
            ('hop', hop),
            ('stride', stride),
            ('clip_frames', clip_frames),
            ('clip_dilation', clip_dilation),
            ('patch_rows', patch_rows),
        ):
            if value is not None:
                check_size('AffectDataset', name, value)
        window_starts(1, window, hop, stride)
        split_folds((), (), fold)
        if unknown := [one for one in modalities if one not in MODALITIES]:
            raise ConfigError(f'modalities: {unknown[0]!r}; expected {" or ".join(map(repr, MODALITIES))}')
        for one in features or {}:
            if one in MODALITIES and one not in modalities:
                raise ConfigError(f'features of {one!r}, modalities={tuple(modalities)}; expected it among them')
            if not one.isidentifier():
                raise ConfigError(f'features: {one!r}; expected a name of letters and digits')
        for one, words in (hidden or {}).items():
            if one not in modalities or isinstance(words, str):
                raise ConfigError(f'hidden: {one!r}: {words!r}; expected conditions of one of {tuple(modalities)}')
        if not modalities:
            raise ConfigError('modalities is empty; expected audio, visual or both')
        self.split = split
        self.fold = fold
        self.window = window
        self.hop = hop
        self.stride = stride
        self.random_phase = random_phase
        self.modalities = tuple(modalities)
        self.front_end = front_end
        self.align = align
        self.patch_rows = patch_rows
        self.clip_frames = clip_frames
        self.clip_dilation = clip_dilation
        self.masks = masks
        self.waveform = waveform
        self.waveform_margin = waveform_margin
        self.features = dict(features or {})
        self.hidden = {one: tuple(words) for one, words in (hidden or {}).items()}
        self.corruptions = ()
        if corruptions:
            from .corruptions import build_corruptions

            self.corruptions = build_corruptions(corruptions, self.modalities, self.features)
        self._trial = lru_cache(KEPT_TRIALS)(self._corrupt)
        super().__init__(
            ann_file='',
            data_root=str(data_root),
            data_prefix={},
            # Here and not by MMEngine, which finds our names only under a Runner with our scope.
            pipeline=[TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline],
            indices=indices,
            test_mode=split != 'train',
            lazy_init=lazy_init,
        )

    def __getstate__(self) -> dict:
        return {key: value for key, value in self.__dict__.items() if key != '_trial'}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._trial = lru_cache(KEPT_TRIALS)(self._corrupt)

    def load_data_list(self) -> list[dict]:
        """Open the corpus and list its windows."""
        self.corpus = corpus = Corpus(self.data_root)
        if 'audio' in self.modalities and 'audio' not in self.features:
            self._check_audio(corpus)
        self._features = {
            modality: Features(corpus_folder(self.data_root, 'features', name))
            for modality, name in self.features.items()
        }
        if self.masks is not None:
            self._masks = FaceMasks(corpus_folder(self.data_root, 'masks', self.masks))
        if self.split == 'test':
            trials = corpus.split('test')
            which = 'test set'
        else:
            train, val = corpus_fold(corpus, self.fold)
            trials = train if self.split == 'train' else val
            which = 'training' if self.split == 'train' else 'validation'
        which_fold = [] if self.split == 'test' else [fold_name(self.fold)]
        corrupted = [f'corrupted by {" and ".join(map(repr, self.corruptions))}'] if self.corruptions else []
        if not trials:
            raise CorpusError(f'{self.data_root}: no trials for split {self.split!r} of fold {self.fold}')
        self._metainfo.update(
            corpus=corpus.name,
            synthetic=corpus.synthetic,
            # What a checkpoint has to tell of the faces and sound that its model takes.
            face_size=corpus.face_size,
            front_end=corpus.front_end.name,
            split=', '.join([which, *which_fold, *corrupted]),
            audio_mean=corpus.audio_mean,
            audio_std=corpus.audio_std,
        )
        if corpus.conditions:
            self._metainfo['conditions'] = corpus.conditions
        elif self.hidden:
            raise CorpusError(f'{self.data_root}: tells no conditions of its frames; hidden={self.hidden} needs them')
        return [
            {'trial': trial, 'start': start}
            for trial in trials
            for start in self._starts(corpus.info(trial).num_frames)
        ]

    def _starts(self, num_frames: int) -> list[int]:
        starts = window_starts(num_frames, self.window, self.hop, self.stride)
        return [start for start in starts if start % self.stride == 0] if self.random_phase else starts

    def _check_audio(self, corpus: Corpus) -> None:
        if self.waveform:
            if corpus.waveform_rate is None:
                raise CorpusError(f'{self.data_root}: holds no waveforms; prepare it again with "--waveform"')
        elif corpus.front_end.name != self.front_end:
            raise CorpusError(
                f'{self.data_root}: prepared with the {corpus.front_end.name!r} audio front end, the config asks for '
                f'{self.front_end!r}; prepare it again with "--audio {self.front_end}"'
            )

    def __getitem__(self, index: int | SeededIndex) -> dict:
        """Return a window after the pipeline.

        Unlike MMEngine's, it never puts another item in the place of a broken one.
        """
        if not self._fully_initialized:
            self.full_init()
        index, seed = index if isinstance(index, SeededIndex) else (index, (0, 0, index))
        window = self.get_data_info(index)
        if get_worker_info() is not None:
            # For transforms of users that draw from the global generators of a worker, which no checkpoint holds.
            seed_all(seed)
        rng = np.random.default_rng(seed)
        start = window['start']
        if self.random_phase:
            frames = self.corpus.info(window['trial']).num_frames
            start += int(rng.integers(min(self.stride, frames - start)))
        return self.pipeline({**self.cut(window['trial'], start), 'rng': rng})

    def trial(self, name: str) -> Trial:
        """A trial of the corpus, after the corruptions.

        Raises:
            CorpusError: if there is no such trial, or its files are damaged.
        """
        if not self._fully_initialized:
            self.full_init()
        return self._trial(name) if self.corruptions else self.corpus[name]

    def _corrupt(self, name: str) -> Trial:
        trial = self.corpus[name]
        for one in self.corruptions:
            trial = one.apply(trial, self.corpus)
        return trial

    def cut(self, trial: str, start: int) -> dict:
        """Cut a window out of the corpus.

        Args:
            trial: name of the trial.
            start: first frame.

        Returns:
            dict with ``trial``, ``start``, ``stride``, and

            - of the n real frames ``affect (n, 2)`` float32, ``valid (n,)`` bool, ``timestamps (n,)`` float64, seconds,
              and, where they are known, ``condition (n,)`` uint8, numbers of the words ``metainfo['conditions']``;
            - ``visual_mask (L,)`` bool and ``visual_features (L, d)``, or ``faces (F, S, S, 3)`` uint8 (black outside
              the trial) with, for clips, ``clip_index (L, T)`` int64 into them;
            - ``audio_mask (L,)`` bool and ``audio_features (L, d)``, what :func:`cut_patches` or what
              :func:`cut_waveform` returns;
            - of every further stream ``<name>_mask (L,)`` bool and ``<name>_features (L, d)``.
        """
        frames = range(start, start + self.window * self.stride, self.stride)
        return self.cut_frames(self.trial(trial), frames, self.corpus.front_end, self.corpus.waveform_rate)

    def cut_frames(
        self, source: Trial, frames: range, front_end: FrontEnd, waveform_rate: int | None = None, first_row: int = 0
    ) -> dict:
        """Cut frames out of a trial, which need not be of a corpus.

        Args:
            source: the trial.
            frames: numbers of the L frames; at least the first is in the trial.
            front_end: of its log-mel.
            waveform_rate: of its waveform, Hz.
            first_row: number of the first row of its log-mel, where earlier ones are gone (a stream).

        Returns:
            What :meth:`cut` returns.
        """
        real = slice(frames.start, frames.stop, frames.step)
        window = {
            'trial': source.info.name,
            'start': frames.start,
            'stride': frames.step,
            # Copies, since torch takes no views into records.
            'timestamps': source.timestamps[real].copy(),
            'affect': source.targets[real].copy(),
            'valid': source.valid[real].copy(),
        }
        if len(source.conditions):
            numbers = [self.corpus.conditions.index(word) for word in source.info.conditions]
            window['condition'] = np.array(numbers, np.uint8)[source.conditions[real]]
        if 'visual' in self.modalities:
            window |= self._cut_visual(source, frames, len(window['valid']))
        if 'audio' in self.modalities:
            window |= self._cut_audio(source, frames, window['timestamps'], front_end, waveform_rate, first_row)
        if 'condition' in window:
            for modality, words in self.hidden.items():
                told = np.isin(self.corpus.conditions, words)[window['condition']]
                window[f'{modality}_mask'][: len(told)] &= ~told
        for name in self.features:
            if name not in MODALITIES:
                window[f'{name}_features'] = self._cut_features(name, source, frames)
                window[f'{name}_mask'] = np.arange(len(frames)) < len(window['valid'])
        return window

    def _cut_visual(self, source: Trial, frames: range, real: int) -> dict:
        mask = np.zeros(len(frames), bool)
        mask[:real] = source.info.faces_present > 0
        if 'visual' in self.features:
            return {'visual_features': self._cut_features('visual', source, frames), 'visual_mask': mask}
        if self.clip_frames == 1:
            rows, clips = np.array(frames), {}
        else:
            numbers = np.array(clip_frames(frames, self.clip_frames, self.clip_dilation))
            rows, index = np.unique(numbers, return_inverse=True)
            clips = {'clip_index': index.reshape(numbers.shape)}
        faces = cut_rows(source.faces, rows)
        if self.masks is not None:
            drawn = self._masks.of(source.info.name, source.info.num_frames)
            if drawn.shape[1:] != source.faces.shape[1:3]:
                raise CorpusError(f'{self._masks.folder}: masks {drawn.shape[1:]}; faces are {source.faces.shape[1:3]}')
            drawn = cut_rows(drawn, rows)
            if self.corruptions:
                # Nobody draws the landmarks of a face that a corruption took away.
                drawn = drawn * cut_rows(source.face_present, rows)[:, None, None]
            faces = np.concatenate((faces, drawn[..., None]), axis=-1)
        return {'faces': faces, 'visual_mask': mask, **clips}

    def _cut_audio(
        self,
        source: Trial,
        frames: range,
        times: np.ndarray,
        front_end: FrontEnd,
        waveform_rate: int | None,
        first_row: int,
    ) -> dict:
        length = len(frames)
        mask = np.zeros(length, bool)
        if self.waveform and 'audio' not in self.features:
            piece, inside = cut_waveform(source.waveform, times, length, waveform_rate, self.waveform_margin)
        else:
            rows = self.patch_rows or front_end.patch_rows
            piece, inside = cut_patches(source.logmel, times, length, front_end, self.align, rows, first_row)
        if 'audio' in self.features:
            # The mask is that of the patches from which such features come.
            piece = {'audio_features': self._cut_features('audio', source, frames)}
        mask[: len(times)] = source.info.has_audio & inside
        return {**piece, 'audio_mask': mask}

    def _cut_features(self, name: str, source: Trial, frames: range) -> np.ndarray:
        return cut_rows(self._features[name].of(source.info.name, source.info.num_frames), np.array(frames))
