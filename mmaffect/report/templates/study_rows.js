/** Each fusion less the reference: its interval, and more than a colour where test and interval say that it is no chance. */
function drawForest(box, { rows, reference, name }) {
  // One modality alone is far off, and would leave no room to tell the fusions apart.
  const near = rows.filter(({ fusion }) => !fusion.single);
  const scaled = reference.single || !near.length ? rows : near;
  const reach = Math.max(0.02, ...scaled.flatMap(({ low, high }) => [Math.abs(low), Math.abs(high)]));
  const { ticks, digits } = roundTicks(-reach, reach, 4);
  const at = (value) => `${(50 + (50 * clamp(value, -reach, reach)) / reach).toFixed(3)}%`;
  const axis = shape('svg', { class: 'row', 'aria-hidden': 'true' });
  for (const tick of ticks) axis.append(shape('text', { x: at(tick), y: 20, 'text-anchor': 'middle' }, signed(tick, digits)));
  const cell = (role, ...children) => element('div', { role }, ...children);
  const plot = (role, svg) => {
    const made = cell(role, svg);
    made.className = 'plot';
    return made;
  };
  const head = element('div', { role: 'row' }, cell('columnheader', 'Fusion'), plot('columnheader', axis),
    cell('columnheader', 'Difference, 95\u202f% interval'), cell('columnheader', 'p (Holm)'));
  axis.setAttribute('role', 'presentation');
  const lines = rows.map(({ fusion, value, low, high, p }) => {
    const significant = p !== null && p < 0.05 && (low > 0 || high < 0);
    const svg = shape('svg', { class: 'row', 'aria-hidden': 'true' },
      shape('line', { class: 'zero', x1: '50%', x2: '50%', y1: 0, y2: '100%' }),
      shape('line', { class: 'span', x1: at(low), x2: at(high), y1: '50%', y2: '50%' }),
      Math.abs(value) > reach
        ? shape('text', { class: 'beyond', x: at(value), y: '50%', dy: '0.35em', 'text-anchor': value > 0 ? 'end' : 'start' }, value > 0 ? '▶' : '◀')
        : significant
        ? shape('rect', { class: 'dot significant', x: at(value), y: '50%', width: 9, height: 9, transform: 'translate(-4.5 -4.5)' })
        : shape('circle', { class: 'dot', cx: at(value), cy: '50%', r: 4 }));
    const verdict = significant ? element('span', { class: 'verdict' }, value > 0 ? '\u00a0▲ higher' : '\u00a0▼ lower') : '';
    const text = p === null ? '–' : p < 0.001 ? '< 0.001' : `${p.toFixed(3)}`;
    const line = element('div', { role: 'row' },
      cell('rowheader', swatch(fusion), fusion.label), plot('cell', svg),
      cell('cell', `${signed(value, 3)} [${signed(low, 3)}, ${signed(high, 3)}]`), cell('cell', text, verdict));
    if (significant) line.className = value > 0 ? 'better' : 'worse';
    return line;
  });
  const table = element('div', { class: 'forest', role: 'table', 'aria-label': `${name}, each fusion less ${reference.label}` }, head, ...lines);
  box.replaceChildren(table);
}

/** AUROC of every gate in every condition: a mark, its interval and the line of chance. */
function drawGates(table, found) {
  const names = [...new Set(found.map(({ gate }) => gate))];
  const conditions = [...new Set(found.map(({ condition }) => condition))];
  const ends = found.flatMap(({ auroc, low, high }) => [auroc, low ?? auroc, high ?? auroc]);
  const reach = Math.ceil(10 * Math.max(0.1, ...ends.map((value) => Math.abs(value - 0.5)))) / 10;
  const at = (value) => `${(50 + (50 * (value - 0.5)) / reach).toFixed(3)}%`;
  fillTable(table, ['Gate', ...conditions.map(worded)], names.map((gate) => [
    worded(gate),
    ...conditions.map((condition) => {
      const one = found.find((other) => other.gate === gate && other.condition === condition);
      if (!one) return element('span', { class: 'none' }, '–');
      const { auroc, low, high, seeds } = one;
      const bounded = low !== null && high !== null;
      const sure = bounded && (low > 0.5 || high < 0.5);
      const mark = sure
        ? shape('rect', { class: 'dot significant', x: at(auroc), y: 6, width: 9, height: 9, transform: 'translate(-4.5 -0.5)' })
        : shape('circle', { class: 'dot', cx: at(auroc), cy: 10, r: 4 });
      const svg = shape('svg', { class: 'row', 'aria-hidden': 'true' },
        shape('line', { class: 'zero', x1: '50%', x2: '50%', y1: 0, y2: 20 }),
        shape('line', { class: 'span', x1: at(low ?? auroc), x2: at(high ?? auroc), y1: 10, y2: 10 }), mark);
      const [kind, sign] = !sure ? ['', ''] : auroc > 0.5 ? ['better', ' ▲'] : ['worse', ' ▼'];
      const box = element('div', { class: kind }, `${auroc.toFixed(3)}${sign}`, svg,
        element('small', {}, bounded ? `${low.toFixed(2)}–${high.toFixed(2)}` : 'no interval'));
      box.title = `seeds: ${seeds.map((value) => value.toFixed(3)).join(', ')}`;
      return box;
    }),
  ]));
  return reach;
}

/** Rows by the column of a heading. */
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const keyOf = (row, column) => {
    const { value } = row.cells[column].dataset;
    return value === undefined ? row.cells[column].textContent : value === '' ? NaN : Number(value);
  };
  const order = (a, b) => {
    if (typeof a === 'string') return a.localeCompare(b);
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return a - b;
  };
  heads.forEach((head, column) => {
    const button = element('button', { class: 'sort', type: 'button' }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending' || (head.dataset.first === 'down' && !head.hasAttribute('aria-sort'));
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
      rows.sort(([a], [b]) => (Number.isNaN(a) || Number.isNaN(b) || !down ? order(a, b) : order(b, a)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
