const SHORTEST = 0.5;

/** The curves and bands over time, with a cursor that follows playback and seeks. */
class Timeline {
  constructor(duration, seek) {
    this.duration = duration;
    this.seek = seek;
    this.time = 0;
    this.hover = null;
    this.view = { start: 0, end: duration };
    this.plot = $('plot');
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  show(trace) {
    this.trace = trace;
    this.whole = null;
    this.draw();
  }

  get zoomed() {
    return this.view.end - this.view.start < this.duration - 1e-9;
  }

  /** Show a part of the recording, within its ends. */
  look(start, length) {
    length = clamp(length, Math.min(SHORTEST, this.duration), this.duration);
    start = clamp(start, 0, this.duration - length);
    this.view = { start, end: start + length };
    this.draw();
  }

  zoom(factor, about = this.time) {
    const length = this.view.end - this.view.start;
    const place = clamp((about - this.view.start) / length, 0, 1);
    const next = clamp(length * factor, Math.min(SHORTEST, this.duration), this.duration);
    this.look(about - place * next, next);
  }

  draw() {
    const width = this.plot.clientWidth;
    if (!this.trace || !width) return;
    const narrow = width < 700;
    this.left = narrow ? 42 : 96;
    this.width = width - this.left - (narrow ? 4 : 12);
    this.rows = buildRows(this.trace, narrow);
    let top = 6;
    for (const row of this.rows) {
      const above = narrow && row.label ? 18 : 0;
      row.box = { left: this.left, top: top + above, width: this.width, height: row.height };
      top += above + row.height + ({ plot: row.label ? 22 : 2, axis: 4, heading: 4 }[row.kind] ?? 8);
    }
    this.height = top;
    const context = prepare($('curves'), width, this.height);
    $('curves').style.height = this.plot.style.height = `${this.height}px`;
    for (const row of this.rows) this.drawRow(context, row, narrow);
    this.drawOverview();
    this.drawCursor();
    for (const [id, idle] of [['zoom-all', !this.zoomed], ['zoom-out', !this.zoomed], ['zoom-in', this.view.end - this.view.start <= SHORTEST]])
      // A button that is disabled while it has the focus would lose it.
      $(id).setAttribute('aria-disabled', String(idle));
  }

  drawRow(context, row, narrow) {
    const { box } = row;
    if (row.kind === 'axis') return this.drawAxis(context, box);
    if (row.kind === 'heading') return write(context, row.text, narrow ? 0 : box.left, box.top + box.height - 9, { weight: 600 });
    row.draw(context, box, this.view);
    if (!row.label) return undefined;
    const style = row.kind === 'plot' ? { colour: row.colour, weight: 600 } : {};
    if (narrow) write(context, row.label, row.kind === 'plot' ? box.left : 0, box.top - 9, style);
    else if (row.kind === 'plot') write(context, row.label, 0, box.top + box.height / 2, style);
    else write(context, row.label, box.left - 12, box.top + box.height / 2, { align: 'right' });
    return undefined;
  }

  drawAxis(context, box) {
    const { ticks, digits } = timeTicks(this.view.start, this.view.end, box.width);
    const end = box.left + box.width;
    for (const tick of ticks) {
      const x = this.at(tick);
      context.strokeStyle = theme.colours.axis;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(Math.round(x) + 0.5, box.top);
      context.lineTo(Math.round(x) + 0.5, box.top + 5);
      context.stroke();
      const text = clockText(tick, digits);
      write(context, text, clamp(x, box.left + 10, end - 16), box.top + 14, { align: 'center', size: 11 });
    }
  }

  drawOverview() {
    const canvas = $('overview');
    canvas.hidden = !this.zoomed;
    if (canvas.hidden) return;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const context = prepare(canvas, width, height);
    if (!this.whole || this.whole.width !== canvas.width) this.whole = this.drawWhole(width, height);
    context.drawImage(this.whole, 0, 0, width, height);
    const [from, to] = [this.view.start, this.view.end].map((t) => (t / this.duration) * width);
    context.fillStyle = theme.colours.page;
    context.globalAlpha = 0.65;
    context.fillRect(0, 0, from, height);
    context.fillRect(to, 0, width - to, height);
    context.globalAlpha = 1;
    context.strokeStyle = theme.colours.ink;
    context.lineWidth = 1.5;
    roundedBox(context, from + 0.75, 0.75, Math.max(to - from - 1.5, 3), height - 1.5, 5);
    context.stroke();
  }

  /** All of the curves, kept for the overview. */
  drawWhole(width, height) {
    const canvas = document.createElement('canvas');
    const context = prepare(canvas, width, height);
    const box = { left: 0, top: 0, width, height };
    context.fillStyle = theme.colours.grid;
    context.fillRect(0, 0, width, height);
    context.globalAlpha = 0.8;
    for (const [target, values] of Object.entries(this.trace.affect)) {
      context.strokeStyle = theme.colours[target];
      drawLine(context, this.trace.times, values, { start: 0, end: this.duration }, box, -1.05, 1.05);
    }
    return canvas;
  }

  at(time) {
    return this.left + ((time - this.view.start) / (this.view.end - this.view.start)) * this.width;
  }

  timeAt(x) {
    const share = clamp((x - this.left) / this.width, 0, 1);
    return this.view.start + share * (this.view.end - this.view.start);
  }

  /** Move the cursor; while it plays, turn the page when the cursor leaves it. */
  follow(time, playing) {
    this.time = time;
    const length = this.view.end - this.view.start;
    if (this.zoomed && !this.dragging && (time < this.view.start || time > this.view.end))
      this.look(playing ? time - 0.05 * length : time - length / 2, length);
    else this.drawCursor();
  }

  drawCursor() {
    if (!this.rows) return;
    const canvas = $('cursor');
    const context = prepare(canvas, this.plot.clientWidth, this.height);
    canvas.style.height = `${this.height}px`;
    if (this.hover && !this.dragging) this.drawHover(context);
    if (this.time < this.view.start - 1e-9 || this.time > this.view.end + 1e-9) return;
    const x = this.at(this.time);
    this.plot.dataset.cursor = x.toFixed(2);
    context.strokeStyle = theme.colours.cursor;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, this.height);
    context.stroke();
    context.fillStyle = theme.colours.cursor;
    context.beginPath();
    context.moveTo(x - 6, 0);
    context.lineTo(x + 6, 0);
    context.lineTo(x, 8);
    context.fill();
    const i = frameAt(this.trace.times, this.time);
    for (const row of this.rows) {
      if (row.kind !== 'plot') continue;
      for (const target of row.label ? [row.label.toLowerCase()] : Object.keys(this.trace.affect)) {
        const value = this.trace.affect[target][i];
        if (Number.isNaN(value)) continue;
        context.beginPath();
        context.arc(x, row.box.top + (row.box.height * (1.05 - value)) / 2.1, 5, 0, 2 * Math.PI);
        context.fillStyle = theme.colours[target];
        context.fill();
        context.strokeStyle = theme.colours.card;
        context.lineWidth = 2;
        context.stroke();
      }
    }
  }

