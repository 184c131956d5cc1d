"""Robustness against tests of a Runner on corrupted datasets, and against arithmetic by hand."""

import csv
import io
import json

import numpy as np
import pytest
import torch

from mmaffect.datasets import Corpus
from mmaffect.datasets.corruptions import Corruption
from mmaffect.engine import robustness, robustness_run
from mmaffect.engine.checkpoint import load_weights
from mmaffect.engine.extraction import extract_features
from mmaffect.engine.robustness import (
    CLEAN,
    Condition,
    choose_corruptions,
    conditions_of,
    corrupted_features,
    evaluate,
    frame_encoders,
    known_corruptions,
)
from mmaffect.engine.robustness_report import Robustness, pooled_ccc
from mmaffect.engine.robustness_run import measure_robustness, read_dataset, robustness_settings
from mmaffect.engine.running import build_model, build_runner, load_config
from mmaffect.errors import ConfigError, CorpusError
from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from mmaffect.registry import CORRUPTIONS
from tests.corpora import write_corpus
from tests.engine.robustness_models import TRIALS, dumped, saved
from tests.toy_estimators import toy_config, toy_model


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp('robustness'), TRIALS)


@pytest.fixture
def toy(tmp_path, root, request):
    return saved(tmp_path, 'toy', getattr(request, 'param', 'both'), root)


def loaded(paths, **options):
    cfg = load_config(paths[0], **options)
    model = build_model(cfg).eval()
    load_weights(model, paths[1])
    model.cfg = cfg
    return model


def runner_test(paths, corruptions=(), **dataset):
    """What tools/test.py says of a corrupted dataset."""
    cfg = load_config(paths[0])
    cfg.test_dataloader.dataset.update(corruptions=[dict(one) for one in corruptions], **dataset)
    cfg.experiment_name = f'{paths[0].stem}_{np.random.default_rng().integers(1 << 60)}'
    runner = build_runner(cfg, loaders=('test_dataloader',))
    load_weights(runner.model, paths[1])
    return {key[4:]: value for key, value in runner.test().items() if key.startswith('CCC/')}


def measured(paths, out_dir, conditions, *, trials=None, seed=0, encoders=()):
    model = loaded(paths)
    dataset = read_dataset(model.cfg)
    others = [loaded(one) for one in encoders]
    moments = measure_robustness(
        model,
        dataset,
        frame_encoders(others or [model], dataset.corpus),
        trials or dataset.corpus.split('val'),
        conditions,
        out_dir,
        robustness_settings(
            [(one.cfg, path[1]) for one, path in zip([model, *others], [paths, *encoders], strict=True)], 'val', seed
        ),
        seed=seed,
    )
    return pooled_ccc(moments, model.head.targets)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    assert max(abs(found[key] - expected[key]) for key in found) <= 1e-6, (found, expected)


@pytest.mark.parametrize('toy', ['both', 'stride', 'strided clips', 'audio'], indirect=True)
def test_figures_equal_those_of_a_test_of_the_corrupted_dataset(toy, tmp_path, request):
    streams = loaded(toy).streams
    names = list(choose_corruptions(None, tuple(streams))[0])
    if len(streams) == 1 or request.node.callspec.id == 'stride':
        names = [name for name in names if name in ('VoiceSwap', 'FaceDropout')]
    conditions = [CLEAN, *(Condition(name, 1 + 2 * (i % 3)) for i, name in enumerate(names))]
    found = measured(toy, tmp_path / 'out', conditions, seed=3)
    assert_same(found['clean'], runner_test(toy))
    for name, severity in conditions[1:]:
        expected = runner_test(toy, [dict(type=name, severity=severity, seed=3)])
        assert_same(found[f'{name}/{severity}'], expected)
    distinct = {round(row['mean'], 9) for row in found.values()}
    assert len(distinct) == len(conditions)


