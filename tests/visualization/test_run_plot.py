"""The picture of a training."""

import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest

from mmaffect.visualization import Run, draw_runs
from mmaffect.visualization.run_plot import running_mean

VALENCE, AROUSAL, RATE = (178, 114, 0), (0, 94, 213), (115, 158, 0)


def curve(values, first=1):
    return np.arange(first, first + len(values)), np.asarray(values, dtype=float)


def a_run(valence=0.7, arousal=0.2, rates=(1e-3, 1e-3), gates=False, releases=()):
    epochs = 20
    validation = {
        'CCC/valence': curve([valence] * epochs),
        'CCC/arousal': curve([arousal] * epochs),
        'CCC/mean': curve([(valence + arousal) / 2] * epochs),
    }
    if gates:
        for modality in ('audio', 'visual'):
            for gate in ('iteration_1', 'iteration_2', 'stage_1', 'stage_2'):
                validation[f'gate/{modality}/{gate}'] = curve([0.5] * epochs)
    iterations = np.arange(10, 201, 10)
    return Run(
        name='a run',
        batches=10,
        training={
            'loss': (iterations, np.linspace(1, 0.2, 20)),
            'lr': (iterations, np.repeat(rates, 10).astype(float)),
        },
        validation=validation,
        releases=list(releases),
        synthetic=True,
    )


def drawn(path, *runs, **arguments):
    draw_runs(path, runs, **arguments)
    return cv2.imread(str(path)).astype(int)


def places(image, bgr):
    """Rows and columns of the pixels of a colour."""
    return np.nonzero((np.abs(image - bgr) < 25).all(axis=2))


def test_curves_stand_where_their_values_are(tmp_path):
    image = drawn(tmp_path / 'a.png', a_run(valence=0.7, arousal=0.2, rates=(1e-3, 1e-5)))
    rows, _ = places(image, VALENCE)
    assert np.median(rows) < np.median(places(image, AROUSAL)[0])
    swapped = drawn(tmp_path / 'b.png', a_run(valence=0.2, arousal=0.7))
    assert np.median(places(swapped, VALENCE)[0]) > np.median(places(swapped, AROUSAL)[0])
    # The learning rate falls from left to right, on the same epochs.
    rows, columns = places(image, RATE)
    middle = np.median(columns)
    assert rows[columns < middle - 20].mean() < rows[columns > middle + 20].mean()
    assert columns.max() == pytest.approx(places(image, VALENCE)[1].max(), abs=8)


def test_gates_of_any_name(tmp_path):
    """As of PrecisionFusion."""
    run = a_run()
    for name in ('audio/weight_valence', 'audio/weight_arousal'):
        run.validation[f'gate/{name}'] = curve([0.5] * 20)
    draw_runs(tmp_path / 'a.svg', [run])
    text = (tmp_path / 'a.svg').read_text()
    for part in ('audio gates, share', 'weight valence', 'weight arousal'):
        assert part in text
    assert 'no gates' not in text


def test_panels_of_gates_columns_of_runs_and_note(tmp_path):
    plain = drawn(tmp_path / 'plain.png', a_run())
    gates = drawn(tmp_path / 'gates.png', a_run(gates=True))
    both = drawn(tmp_path / 'both.png', a_run(gates=True), a_run())
    assert gates.shape[0] > plain.shape[0]
    assert both.shape[0] == gates.shape[0]
    assert both.shape[1] > gates.shape[1]
    draw_runs(tmp_path / 'a.svg', [a_run(gates=True), a_run()], smooth=3, note='small print')
    text = (tmp_path / 'a.svg').read_text()
    for part in ('audio gates, share', 'visual gates, share', 'stage 2', 'no gates', 'small print', 'best mean 0.450'):
        assert f'<!-- {part}' in text


def test_releases_are_marked(tmp_path):
    draw_runs(tmp_path / 'none.svg', [a_run()])
    draw_runs(tmp_path / 'two.svg', [a_run(releases=(5, 10))])
    none, two = ((tmp_path / name).read_text() for name in ('none.svg', 'two.svg'))
    assert 'layers released after epochs 5, 10' in two
    assert 'released' not in none
    # Two dashed lines in each of three panels.
    assert two.count('stroke-dasharray') - none.count('stroke-dasharray') == 6


def test_no_line_of_the_rate_across_a_release(tmp_path):
    run = a_run(rates=(1e-6, 1e-2))
    run.training['epoch'] = run.training['lr'][0], np.repeat(np.arange(1, 11), 2)
    across, _ = places(drawn(tmp_path / 'across.png', run), RATE)
    run.releases.append(5)
    broken, columns = places(drawn(tmp_path / 'broken.png', run), RATE)
    high, low = broken < broken.min() + 10, broken > broken.max() - 10
    assert np.ptp(broken) > 60
    assert np.ptp(columns[high]) > 100
    assert np.ptp(columns[low]) > 100
    # Two levels and nothing between them.
    assert (high | low).all()
    assert ((across > across.min() + 10) & (across < across.max() - 10)).any()


def test_a_single_rate_between_releases_is_a_dot(tmp_path):
    run = a_run(releases=(1, 2, 30))
    rates = np.array([10, 20, 30]), np.array([1e-3, 1e-4, 1e-5])
    run.training.update(lr=rates, min_lr=rates, max_lr=rates)
    rows, _ = places(drawn(tmp_path / 'a.png', run), RATE)
    # Three levels, none joined to another.
    assert (np.diff(np.unique(rows)) > 10).sum() == 2


def test_iterations_of_a_short_run_are_integers(tmp_path):
    run = Run(
        name='short', batches=1, training={'loss': curve([3.0, 4.0]), 'lr': curve([0.1, 0.1])},
        validation={}, releases=[], synthetic=False,
    )  # fmt: skip
    draw_runs(tmp_path / 'a.svg', [run])
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    groups = ET.parse(tmp_path / 'a.svg', parser).iter('{http://www.w3.org/2000/svg}g')
    texts = [
        [note.text.strip() for note in group.iter(ET.Comment)] for group in groups if 'axis_' in group.get('id', '')
    ]
    assert ['0', '1', '2', 'iteration'] in texts


def test_one_epoch_other_targets_and_undefined_figures(tmp_path):
    run = Run(
        name='short',
        batches=3,
        training={'loss': curve([1.0], 3), 'lr': curve([0.0], 3)},
        validation={'CCC/dominance': curve([np.nan]), 'CCC/mean': curve([np.nan])},
        releases=[],
        synthetic=False,
    )
    empty = Run(name='empty', batches=1, training={}, validation={}, releases=[], synthetic=False)
    draw_runs(tmp_path / 'a.svg', [run, empty])
    text = (tmp_path / 'a.svg').read_text()
    assert '<!-- dominance' in text
    assert 'best mean' not in text


def test_rates_of_several_parts(tmp_path):
    run = a_run()
    steps, rates = run.training['lr']
    run.training.update(min_lr=(steps, rates / 10), max_lr=(steps, rates))
    draw_runs(tmp_path / 'a.svg', [run])
    assert '<!-- all parts' in (tmp_path / 'a.svg').read_text()


def test_running_mean_by_hand():
    values = np.array([4.0, 2.0, 6.0, 1.0])
    np.testing.assert_allclose(running_mean(values, 2), [4, 3, 4, 3.5])
    np.testing.assert_allclose(running_mean(values, 9), [4, 3, 4, 3.25])
    np.testing.assert_array_equal(running_mean(values, 1), values)
    assert running_mean(np.zeros(0), 3).shape == (0,)
