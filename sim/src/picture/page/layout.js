// Lays the run out: lanes from left to right, time downwards. Each moment at which something is shown has
// a row, with a slot for each thing that would cover another; moments with nothing in them are folded.
const data = JSON.parse(document.getElementById('data').textContent);
const GUTTER = 84, RIGHT = 190, SLOT = 16, TICK_US = 5000, FOLD_MS = 40;
const errors = [];
addEventListener('error', event => { errors.push(event.message); document.body.dataset.errors = errors.join('; '); });

const el = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter(child => child !== null));
  return made;
};
const svg = (name, attributes = {}, ...children) => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter(child => child !== null));
  return made;
};
const ms = us => (us / 1000).toLocaleString('en-US', {maximumFractionDigits: 3});
const pen = document.createElement('canvas').getContext('2d');
const width = (text, font = '600 11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif') => {
  pen.font = font;
  return pen.measureText(text).width;
};
const clipped = (text, room) => {
  if (width(text) <= room) return text;
  let length = Math.floor(text.length * room / width(text));
  while (length > 1 && width(text.slice(0, length) + '…') > room) length -= 1;
  return text.slice(0, length) + '…';
};
const wrapped = (text, room, font) => {
  const lines = [''];
  for (const word of text.split(' ')) {
    const longer = lines[lines.length - 1] ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines[lines.length - 1] && width(longer, font) > room) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
};

// --- what is shown ------------------------------------------------------------------------------

const FILTERS = ['user', 'message', 'command'];
const filter = {};
const read_hash = () => {
  const hash = new URLSearchParams(location.hash.slice(1));
  for (const name of FILTERS) filter[name] = hash.get(name) ?? '';
  filter.touching = hash.has('touching') && data.violation !== null;
  filter.until = hash.has('until') && data.violation !== null;
  filter.background = hash.has('background');
};
const write_hash = () => {
  const hash = new URLSearchParams();
  for (const name of FILTERS) if (filter[name]) hash.set(name, filter[name]);
  if (filter.touching) hash.set('touching', '');
  if (filter.until) hash.set('until', '');
  if (filter.background) hash.set('background', '');
  history.replaceState(null, '', `#${hash}`);
};
const last_us = () => data.violation && filter.until ? data.violation.us : Infinity;
const fits = item =>
  (!filter.user || item.users.includes(Number(filter.user)))
  && (!filter.message || item.messages.includes(filter.message))
  && (!filter.touching || item.touches || item.broke)
  && (filter.background || !item.background || item.touches || item.broke);
const first_of = pdu => pdu.sent ?? pdu.received;
const is_shown = pdu => fits(pdu) && (!filter.command || pdu.name === filter.command) && first_of(pdu).us <= last_us();
const is_marked = () => data.inevitable !== null && data.inevitable.us !== null;
const is_after = n => data.violation && data.violation.n !== null && n > data.violation.n;
const short = name => name.replace(/^(BUDDY_LIST|OTHER)_/, '').replace(/REQUEST$/, 'REQ').replace(/RESPONSE$/, 'RSP');
const family = name => name === 'MSG_DATA' ? 'data' : name === 'MSG_DATA_ACK' ? 'ack'
  : name.startsWith('MSG_READ') ? 'read' : name.startsWith('MSG_') ? 'ask' : 'rest';

// --- where it is --------------------------------------------------------------------------------

