const root = document.documentElement;
const $ = (id) => document.getElementById(id);
const data = JSON.parse($('data').textContent);
const MISSING = -32768;
const MINUS = '\u2212';

function bytes(text) {
  const binary = atob(text);
  const found = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) found[i] = binary.charCodeAt(i);
  return found;
}

/** Values in [-1, 1]; NaN where there is none. */
function unpackUnit(text) {
  const whole = new Int16Array(bytes(text).buffer);
  const values = new Float32Array(whole.length);
  for (let i = 0; i < whole.length; i++) values[i] = whole[i] === MISSING ? NaN : whole[i] / 32767;
  return values;
}

const unpackTimes = (text) => new Float64Array(bytes(text).buffer);
const unpackPixels = (text) => new Int16Array(bytes(text).buffer);
const mapped = (object, change) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));

/** Number of times that are at most t. */
function countUpTo(times, t) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the frame that is shown at a time. */
const frameAt = (times, t) => Math.max(countUpTo(times, t + 5e-4) - 1, 0);

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function signed(value, digits = 2) {
  if (!Number.isFinite(value)) return '–';
  const text = Math.abs(value).toFixed(digits);
  return (Number(text) === 0 ? '' : value < 0 ? MINUS : '+') + text;
}

function clockText(seconds, digits = 1) {
  const scale = 10 ** digits;
  const units = Math.round(Math.max(seconds, 0) * scale);
  const whole = Math.floor(units / scale);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = String(whole % 60).padStart(2, '0') + (digits ? '.' + String(units % scale).padStart(digits, '0') : '');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

function spoken(seconds) {
  const tenths = Math.round(Math.max(seconds, 0) * 10);
  const counts = [[Math.floor(tenths / 36000), 'hour'], [Math.floor(tenths / 600) % 60, 'minute']];
  const before = counts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'} `);
  return `${before.join('')}${((tenths % 600) / 10).toFixed(1)} seconds`;
}

/** Light or dark as the system has it, until the button is pressed. */
const theme = {
  watchers: [],
  chosen: null,
  printing: false,
  colours: {},
  system: matchMedia('(prefers-color-scheme: dark)'),
  get dark() {
    return !this.printing && (this.chosen === null ? this.system.matches : this.chosen);
  },
  apply() {
    root.classList.toggle('dark', this.dark);
    $('theme').textContent = this.dark ? 'Light' : 'Dark';
    $('theme').setAttribute('aria-label', `Change to the ${this.dark ? 'light' : 'dark'} theme`);
    const style = getComputedStyle(root);
    for (const name of ['card', 'ink', 'soft', 'line', 'grid', 'axis', 'accent', 'valence', 'arousal', 'audio', 'visual', 'annotated', 'cursor', 'page'])
      this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    for (const watcher of this.watchers) watcher();
  },
  start() {
    $('theme').addEventListener('click', () => {
      this.chosen = !this.dark;
      this.apply();
    });
    this.system.addEventListener('change', () => this.apply());
    for (const [name, printing] of [['beforeprint', true], ['afterprint', false]])
      addEventListener(name, () => {
        this.printing = printing;
        this.apply();
      });
    this.apply();
  },
};
