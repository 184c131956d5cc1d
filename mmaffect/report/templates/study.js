const { fusions, weak: shares, targets, subsets } = data;
const count = fusions.length;
const figures = unpackPixels(data.figures);
const differences = unpackPixels(data.differences);
/** The middle of the interval of 1e-4 that a number is in. */
const at = (array, place) => (array[place] === MISSING ? NaN : (array[place] + 0.5) / 1e4);
const first = (name) => Math.max(fusions.findIndex((fusion) => fusion.name === name), 0);
const state = {
  target: 0,
  subset: 0,
  share: shares.length - 1,
  reference: first(data.reference),
  chosen: new Set(fusions.flatMap(({ main }, number) => (main ? [number] : []))),
};

function figureOf(share, subset, target, fusion) {
  const place = 4 * (((share * subsets.length + subset) * targets.length + target) * count + fusion);
  if (figures[place] === MISSING) return null;
  const [value, low, high, sd] = [0, 1, 2, 3].map((k) => at(figures, place + k));
  return Number.isFinite(low) ? { value, low, high, sd } : { value, sd };
}

/** A fusion less the reference: by the one of both differences that is kept. */
function differenceOf(share, subset, target, fusion, reference) {
  const [i, j] = fusion < reference ? [fusion, reference] : [reference, fusion];
  const pair = (i * (2 * count - i - 1)) / 2 + j - i - 1;
  const pairs = (count * (count - 1)) / 2;
  const place = 3 * (((share * subsets.length + subset) * targets.length + target) * pairs + pair);
  if (differences[place] === MISSING) return null;
  const [value, low, high] = [0, 1, 2].map((k) => at(differences, place + k));
  return fusion < reference ? { value, low, high } : { value: -value, low: -high, high: -low };
}

/** Corrected p; of the mean of valence and arousal only. */
function chanceOf(share, subset, target, fusion, reference) {
  const tested = data.tested.indexOf(subsets[subset]);
  return target || tested < 0 ? null : (data.p[reference]?.[share][tested][fusion] ?? null);
}

/** Fusions that the others are tested against. */
const tests = Object.keys(data.p).map((reference) => fusions[reference].label);

const ordered = () => [...state.chosen].sort((a, b) => a - b);
const rangeOf = (interval) => `95\u202f% interval ${fixed(interval.low)} to ${fixed(interval.high)}`;
const naming = () => `CCC, ${targets[state.target]}, ${worded(subsets[state.subset])} frames`;

function spanOf(values) {
  if (!values.length) return [0, 1];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.05 * (most - least), 0.01);
  return [least - room, most + room];
}

const shareChart = new LineChart($('share'), { height: 440, named: true });

function showShares() {
  const series = ordered().map((number) => ({
    fusion: fusions[number],
    points: shares.map((w, share) => {
      const one = figureOf(share, state.subset, state.target, number);
      if (!one) return null;
      const interval = one.low === undefined ? [] : [rangeOf(one)];
      const spread = Number.isFinite(one.sd) ? [`SD over seeds ${fixed(one.sd)}`] : [];
      return { ...one, lines: [`${fusions[number].label}, w = ${w}`, `CCC ${fixed(one.value)}`, ...interval, ...spread] };
    }),
  }));
  const points = series.flatMap((one) => one.points.filter((point) => point));
  const [low, high] = spanOf(points.flatMap((one) => [one.low ?? one.value, one.high ?? one.value]));
  shareChart.show({ name: `${naming()}, against w`, x: shares, xLabel: 'share w of decoupled time', yLabel: naming(), low, high, series });
  $('share-note').textContent = state.chosen.size ? (points.length ? '' : 'No w has frames of this kind.') : 'No fusion is chosen.';
  const cell = (one) => (one ? (one.low === undefined ? fixed(one.value) : `${fixed(one.value)} [${fixed(one.low)}, ${fixed(one.high)}]`) : '–');
  fillTable($('share-table'), ['Fusion', ...shares.map((w) => `w = ${w}`)], series.map(({ fusion, points }) => [fusion.label, ...points.map(cell)]));
}