function layout() {
  const room = document.documentElement.clientWidth;
  const pdus = data.pdus.filter(is_shown);
  const marks = data.marks.filter(mark => fits(mark) && mark.us <= last_us());
  const entries = data.entries.filter(entry => fits(entry) && entry.from <= last_us());
  // Lanes with nothing on them are left out; of the others the order stays.
  const used = new Set();
  for (const pdu of pdus) for (const at of [pdu.sent?.lane, pdu.received?.lane, pdu.other]) used.add(at);
  for (const item of [...marks, ...entries]) used.add(item.lane);
  const lanes = data.lanes.map((lane, at) => ({...lane, at})).filter(lane => used.has(lane.at));
  if (lanes.length === 0) lanes.push({...data.lanes[0], at: 0});
  const step = Math.min(300, Math.max(168, (room - GUTTER - RIGHT - 40) / Math.max(1, lanes.length - 1)));
  lanes.forEach((lane, n) => { lane.x = GUTTER + 46 + n * step; });
  const x = at => lanes.find(lane => lane.at === at)?.x;
  const whole = GUTTER + 46 + (lanes.length - 1) * step + RIGHT;

  // Everything that takes place at a moment, in the order of the trace.
  const events = [];
  for (const pdu of pdus) {
    if (pdu.sent) events.push({us: pdu.sent.us, n: pdu.sent.n, lane: pdu.sent.lane, kind: 'sent', pdu});
    if (pdu.received && pdu.received.us <= last_us()) events.push({us: pdu.received.us, n: pdu.received.n, lane: pdu.received.lane, kind: 'received', pdu});
  }
  for (const mark of marks) events.push({us: mark.us, n: mark.n, lane: mark.lane, kind: 'mark', mark});
  for (const entry of entries) for (const us of [entry.from, entry.to ?? data.end]) events.push({us, n: -1, kind: 'edge'});
  for (const fault of data.faults) {
    if (fault.from > last_us()) continue;
    events.push({us: fault.from, n: -3, kind: 'rule'});
    events.push({us: fault.to ?? data.end, n: -2, kind: 'edge'});
  }
  for (const down of data.down) for (const us of [down.from, down.to ?? data.end]) events.push({us, n: -2, kind: 'edge'});
  const phases = data.phases.filter(phase => phase.phase !== 'audit');
  if (!FILTERS.some(name => filter[name]) && !filter.touching) for (const phase of phases) if (phase.us > 0) events.push({us: phase.us, n: -4, kind: 'rule', phase});
  if (data.violation) events.push({us: data.violation.us, n: Infinity, kind: 'edge'});
  // Above all that happens then: from the beginning of that moment on nothing that is drawn matters.
  if (is_marked() && data.inevitable.us <= last_us()) events.push({us: data.inevitable.us, n: -5, kind: 'rule', inevitable: true});
  events.sort((a, b) => a.us - b.us || a.n - b.n);

  const font = '12.5px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
  const sentence = data.violation ? wrapped(data.violation.sentence, whole - GUTTER - 60, font) : [];
  const rows = [];
  let y = 14, before = null;
  for (let at = 0; at < events.length;) {
    const us = events[at].us;
    if (us > last_us()) break;
    const row = {us, folded: null, slots: 0};
    if (before !== null) {
      const passed = (us - before) / 1000;
      if (passed > FOLD_MS) { row.folded = {y: y + 13, ms: passed}; y += 26; }
      else y += 3 + 3 * (us - before) / TICK_US;
    }
    row.y = y;
    const taken = [], next = {};
    for (; at < events.length && events[at].us === us; at += 1) {
      const event = events[at];
      if (event.kind === 'edge') continue;
      if (event.kind === 'rule') { event.slot = taken.length; taken.push([[0, whole]]); event.row = row; if (event.phase) event.phase_y = true; continue; }
      const here = x(event.lane);
      let box = [here - 7, here + 7];
      if (event.kind === 'sent') {
        const to = x(event.pdu.received?.lane ?? event.pdu.other) ?? here + step;
        const goes_right = to >= here;
        event.text = clipped(`${short(event.pdu.name)} ${event.pdu.ids}`.trim(), step * 1.4 - 20);
        const long = width(event.text) + 16;
        box = goes_right ? [here - 7, here + long] : [here - long, here + 7];
        event.goes_right = goes_right;
      } else if (event.kind === 'mark') {
        const last = lanes[lanes.length - 1].x === here;
        event.text = clipped(event.mark.text, last ? RIGHT - 22 : step * 1.4 - 20);
        box = [here - 7, here + width(event.text) + 18];
      }
      let slot = next[event.lane] ?? 0;
      while ((taken[slot] ?? []).some(([from, to]) => box[0] < to && from < box[1])) slot += 1;
      (taken[slot] ??= []).push(box);
      for (let n = 0; n < slot; n += 1) taken[n] ??= [];
      next[event.lane] = slot + 1;
      Object.assign(event, {slot, row});
    }
    row.slots = taken.length;
    y += Math.max(2, taken.length * SLOT);
    row.end = y;
    if (data.violation && us === data.violation.us) {
      row.violation = {y: y + 7, height: 30 + 17 * sentence.length};
      y += row.violation.height + 16;
    }
    rows.push(row);
    before = us;
  }
  const of = us => rows.find(row => row.us === us) ?? rows[rows.length - 1];
  // The label of an arrow is above it, that of a mark beside it.
  const y_of = event => event.row.y + event.slot * SLOT + (event.kind === 'mark' ? 9 : 13);
  return {pdus, marks, entries, lanes, step, x, whole, events, rows, of, y_of, sentence, height: y + 24};
}