def test_fusions_on_cached_features_equal_a_test_with_corrupted_features(tmp_path, root):
    """The features of another way: extracted from a corrupted dataset, written, and read by a Runner."""
    root = write_corpus(tmp_path / 'corpus', TRIALS)
    encoders = [saved(tmp_path, case, case, root) for case in ('audio', 'visual')]
    cfg = toy_config('both', root, split='val', pipeline=[dict(type='PackAffectInputs')])
    del cfg.model.visual['backbone'], cfg.model.audio['backbone']
    cfg.model.visual.in_channels, cfg.model.audio.in_channels = 6, 8
    cfg.test_dataloader.dataset.features = dict(audio='toy/audio', visual='toy/visual')
    torch.manual_seed(1)
    torch.save(build_model(cfg).state_dict(), tmp_path / 'fusion.pth')
    fusion = (dumped(cfg, tmp_path, 'fusion'), tmp_path / 'fusion.pth')

    clean, deaf, blurred = CLEAN, Condition('AudioDropout', 4), Condition('FaceBlur', 5)
    found = measured(fusion, tmp_path / 'out', [clean, deaf, blurred], encoders=encoders)
    for modality, path in zip(('audio', 'visual'), encoders, strict=True):
        for condition in (clean, deaf if modality == 'audio' else blurred):
            model = loaded(path)
            dataset = dict(model.cfg.test_dataloader.dataset)
            if condition is not clean:
                dataset['corruptions'] = [dict(type=condition.corruption, severity=condition.severity)]
            extract_features(model, dataset, str(condition.corruption), {'of': condition.key})
    for condition in (clean, deaf, blurred):
        names = dict.fromkeys(('audio', 'visual'), 'None')
        if condition is not clean:
            names['audio' if condition is deaf else 'visual'] = condition.corruption
        features = {one: f'{name}/{one}' for one, name in names.items()}
        assert_same(found[condition.key], runner_test(fusion, features=features))
    assert len({row['mean'] for row in found.values()}) == 3


def count_frames(model):
    counts = dict.fromkeys(model.streams, 0)
    for name, stream in model.streams.items():

        def hook(module, args, output, name=name):
            counts[name] += len(args[0])

        stream.backbone.register_forward_hook(hook)
    return counts


def test_frames_are_encoded_once_and_again_where_they_are_corrupted(toy, root):
    model, corpus = loaded(toy), Corpus(root)
    counts = count_frames(model)
    conditions = conditions_of(['AudioDropout', 'FaceBlur'], [1, 3, 5])
    given = list(corrupted_features(frame_encoders([model], corpus), corpus, ['d1', 'd2'], conditions))
    assert [(one.trial.info.name, one.condition) for one in given] == [(t, c) for t in ('d1', 'd2') for c in conditions]
    assert counts == {'audio': 4 * 103, 'visual': 4 * 103}
    clean, heard, seen = given[0], given[1], given[4]
    assert heard.features['visual'] is clean.features['visual']
    assert seen.features['audio'] is clean.features['audio']
    assert not np.array_equal(heard.features['audio'].values, clean.features['audio'].values)
    # Any number of models are evaluated on them without another look.
    moments = [evaluate(other, clean, 20, 15) for other in (model, model)]
    assert np.array_equal(*moments)
    assert moments[0].shape == (2, 6)
    assert moments[0][0, 0] == corpus['d1'].valid.sum()
    assert counts == {'audio': 4 * 103, 'visual': 4 * 103}
    # A trial without sound has nothing to corrupt.
    silent = list(corrupted_features(frame_encoders([model], corpus), corpus, ['d4'], conditions))
    assert silent[1].features['audio'] is silent[0].features['audio']