function showForest() {
  const { share, subset, target, reference } = state;
  const rows = fusions.flatMap((fusion, number) => {
    const one = number === reference ? null : differenceOf(share, subset, target, number, reference);
    return one ? [{ fusion, ...one, p: chanceOf(share, subset, target, number, reference) }] : [];
  });
  rows.sort((a, b) => b.value - a.value);
  const name = `${naming()}, w = ${shares[share]}`;
  const tested = rows.some(({ p }) => p !== null);
  if (rows.length) drawForest($('forest'), { rows, reference: fusions[reference], name });
  else $('forest').replaceChildren(element('p', {}, `At w = ${shares[share]} there is nothing to compare in ${worded(subsets[subset])} frames.`));
  $('forest-note').textContent =
    `${name}: each fusion less ${fusions[reference].label}; ◀ and ▶: beyond the plot. ` +
    (tested
      ? `Filled squares with ▲ or ▼: p < 0.05 in the paired permutation test over trials, corrected by Holm for ${rows.length} ` +
        'comparisons, and no 0 in the interval; circles: not both. The test is of these trained models, the interval counts other seeds as well.'
      : `Intervals alone: tests are made of the mean of valence and arousal, in ${data.tested.map(worded).join(', ')} frames, ` +
        `against ${tests.join(', ')}.`);
}

function showGates() {
  const number = Number($('gates-fusion').value);
  const found = data.gates.filter(({ fusion, weak }) => fusion === number && weak === state.share);
  if (!found.length) {
    $('gates').replaceChildren();
    $('gates-note').textContent = `At w = ${shares[state.share]} no frame is decoupled for ${fusions[number].label}: choose another w.`;
    return;
  }
  const reach = drawGates($('gates'), found);
  $('gates-note').textContent =
    `w = ${shares[state.share]}. AUROC of the share that a gate gives as a detector of decoupled frames. ${data.gateNotes[number]} ` +
    `0.5 is the dashed line; a plot spans ${(0.5 - reach).toFixed(1)} to ${(0.5 + reach).toFixed(1)}. ` +
    'Means over seeds, with intervals over trials alone; squares with ▲ or ▼: the interval leaves out 0.5.';
}

const panels = (data.robustness?.corruptions ?? []).map((corruption) => {
  const box = element('div', { class: 'chart' });
  $('panels').append(element('div', {}, element('h3', {}, worded(corruption)), box));
  return new LineChart(box, { height: 230 });
});

function showRobustness() {
  if (!data.robustness) return;
  const { weak, corruptions, severities, numbers, values } = data.robustness;
  const unpacked = unpackPixels(values);
  const place = Number($('robustness-weak').value);
  const kept = numbers.flatMap((number, row) => (state.chosen.has(number) ? [[number, row]] : []));
  const rows = [];
  const all = corruptions.map((corruption, c) =>
    kept.map(([number, row]) => ({
      fusion: fusions[number],
      points: severities.map((severity, v) => {
        const start = 2 * (((place * numbers.length + row) * corruptions.length + c) * severities.length + v);
        if (unpacked[start] === MISSING) return null;
        const [value, sd] = [at(unpacked, start), at(unpacked, start + 1)];
        const spread = Number.isFinite(sd) ? [`SD over seeds ${fixed(sd)}`] : [];
        return { value, lines: [`${fusions[number].label}, ${worded(corruption)} ${severity}`, `CCC ${fixed(value)}`, ...spread] };
      }),
    })),
  );
  const [low, high] = spanOf(all.flat(2).flatMap(({ points }) => points.flatMap((one) => (one ? [one.value] : []))));
  corruptions.forEach((corruption, c) => {
    const name = `CCC, mean of valence and arousal, by severity of ${worded(corruption)}`;
    panels[c].show({ name, x: severities, xLabel: 'severity', yLabel: '', low, high, series: all[c] });
    for (const { fusion, points } of all[c]) rows.push([fusion.label, worded(corruption), ...points.map((one) => (one ? fixed(one.value) : '–'))]);
  });
  fillTable($('robustness-table'), ['Fusion', 'Corruption', ...severities.map(String)], rows);
  $('robustness-note').textContent = `Trained at w = ${weak[place]}.`;
}

