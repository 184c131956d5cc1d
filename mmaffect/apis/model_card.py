"""Model cards: what a model of the zoo is, what it was measured at, and where it must not be used."""

import inspect
from collections.abc import Mapping

from mmengine.config import Config

from ..engine.size_check import is_affect_dataset, leaf_datasets
from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from ..inference.notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from ..media.log_mel import get_front_end
from ..registry import MODELS
from ..structures import AFFECT
from .zoo import ModelInfo

# How a corpus is prepared for a config, by the folder where the configs of the repository look for it.
PREPARATION = {
    'data/affwild2': ['prepare_affwild2.py /data/Aff-Wild2 data/affwild2'],
    'data/affwild2_112': ['prepare_affwild2.py /data/Aff-Wild2 data/affwild2_112 --face-size 112'],
    'data/affwild2_vggish': ['prepare_affwild2.py /data/Aff-Wild2 data/affwild2_vggish --audio vggish'],
    'data/demo': ['make_demo_corpus.py data/demo_raw', 'prepare_affwild2.py data/demo_raw data/demo'],
}
DEMO_USE = 'Trying the software out, tests and teaching: it takes any video, but knows nothing of people.'
USE = (
    'Research on affect estimation and fusion; description of recorded, consented material, where people look at the '
    'results.'
)
FORBIDDEN = (
    'workplaces and education, save for medical and safety reasons (EU AI Act, Article 5(1)(f)); on people who were '
    'not informed (Article 50(3)); to decide about people. [USE.md](../../mmaffect/USE.md) says more, and names the '
    'limits: culture, age, occlusion, several people, training data.'
)


def model_card(info: ModelInfo, cfg: Config) -> str:
    """Markdown of a model card, as a file of ``docs/model_cards``.

    Args:
        info: what the metafiles say of the model.
        cfg: its config.
    """
    parts = [
        f'# {info.name}',
        f'> {NOTICE}',
        *([f'> **{SYNTHETIC_MODEL_NOTICE}**'] if info.synthetic else []),
        _table(['', ''], _facts(info, cfg)),
        '## Results',
        '**As reported by the authors**, not of this repository, CCC:',
        _reported(info.entry),
        '**Measured here:**',
        _measured(info),
        '## Use',
        f'**Intended:** {DEMO_USE if info.synthetic else USE}',
        f'**Where it must not be used:** {FORBIDDEN}',
        '## Run',
        _commands(info, cfg),
    ]
    return '\n\n'.join(parts) + '\n'


def _facts(info: ModelInfo, cfg: Config) -> list[list[str]]:
    entry, collection = info.entry, info.collection
    paper, sizes = collection['Paper'], entry['Metadata']
    remark = f'. {entry["Remark"]}' if 'Remark' in entry else ''
    streams = [f'{name}: {sizes[f"{name.title()} Backbone"]}' for name in ('audio', 'visual')]
    streams = [one for one in streams if not one.endswith('None')]
    flops = f'{sizes["FLOPs"] / 1e9:,.1f} GFLOPs a window of {sizes["Window"]} frames'
    rows = [
        ['system', f'{collection["Name"]}: [{paper["Title"]}]({paper["URL"]})'],
        ['form', entry['Form'] + remark],
        ['config', f'[`{entry["Config"]}`](../../{entry["Config"]})'],
        ['fusion', _fusion(cfg)],
        ['streams', '; '.join(streams)],
        ['input', _inputs(cfg)],
        [
            'output',
            f'{" and ".join(cfg.model.head.get("targets", ("valence", "arousal")))} in [-1, 1], for every frame',
        ],
        ['parameters', f'{sizes["Parameters"]:,}; {flops}'],
        ['training data', _training_data(info)],
        ['licence of the code', f'Apache-2.0 (here){_authors(collection)}'],
        ['weights', _weights(entry)],
    ]
    if 'Provenance' in collection:
        rows.append(['provenance', collection['Provenance']])
    return rows


def _fusion(cfg: Config) -> str:
    neck = cfg.model.get('neck')
    if neck is None:
        return 'none: one modality'
    return f'`{neck.type}`: {inspect.getdoc(MODELS.get(neck.type)).splitlines()[0]}'


