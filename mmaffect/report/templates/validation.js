const densities = mapped(data.density, ({ bins, counts }) => ({ bins, counts: bytes(counts) }));
const unpacked = new Map();
const chart = new DotChart($('dots'), (number) => reveal(number));

/** Arrays of a trial, unpacked when they are first drawn. */
function arrays(number) {
  if (!unpacked.has(number)) {
    const { times, affect, annotated } = data.trials[number];
    unpacked.set(number, { times: unpackTimes(times), affect: mapped(affect, unpackUnit), annotated: mapped(annotated, unpackUnit) });
  }
  return unpacked.get(number);
}

function spanOf(times) {
  const step = times.length > 1 ? (times[times.length - 1] - times[0]) / (times.length - 1) : 1;
  return { start: times[0], end: times[times.length - 1] + Math.max(step, 1e-3) };
}

function drawPair(context, number, target, box, width) {
  const { times, affect, annotated } = arrays(number);
  const view = spanOf(times);
  if (annotated[target]) {
    context.strokeStyle = theme.colours.annotated;
    context.lineWidth = width * 0.75;
    context.setLineDash([4, 3]);
    drawLine(context, times, annotated[target], view, box, -1.05, 1.05);
    context.setLineDash([]);
  }
  context.strokeStyle = theme.colours[target];
  context.lineWidth = width;
  drawLine(context, times, affect[target], view, box, -1.05, 1.05);
}

/** Each target beside the other, without axes. */
function drawSmall(canvas, number) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !height) return;
  const context = prepare(canvas, width, height);
  const gap = 18;
  const each = (width - gap * (data.targets.length - 1)) / data.targets.length;
  data.targets.forEach((target, place) => {
    const box = { left: place * (each + gap), top: 2, width: each, height: height - 4 };
    context.strokeStyle = theme.colours.line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(box.left, Math.round(height / 2) + 0.5);
    context.lineTo(box.left + each, Math.round(height / 2) + 0.5);
    context.stroke();
    drawPair(context, number, target, box, 1.4);
  });
}

function drawLarge(canvas, number) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !height) return;
  const context = prepare(canvas, width, height);
  const view = spanOf(arrays(number).times);
  const left = 40;
  const each = (height - 30) / data.targets.length;
  data.targets.forEach((target, place) => {
    const box = { left, top: place * each + 20, width: width - left - 8, height: each - 30 };
    for (const value of [-1, 0, 1]) {
      const y = Math.round(box.top + (box.height * (1.05 - value)) / 2.1) + 0.5;
      context.strokeStyle = value ? theme.colours.grid : theme.colours.axis;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(left + box.width, y);
      context.stroke();
      write(context, value ? signed(value, 0) : '0', left - 8, y, { align: 'right', size: 11 });
    }
    write(context, target, left, box.top - 9, { colour: theme.colours[target], weight: 600 });
    drawPair(context, number, target, box, 1.8);
  });
  const { ticks, digits } = timeTicks(view.start, view.end, width - left - 8);
  for (const tick of ticks) {
    const x = left + ((tick - view.start) / (view.end - view.start)) * (width - left - 8);
    write(context, clockText(tick, digits), clamp(x, left + 10, width - 18), height - 10, { align: 'center', size: 11 });
  }
}

const numberOf = (element) => Number(element.closest('.trial').dataset.trial);
const visible = new Set();

function drawCanvas(canvas) {
  if (canvas.classList.contains('small')) drawSmall(canvas, numberOf(canvas));
  else drawLarge(canvas, numberOf(canvas));
}

function drawAll() {
  for (const canvas of document.querySelectorAll('.scatter canvas')) drawScatter(canvas, canvas.dataset.target);
  chart.draw();
  (theme.printing ? document.querySelectorAll('.trial canvas') : visible).forEach(drawCanvas);
}

/** Worst first; trials without a figure last. */
function sort(by) {
  const figure = ({ ccc }) => {
    const values = (by === 'mean' ? Object.values(ccc) : [ccc[by]]).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : Infinity;
  };
  const figures = data.trials.map(figure);
  const order = data.trials.map((trial, number) => number).sort((a, b) => (figures[a] === figures[b] ? a - b : figures[a] - figures[b]));
  $('trials').append(...order.map((number) => $(`trial-${number}`)));
  chart.show(order);
}

function reveal(number) {
  for (const other of document.querySelectorAll('.found')) other.classList.remove('found');
  const trial = $(`trial-${number}`);
  trial.classList.add('found');
  trial.open = true;
  trial.scrollIntoView({ block: 'center' });
  trial.querySelector('summary').focus({ preventScroll: true });
}

theme.start();
theme.watchers.push(drawAll);
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) visible.add(target);
      else visible.delete(target);
      if (isIntersecting) drawCanvas(target);
    }
  },
  { rootMargin: '300px' },
);
const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => visible.has(target) && drawCanvas(target)));
for (const canvas of document.querySelectorAll('.trial canvas')) {
  watcher.observe(canvas);
  sizes.observe(canvas);
}
const scatterSizes = new ResizeObserver((entries) => entries.forEach(({ target }) => drawScatter(target, target.dataset.target)));
for (const canvas of document.querySelectorAll('.scatter canvas')) scatterSizes.observe(canvas);
$('order').addEventListener('change', (event) => sort(event.target.value));
$('expand').addEventListener('click', (event) => {
  const open = event.target.getAttribute('aria-expanded') !== 'true';
  for (const trial of document.querySelectorAll('.trial')) trial.open = open;
  event.target.setAttribute('aria-expanded', String(open));
  event.target.textContent = open ? 'Collapse all' : 'Expand all';
});
sort('mean');