def test_what_is_done_is_kept_and_an_interrupted_measurement_continues(toy, root, tmp_path, monkeypatch):
    out_dir, conditions = tmp_path / 'out', conditions_of(['AudioDropout', 'FaceBlur'], [2, 4])
    whole = measured(toy, tmp_path / 'whole', conditions)
    true, calls = evaluate, []

    def interrupted(*args, **kwargs):
        calls.append(args[1].condition.key)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return true(*args, **kwargs)

    monkeypatch.setattr(robustness_run, 'evaluate', interrupted)
    with pytest.raises(KeyboardInterrupt):
        measured(toy, out_dir, conditions)
    assert sorted(path.name for path in (out_dir / 'trials').iterdir()) == ['d1.json', 'd2.json']
    assert measured(toy, out_dir, conditions) == whole
    assert len(calls) == 8 + 20 - 7
    # More severities, or fewer trials, do not repeat what is there; a damaged file is done again.
    more = measured(toy, out_dir, conditions_of(['AudioDropout'], [2, 5]))
    assert len(calls) == 21 + 4
    assert more['AudioDropout/2'] == whole['AudioDropout/2']
    (out_dir / 'trials/d1.json').write_text('{')
    assert measured(toy, out_dir, conditions_of(['AudioDropout'], [2]), trials=['d1'])['clean'] != whole['clean']
    assert len(calls) == 25 + 2

    with pytest.raises(ConfigError, match=r'figures of other settings \(seed = 0, now 1\); give another --out'):
        measured(toy, out_dir, conditions, seed=1)
    (out_dir / 'settings.json').unlink()
    with pytest.raises(ConfigError, match='figures of unknown settings'):
        measured(toy, out_dir, conditions)


def test_other_weights_or_another_corpus_are_other_settings(toy, root, tmp_path):
    cfg = load_config(toy[0])
    first = robustness_settings([(cfg, toy[1])], 'val', 0)
    assert (
        robustness_settings([(load_config(toy[0], options={'test_dataloader.batch_size': 1}), toy[1])], 'val', 0)
        == first
    )
    other = write_corpus(tmp_path / 'other', TRIALS, seed=1)
    weights = torch.load(toy[1])
    torch.save({key: value * 2 for key, value in weights.items()}, tmp_path / 'b.pth')
    for changed in (
        robustness_settings([(load_config(toy[0], data_root=str(other)), toy[1])], 'val', 0),
        robustness_settings([(cfg, tmp_path / 'b.pth')], 'val', 0),
        robustness_settings([(load_config(toy[0], options={'model.head.dropout': 0.3}), toy[1])], 'val', 0),
        robustness_settings([(cfg, toy[1])], 'test', 0),
        robustness_settings([(cfg, toy[1]), (cfg, toy[1])], 'val', 0),
    ):
        assert changed != first


def test_a_corruption_of_your_own_is_one_of_all(root, toy, tmp_path):
    class Mute(Corruption):
        """Silence."""

        modality, LEVELS = 'audio', (0, 0, 0, 0, 0)

        def damage(self, trial, corpus, rng):
            from dataclasses import replace

            return replace(trial, logmel=np.zeros_like(trial.logmel))

    CORRUPTIONS.register_module(module=Mute)
    try:
        assert choose_corruptions(None, ['audio'])[0]['Mute'] == 'audio'
        found = measured(toy, tmp_path / 'out', conditions_of(['Mute'], [1, 5]))
    finally:
        CORRUPTIONS._module_dict.pop('Mute')
    assert found['Mute/1'] == found['Mute/5'] != found['clean']


def test_corruptions_of_what_the_model_has_not_are_left_out():
    chosen, left = choose_corruptions(None, ('visual',))
    known = known_corruptions()
    assert {*chosen, *left} == set(known)
    assert set(chosen.values()) == {'visual'}
    assert set(left.values()) == {'audio'}
    assert next(iter(known.values())).modality == 'audio'
    assert choose_corruptions(['FaceBlur', 'AudioDropout'], ('audio', 'visual')) == (
        {'FaceBlur': 'visual', 'AudioDropout': 'audio'},
        {},
    )