def _inputs(cfg: Config) -> str:
    dataset = _dataset(cfg)
    modalities = dataset.get('modalities', ('audio', 'visual'))
    preprocessor = cfg.model.get('data_preprocessor') or {}
    parts = []
    if 'visual' in modalities:
        side, clip = preprocessor.get('crop_size', 40), dataset.get('clip_frames', 1)
        what = 'one aligned face' if clip == 1 else f'the last {clip} aligned faces, {_steps(dataset)}'
        parts.append(f'{what}, RGB, cut to the middle {side}x{side} pixels')
    if 'audio' in modalities:
        front_end = get_front_end(dataset.get('front_end', 'paper'))
        rows = dataset.get('patch_rows') or front_end.patch_rows
        where = {'centre': 'centred on it', 'ahead': 'that begins there', 'causal': 'that ends there'}
        parts.append(
            f'a log-mel patch of {rows}x{front_end.n_mels} {where[dataset.get("align", "centre")]} (`{front_end.name}` '
            f'front end, {front_end.sample_rate / 1000:g} kHz, {rows * front_end.hop:.2f} s)'
        )
    parts += [f'cached {name} features' for name in cfg.model.get('further') or {}]
    stride = dataset.get('stride', 1)
    frames = 'consecutive frames' if stride == 1 else f'frames, one every {stride} of the video'
    window = f'windows of {dataset.get("window", 300)} {frames}, hop {dataset.get("hop", 200)}'
    return f'for every frame {"; ".join(parts)}; {window}; masks of frames without face or sound'


def _steps(dataset: Mapping) -> str:
    step = dataset.get('clip_dilation', 1)
    return 'one a frame' if step == 1 else f'one every {step} frames'


def _dataset(cfg: Config) -> Mapping:
    return next(one for one in leaf_datasets(cfg, ('val_dataloader',)).values() if is_affect_dataset(one))


def _training_data(info: ModelInfo) -> str:
    names = ', '.join(info.collection['Metadata']['Training Data'])
    if info.synthetic:
        return f'{names}; no person was recorded for it'
    return f'{names}, given to researchers who sign its licence; the weights that you train are bound by it'


def _authors(collection: Mapping) -> str:
    if not collection.get('Code'):
        return ''
    return f"; authors' [code]({collection['Code']}): {collection['Code Licence']}"


def _weights(entry: Mapping) -> str:
    if entry['Weights'] is None:
        return 'not published. ' + entry.get('Weights Note', 'Train it, and give the path of your checkpoint')
    url = entry['Weights'] if '://' in entry['Weights'] else f'../../{entry["Weights"]}'
    return (
        f'[{entry["Weights Size"] / 1e6:,.1f} MB]({url}), licence {entry["Weights Licence"]}, '
        f'SHA-256 `{entry["Weights SHA-256"]}`'
    )


def _reported(entry: Mapping) -> str:
    rows = [[one['Dataset'], one['Split'], one['Reported In'], *_figures(one['Metrics'])] for one in entry['Results']]
    head = ['corpus', 'split', 'reported in', 'valence', 'arousal']
    return _table(head, rows) if rows else 'Nothing for this form.'


def _measured(info: ModelInfo) -> str:
    rows = [
        [one['Dataset'], one['Split'], one['How'], *_figures(one['Metrics']), f'`{one["Command"]}`']
        for one in info.entry.get('Measured') or []
    ]
    if not rows:
        return 'Nothing yet: no training on Aff-Wild2 with this code was reported.'
    table = _table(['corpus', 'split', 'how', 'CCC valence [95 %]', 'CCC arousal [95 %]', 'command'], rows)
    if info.synthetic:
        table += f'\n\n{SYNTHETIC_NOTICE}'
    return table


def _figures(metrics: Mapping) -> list[str]:
    figures = []
    for target in AFFECT:
        text, interval = f'{metrics[f"CCC {target}"]:.3f}', metrics.get(f'CCC {target} interval')
        figures.append(f'{text} [{interval[0]:.3f}, {interval[1]:.3f}]' if interval else text)
    return figures


def _commands(info: ModelInfo, cfg: Config) -> str:
    config, published = info.entry['Config'], info.weights is not None
    lines = [f'python tools/dataset/{step}' for step in PREPARATION.get(_dataset(cfg).get('data_root'), [])]
    lines.append(f'python tools/train.py {config}')
    checkpoint = f'work_dirs/{info.name}/best_CCC_mean_epoch_N.pth'
    lines.append(f'python tools/test.py {config} {checkpoint}')
    if cfg.model.get('further'):
        note = f'It takes cached features ({", ".join(cfg.model.further)}), and so no video as it is.'
    else:
        weights = '' if published else f' --weights {checkpoint}'
        lines.append(f'python tools/infer.py clip.mp4 --model {info.name}{weights} --out out')
        note = ''
    text = '```bash\n' + '\n'.join(lines) + '\n```'
    return f'{text}\n\n{note}' if note else text


def _table(head: list[str], rows: list[list[str]]) -> str:
    return '\n'.join(f'| {" | ".join(row)} |' for row in [head, ['---'] * len(head), *rows])
