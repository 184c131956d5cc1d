"""Windows of a prepared corpus."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmengine.dataset import BaseDataset

from ..errors import ConfigError, CorpusError
from ..media.log_mel import Align, patch_starts
from ..registry import DATASETS, TRANSFORMS
from ..structures import AFFECT
from .corpus import SPLITS, Corpus, Split, Trial
from .folds import fold_name, split_folds
from .sampler import SeededIndex
from .windows import window_starts


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
        hop: frames between two windows.
        front_end: audio front end that the corpus must have, ``'paper'`` or ``'vggish'``.
        align: where the audio patch of a frame lies: ``'centre'``, ``'ahead'`` (released code) or ``'causal'``.
        pipeline: transforms.
        indices: only the first so many windows, or those of these numbers, to try something out.
        lazy_init: read the corpus' index on first use only.

    Raises:
        CorpusError: if the corpus is missing or damaged, was prepared with another front end, or has no such trials.
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
        front_end: str = 'paper',
        align: Align = 'centre',
        pipeline: Sequence[dict | Callable] = (),
        indices: int | Sequence[int] | None = None,
        lazy_init: bool = False,
    ) -> None:
        if split not in SPLITS:
            raise ConfigError(f'split={split!r}; expected one of {SPLITS}')
        window_starts(window, window, hop)
        split_folds((), (), fold)
        self.split = split
        self.fold = fold
        self.window = window
        self.hop = hop
        self.front_end = front_end
        self.align = align
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

    def load_data_list(self) -> list[dict]:
        """Open the corpus and list its windows."""
        self.corpus = corpus = Corpus(self.data_root)
        if corpus.front_end.name != self.front_end:
            raise CorpusError(
                f'{self.data_root}: prepared with the {corpus.front_end.name!r} audio front end, the config asks for '
                f'{self.front_end!r}; prepare it again with "--audio {self.front_end}"'
            )
        if self.split == 'test':
            trials = corpus.split('test')
            which = 'test set'
        else:
            train, val = split_folds(corpus.split('train'), corpus.split('val'), self.fold)
            trials = train if self.split == 'train' else val
            which = 'training' if self.split == 'train' else 'validation'
        if not trials:
            raise CorpusError(f'{self.data_root}: no trials for split {self.split!r} of fold {self.fold}')
        self._metainfo.update(
            corpus=corpus.name,
            synthetic=corpus.synthetic,
            split=which if self.split == 'test' else f'{which}, {fold_name(self.fold)}',
            audio_mean=corpus.audio_mean,
            audio_std=corpus.audio_std,
        )
        return [
            {'trial': trial, 'start': start}
            for trial in trials
            for start in window_starts(corpus.info(trial).num_frames, self.window, self.hop)
        ]

    def __getitem__(self, index: int | SeededIndex) -> dict:
        """Return a window after the pipeline.

        Unlike MMEngine's, it never puts another item in the place of a broken one.
        """
        if not self._fully_initialized:
            self.full_init()
        index, seed = index if isinstance(index, SeededIndex) else (index, (0, 0, index))
        window = self.get_data_info(index)
        results = self.cut(window['trial'], window['start'])
        results['rng'] = np.random.default_rng(seed)
        return self.pipeline(results)

    def cut(self, trial: str, start: int) -> dict:
        """Cut a window out of the corpus.

        Args:
            trial: name of the trial.
            start: first frame.

        Returns:
            dict with ``trial``, ``start``, ``faces (L, S, S, 3)`` uint8 (black in the padding),
            ``logmel (R, n_mels)`` float16 (the rows that the patches touch), ``patch_start (L,)`` int64 (first row of
            each patch, counted from row 0 of ``logmel``; may be negative or lead beyond), ``audio_mask``,
            ``visual_mask (L,)`` bool, and of the n real frames ``affect (n, 2)`` float32, ``valid (n,)`` bool,
            ``timestamps (n,)`` float64, seconds.
        """
        source: Trial = self.corpus[trial]
        stop = min(start + self.window, source.info.num_frames)
        length = stop - start
        faces = source.faces[start:stop]
        rows = patch_starts(source.timestamps[start:stop], self.corpus.front_end, self.align)
        patch, total = self.corpus.front_end.patch_rows, len(source.logmel)
        first = int(np.clip(rows.min(), 0, max(total - 1, 0)))
        last = int(np.clip(rows.max() + patch, first + 1, max(total, 1)))
        audio_mask = np.zeros(self.window, bool)
        audio_mask[:length] = source.info.has_audio & (rows < total) & (rows + patch > 0)
        visual_mask = np.zeros(self.window, bool)
        visual_mask[:length] = source.info.faces_present > 0
        rows = rows - first
        if length < self.window:
            faces = np.concatenate((faces, np.zeros((self.window - length, *faces.shape[1:]), faces.dtype)))
            rows = np.concatenate((rows, np.repeat(rows[-1:], self.window - length)))
        return {
            'trial': trial,
            'start': start,
            'faces': faces,
            'logmel': source.logmel[first:last],
            'patch_start': rows,
            'audio_mask': audio_mask,
            'visual_mask': visual_mask,
            'timestamps': source.timestamps[start:stop].copy(),
            'affect': np.ascontiguousarray(source.targets[start:stop]),
            'valid': np.ascontiguousarray(source.valid[start:stop]),
        }
