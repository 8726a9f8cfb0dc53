// Draws what layout.js has laid out, and the page around it.

// --- how it looks -------------------------------------------------------------------------------

const made = {};
let drawn = null;

function draw() {
  const plan = drawn = layout();
  const {lanes, x, whole, rows, of, y_of} = plan;
  const scene = svg('g', {id: 'scene', class: data.violation ? 'quiet' : ''});
  const shown_until = rows.length ? rows[rows.length - 1].us : 0;
  const bottom = plan.height - 12;

  for (const fault of data.faults.filter(fault => fault.from <= shown_until)) {
    const from = of(fault.from).y, until = Math.max(from + SLOT + 4, fault.to === null || fault.to > shown_until ? bottom : of(fault.to).end);
    const hit = fault.hit === null ? '' : ` [hit ${fault.hit}]`;
    const group = svg('g', {class: 'fault'},
      svg('rect', {x: GUTTER, y: from, width: whole - GUTTER, height: until - from}),
      svg('rect', {class: 'side', x: GUTTER, y: from, width: 4, height: until - from}));
    for (const at of fault.lanes) if (x(at) !== undefined) group.append(svg('line', {class: 'lane-in', x1: x(at), x2: x(at), y1: from, y2: until}));
    group.append(svg('text', {class: 'halo', x: GUTTER + 12, y: from + 13}, `${fault.what}${hit}`));
    scene.append(group);
  }
  for (const lane of lanes) scene.append(svg('line', {class: 'lane', x1: lane.x, x2: lane.x, y1: 0, y2: bottom}));
  for (const down of data.down) {
    if (x(down.lane) === undefined || down.from > shown_until) continue;
    const until = down.to === null || down.to > shown_until ? bottom : of(down.to).y;
    scene.append(svg('line', {class: 'down', x1: x(down.lane), x2: x(down.lane), y1: of(down.from).y, y2: until}));
  }
  for (const row of rows) {
    const broken = data.violation && row.us === data.violation.us;
    if (row.slots || broken) scene.append(svg('text', {class: broken ? 'time strong' : 'time', x: GUTTER - 14, y: row.y + 14}, `${ms(row.us)} ms`));
    if (row.folded) {
      const label = `${ms(row.folded.ms * 1000)} ms`, room = width(label) + 12, at = GUTTER + 12 + room / 2;
      scene.append(svg('g', {class: 'fold'},
        svg('line', {x1: GUTTER, x2: whole - 12, y1: row.folded.y, y2: row.folded.y}),
        svg('rect', {x: at - room / 2, y: row.folded.y - 8, width: room, height: 16}),
        svg('text', {x: at, y: row.folded.y + 4}, label)));
    }
  }
  for (const event of plan.events.filter(event => event.phase && event.row)) {
    const at = y_of(event);
    scene.append(svg('g', {class: 'phase'},
      svg('text', {class: 'halo', x: GUTTER + 12, y: at + 3}, event.phase.phase === 'liveness' ? 'the users are done: what is owed must be paid now' : event.phase.phase),
      svg('line', {x1: GUTTER, x2: GUTTER + 8, y1: at, y2: at})));
  }
  draw_entries(scene, plan, shown_until, bottom);
  draw_pdus(scene, plan, bottom);
  for (const event of plan.events.filter(event => event.kind === 'mark' && event.row)) {
    const {mark} = event, at = y_of(event), here = x(mark.lane);
    const classes = ['mark', mark.sort, mark.touches ? 'touches' : '', mark.broke ? 'broke' : '', is_after(mark.n) ? 'after' : ''];
    const dot = mark.sort === 'commit'
      ? svg('path', {class: 'dot', d: `M${here - 4.5} ${at}L${here} ${at - 4.5}L${here + 4.5} ${at}L${here} ${at + 4.5}Z`})
      : svg('circle', {class: 'dot', cx: here, cy: at, r: 3.2});
    const group = svg('g', {class: classes.filter(Boolean).join(' '), tabindex: 0},
      svg('line', {class: 'hit', x1: here - 4, x2: here + 12 + width(event.text), y1: at, y2: at}),
      dot, svg('text', {class: 'halo', x: here + 10, y: at + 4}, event.text));
    tip_for(group, mark, mark.text, `${data.lanes[mark.lane].name}, ${ms(mark.us)} ms`, mark.says);
    scene.append(group);
  }
  draw_inevitable(scene, plan);
  draw_violation(scene, plan);

  const drawing = svg('svg', {id: 'drawing', width: whole, height: plan.height, viewBox: `0 0 ${whole} ${plan.height}`}, scene);
  made.drawing.replaceChildren(drawing);
  made.heads.replaceChildren(heads(plan));
  sheets(plan);
  document.body.dataset.pdus = plan.pdus.length;
  made.count.textContent = `${plan.pdus.length} of ${data.pdus.length} PDUs`;
  for (const name of FILTERS) {
    made[name].value = filter[name];
    made[name].classList.toggle('set', filter[name] !== '');
  }
  for (const name of ['touching', 'until', 'background']) made[name].checked = filter[name];
  made.all.disabled = !FILTERS.some(name => filter[name]) && !filter.touching && !filter.until && filter.background;
}

