const TAIL = 3;

/** Arousal over valence: all frames faintly, the last seconds as a tail, the frame that is shown as a point. */
class Plane {
  constructor() {
    this.canvas = $('plane');
    this.time = 0;
    this.cloud = document.createElement('canvas');
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(trace) {
    this.trace = trace;
    this.draw();
  }

  get side() {
    return this.canvas.clientWidth;
  }

  place(valence, arousal) {
    const { side } = this;
    const margin = 26;
    const half = side / 2 - margin;
    return [side / 2 + clamp(valence, -1, 1) * half, side / 2 - clamp(arousal, -1, 1) * half];
  }

  /** Draw all that does not move. */
  draw() {
    const { side, trace } = this;
    if (!side || !trace) return;
    const context = prepare(this.cloud, side, side);
    const colours = theme.colours;
    const [left, top] = this.place(-1, 1);
    const [right, bottom] = this.place(1, -1);
    context.lineWidth = 1;
    context.strokeStyle = colours.grid;
    for (const v of [-0.5, 0.5]) {
      const [x, y] = this.place(v, v);
      context.beginPath();
      context.moveTo(x, top);
      context.lineTo(x, bottom);
      context.moveTo(left, y);
      context.lineTo(right, y);
      context.stroke();
    }
    context.strokeStyle = colours.line;
    context.strokeRect(left, top, right - left, bottom - top);
    context.strokeStyle = colours.axis;
    context.beginPath();
    context.moveTo(left, side / 2);
    context.lineTo(right, side / 2);
    context.moveTo(side / 2, top);
    context.lineTo(side / 2, bottom);
    context.stroke();
    write(context, 'Arousal', side / 2, 11, { align: 'center', colour: colours.arousal, weight: 600 });
    write(context, 'Valence', side / 2, side - 11, { align: 'center', colour: colours.valence, weight: 600 });
    for (const [text, v] of [[`${MINUS}1`, -1], ['+1', 1]]) {
      const [x, y] = this.place(v, v);
      write(context, text, x, side - 11, { align: 'center', size: 11 });
      write(context, text, left - 5, clamp(y, top + 6, bottom - 6), { align: 'right', size: 11 });
    }
    context.fillStyle = colours.ink;
    const count = trace.times.length;
    const step = Math.max(Math.floor(count / 6000), 1);
    context.globalAlpha = clamp(14 / Math.sqrt(count / step), 0.06, 0.3);
    for (let i = 0; i < count; i += step) {
      const [x, y] = this.place(trace.affect.valence[i], trace.affect.arousal[i]);
      if (!Number.isNaN(x + y)) context.fillRect(x - 1, y - 1, 2, 2);
    }
    this.follow(this.time);
  }

  follow(time) {
    this.time = time;
    const { side, trace } = this;
    if (!side || !trace) return;
    const context = prepare(this.canvas, side, side);
    context.drawImage(this.cloud, 0, 0, side, side);
    const now = frameAt(trace.times, time);
    const { valence, arousal } = trace.affect;
    const first = frameAt(trace.times, time - TAIL);
    // A tail of a thousand frames looks no better.
    const step = Math.max(Math.floor((now - first) / 200), 1);
    context.strokeStyle = theme.colours.ink;
    let before = null;
    for (let i = first; i <= now; i = i < now ? Math.min(i + step, now) : now + 1) {
      const point = this.place(valence[i], arousal[i]);
      if (Number.isNaN(point[0] + point[1])) {
        before = null;
        continue;
      }
      if (before) {
        const fresh = 1 - (time - trace.times[i]) / TAIL;
        context.globalAlpha = clamp(fresh, 0, 1) ** 1.5 * 0.7;
        context.lineWidth = 1 + 3 * clamp(fresh, 0, 1);
        context.beginPath();
        context.moveTo(...before);
        context.lineTo(...point);
        context.stroke();
      }
      before = point;
    }
    context.globalAlpha = 1;
    if (trace.annotated && trace.annotated.valence && trace.annotated.arousal)
      this.mark(context, trace.annotated.valence[now], trace.annotated.arousal[now], 6, null, theme.colours.annotated);
    this.mark(context, valence[now], arousal[now], 8, theme.colours.accent, theme.colours.card);
  }

  mark(context, valence, arousal, radius, fill, line) {
    const [x, y] = this.place(valence, arousal);
    if (Number.isNaN(x + y)) return;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    context.strokeStyle = line;
    context.lineWidth = 2.5;
    context.stroke();
  }
}