@pytest.mark.parametrize(
    ('call', 'text'),
    [
        (lambda: choose_corruptions(['FaceBlurr'], ['visual']), "'FaceBlurr' is not known; expected one of Audio"),
        (lambda: choose_corruptions(['FaceBlur', 'FaceBlur'], ['visual']), 'FaceBlur is given twice'),
        (lambda: choose_corruptions(['FaceBlur'], ['audio']), 'no corruption of audio is given'),
        (lambda: conditions_of(['FaceBlur'], [1, 6]), r'severities=\[1, 6\]; expected different ones of 1 to 5'),
        (lambda: conditions_of(['FaceBlur'], [2, 2]), r'severities=\[2, 2\]'),
        (lambda: conditions_of(['FaceBlur'], []), 'severities is empty'),
    ],
)
def test_what_cannot_be_corrupted_is_one_line(call, text):
    with pytest.raises(ConfigError, match=text):
        call()


def test_models_that_do_not_fit_their_features(root, tmp_path):
    corpus = Corpus(root)
    audio, visual = toy_model('audio', root), toy_model('visual', root)
    with pytest.raises(ConfigError, match='two models encode audio'):
        frame_encoders([audio, audio], corpus)
    encoders = frame_encoders([audio], corpus)
    with pytest.raises(ConfigError, match='FaceBlur/1: corrupts visual, which nothing encodes'):
        next(corrupted_features(encoders, corpus, ['d1'], [Condition('FaceBlur', 1)]))
    given = next(corrupted_features(encoders, corpus, ['d1'], [CLEAN]))
    with pytest.raises(ConfigError, match="the model has a stream 'visual'; the encoders give audio"):
        evaluate(visual, given, 20, 15)
    cached = toy_config('audio', root).model
    del cached.audio['backbone'], cached.audio['temporal']
    cached.audio.in_channels, cached.head.in_channels = 5, 5
    with pytest.raises(ConfigError, match='audio features of 8 channels; the model expects 5'):
        evaluate(build_model(type(toy_config())(dict(model=cached))).eval(), given, 20, 15)
    with pytest.raises(ConfigError, match="front end 'paper'; the model takes 'vggish'"):
        next(corrupted_features(frame_encoders([toy_model('ahead', root)], corpus), corpus, ['d1'], [CLEAN]))


def test_datasets_that_are_not_whole(root):
    for key, value in (('indices', 3), ('corruptions', [dict(type='FaceBlur')])):
        with pytest.raises(ConfigError, match=rf'test_dataloader\.dataset\.{key} = .*; expected none'):
            read_dataset(toy_config('both', root, split='val', **{key: value}))
    with pytest.raises(ConfigError, match="features: 'text'; expected faces and sound only"):
        read_dataset(toy_config('both', root, split='val', features={'text': 'a'}))
    with pytest.raises(CorpusError, match='no valid annotation in 1 trials'):
        robustness.check_annotated(Corpus(root), ['e1'])


CCC = {
    'clean': {'valence': 0.75, 'arousal': 0.25, 'mean': 0.5},
    'AudioNoise/1': {'valence': 0.5, 'arousal': 0.25, 'mean': 0.375},
    'AudioNoise/4': {'valence': 0.25, 'arousal': 0.0, 'mean': 0.125},
    'FaceBlur/1': {'valence': 0.5, 'arousal': 0.5, 'mean': 0.5},
    'FaceBlur/4': {'valence': 0.0, 'arousal': 0.0, 'mean': 0.0},
}


def report(**changes):
    facts = dict(model='toy', checkpoint='a/best.pth', corpus='demo', split='validation, fold 0', synthetic=True)
    facts |= dict(trials=4, frames=1000, seed=0, corruptions={'AudioNoise': 'audio', 'FaceBlur': 'visual'})
    return Robustness(**{**facts, 'severities': [1, 4], 'ccc': CCC, **changes})


