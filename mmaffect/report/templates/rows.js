const AFFECT = ['valence', 'arousal'];
const LABELS = { valence: 'Valence', arousal: 'Arousal', audio: 'Audio', visual: 'Visual', face: 'Face', voice: 'Voice' };
const label = (name) => LABELS[name] || name;

/** Valence and arousal over time, together, or each by itself beside its annotation. */
function plotRow(trace, targets, narrow) {
  const draw = (context, box, view) => {
    const up = (v) => box.top + (box.height * (1.05 - v)) / 2.1;
    context.lineWidth = 1;
    for (const v of [-1, -0.5, 0, 0.5, 1]) {
      context.strokeStyle = v === 0 ? theme.colours.axis : theme.colours.grid;
      context.beginPath();
      context.moveTo(box.left, Math.round(up(v)) + 0.5);
      context.lineTo(box.left + box.width, Math.round(up(v)) + 0.5);
      context.stroke();
      write(context, v === 0 ? '0' : signed(v, v % 1 ? 1 : 0), box.left - 8, up(v), { align: 'right', size: 11 });
    }
    context.save();
    roundedBox(context, box.left, box.top, box.width, box.height, 0);
    context.clip();
    for (const target of targets) {
      if (trace.annotated && trace.annotated[target]) {
        context.strokeStyle = theme.colours.annotated;
        context.lineWidth = 1.25;
        context.setLineDash([5, 4]);
        drawLine(context, trace.times, trace.annotated[target], view, box, -1.05, 1.05);
        context.setLineDash([]);
      }
      context.strokeStyle = theme.colours[target];
      context.lineWidth = 1.9;
      drawLine(context, trace.times, trace.affect[target], view, box, -1.05, 1.05);
    }
    context.restore();
  };
  const describe = (i) =>
    targets
      .map((target) => {
        const annotated = trace.annotated && trace.annotated[target] ? ` (annotated ${signed(trace.annotated[target][i])})` : '';
        return `${target} ${signed(trace.affect[target][i])}${annotated}`;
      })
      .join(', ');
  const height = targets.length > 1 ? (narrow ? 190 : 270) : narrow ? 130 : 165;
  return { kind: 'plot', label: targets.length > 1 ? '' : label(targets[0]), colour: theme.colours[targets[0]], height, draw, describe };
}

/** The darker, the more of the frames of a pixel: none is hidden by others, and no gap is. */
function presenceRow(trace, name) {
  const colour = { face: 'visual', voice: 'audio' }[name];
  const draw = (context, box, view) => {
    const means = columnMeans(trace.times, trace.presence[name], view, box.width);
    const step = box.width / means.length;
    backdrop(context, box);
    context.fillStyle = theme.colours[colour];
    for (let c = 0; c < means.length; ) {
      const from = c;
      while (c < means.length && means[c] === means[from]) c++;
      if (c === from) c++;
      if (!(means[from] > 0)) continue;
      context.globalAlpha = 0.2 + 0.8 * means[from];
      context.fillRect(box.left + from * step, box.top, (c - from) * step, box.height);
    }
    context.globalAlpha = 1;
  };
  const describe = (i) => `${name} ${trace.presence[name][i] ? 'present' : 'absent'}`;
  return { kind: 'band', label: label(name), height: 12, draw, describe };
}

/** Share that a gate gives, of attended features or of a modality: an area from 0 to 1. */
function shareRow(trace, name, text, modality) {
  const what = ATTENDS.test(name) ? ' attended' : '';
  const draw = (context, box, view) => {
    const means = columnMeans(trace.times, trace.gates[name], view, box.width);
    backdrop(context, box);
    fillBetween(context, box, new Float32Array(means.length), means, modality, stageShade(0, 1));
    midline(context, box);
  };
  return { kind: 'band', label: text, height: 30, draw, describe: (i) => `${text}: ${share(trace.gates[name][i])}${what}` };
}

