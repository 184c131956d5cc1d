const ROW = 150;
const GATE_ROW = 50;
const LEFT = 44;

/** Annotated and predicted affect of one trial, its conditions as bands and its gates, with a cursor. */
class Traces {
  constructor(canvas, slider, table, example) {
    const { times, annotated, predicted, gates, spans } = example;
    Object.assign(this, { canvas, slider, table, spans, index: 0, chosen: [] });
    this.times = unpackTimes(times);
    this.annotated = mapped(annotated, unpackUnit);
    this.predicted = new Map(predicted.map(([number, one]) => [number, mapped(one, unpackUnit)]));
    this.every = gates.map(([number, name, values]) => [number, name, unpackUnit(values)]);
    this.gates = [];
    this.targets = Object.keys(this.annotated);
    this.view = { start: this.times[0], end: 2 * this.times.at(-1) - this.times[this.times.length - 2] };
    slider.max = this.times.length - 1;
    slider.addEventListener('input', () => this.go(Number(slider.value)));
    canvas.addEventListener('pointermove', (event) => this.point(event));
    canvas.addEventListener('pointerdown', (event) => this.point(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
    theme.watchers.push(() => this.draw());
  }

  show(chosen) {
    this.chosen = chosen.filter((number) => this.predicted.has(number));
    this.gates = this.every.filter(([number]) => this.chosen.includes(number));
    this.go(this.index);
  }

  get height() {
    return 22 + this.targets.length * ROW + this.gates.length * GATE_ROW + 24;
  }

  along(t) {
    return LEFT + ((this.canvas.clientWidth - LEFT - 8) * (t - this.view.start)) / (this.view.end - this.view.start);
  }

  point(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const share = (event.clientX - bounds.left - LEFT) / (bounds.width - LEFT - 8);
    const t = this.view.start + clamp(share, 0, 1) * (this.view.end - this.view.start);
    this.slider.value = frameAt(this.times, t);
    this.go(Number(this.slider.value));
  }

  condition(t) {
    return this.spans.find(([, start, end]) => start <= t && t < end)?.[0] ?? 'normal';
  }

  go(index) {
    this.index = index;
    this.draw();
    const t = this.times[index];
    const at = (values) => signed(values[index], 3);
    const rows = [['annotated', ...this.targets.map((target) => at(this.annotated[target]))]];
    for (const number of this.chosen)
      rows.push([data.fusions[number].label, ...this.targets.map((target) => at(this.predicted.get(number)[target]))]);
    const gates = this.gates.map(([number, name, values]) => `${data.fusions[number].label} ${worded(name)} ${Number.isNaN(values[index]) ? '–' : values[index].toFixed(2)}`);
    fillTable(this.table, [`${t.toFixed(2)} s, ${worded(this.condition(t))}`, ...this.targets], rows);
    const said = rows.map(([name, ...values]) => `${name} ${values.join(' and ')}`);
    this.slider.setAttribute('aria-valuetext', [spoken(t), worded(this.condition(t)), ...said, ...gates].join(', '));
  }

  draw() {
    const { canvas, height } = this;
    if (canvas.clientHeight !== height) canvas.style.height = `${height}px`;
    const width = canvas.clientWidth;
    if (!width) return;
    const context = prepare(canvas, width, height);
    this.drawSpans(context, height - 24);
    this.targets.forEach((target, place) => this.drawTarget(context, target, 22 + place * ROW, width));
    this.gates.forEach(([number, name, values], place) => this.drawGate(context, number, name, values, 22 + this.targets.length * ROW + place * GATE_ROW, width));
    const { ticks, digits } = timeTicks(this.view.start, this.view.end, width - LEFT - 8);
    for (const tick of ticks) write(context, clockText(tick, digits), clamp(this.along(tick), LEFT + 10, width - 18), height - 10, { align: 'center', size: 11 });
    const x = Math.round(this.along(this.times[this.index])) + 0.5;
    context.strokeStyle = theme.colours.cursor;
    context.lineWidth = 1.5;
    line(context, x, 20, x, height - 22);
  }

  drawSpans(context, bottom) {
    for (const [word, start, end] of this.spans) {
      if (word === 'normal') continue;
      const [from, to] = [this.along(start), this.along(end)];
      context.save();
      context.beginPath();
      context.rect(from, 20, to - from, bottom - 20);
      context.fillStyle = theme.colours.grid;
      context.fill();
      context.clip();
      context.strokeStyle = theme.colours.axis;
      context.globalAlpha = 0.35;
      context.lineWidth = 1;
      for (let x = from - bottom; x < to; x += 12) line(context, x, bottom, x + bottom, 0);
      context.restore();
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, 20);
      context.clip();
      write(context, worded(word), from + 2, 10, { size: 12, colour: theme.colours.ink, weight: 560 });
      context.restore();
    }
  }

  drawTarget(context, target, top, width) {
    const box = { left: LEFT, top: top + 8, width: width - LEFT - 8, height: ROW - 16 };
    for (const value of [-1, 0, 1]) {
      const y = Math.round(box.top + (box.height * (1.05 - value)) / 2.1) + 0.5;
      context.strokeStyle = value ? theme.colours.line : theme.colours.axis;
      context.lineWidth = 1;
      line(context, LEFT, y, LEFT + box.width, y);
      write(context, value ? signed(value, 0) : '0', LEFT - 8, y, { align: 'right', size: 11 });
    }
    for (const number of this.chosen) {
      const style = styleOf(data.fusions[number]);
      context.strokeStyle = seriesColour(style.colour);
      context.lineWidth = 1.7;
      context.setLineDash(style.dashed ? [7, 3] : []);
      drawLine(context, this.times, this.predicted.get(number)[target], this.view, box, -1.05, 1.05);
    }
    context.strokeStyle = theme.colours.annotated;
    context.lineWidth = 2.2;
    context.setLineDash([3, 3]);
    drawLine(context, this.times, this.annotated[target], this.view, box, -1.05, 1.05);
    context.setLineDash([]);
    tag(context, target, box.top + 10, theme.colours[target]);
  }

  drawGate(context, number, name, values, top, width) {
    const box = { left: LEFT, top: top + 18, width: width - LEFT - 8, height: GATE_ROW - 22 };
    context.strokeStyle = theme.colours.line;
    context.lineWidth = 1;
    context.strokeRect(box.left, box.top, box.width, box.height);
    context.strokeStyle = theme.colours[name.split('/')[0]] || theme.colours.accent;
    context.lineWidth = 1.6;
    drawLine(context, this.times, values, this.view, box, 0, 1);
    write(context, '1', LEFT - 8, box.top + 4, { align: 'right', size: 10 });
    write(context, '0', LEFT - 8, box.top + box.height - 3, { align: 'right', size: 10 });
    tag(context, `${data.fusions[number].label}: ${worded(name)}`, box.top - 8, theme.colours.ink);
  }
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

/** Text on a ground of its own, so that it can be read over curves. */
function tag(context, text, y, colour) {
  context.font = `600 12px ${FONT}`;
  context.fillStyle = theme.colours.card;
  context.globalAlpha = 0.85;
  context.fillRect(LEFT + 4, y - 8, context.measureText(text).width + 8, 16);
  context.globalAlpha = 1;
  write(context, text, LEFT + 8, y, { colour, weight: 600 });
}

const seriesColour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