  drawHover(context) {
    const time = this.timeAt(this.hover.x);
    const x = this.at(time);
    context.strokeStyle = theme.colours.axis;
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, this.height);
    context.stroke();
    context.setLineDash([]);
    const row = this.rows.find((one) => one.describe && this.hover.y >= one.box.top - 4 && this.hover.y <= one.box.top + one.box.height + 4);
    const words = row ? `   ${row.describe(frameAt(this.trace.times, time))}` : '';
    const text = clockText(time, 2) + words;
    context.font = `12px ${FONT}`;
    const width = context.measureText(text).width + 16;
    const from = clamp(x + 10, 0, Math.max(this.plot.clientWidth - width, 0));
    const top = row ? clamp(row.box.top + row.box.height / 2 - 34, 2, this.height - 26) : 2;
    context.fillStyle = theme.colours.ink;
    roundedBox(context, from, top, width, 24, 6);
    context.fill();
    write(context, text, from + 8, top + 12.5, { colour: theme.colours.card });
  }

  listen() {
    const place = (event) => {
      const bounds = this.plot.getBoundingClientRect();
      return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
    };
    this.plot.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      this.plot.setPointerCapture(event.pointerId);
      this.dragging = true;
      this.plot.focus({ preventScroll: true, focusVisible: false });
      this.seek(this.timeAt(place(event).x));
    });
    this.plot.addEventListener('pointermove', (event) => {
      this.hover = event.pointerType === 'touch' ? null : place(event);
      if (this.dragging) this.seek(this.timeAt(place(event).x));
      else this.drawCursor();
    });
    for (const name of ['pointerup', 'pointercancel', 'pointerleave'])
      this.plot.addEventListener(name, () => {
        this.dragging = false;
        if (name === 'pointerleave') this.hover = null;
        this.drawCursor();
      });
    this.plot.addEventListener(
      'wheel',
      (event) => {
        // A plain wheel scrolls the page.
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.zoom(Math.exp(clamp(event.deltaY, -200, 200) / 300), this.timeAt(place(event).x));
      },
      { passive: false },
    );
    const overview = $('overview');
    const pan = (event) => {
      if (event.type === 'pointermove' && !event.buttons) return;
      const bounds = overview.getBoundingClientRect();
      const length = this.view.end - this.view.start;
      this.look(((event.clientX - bounds.left) / bounds.width) * this.duration - length / 2, length);
    };
    overview.addEventListener('pointerdown', (event) => {
      overview.setPointerCapture(event.pointerId);
      pan(event);
    });
    overview.addEventListener('pointermove', pan);
  }
}
