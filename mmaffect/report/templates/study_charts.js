const SVG = 'http://www.w3.org/2000/svg';
const MARKERS = [
  'M-4.4 0a4.4 4.4 0 1 0 8.8 0a4.4 4.4 0 1 0-8.8 0Z',
  'M-4-4H4V4H-4Z',
  'M0-5.4L5 3.8H-5Z',
  'M0-5.8L5.8 0L0 5.8L-5.8 0Z',
  'M0 5.4L5-3.8H-5Z',
  'M-1.9-5H1.9V-1.9H5V1.9H1.9V5H-1.9V1.9H-5V-1.9H-1.9Z',
];

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
const element = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);
const shape = (name, attributes = {}, ...children) => filled(document.createElementNS(SVG, name), attributes, children);

const fixed = (value, digits = 3) => (value < 0 && Number(value.toFixed(digits)) ? MINUS : '') + Math.abs(value).toFixed(digits);
const worded = (name) => name.replace(/[_/]/g, ' ');

/** Round values between two, as many as there is room for. */
function roundTicks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** Colour, marker and dash of a fusion, as in all charts; unlike others in more than its colour. */
const styleOf = (fusion) => ({
  colour: `c${fusion.style % 8}`,
  marker: MARKERS[(fusion.style + Math.floor(fusion.style / 24)) % 6],
  dashed: Math.floor(fusion.style / 8) % 2 === 1,
});

function swatch(fusion) {
  const { colour, marker, dashed } = styleOf(fusion);
  return shape(
    'svg',
    { class: `swatch ${colour}`, width: 26, height: 12, viewBox: '-13 -6 26 12', 'aria-hidden': 'true' },
    shape('path', { d: 'M-13 0H13', class: dashed ? 'dashed' : '' }),
    shape('path', { d: marker }),
  );
}

/** What a point says, beside it. */
const tip = {
  show(lines, x, y) {
    const box = $('tip');
    box.replaceChildren(element('b', {}, lines[0]), ...lines.slice(1).map((line) => element('span', {}, line)));
    box.hidden = false;
    const left = x + 14 + box.offsetWidth > root.clientWidth - 6 ? x - 14 - box.offsetWidth : x + 14;
    box.style.left = `${scrollX + Math.max(left, 6)}px`;
    box.style.top = `${scrollY + Math.max(y - box.offsetHeight - 8, 4)}px`;
  },
  hide() {
    $('tip').hidden = true;
  },
};
addEventListener('keydown', (event) => event.key === 'Escape' && tip.hide());

/** Lines with bands; every point can be pointed at and has the focus by arrow keys. */
class LineChart {
  constructor(box, { height, named = false }) {
    Object.assign(this, { box, height, named, content: null, place: [0, 0] });
    box.addEventListener('pointermove', (event) => this.point(event));
    box.addEventListener('pointerleave', () => this.leave());
    box.addEventListener('keydown', (event) => this.key(event));
    box.addEventListener('focusin', ({ target }) => {
      this.rove(target.dataset.place.split(' ').map(Number));
      this.light(...this.place);
    });
    box.addEventListener('focusout', () => this.leave());
    new ResizeObserver(() => this.box.clientWidth !== this.width && this.draw()).observe(box);
  }

  /**
   * @param content name; x: values and xLabel, yLabel; low, high: of the vertical axis; series: of fusion and of
   *   points, null or {value, low, high, lines}.
   */
  show(content) {
    this.content = content;
    this.draw();
  }

  draw() {
    const { box, content } = this;
    this.width = box.clientWidth;
    if (!this.width || !content) return;
    const { x, series, low, high } = content;
    const named = this.named && this.width >= 760;
    const margin = { left: 44, right: named ? 190 : 14, top: content.yLabel ? 30 : 10, bottom: 42 };
    const inner = { width: this.width - margin.left - margin.right, height: this.height - margin.top - margin.bottom };
    const [first, last] = [x[0], x[x.length - 1]];
    const pad = named ? 0.02 : 0.04;
    const along = (value) => margin.left + inner.width * (last > first ? pad + ((1 - 2 * pad) * (value - first)) / (last - first) : 0.5);
    const up = (value) => margin.top + (inner.height * (high - value)) / (high - low);
    const many = series.length > 10 ? 'many' : '';
    const svg = shape('svg', { class: many, height: this.height, viewBox: `0 0 ${this.width} ${this.height}`, role: 'group', 'aria-label': content.name });
    const { ticks, digits } = roundTicks(low, high, inner.height / 52);
    for (const tick of ticks) {
      const y = up(tick);
      svg.append(
        shape('line', { class: Math.abs(tick) < 1e-9 ? 'axis' : 'grid', x1: margin.left, x2: margin.left + inner.width, y1: y, y2: y }),
        shape('text', { x: margin.left - 8, y: y + 4, 'text-anchor': 'end' }, fixed(tick, digits)),
      );
    }
    for (const value of x)
      svg.append(shape('text', { x: along(value), y: this.height - 22, 'text-anchor': 'middle' }, String(value)));
    svg.append(
      shape('text', { x: margin.left + inner.width / 2, y: this.height - 4, 'text-anchor': 'middle' }, content.xLabel),
      shape('text', { x: 2, y: 12 }, content.yLabel),
    );
    this.spots = series.map(({ points }) => points.map((one, k) => one && { x: along(x[k]), y: up(one.value) }));
    this.groups = series.map((one, s) => this.drawSeries(one, s, up));
    svg.append(...this.groups);
    if (named) this.drawNames(svg, margin.left + inner.width, margin.top, margin.top + inner.height);
    box.replaceChildren(svg);
    this.svg = svg;
    this.rove(this.place);
  }