function heads(plan) {
  const group = svg('svg', {class: 'head', width: plan.whole, height: 42, viewBox: `0 0 ${plan.whole} 42`});
  for (const lane of plan.lanes) {
    group.append(svg('text', {class: 'name', x: lane.x, y: 17}, lane.name));
    group.append(svg('text', {class: 'what', x: lane.x, y: 33}, clipped(lane.what, plan.step - 4)));
  }
  return group;
}

function draw_entries(scene, plan, shown_until, bottom) {
  const columns = {};
  for (const entry of plan.entries) {
    const here = plan.x(entry.lane);
    const from = plan.of(entry.from).y + 4;
    const is_open = entry.to === null || entry.to > shown_until;
    const until = Math.max(from + 8, is_open ? bottom : plan.of(entry.to).end - 4);
    const ends = columns[entry.lane] ??= [];
    let column = ends.findIndex(end => end <= from);
    if (column < 0) column = ends.length;
    ends[column] = until;
    const at = here - 9 - 7 * column;
    const bad = !['acked'].includes(entry.ended);
    const classes = ['entry', bad ? 'bad' : '', is_open ? 'open' : '', entry.touches ? 'touches' : ''];
    const group = svg('g', {class: classes.filter(Boolean).join(' '), tabindex: 0},
      svg('line', {class: 'hit', x1: at, x2: at, y1: from, y2: until}),
      svg('line', {class: 'bar', x1: at, x2: at, y1: from, y2: until}));
    if (!is_open) group.append(svg('line', {class: 'cap', x1: at - 4, x2: at + 4, y1: until, y2: until}));
    const to = entry.to === null ? 'the end' : `${ms(entry.to)} ms`;
    tip_for(group, entry, `in the send list: ${entry.what}`, `${ms(entry.from)} ms to ${to}`, [['then', entry.ended], ['pushed again', `${entry.resent} times`]]);
    scene.append(group);
  }
}

