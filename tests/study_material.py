"""A study whose predictions are drawn: truth less and less, the higher the noise of its fusion."""

import csv

import numpy as np

from mmaffect.demo.conditions import KINDS
from mmaffect.study.design import FUSIONS
from mmaffect.study.table import StudyTable

WEAK = (0.0, 0.2, 0.4, 0.6)
GATES = tuple(f'{side}/{name}' for side in ('audio', 'visual') for name in ('iteration_1', 'iteration_2', 'stage_1'))
TRUST = ('audio/trust', 'visual/trust')
# Standard deviation of the noise in normal and in decoupled frames, by fusion; others 0.2 and 0.3.
NOISE = {'audio': (0.5, 0.6), 'visual': (0.4, 0.55), 'concat': (0.17, 0.22), 'ca': (0.2, 0.31), 'grjca': (0.18, 0.24)}


def made_records(weak=WEAK, fusions=tuple(FUSIONS), seeds=(0, 1, 2), trials=12, frames=120, noise=NOISE):
    """Records of runs, as a study keeps them."""
    records = []
    for w in weak:
        words = {f'trial{k:02d}': conditions(k, frames, w) for k in range(trials)}
        truth = {name: np.sin(np.arange(frames)[:, None] / (15 + k) + [k, 2 * k]) for k, name in enumerate(words)}
        for number, fusion in enumerate(fusions):
            for seed in seeds:
                rng = np.random.default_rng((number, seed, round(10 * w)))
                common = np.random.default_rng(7)
                normal, decoupled = noise.get(fusion, (0.2, 0.3))
                rows = []
                for name, word in words.items():
                    size = np.where(word == 'normal', normal, decoupled)[:, None]
                    # What makes a trial hard is the same for all fusions.
                    hard = common.uniform(0.6, 1.6)
                    pred = 0.95 * truth[name] + size * hard * (rng.normal(size=(frames, 2)) + 0.3 * rng.normal(size=2))
                    rows += trial_rows(name, word, pred, truth[name])
                names = GATES if 'grjca' in fusion else TRUST if fusion == 'precision' else ()
                gates = made_gates(rng, words, names) if w else []
                parameters = 1000 * (number + 1)
                records.append(
                    dict(
                        weak=w,
                        fusion=fusion,
                        seed=seed,
                        parameters=parameters,
                        epochs=12,
                        seconds=3.0,
                        trials=rows,
                        gates=gates,
                    )
                )
    return records


def conditions(number, frames, weak):
    """Words of a trial: one span of one kind."""
    words = np.full(frames, 'normal', dtype='<U20')
    length = round(weak * frames)
    start = (7 * number) % (frames - length + 1)
    words[start : start + length] = KINDS[number % len(KINDS)]
    return words


def trial_rows(name, words, pred, truth):
    """Moments of a trial, by condition."""
    rows = []
    for word in np.unique(words):
        p, t = pred[words == word], truth[words == word]
        moments = np.stack([p.mean(0), p.var(0), t.mean(0), t.var(0), ((p - p.mean(0)) * (t - t.mean(0))).mean(0)], 1)
        pair = dict(zip(('valence', 'arousal'), moments.tolist(), strict=True))
        rows.append(dict(trial=name, condition=str(word), frames=len(p), **pair))
    return rows


def made_gates(rng, words, gates):
    """AUROC of gates, which are not measured but drawn."""
    kinds = sorted({str(word) for one in words.values() for word in one} - {'normal'})
    records = []
    for gate in gates:
        for kind in ('any', *kinds):
            value = float(np.clip(0.55 + 0.08 * rng.normal(), 0.05, 0.95))
            bounds = dict(low=value - 0.06, high=value + 0.05, mean_normal=0.5, mean_decoupled=0.45)
            records.append(dict(gate=gate, condition=kind, frames=50, auroc=value, **bounds))
    return records


def made_table(**arguments):
    """The table of :func:`made_records`."""
    return StudyTable.from_records(made_records(**arguments))


def write_robustness(path, weak=(0.0, 0.6), fusions=('concat', 'rjca_m2', 'grjca'), seeds=(0, 1), shift=0.0):
    """Write the CCC of corrupted corpora."""
    corruptions = ['AudioNoise', 'AudioDropout', 'AudioShift', 'VoiceSwap', 'FaceBlur', 'FaceJPEG', 'FaceOcclusion']
    with open(path, 'w', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['weak', 'fusion', 'seed', 'corruption', 'severity', 'valence', 'arousal', 'mean'])
        for w in weak:
            for number, fusion in enumerate(fusions):
                for seed in seeds:
                    best = 0.8 - 0.3 * w + 0.02 * number + 0.01 * seed + shift
                    writer.writerow([w, fusion, seed, 'clean', 0, *[f'{best:.5f}'] * 3])
                    for place, corruption in enumerate(corruptions):
                        for severity in range(1, 6):
                            value = best - 0.012 * (place + 1) * severity
                            writer.writerow([w, fusion, seed, corruption, severity, *[f'{value:.5f}'] * 3])


def write_example(path, fusions=('concat', 'rjca_m2', 'grjca'), frames=350):
    """Write one trial."""
    rng = np.random.default_rng(0)
    times = np.arange(frames) / 25
    words = np.full(frames, 'normal', dtype='<U20')
    words[40:110], words[200:260], words[260:300] = 'unrelated_voice', 'covered_face', 'av_offset'
    columns = {'time': times, 'condition': words}
    truth = {target: 0.7 * np.sin(times * (0.8 + 0.3 * k) + k) for k, target in enumerate(('valence', 'arousal'))}
    columns |= {f'annotated_{target}': values for target, values in truth.items()}
    for fusion in fusions:
        for target, values in truth.items():
            columns[f'{fusion}_{target}'] = np.clip(values + 0.1 * rng.normal(size=frames), -1, 1)
    for gate in GATES:
        columns[f'grjca/{gate}'] = np.clip(0.6 - 0.3 * (words != 'normal') + 0.05 * rng.normal(size=frames), 0, 1)
    with open(path, 'w', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([cell if isinstance(cell, str) else f'{cell:.4f}' for cell in row])
