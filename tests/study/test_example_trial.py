"""The example of a study, against a model that is asked window by window."""

import numpy as np
import pytest
import torch

from mmaffect.datasets import Corpus
from mmaffect.engine.running import build_model
from mmaffect.study import example
from mmaffect.study.design import StudySettings
from mmaffect.study.example import choose_trial, write_example
from mmaffect.study.extras import Example, example_text, read_example
from mmaffect.study.material import Places
from mmaffect.study.runs import run_config, train_run
from mmaffect.study.table import StudyTable
from tests.corpora import write_corpus
from tests.study.study_corpora import words_of, write_study_corpus

SETTINGS = StudySettings(weak=(0.2, 0.4), fusions=('grjca', 'precision'), seeds=(3, 4), epochs=2)


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp('study')
    places = Places(root, root / 'work', root / 'none')
    corpora = {weak: str(write_study_corpus(places.corpus(weak))) for weak in SETTINGS.weak}
    records = [
        train_run(weak, fusion, seed, corpora[weak], str(places.run(weak, fusion, seed)), SETTINGS)
        for weak, fusion, seed in ((0.2, 'grjca', 3), (0.4, 'grjca', 3), (0.4, 'grjca', 4), (0.4, 'precision', 4))
    ]
    return places, corpora, records


def asked(places, corpora, fusion, seed):
    """Affect and gates of the first validation trial: windows of 100 frames with hop 50, one at a time."""
    work_dir = places.run(0.4, fusion, seed)
    model = build_model(run_config(0.4, fusion, seed, corpora[0.4], str(work_dir), SETTINGS))
    checkpoint = next(work_dir.glob('epoch_*.pth'))
    model.load_state_dict(torch.load(checkpoint, weights_only=False)['state_dict'])
    model.eval()
    read = {one: np.load(places.corpus(0.4) / f'features/demo/{one}/b1.npy') for one in ('audio', 'visual')}
    total, count = {}, np.zeros(170)
    for start in (0, 50, 70):
        given = {one: torch.from_numpy(values[None, start : start + 100]) for one, values in read.items()}
        masks = {one: torch.ones(1, 100, dtype=torch.bool) for one in given}
        with torch.no_grad():
            fused, gates = model.fuse(given, masks, return_gates=True)
            affect = model.head(fused)[0]
        found = {'valence': affect[:, 0], 'arousal': affect[:, 1]}
        found |= {name: share[0] for name, share in gates.shares().items()}
        for name, values in found.items():
            total.setdefault(name, np.zeros(170))[start : start + 100] += values.numpy()
        count[start : start + 100] += 1
    return {name: values / count for name, values in total.items()}


def test_it_is_what_the_models_of_the_highest_share_say_of_a_trial(study, tmp_path):
    places, corpora, records = study
    path = write_example(StudyTable.from_records(records), corpora, places, SETTINGS, tmp_path)
    found = read_example(path.parent)
    assert list(found.predicted) == list(found.gates) == ['grjca', 'precision']
    assert found.conditions == tuple(words_of(170, 2))
    trial = Corpus(corpora[0.4])['b1']
    np.testing.assert_allclose(found.times, trial.timestamps, atol=6e-5)
    for column, target in enumerate(('valence', 'arousal')):
        truth = np.where(trial.valid, trial.targets[:, column], np.nan)
        assert 0 < np.isnan(truth).sum() < 170
        np.testing.assert_allclose(found.annotated[target], truth, atol=6e-5)
    for fusion, seed in (('grjca', 3), ('precision', 4)):
        expected = asked(places, corpora, fusion, seed)
        own = {**found.predicted[fusion], **found.gates[fusion]}
        assert own.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(own[name], values, atol=6.5e-5, err_msg=f'{fusion} {name}')
    assert 'audio/iteration_2' in found.gates['grjca']
    assert 'visual/weight_arousal' in found.gates['precision']
    # Written again, it is the same.
    text = path.read_bytes()
    write_example(StudyTable.from_records(records), corpora, places, SETTINGS, tmp_path)
    assert path.read_bytes() == text


def test_what_was_not_run_is_left_out(study, tmp_path):
    places, corpora, records = study
    table = StudyTable.from_records([one for one in records if one['fusion'] == 'precision'])
    assert list(read_example(write_example(table, corpora, places, SETTINGS, tmp_path).parent).predicted) == [
        'precision'
    ]
    other = StudyTable.from_records([records[0] | {'fusion': 'concat'}])
    moved = Places(places.data, tmp_path / 'nowhere', places.encoder_corpus)
    assert write_example(other, corpora, places, SETTINGS, tmp_path / 'no') is None
    assert write_example(StudyTable(), corpora, places, SETTINGS, tmp_path / 'no') is None
    assert write_example(table, corpora, moved, SETTINGS, tmp_path / 'no') is None
    assert not (tmp_path / 'no').exists()


def test_a_long_trial_is_thinned(study, tmp_path, monkeypatch):
    places, corpora, records = study
    whole = read_example(write_example(StudyTable.from_records(records), corpora, places, SETTINGS, tmp_path).parent)
    monkeypatch.setattr(example, 'ROWS', 60)
    thin = read_example(write_example(StudyTable.from_records(records), corpora, places, SETTINGS, tmp_path).parent)
    np.testing.assert_array_equal(thin.times, whole.times[::3])
    assert thin.conditions == whole.conditions[::3]
    name = 'visual/stage_1'
    np.testing.assert_array_equal(thin.gates['grjca'][name], whole.gates['grjca'][name][::3])


def test_the_trial_with_the_most_kinds_is_taken_then_that_with_the_most_decoupled_frames_then_by_name(tmp_path):
    words = {
        'many': ['normal'] * 30 + ['silence'] * 15 + ['noise'] * 5,
        'more': ['normal'] * 20 + ['silence'] * 15 + ['noise'] * 15,
        'most': ['noise'] * 15 + ['normal'] * 20 + ['silence'] * 15,
        'long': ['silence'] * 45 + ['normal'] * 5,
        'plain': ['normal'] * 50,
    }
    corpus = Corpus(write_corpus(tmp_path, [(name, 'val', 50, True) for name in words], conditions=words))
    assert choose_trial(corpus, tuple(words)) == 'more'
    assert choose_trial(corpus, ('plain', 'long', 'many')) == 'many'
    assert choose_trial(corpus, ('plain', 'long')) == 'long'


def test_numbers_have_four_decimals_and_no_negative_zero(tmp_path):
    nan, values = float('nan'), np.array([0.12344, -0.00001])
    given = Example(
        np.array([0.0, 0.04]), ('normal', 'silence'), {'valence': np.array([nan, 1.0]), 'arousal': values},
        {'grjca': {'valence': values, 'arousal': values}}, {'grjca': {'audio/stage_1': np.array([nan, 0.5])}},
    )  # fmt: skip
    assert example_text(given).splitlines() == [
        'time,condition,annotated_valence,annotated_arousal,grjca_valence,grjca_arousal,grjca/audio/stage_1',
        '0.0000,normal,,0.1234,0.1234,0.1234,',
        '0.0400,silence,1.0000,0.0000,0.0000,0.0000,0.5000',
    ]