function draw_pdus(scene, plan, bottom) {
  const ends = new Map();
  for (const event of plan.events) {
    if (!event.pdu || !event.row) continue;
    const known = ends.get(event.pdu) ?? {};
    known[event.kind] = event;
    ends.set(event.pdu, known);
  }
  for (const [pdu, {sent, received}] of ends) {
    const start = sent ?? received;
    const to_lane = received?.lane ?? pdu.other;
    const x1 = sent ? plan.x(sent.lane) : plan.x(pdu.other) ?? plan.x(received.lane) - 60;
    const y1 = plan.y_of(start);
    let x2 = received ? plan.x(received.lane) : plan.x(to_lane) ?? x1 + 60;
    let y2 = received && sent ? plan.y_of(received) : y1;
    const lost = !received;
    if (lost) { x2 = x1 + (x2 - x1) * .55; y2 = y1 + 12; }
    const classes = ['pdu', family(pdu.name), pdu.touches ? 'touches' : '', pdu.broke ? 'broke' : '', is_after(first_of(pdu).n) ? 'after' : '', lost ? 'unread' : ''];
    const away = Math.hypot(x2 - x1, y2 - y1) || 1, ux = (x2 - x1) / away, uy = (y2 - y1) / away;
    const tip = lost ? 0 : 4.5, ex = x2 - ux * tip, ey = y2 - uy * tip;
    const group = svg('g', {class: classes.filter(Boolean).join(' '), tabindex: 0, 'data-command': pdu.name},
      svg('line', {class: 'hit', x1, y1, x2, y2}),
      svg('line', {class: 'arrow', x1, y1, x2: ex, y2: ey}));
    if (lost) {
      group.append(svg('path', {class: 'lost', d: `M${x2 - 4} ${y2 - 4}l8 8m0 -8l-8 8`}));
    } else {
      const point = (along, aside) => `${ex - ux * along - uy * aside},${ey - uy * along + ux * aside}`;
      group.append(svg('polygon', {points: `${ex + ux * 2},${ey + uy * 2} ${point(7, 3.6)} ${point(7, -3.6)}`}));
    }
    group.append(svg('circle', {cx: x1, cy: y1, r: 2.4}));
    if (start.text !== undefined) {
      const name = short(pdu.name), is_whole = start.text.startsWith(`${name} `);
      const label = svg('text', {class: 'halo', x: start.goes_right ? x1 + 9 : x1 - 9, y: y1 - 2, 'text-anchor': start.goes_right ? 'start' : 'end'});
      label.append(is_whole ? name : start.text);
      if (is_whole) label.append(svg('tspan', {class: 'ids'}, ` ${start.text.slice(name.length + 1)}`));
      group.append(label);
    }
    const lane = at => at === null || at === undefined ? '?' : data.lanes[at].name;
    const route = `${lane(pdu.sent?.lane ?? pdu.other)} → ${lane(pdu.received?.lane ?? pdu.other)}`;
    const when = pdu.sent && pdu.received
      ? `${ms(pdu.sent.us)} → ${ms(pdu.received.us)} ms, ${ms(pdu.received.us - pdu.sent.us)} ms on its way`
      : `${ms(first_of(pdu).us)} ms, ${pdu.sent ? 'never read' : 'nobody is seen to write it'}`;
    tip_for(group, pdu, `${pdu.name} ${pdu.id}`, `${route}, ${when}`, pdu.says);
    scene.append(group);
  }
}

function draw_inevitable(scene, plan) {
  const event = plan.events.find(event => event.inevitable && event.row);
  if (!event) return;
  const {title, words, says} = data.inevitable;
  const at = event.row.y + event.slot * SLOT + 14, until = plan.whole - 12;
  const group = svg('g', {id: 'inevitable', tabindex: 0},
    svg('line', {class: 'hit', x1: GUTTER, x2: until, y1: at, y2: at}),
    svg('line', {class: 'rule', x1: GUTTER, x2: until, y1: at, y2: at}),
    svg('text', {class: 'halo', x: GUTTER + 12, y: at - 4}, clipped(`${title}; ${words}`, until - GUTTER - 40)));
  tip_for(group, {messages: []}, title, words, says);
  scene.append(group);
}

function draw_violation(scene, plan) {
  const row = plan.rows.find(row => row.violation);
  if (!row) return;
  const {y, height} = row.violation, {signature, n, host} = data.violation;
  const where = n === null ? 'owed at the end' : `at ${host}, ${ms(row.us)} ms, line ${n} of the trace`;
  const group = svg('g', {id: 'violation'},
    svg('rect', {x: GUTTER, y, width: plan.whole - GUTTER - 12, height, rx: 6}),
    svg('line', {x1: 12, x2: GUTTER, y1: y + height / 2, y2: y + height / 2}),
    svg('text', {class: 'signature', x: GUTTER + 18, y: y + 20}, `VIOLATED ${signature}`));
  group.append(svg('text', {x: GUTTER + 34 + width(`VIOLATED ${signature}`, '700 12.5px system-ui, "DejaVu Sans", sans-serif'), y: y + 20}, where));
  plan.sentence.forEach((line, at) => group.append(svg('text', {class: 'sentence', x: GUTTER + 18, y: y + 38 + 17 * at}, line)));
  scene.append(group);
}