  drawSeries({ fusion, points }, s, up) {
    const spots = this.spots[s];
    const { colour, marker, dashed } = styleOf(fusion);
    const group = shape('g', { class: `series ${colour}` });
    for (let from = 0; from < points.length; from++) {
      if (!points[from]) continue;
      let to = from;
      while (to + 1 < points.length && points[to + 1]) to++;
      const places = Array.from({ length: to - from + 1 }, (_, k) => from + k);
      const bounded = places.every((k) => points[k].low !== undefined);
      if (bounded && to > from) {
        const edge = [...places.map((k) => [k, points[k].high]), ...[...places].reverse().map((k) => [k, points[k].low])];
        group.append(shape('path', { class: 'band', d: `M${edge.map(([k, value]) => `${spots[k].x} ${up(value)}`).join('L')}Z` }));
      } else if (bounded)
        group.append(shape('path', { class: 'line', d: `M${spots[from].x} ${up(points[from].low)}V${up(points[from].high)}` }));
      const d = `M${places.map((k) => `${spots[k].x} ${spots[k].y}`).join('L')}`;
      group.append(shape('path', { class: dashed ? 'line dashed' : 'line', d }));
      from = to;
    }
    points.forEach((one, k) => {
      if (!one) return;
      const { x, y } = spots[k];
      const names = { role: 'img', tabindex: -1, 'aria-label': one.lines.join(', '), 'data-place': `${s} ${k}` };
      group.append(shape('g', { class: 'point', ...names, transform: `translate(${x} ${y})` }, shape('path', { d: marker })));
    });
    return group;
  }

  /** Names at the ends of the lines, moved apart. */
  drawNames(svg, left, top, bottom) {
    const names = this.content.series
      .map(({ fusion }, s) => ({ fusion, group: this.groups[s], end: this.spots[s].findLast((spot) => spot) }))
      .filter(({ end }) => end)
      .sort((a, b) => a.end.y - b.end.y);
    const room = Math.min(16, (bottom - top) / Math.max(names.length, 1));
    names.forEach((one, k) => (one.y = Math.max(one.end.y, k ? names[k - 1].y + room : top + 6)));
    for (let k = names.length - 1, most = bottom; k >= 0 && names[k].y > most; k--, most -= room) names[k].y = most;
    for (const { fusion, group, end, y } of names)
      group.append(
        shape('path', { class: 'leader', fill: 'none', d: `M${end.x + 7} ${end.y}L${left + 6} ${y}` }),
        shape('text', { class: 'label', x: left + 10, y: y + 4, 'aria-hidden': 'true' }, fusion.label),
      );
  }

  /** One point is in the order of the focus. */
  rove([s, k]) {
    for (const point of this.svg.querySelectorAll('.point')) point.setAttribute('tabindex', -1);
    if (!this.spots[s]?.[k]) [s, k] = this.firstPlace();
    this.place = [s, k];
    this.pointAt(s, k)?.setAttribute('tabindex', 0);
  }

  firstPlace() {
    const s = this.spots.findIndex((spots) => spots.some((spot) => spot));
    return s < 0 ? [0, 0] : [s, this.spots[s].findIndex((spot) => spot)];
  }

  pointAt(s, k) {
    return this.svg.querySelector(`[data-place="${s} ${k}"]`);
  }

  key(event) {
    const [s, k] = this.place;
    if (!this.spots?.[s]?.[k]) return;
    const row = this.spots[s].flatMap((spot, place) => (spot ? [place] : []));
    const column = this.spots.flatMap((spots, place) => (spots[k] ? [place] : [])).sort((a, b) => this.spots[a][k].y - this.spots[b][k].y);
    const across = (by) => [s, row[clamp(row.indexOf(k) + by, 0, row.length - 1)]];
    const upward = (by) => [column[clamp(column.indexOf(s) + by, 0, column.length - 1)], k];
    const moves = {
      ArrowLeft: () => across(-1), ArrowRight: () => across(1), ArrowUp: () => upward(-1), ArrowDown: () => upward(1),
      Home: () => across(-row.length), End: () => across(row.length),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    this.rove(moves[event.key]());
    this.pointAt(...this.place).focus();
  }

  point(event) {
    if (!this.spots) return;
    const bounds = this.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
    let [best, found] = [45, null];
    this.spots.forEach((spots, s) =>
      spots.forEach((spot, k) => {
        const distance = spot ? Math.hypot(spot.x - x, spot.y - y) : Infinity;
        if (distance < best) [best, found] = [distance, [s, k]];
      }),
    );
    if (found) this.light(...found);
    else this.leave();
  }

  light(s, k) {
    const bounds = this.svg.getBoundingClientRect();
    this.svg.classList.add('lit');
    this.groups.forEach((group, place) => group.classList.toggle('on', place === s));
    const spot = this.spots[s][k];
    tip.show(this.content.series[s].points[k].lines, bounds.left + spot.x, bounds.top + spot.y);
  }

  leave() {
    this.svg?.classList.remove('lit');
    tip.hide();
  }
}

/** A table of rows of cells; the first cell of a row heads it. */
function fillTable(table, head, rows) {
  const line = (cells) => element('tr', {}, element('th', { scope: 'row' }, cells[0]), ...cells.slice(1).map((cell) => element('td', {}, cell)));
  table.replaceChildren(
    element('thead', {}, element('tr', {}, ...head.map((name) => element('th', { scope: 'col' }, name)))),
    element('tbody', {}, ...rows.map(line)),
  );
}
