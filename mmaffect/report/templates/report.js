const first = unpackTimes(data.traces[0].times);
const traces = data.traces.map((packed) => ({
  times: packed.times === null ? first : unpackTimes(packed.times),
  affect: mapped(packed.affect, unpackUnit),
  annotated: packed.annotated && mapped(packed.annotated, unpackUnit),
  presence: mapped(packed.presence, bytes),
  box: packed.box && unpackPixels(packed.box),
  gates: mapped(packed.gates, unpackUnit),
}));
const video = $('video');
let player = null;
let timeline = null;
let plane = null;
let trace = traces[0];
let described = -Infinity;

const hasPlane = () => Boolean(trace.affect.valence && trace.affect.arousal);

function update(time) {
  timeline.follow(time, player.playing);
  if (hasPlane()) plane.follow(time);
  drawBox(time);
  const i = frameAt(trace.times, time);
  $('now').textContent = clockText(time);
  for (const target of AFFECT) $(`now-${target}`).textContent = trace.affect[target] ? signed(trace.affect[target][i]) : '–';
  for (const [name, flags] of Object.entries(trace.presence)) {
    $(`now-${name}`).classList.toggle('on', Boolean(flags[i]));
    // Of several faces another one may be there.
    const absent = name === 'face' && traces.length > 1 ? 'Face not seen' : `No ${name}`;
    $(`now-${name}`).textContent = flags[i] ? label(name) : absent;
  }
  const plot = $('plot');
  plot.setAttribute('aria-valuenow', time.toFixed(2));
  // While it plays, a screen reader could not keep up.
  if (player.playing && Math.abs(time - described) < 2) return;
  described = time;
  const values = AFFECT.filter((target) => trace.affect[target]).map((target) => `${target} ${Number.isNaN(trace.affect[target][i]) ? 'not predicted' : trace.affect[target][i].toFixed(2)}`);
  const presence = Object.entries(trace.presence).map(([name, flags]) => `${name} ${flags[i] ? 'present' : 'absent'}`);
  plot.setAttribute('aria-valuetext', [spoken(time), ...values, ...presence].join(', '));
}

function drawBox(time) {
  const canvas = $('box');
  if (!canvas || !data.media || !data.media.picture || !trace.box) return;
  const [width, height] = data.media.picture;
  const bounds = video.getBoundingClientRect();
  const scale = Math.min(bounds.width / width, bounds.height / height);
  if (!scale) return;
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  const context = prepare(canvas, width * scale, height * scale);
  if (!$('show-box').checked) return;
  const i = frameAt(trace.times, time);
  const [x, y, w, h] = trace.box.subarray(4 * i, 4 * i + 4);
  if (x === MISSING) return;
  roundedBox(context, x * scale, y * scale, w * scale, h * scale, 8);
  context.lineWidth = 4;
  context.strokeStyle = 'rgba(0, 0, 0, 0.35)';
  context.stroke();
  context.lineWidth = 2;
  context.strokeStyle = '#ffffff';
  context.stroke();
}

function drawLegend() {
  const legend = $('legend');
  legend.replaceChildren();
  const add = (colour, alpha, text) => {
    const key = document.createElement('span');
    key.className = 'key';
    const swatch = document.createElement('canvas');
    const context = prepare(swatch, 16, 10);
    // As the bands have it.
    backdrop(context, { left: 0, top: 0, width: 16, height: 10 });
    context.globalAlpha = alpha;
    context.fillStyle = colour;
    context.fillRect(0, 0, 16, 10);
    key.append(swatch, text);
    legend.append(key);
  };
  for (const target of AFFECT) if (trace.affect[target]) add(theme.colours[target], 1, label(target));
  if (trace.annotated) add(theme.colours.annotated, 1, 'annotated (dashed)');
  for (const [modality, { stages }] of gatesByModality(trace.gates))
    if (stages.length > 1)
      stages.forEach(([, text], s) => add(theme.colours[modality] || theme.colours.axis, stageShade(s, stages.length), `${label(modality).toLowerCase()} stage gate: ${text}`));
}