// What a printer gets: the same drawing in pieces that fit a page, cut between moments.
function sheets(plan) {
  const tall = plan.whole * .6;
  const pieces = [];
  let from = 0, cut = 0;
  for (const row of [...plan.rows.slice(1), {y: plan.height, folded: null}]) {
    const above = row.folded ? row.folded.y - 12 : row.y - 2;
    const end = row.y === plan.height ? plan.height : above;
    if (end - from > tall && cut > from) { pieces.push([from, cut]); from = cut; }
    cut = end;
  }
  if (plan.height > from) pieces.push([from, plan.height]);
  const sheet = ([top, end]) => el('div', {class: 'sheet'}, heads(plan),
    svg('svg', {viewBox: `0 ${top} ${plan.whole} ${end - top}`, width: plan.whole, height: end - top}, svg('use', {href: '#scene'})));
  made.sheets.replaceChildren(...pieces.map(sheet));
}

// --- what hovering shows ------------------------------------------------------------------------

function tip_for(group, item, title, where, says) {
  group.setAttribute('role', 'img');
  group.setAttribute('aria-label', `${title}; ${where}`);
  group.dataset.messages = JSON.stringify(item.messages);
  const show = () => {
    const rows = (says ?? []).map(([name, value]) => el('tr', {}, el('td', {}, name), el('td', {}, value)));
    made.tip.replaceChildren(el('b', {}, title), el('div', {class: 'where'}, where), el('table', {}, ...rows));
    made.tip.hidden = false;
    const at = group.querySelector('.hit').getBoundingClientRect(), tip = made.tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left + at.width / 2 - tip.width / 2, innerWidth - tip.width - 16));
    const under = at.bottom + 10, over = at.top - tip.height - 10;
    made.tip.style.left = `${left + scrollX}px`;
    made.tip.style.top = `${(under + tip.height > innerHeight && over > 0 ? over : under) + scrollY}px`;
    const is_same = other => item.messages.some(message => JSON.parse(other.dataset.messages).includes(message));
    for (const other of document.querySelectorAll('#drawing [data-messages]')) other.classList.toggle('same', is_same(other));
  };
  const hide = () => {
    made.tip.hidden = true;
    for (const other of document.querySelectorAll('.same')) other.classList.remove('same');
  };
  for (const event of ['mouseenter', 'focus']) group.addEventListener(event, show);
  for (const event of ['mouseleave', 'blur']) group.addEventListener(event, hide);
}

// --- the page around it -------------------------------------------------------------------------

function key() {
  const arrow = kind => svg('svg', {width: 26, height: 10}, svg('g', {class: `pdu ${kind}`},
    svg('line', {class: 'arrow', x1: 0, y1: 5, x2: 20, y2: 5, 'stroke-width': 2}), svg('polygon', {points: '26,5 18,1 18,9'})));
  const mark = kind => svg('svg', {width: 26, height: 12}, svg('g', {class: `mark ${kind}`}, kind === 'commit'
    ? svg('path', {class: 'dot', d: 'M8 6l5 -5l5 5l-5 5Z'}) : svg('circle', {class: 'dot', cx: 13, cy: 6, r: 3.6})));
  const bar = kind => svg('svg', {width: 26, height: 14}, svg('g', {class: `entry ${kind}`},
    svg('line', {class: 'bar', x1: 13, x2: 13, y1: 0, y2: 14}), svg('line', {class: 'cap', x1: 8, x2: 18, y1: 13, y2: 13})));
  const lost = svg('svg', {width: 26, height: 12}, svg('g', {class: 'pdu rest'}, svg('line', {class: 'arrow', x1: 0, x2: 16, y1: 6, y2: 6}), svg('path', {class: 'lost', d: 'M14 2l8 8m0 -8l-8 8'})));
  const items = [[arrow('data'), 'a message'], [arrow('ack'), 'its ack'], [arrow('read'), 'what was read'], [arrow('ask'), 'lists and counts'], [arrow('rest'), 'any other PDU'], [lost, 'never read'],
    [mark('commit'), 'a store commits'], [mark('word'), 'a host says'], [mark('bad'), 'bad news'], [mark('asked'), 'a user asks'], [bar(''), 'in a send list, acked'], [bar('bad'), 'the same, not acked']];
  if (is_marked()) items.push([svg('svg', {width: 26, height: 10}, svg('g', {class: 'inevitable'}, svg('line', {class: 'rule', x1: 0, x2: 26, y1: 5, y2: 5}))), 'inevitable from here on']);
  return el('ul', {class: 'key'}, ...items.map(([shape, text]) => el('li', {}, shape, text)));
}

