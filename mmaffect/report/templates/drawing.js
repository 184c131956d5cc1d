const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', sans-serif";

/** Context of a canvas in CSS pixels, sharp on every screen. */
function prepare(canvas, width, height) {
  const ratio = Math.min(devicePixelRatio || 1, 3);
  const [w, h] = [Math.max(Math.round(width * ratio), 1), Math.max(Math.round(height * ratio), 1)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext('2d');
  context.setTransform(w / width, 0, 0, h / height, 0, 0);
  context.clearRect(0, 0, width, height);
  context.lineJoin = 'round';
  context.globalAlpha = 1;
  context.setLineDash([]);
  return context;
}

function write(context, text, x, y, { colour = theme.colours.soft, size = 12, align = 'left', baseline = 'middle', weight = 400 } = {}) {
  context.fillStyle = colour;
  context.font = `${weight} ${size}px ${FONT}`;
  context.textAlign = align;
  context.textBaseline = baseline;
  context.fillText(text, x, y);
}

const STEPS = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

/** Times to label between two times, as many as there is room for. */
function timeTicks(start, end, width, room = 76) {
  const fits = (one) => (one / (end - start)) * width >= room;
  let step = STEPS.find(fits) || STEPS[STEPS.length - 1];
  while (!fits(step) && step < end - start) step *= 2;
  const ticks = [];
  for (let k = Math.ceil(start / step - 1e-9); k * step <= end + 1e-9; k++) ticks.push(k * step);
  return { ticks, digits: step < 0.1 ? 2 : step < 1 ? 1 : 0 };
}

/**
 * Curve of values in [low, high] within a box, with gaps where a value is missing.
 *
 * Where a pixel holds several frames, the least and the greatest of them are drawn, so that nothing is lost.
 */
function drawLine(context, times, values, view, box, low, high) {
  const first = Math.max(countUpTo(times, view.start) - 1, 0);
  const last = Math.min(countUpTo(times, view.end), times.length - 1);
  const scale = box.width / (view.end - view.start);
  const at = (t) => box.left + (t - view.start) * scale;
  const up = (v) => box.top + (box.height * (high - v)) / (high - low);
  context.beginPath();
  if (last - first < 2 * box.width) {
    let open = false;
    for (let i = first; i <= last; i++) {
      if (Number.isNaN(values[i])) {
        open = false;
        continue;
      }
      if (open) context.lineTo(at(times[i]), up(values[i]));
      else context.moveTo(at(times[i]), up(values[i]));
      // One value between gaps would not show.
      if (!open && (i === last || Number.isNaN(values[i + 1]))) context.lineTo(at(times[i]) + 1, up(values[i]));
      open = true;
    }
  } else {
    let open = false;
    for (let i = first; i <= last; ) {
      const column = Math.floor(at(times[i]));
      let least = Infinity;
      let most = -Infinity;
      let begin = NaN;
      let end = NaN;
      for (; i <= last && Math.floor(at(times[i])) === column; i++) {
        const value = values[i];
        if (Number.isNaN(value)) continue;
        if (Number.isNaN(begin)) begin = value;
        end = value;
        if (value < least) least = value;
        if (value > most) most = value;
      }
      if (Number.isNaN(begin)) {
        open = false;
        continue;
      }
      if (open) context.lineTo(column + 0.5, up(begin));
      else context.moveTo(column + 0.5, up(begin));
      context.lineTo(column + 0.5, up(least));
      context.lineTo(column + 0.5, up(most));
      context.lineTo(column + 0.5, up(end));
      open = true;
    }
  }
  context.stroke();
}

/** Mean of values in each pixel of a width, the value of the frame that is shown where there is no new one. */
function columnMeans(times, values, view, width) {
  const columns = Math.max(Math.round(width), 1);
  const means = new Float32Array(columns);
  const step = (view.end - view.start) / columns;
  let next = countUpTo(times, view.start);
  for (let c = 0; c < columns; c++) {
    let sum = 0;
    let count = 0;
    for (const end = view.start + (c + 1) * step; next < times.length && times[next] < end; next++) {
      if (Number.isNaN(values[next])) continue;
      sum += values[next];
      count++;
    }
    means[c] = count ? sum / count : next ? values[next - 1] : NaN;
  }
  return means;
}

function roundedBox(context, x, y, width, height, radius) {
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
}