/** Shares of a stage gate, which sum to 1, one upon another. */
function stageRow(trace, stages, modality) {
  const draw = (context, box, view) => {
    let low = new Float32Array(Math.max(Math.round(box.width), 1));
    backdrop(context, box);
    stages.forEach(([name], s) => {
      const means = columnMeans(trace.times, trace.gates[name], view, box.width);
      const high = low.map((value, c) => Math.min(value + means[c], 1));
      fillBetween(context, box, low, high, modality, stageShade(s, stages.length));
      low = high;
    });
    midline(context, box);
  };
  const describe = (i) => `stage gate: ${stages.map(([name, text]) => `${text} ${share(trace.gates[name][i])}`).join(', ')}`;
  return { kind: 'band', label: 'Stage gate', height: 34, draw, describe };
}

const stageShade = (stage, count) => (count === 1 ? 0.75 : 0.15 + (0.75 * stage) / (count - 1));
const share = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(0)} %` : 'none');

/** Area between shares of the height of a box, a pair each pixel; where one is missing there is a gap. */
function fillBetween(context, box, low, high, modality, alpha) {
  const step = box.width / low.length;
  const up = (share) => box.top + box.height * (1 - share);
  context.beginPath();
  for (let c = 0; c < low.length; c++) {
    if (Number.isNaN(high[c])) continue;
    const from = c;
    context.moveTo(box.left + from * step, up(low[from]));
    for (; c < low.length && !Number.isNaN(high[c]); c++)
      for (const edge of [c, c + 1]) context.lineTo(box.left + edge * step, up(high[c]));
    for (let back = c - 1; back >= from; back--)
      for (const edge of [back + 1, back]) context.lineTo(box.left + edge * step, up(low[back]));
  }
  context.globalAlpha = alpha;
  context.fillStyle = theme.colours[modality] || theme.colours.axis;
  context.fill();
  context.globalAlpha = 1;
}

function backdrop(context, box) {
  context.fillStyle = theme.colours.grid;
  context.fillRect(box.left, box.top, box.width, box.height);
}

function midline(context, box) {
  context.strokeStyle = theme.colours.card;
  context.lineWidth = 1;
  context.setLineDash([2, 4]);
  context.beginPath();
  context.moveTo(box.left, box.top + box.height / 2);
  context.lineTo(box.left + box.width, box.top + box.height / 2);
  context.stroke();
  context.setLineDash([]);
}

const ATTENDS = /\/(iteration|stage)_\d+$/;

/** Names of gates by modality: audio/iteration_1, audio/stage_2, or others. */
function gatesByModality(gates) {
  const found = new Map();
  for (const name of Object.keys(gates)) {
    const [modality, ...rest] = name.split('/');
    const entry = found.get(modality) || { shares: [], stages: [] };
    found.set(modality, entry);
    const kind = rest.join('/');
    const stage = /^stage_(\d+)$/.exec(kind);
    if (stage) entry.stages.push([name, stage[1] === '0' ? 'unattended' : `iteration ${stage[1]}`]);
    else entry.shares.push([name, (kind || 'share').replace(/^iteration_/, 'Iteration ').replace(/_/g, ' ')]);
  }
  return found;
}

/** All rows of a trace, from top to bottom. */
function buildRows(trace, narrow) {
  const targets = AFFECT.filter((target) => trace.affect[target]);
  const plots = trace.annotated ? targets.map((target) => plotRow(trace, [target], narrow)) : [plotRow(trace, targets, narrow)];
  const rows = [...plots, { kind: 'axis', height: 24 }];
  const known = Object.keys(trace.presence);
  if (known.length) rows.push({ kind: 'heading', text: 'Presence', height: 24 });
  for (const name of known) rows.push(presenceRow(trace, name));
  for (const [modality, { shares, stages }] of gatesByModality(trace.gates)) {
    const attends = stages.length || shares.some(([name]) => ATTENDS.test(name));
    const heading = attends ? `${label(modality)} gates, share of attended features` : `Share of ${label(modality).toLowerCase()} in the fusion`;
    rows.push({ kind: 'heading', text: heading, height: 30 });
    for (const [name, text] of shares) rows.push(shareRow(trace, name, text, modality));
    if (stages.length) rows.push(stageRow(trace, stages, modality));
  }
  return rows;
}