function build() {
  const {violation, case: about} = data;
  const verdict = el('p', {class: 'verdict'}, el('span', {class: violation ? 'badge' : 'badge holds'}, violation ? 'VIOLATED' : 'HOLDS'));
  const parts = violation ? violation.signature.split('/') : ['all properties hold'];
  const words = el('span');
  parts.forEach((part, n) => words.append(...(n ? [el('span', {class: 'slash'}, ' / ')] : []), part));
  verdict.append(words);
  const fact = (name, value) => value === null ? null : el('span', {}, `${name} `, el('b', {}, String(value)));
  const others = about.others.length ? el('p', {class: 'replay'}, 'also broken in this run: ', about.others.join(', ')) : null;
  const expected = violation && about.expect !== violation.signature ? el('p', {class: 'replay'}, `the case expects ${about.expect}`) : null;
  const row = line => el('tr', {class: line.kind}, el('td', {}, `${line.at.toLocaleString('en-US')} ms`), el('td', {}, line.what));
  const plan = el('div', {class: 'card'}, el('h2', {}, 'What happens'), el('table', {}, ...data.plan.map(row)),
    el('p', {class: 'replay'}, 'again: ', el('code', {}, about.replay)), others, expected);
  const legend = el('div', {class: 'card'}, el('h2', {}, 'How to read it'), key(),
    el('p', {class: 'replay'}, 'Time goes down; where nothing happens it is folded. Hover, or step with Tab, to see what a PDU says. Bold is what the violation is about.' + ` Heartbeats (${about.heartbeats}) are left out; the questions of the auditor, who asks whether all is paid, come with "audits".`));
  const why = data.inevitable && el('p', {class: 'why'}, `${data.inevitable.title}; ${data.inevitable.words}`, el('br'), about.mended);
  document.body.append(el('header', {}, verdict, violation ? el('p', {class: 'sentence'}, violation.sentence) : null, why,
    el('div', {class: 'facts'}, fact('protocol', about.protocol), fact('pace', about.pace), fact('latency', about.latency), fact('seed', about.seed)),
    el('div', {class: 'cards'}, plan, legend)));

  const all = items => [...new Set(items)].sort((a, b) => String(a).localeCompare(String(b), 'en', {numeric: true}));
  const everything = [...data.pdus, ...data.marks, ...data.entries];
  const select = (name, label, values) => {
    made[name] = el('select', {id: name}, el('option', {value: ''}, 'all'), ...values.map(value => el('option', {value}, String(value))));
    made[name].addEventListener('change', () => { filter[name] = made[name].value; write_hash(); draw(); });
    return el('label', {}, label, made[name]);
  };
  const tick = (name, label) => {
    made[name] = el('input', {type: 'checkbox', id: name});
    made[name].addEventListener('change', () => { filter[name] = made[name].checked; write_hash(); draw(); });
    return el('label', {}, made[name], label);
  };
  made.count = el('span', {id: 'count'});
  made.all = el('button', {id: 'all', type: 'button'}, 'show all');
  made.all.addEventListener('click', () => { for (const name of FILTERS) filter[name] = ''; filter.touching = filter.until = false; filter.background = true; write_hash(); draw(); });
  const filters = el('div', {id: 'filters'}, select('user', 'user', all(everything.flatMap(item => item.users))),
    select('message', 'message', all(everything.flatMap(item => item.messages))), select('command', 'command', all(data.pdus.map(pdu => pdu.name))));
  filters.append(tick('background', 'audits'));
  const of_violation = [tick('touching', 'only what it is about'), tick('until', 'until then')];
  if (violation) filters.append(...of_violation);
  if (is_marked()) filters.append(el('a', {href: '#inevitable'}, '↓ inevitable'));
  if (violation) filters.append(el('a', {href: '#violation'}, '↓ the violation'));
  filters.append(made.all, made.count);
  made.heads = el('div', {id: 'heads'});
  made.drawing = el('div', {id: 'drawing-box'});
  made.tip = el('div', {id: 'tip', hidden: ''});
  made.sheets = el('div', {id: 'sheets'});
  document.body.append(el('div', {id: 'bar'}, filters, made.heads), made.drawing, made.sheets, made.tip,
    el('footer', {}, 'trace ', el('span', {class: 'mono'}, about.trace)));
}