def test_means_by_hand():
    found = report()
    assert found.over_severities('AudioNoise') == {'valence': 0.375, 'arousal': 0.125, 'mean': 0.25}
    assert found.mean_robustness == 0.25
    assert found.relative_robustness == 0.5
    assert found.curves()['arousal'] == {'AudioNoise': [0.25, 0.25, 0.0], 'FaceBlur': [0.25, 0.5, 0.0]}
    assert np.isnan(report(ccc={**CCC, 'clean': {'valence': 0.0, 'arousal': 0.0, 'mean': 0.0}}).relative_robustness)
    moments = {'clean': np.array([[[2, 1.0, 1, 1, 1, 0]], [[1, 0, 2, 0, 4, 0]]])}
    pred, truth = np.array([1.0, 0, 0]), np.array([0, 1.0, 2])
    expected = 2 * np.mean((pred - pred.mean()) * (truth - truth.mean()))
    expected /= pred.var() + truth.var() + (pred.mean() - truth.mean()) ** 2
    assert pooled_ccc(moments, ('valence',)) == {
        'clean': {'valence': pytest.approx(expected), 'mean': pytest.approx(expected)}
    }


def test_a_report_is_written_read_and_shows_itself(tmp_path):
    found = report(left_out={'AudioShift': 'audio'})
    found.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f'robustness.{kind}' for kind in ('csv', 'json', 'md', 'png')}
    text = (tmp_path / 'robustness.md').read_text()
    assert text.startswith('CCC of toy (best.pth) on demo, validation, fold 0, clean and corrupted (seed 0)')
    assert 'Mean robustness: 0.250, the mean of CCC/mean over 2 corruptions and severities 1, 4; 0.500 of the' in text
    assert 'Left out, since the model has no audio stream: AudioShift.' in text
    assert '| AudioNoise | audio | 0.500 | 0.375 | 0.125 | 0.250 |' in text
    assert '| FaceBlur | visual | 0.250 | 0.500 | 0.000 | 0.250 |' in text
    assert text.endswith(f'{SYNTHETIC_NOTICE}\n')
    comment, *lines = (tmp_path / 'robustness.csv').read_text().splitlines()
    assert SYNTHETIC_NOTICE in comment
    rows = list(csv.DictReader(io.StringIO('\n'.join(lines))))
    assert rows[0] == dict(
        corruption='clean',
        modality='',
        severity='0',
        CCC_valence='0.750000',
        CCC_arousal='0.250000',
        CCC_mean='0.500000',
    )
    assert [(row['corruption'], row['severity'], float(row['CCC_mean'])) for row in rows[1:]] == [
        (*key.split('/'), row['mean']) for key, row in CCC.items() if key != 'clean'
    ]
    content = json.loads((tmp_path / 'robustness.json').read_text())
    assert content['note'] == SYNTHETIC_NOTICE
    assert content['mean_robustness'] == 0.25
    again = Robustness.load(tmp_path)
    assert again == found
    html = again._repr_html_()
    assert SYNTHETIC_NOTICE in html
    assert html.count('data:image/png;base64,') == 1
    assert again._repr_png_().startswith(b'\x89PNG')
    assert SYNTHETIC_NOTICE not in report(synthetic=False).markdown()


def test_what_has_no_ccc_is_a_dash(tmp_path):
    nan = float('nan')
    found = report(ccc={**CCC, 'FaceBlur/4': {'valence': nan, 'arousal': 0.5, 'mean': nan}})
    found.write(tmp_path)
    assert '| FaceBlur | visual | 0.500 | 0.500 | – | – |' in found.markdown()
    assert 'FaceBlur,visual,4,,0.500000,\n' in (tmp_path / 'robustness.csv').read_text()
    assert np.isnan(Robustness.load(tmp_path).ccc['FaceBlur/4']['mean'])


def test_what_is_no_report_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r'no robustness\.json; expected what tools/analysis/robustness.py wrote'):
        Robustness.load(tmp_path)
    for content in ('', '[]', '{}', '{"measured": {"ccc": {}}}'):
        (tmp_path / 'robustness.json').write_text(content)
        with pytest.raises(ConfigError, match=r'robustness\.json: damaged'):
            Robustness.load(tmp_path)