function choose(number) {
  trace = traces[number];
  for (const panel of document.querySelectorAll('.of-trace')) panel.hidden = panel.dataset.trace !== String(number);
  for (const name of ['face', 'voice']) $(`now-${name}`).hidden = !trace.presence[name];
  $('plane-card').hidden = !hasPlane();
  const picture = Boolean(data.media && data.media.picture && !$('picture').hidden);
  $('box-field').hidden = !picture || !trace.box;
  $('stage').classList.toggle('alone', !picture);
  timeline.show(trace);
  if (hasPlane()) plane.show(trace);
  drawLegend();
  update(player.time);
}

function use(next) {
  player = next;
  player.onTime = update;
  player.onState = () => {
    document.body.classList.toggle('playing', player.playing);
    $('play').setAttribute('aria-label', player.playing ? 'Pause' : 'Play');
    update(player.time);
  };
}

function cannotPlay() {
  const { time } = player;
  if ($('picture')) $('picture').hidden = true;
  $('mute').hidden = true;
  $('problem').textContent = 'This browser cannot play the recording; the trace can still be looked at.';
  $('problem').hidden = false;
  use(new FreeClock(data.duration));
  player.seek(time);
  choose(traces.indexOf(trace));
}

const frameStep = (step) => {
  const i = clamp(frameAt(trace.times, player.time) + step, 0, trace.times.length - 1);
  player.seek(trace.times[i] + 1e-3);
};
const KEYS = {
  ' ': () => player.toggle(),
  ArrowLeft: (event) => player.seek(player.time - (event.shiftKey ? 5 : 1)),
  ArrowRight: (event) => player.seek(player.time + (event.shiftKey ? 5 : 1)),
  ',': () => frameStep(-1),
  '.': () => frameStep(1),
  '+': () => timeline.zoom(0.5),
  '=': () => timeline.zoom(0.5),
  '-': () => timeline.zoom(2),
  0: () => timeline.look(0, data.duration),
};
const ON_TRACE = {
  Home: () => player.seek(0),
  End: () => player.seek(trace.times[trace.times.length - 1]),
  PageUp: () => player.seek(player.time + 10),
  PageDown: () => player.seek(player.time - 10),
  ArrowUp: KEYS.ArrowRight,
  ArrowDown: KEYS.ArrowLeft,
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onTrace = event.target === $('plot');
  const act = (onTrace && ON_TRACE[event.key]) || KEYS[event.key];
  // Elsewhere a key does what it always does.
  if (!act || event.target.closest('select, input') || (event.key === ' ' && event.target.closest('button'))) return;
  event.preventDefault();
  act(event);
}

function start() {
  theme.start();
  timeline = new Timeline(data.duration, (time) => player.seek(time));
  plane = new Plane();
  use(video ? new MediaPlayer(video, data.duration) : new FreeClock(data.duration));
  $('plot').setAttribute('aria-valuemax', data.duration.toFixed(2));
  choose(0);
  theme.watchers.push(() => choose(traces.indexOf(trace)));
  document.addEventListener('keydown', pressed);
  $('play').addEventListener('click', () => player.toggle());
  $('speed').addEventListener('change', (event) => (player.rate = Number(event.target.value)));
  $('zoom-in').addEventListener('click', () => timeline.zoom(0.5));
  $('zoom-out').addEventListener('click', () => timeline.zoom(2));
  $('zoom-all').addEventListener('click', () => timeline.look(0, data.duration));
  $('show-box').addEventListener('change', () => drawBox(player.time));
  if ($('face')) $('face').addEventListener('change', (event) => choose(Number(event.target.value)));
  if (!video) return;
  $('mute').hidden = false;
  $('mute').addEventListener('click', () => {
    video.muted = !video.muted;
    $('mute').setAttribute('aria-pressed', String(video.muted));
  });
  video.addEventListener('error', cannotPlay);
  new ResizeObserver(() => drawBox(player.time)).observe(video);
  const load = async () => (video.src = URL.createObjectURL(await embeddedFile(data.media.mime)));
  document.addEventListener('DOMContentLoaded', () => requestAnimationFrame(() => setTimeout(load)));
}

start();