// What happens before the moment of the mark is above it, and all else is below.
function check_mark(expect, when) {
  if (!is_marked()) return;
  const line = document.querySelector('#inevitable .rule');
  expect(line && line.getBoundingClientRect().width > 100, `${when}: the mark is not to be seen`);
  const at = line ? Number(line.getAttribute('y1')) : 0;
  for (const event of drawn.events.filter(event => event.row && !event.inevitable)) {
    expect((event.us < data.inevitable.us) === (drawn.y_of(event) < at), `${when}: something at ${ms(event.us)} ms is on the wrong side of the mark`);
  }
}

// With #check the page tries its filters itself and says what it found; the test of the rig reads that.
function check() {
  const wrong = [], expect = (is, what) => { if (!is) wrong.push(what); };
  const count = () => document.querySelectorAll('#drawing .pdu').length;
  const box = () => document.getElementById('violation')?.getBoundingClientRect();
  let tried = 0;
  for (const name of FILTERS) {
    for (const option of made[name].options) {
      made[name].value = option.value;
      made[name].dispatchEvent(new Event('change'));
      const has = {user: pdu => pdu.users.includes(Number(option.value)), message: pdu => pdu.messages.includes(option.value), command: pdu => pdu.name === option.value};
      const due = data.pdus.filter(pdu => !pdu.background || pdu.touches || pdu.broke).filter(pdu => option.value === '' || has[name](pdu)).length;
      expect(count() === due, `${name}=${option.value}: ${count()} arrows for ${due} PDUs`);
      if (data.violation) expect(box() && box().width > 100 && box().height > 20, `${name}=${option.value}: the violation is not to be seen`);
      check_mark(expect, `${name}=${option.value}`);
      tried += 1;
    }
    made[name].value = '';
    made[name].dispatchEvent(new Event('change'));
  }
  for (const name of data.violation ? ['touching', 'until'] : []) {
    made[name].click();
    expect(count() <= data.pdus.length && box().height > 20, name);
    made[name].click();
    tried += 1;
  }
  made.all.click();
  expect(count() === data.pdus.length, `at the end ${count()} arrows for ${data.pdus.length} PDUs`);
  for (const group of document.querySelectorAll('#drawing [tabindex]')) {
    group.dispatchEvent(new Event('focus'));
    expect(!made.tip.hidden && made.tip.textContent.length > 3, 'something shows nothing when it is looked at');
    group.dispatchEvent(new Event('blur'));
  }
  // Nobody receives before it is sent, and nothing that is shown is outside.
  for (const event of drawn.events) if (event.row) expect(drawn.y_of(event) > 0 && drawn.y_of(event) < drawn.height, 'something is outside');
  for (const text of document.querySelectorAll('#drawing text')) {
    const at = text.getBBox();
    expect(at.x >= 0 && at.x + at.width <= drawn.whole + 1, `\`${text.textContent}\` is cut off`);
  }
  document.body.append(el('pre', {id: 'check'}, wrong.length ? `WRONG\n${wrong.join('\n')}` : `right: ${tried} filters tried`));
}

build();
const wants_check = location.hash === '#check';
if (wants_check) history.replaceState(null, '', '#');
read_hash();
draw();
addEventListener('resize', draw);
addEventListener('hashchange', () => { if (!['#violation', '#inevitable'].includes(location.hash)) { read_hash(); draw(); } });
if (wants_check) check();
document.body.dataset.ready = '';