const traces = data.example && new Traces($('traces'), $('time'), $('now'), data.example);

function showExample() {
  if (!traces) return;
  traces.show(ordered());
  const shown = traces.chosen.map((number) => element('span', {}, swatch(fusions[number]), fusions[number].label));
  const weak = data.example.spans.some(([word]) => word !== 'normal') ? [element('span', { class: 'weak' }, 'decoupled')] : [];
  $('example-key').replaceChildren(element('span', { class: 'annotated' }, 'annotated'), ...shown, ...weak);
}

/** Results of the chosen w, or of all. */
function showResults() {
  const every = $('every').checked;
  $('results-title').textContent = every ? 'Results' : `Results, w = ${shares[state.share]}`;
  for (const row of $('results').tBodies[0].rows) row.hidden = !every && Number(row.dataset.share) !== state.share;
}

function showAll() {
  for (const show of [showShares, showForest, showGates, showRobustness, showExample]) if (show !== showGates || data.gates.length) show();
}

function choices(box, name, labels, chosen, choose) {
  labels.forEach((label, value) => {
    const input = element('input', { type: 'radio', name, value });
    input.checked = value === chosen;
    input.addEventListener('change', () => choose(value));
    box.append(element('label', {}, input, element('span', {}, label)));
  });
}

const option = (label, value) => element('option', { value }, label);
choices($('targets'), 'target', targets, state.target, (value) => {
  state.target = value;
  showAll();
});
choices($('shares'), 'share', shares.map(String), state.share, (value) => {
  state.share = value;
  showForest();
  showResults();
  if (data.gates.length) showGates();
});
$('every').addEventListener('change', showResults);
$('frames').append(...subsets.map((name, value) => option(worded(name), value)));
$('frames').addEventListener('change', (event) => {
  state.subset = Number(event.target.value);
  showAll();
});
$('reference').append(...fusions.map(({ label }, value) => option(label, value)));
$('reference').value = state.reference;
$('reference').addEventListener('change', (event) => {
  state.reference = Number(event.target.value);
  showForest();
});
const gated = [...new Set(data.gates.map(({ fusion }) => fusion))].sort((a, b) => a - b);
$('gates-fusion').append(...gated.map((number) => option(fusions[number].label, number)));
if (gated.includes(state.reference)) $('gates-fusion').value = state.reference;
$('gates-fusion').addEventListener('change', showGates);
if (data.robustness) $('robustness-weak').append(...data.robustness.weak.map((w, place) => option(`w = ${w}`, place)));
$('robustness-weak').addEventListener('change', showRobustness);

const boxes = fusions.map((fusion, number) => {
  const input = element('input', { type: 'checkbox', value: number });
  input.checked = state.chosen.has(number);
  input.addEventListener('change', () => {
    if (input.checked) state.chosen.add(number);
    else state.chosen.delete(number);
    showChosen();
  });
  const { colour } = styleOf(fusion);
  $('chips').append(element('label', { class: `chip ${colour}` }, input, element('span', {}, swatch(fusion), fusion.label)));
  return input;
});

function showChosen() {
  boxes.forEach((box, number) => (box.checked = state.chosen.has(number)));
  showShares();
  showRobustness();
  showExample();
}

for (const [id, kept] of [['choose-main', ({ main }) => main], ['choose-all', () => true], ['choose-none', () => false]])
  $(id).addEventListener('click', () => {
    state.chosen = new Set(fusions.flatMap((fusion, number) => (kept(fusion) ? [number] : [])));
    showChosen();
  });

sortable($('results'));
theme.start();
showAll();
showResults();
