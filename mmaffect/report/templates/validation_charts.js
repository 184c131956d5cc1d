/** Frames by annotated and predicted value: the more, the darker. */
function drawScatter(canvas, target) {
  const side = canvas.clientWidth;
  if (!side) return;
  const context = prepare(canvas, side, side);
  const [left, top, size] = [34, 8, side - 44];
  const { bins, counts } = densities[target];
  context.fillStyle = theme.colours[target];
  const cell = size / bins;
  for (let row = 0; row < bins; row++)
    for (let column = 0; column < bins; column++) {
      const count = counts[row * bins + column];
      if (!count) continue;
      context.globalAlpha = 0.15 + (0.85 * count) / 255;
      context.fillRect(left + column * cell, top + size - (row + 1) * cell, cell + 0.3, cell + 0.3);
    }
  context.globalAlpha = 1;
  context.strokeStyle = theme.colours.line;
  context.strokeRect(left, top, size, size);
  context.strokeStyle = theme.colours.ink;
  context.setLineDash([5, 4]);
  context.beginPath();
  context.moveTo(left, top + size);
  context.lineTo(left + size, top);
  context.stroke();
  context.setLineDash([]);
  for (const value of [-1, 0, 1]) {
    const text = value ? signed(value, 0) : '0';
    const offset = (size * (value + 1)) / 2;
    write(context, text, left + offset, top + size + 12, { align: 'center', size: 11 });
    write(context, text, left - 6, top + size - offset, { align: 'right', size: 11 });
  }
  write(context, `annotated ${target}`, left + size - 6, top + size + 27, { align: 'right', size: 12 });
  write(context, `predicted ${target}`, left + 8, top + 12, { size: 12, colour: theme.colours.ink });
}

/** CCC of all trials side by side, in the order that is chosen. */
class DotChart {
  constructor(canvas, choose) {
    this.canvas = canvas;
    this.order = [];
    this.hover = -1;
    const at = (event) => {
      const bounds = canvas.getBoundingClientRect();
      const place = Math.floor(((event.clientX - bounds.left - this.left) / this.width) * this.order.length);
      return place >= 0 && place < this.order.length ? place : -1;
    };
    canvas.addEventListener('pointermove', (event) => {
      this.hover = at(event);
      this.draw();
    });
    canvas.addEventListener('pointerleave', () => {
      this.hover = -1;
      this.draw();
    });
    canvas.addEventListener('click', (event) => {
      const place = at(event);
      if (place >= 0) choose(this.order[place]);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(order) {
    this.order = order;
    this.draw();
  }

  draw() {
    const { canvas, order } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !order.length) return;
    const context = prepare(canvas, width, height);
    this.left = 40;
    this.width = width - this.left - 6;
    const values = order.flatMap((number) => Object.values(data.trials[number].ccc)).filter((value) => value !== null);
    const low = Math.min(0, Math.floor(Math.min(...values, 0) * 4) / 4);
    const room = this.width / order.length;
    const named = room >= 46;
    const bottom = height - (named ? 26 : 12);
    const up = (value) => 10 + ((bottom - 10) * (1 - value)) / (1 - low);
    const tickStep = 1 - low > 1.3 ? 0.5 : 0.25;
    for (let value = 1; value >= low - 1e-9; value -= tickStep) {
      context.strokeStyle = Math.abs(value) < 1e-9 ? theme.colours.axis : theme.colours.grid;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(this.left, Math.round(up(value)) + 0.5);
      context.lineTo(width - 6, Math.round(up(value)) + 0.5);
      context.stroke();
      write(context, Math.abs(value) < 1e-9 ? '0' : value.toFixed(2).replace('-', MINUS), this.left - 8, up(value), { align: 'right', size: 11 });
    }
    const radius = clamp(room / 3, 2, 6);
    order.forEach((number, place) => {
      const trial = data.trials[number];
      const x = this.left + (place + 0.5) * room;
      if (place === this.hover) {
        context.fillStyle = theme.colours.grid;
        context.fillRect(this.left + place * room, 4, room, bottom);
      }
      const found = data.targets.filter((target) => trial.ccc[target] !== null);
      if (found.length > 1) {
        context.strokeStyle = theme.colours.axis;
        context.lineWidth = 1.5;
        context.beginPath();
        context.moveTo(x, up(trial.ccc[found[0]]));
        context.lineTo(x, up(trial.ccc[found[1]]));
        context.stroke();
      }
      if (!found.length) write(context, '×', x, up(0) - 8, { align: 'center' });
      for (const target of found) {
        context.beginPath();
        // Told apart by shape as well as by colour.
        if (target === 'arousal') context.rect(x - radius * 0.85, up(trial.ccc[target]) - radius * 0.85, radius * 1.7, radius * 1.7);
        else context.arc(x, up(trial.ccc[target]), radius, 0, 2 * Math.PI);
        context.fillStyle = theme.colours[target];
        context.fill();
      }
      if (named) write(context, shortened(context, trial.name, room - 6), x, height - 8, { align: 'center', size: 11 });
    });
    if (this.hover >= 0) this.drawHover(context, data.trials[order[this.hover]], width, room);
  }

  drawHover(context, trial, width, room) {
    const figures = data.targets.map((target) => `${target} ${trial.ccc[target] === null ? 'undefined' : signed(trial.ccc[target], 3)}`);
    context.font = `12px ${FONT}`;
    const text = `${shortened(context, trial.name, width / 2)}   ${figures.join('   ')}`;
    const size = context.measureText(text).width + 16;
    const from = clamp(this.left + (this.hover + 0.5) * room - size / 2, 0, Math.max(width - size, 0));
    context.fillStyle = theme.colours.ink;
    roundedBox(context, from, 4, size, 24, 6);
    context.fill();
    write(context, text, from + 8, 16.5, { colour: theme.colours.card });
  }
}

/** As much of a name as there is room for. */
function shortened(context, name, room) {
  context.font = `11px ${FONT}`;
  if (context.measureText(name).width <= room) return name;
  let end = name.length;
  while (end > 1 && context.measureText(`${name.slice(0, end)}…`).width > room) end--;
  return `${name.slice(0, end)}…`;
}
