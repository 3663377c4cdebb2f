// The page of a scan. All text of others is put into text nodes; nothing is made of HTML.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const whole = data.span;
  const SEVERITIES = ['danger', 'warning', 'info'];
  const MOST_ROWS = 500;
  const state = {
    range: [...whole], feed: 0, severities: new Set(SEVERITIES), code: '', text: '', finding: null,
  };
  const charts = [];

  // --- words ---------------------------------------------------------------------------------

  const $ = (id) => document.getElementById(id);
  const count = (number) => (number ?? 0).toLocaleString('en-US');
  const time = (ms) => (ms === null || ms === undefined
    ? 'unknown' : new Date(Math.round(ms)).toISOString().replace('T', ' ').replace('Z', ''));
  const timeNs = (ns) => (ns === null || ns === undefined ? 'unknown' : time(ns / 1e6));
  const short = (text, limit = 24) => {
    const whole = String(text ?? '');
    if (whole.length <= limit) return whole;
    const half = Math.floor((limit - 1) / 2);
    return `${whole.slice(0, half)}…${whole.slice(-half)}`;
  };
  const lasted = (ms) => {
    if (ms === null || ms === undefined) return 'unknown';
    const size = Math.abs(ms);
    const sign = ms < 0 ? '-' : '';
    if (size < 1000) return `${sign}${Number(size.toPrecision(3))} ms`;
    if (size < 60_000) return `${sign}${Number((size / 1000).toPrecision(3))} s`;
    const units = [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1000]];
    let left = size;
    const words = [];
    for (const [unit, ms_] of units) {
      if (left >= ms_) { words.push(`${Math.floor(left / ms_)} ${unit}`); left %= ms_; }
    }
    return sign + words.slice(0, 2).join(' ');
  };
  const lastedNs = (ns) => lasted(ns === null || ns === undefined ? null : ns / 1e6);
  const place = (at) => {
    const path = at.path ?? 'an unknown file';
    if (at.line !== null && at.line !== undefined) return `${path}, line ${count(at.line)}`;
    return at.offset !== null && at.offset !== undefined ? `${path}, byte ${count(at.offset)}` : path;
  };

  const connectionWords = (row) => (row.path === null || row.path === undefined
    ? `connection ${row.connection}` : `connection ${row.number} of ${short(row.path, 60)}`);

  // --- elements ------------------------------------------------------------------------------

  function el(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined) made.append(child);
    }
    return made;
  }

  // Columns: {name, value(row), kind}. Rows can be walked with the arrow keys.
  function table(caption, columns, rows, { select = null, problem = null } = {}) {
    const body = el('tbody');
    rows.slice(0, MOST_ROWS).forEach((row, index) => {
      const line = el('tr', {
        tabindex: index === 0 ? 0 : -1, class: problem && problem(row) ? 'problem' : null,
        onclick: () => select && select(row, line),
      }, columns.map((column) => el('td', { class: column.kind ?? null }, String(column.value(row) ?? ''))));
      body.append(line);
    });
    body.addEventListener('keydown', (event) => walk(event, body, rows, select));
    const head = el('thead', {}, el('tr', {}, columns.map((column) => el('th', { scope: 'col' }, column.name))));
    const left = rows.length - MOST_ROWS;
    const words = left > 0 ? `${caption}: the first ${count(MOST_ROWS)} of ${count(rows.length)}` : caption;
    return el('div', { class: 'scroll', role: 'region', 'aria-label': caption },
      el('table', {}, el('caption', {}, rows.length ? words : `${caption}: none`), head, body));
  }

  function walk(event, body, rows, select) {
    const lines = [...body.rows];
    const at = lines.indexOf(document.activeElement);
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1,
      PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const next = lines[Math.max(0, Math.min(lines.length - 1, to))];
      lines[at].tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    } else if ((event.key === 'Enter' || event.key === ' ') && select) {
      event.preventDefault();
      select(rows[at], lines[at]);
    }
  }

  const facts = (pairs) => el('dl', {}, pairs.map(([name, value, kind]) => [
    el('dt', {}, name), el('dd', { class: kind ?? null }, value)]));

  // --- charts --------------------------------------------------------------------------------

  const config = {
    background: null, font: 'system-ui, sans-serif',
    axis: { labelColor: 'var(--ink)', titleColor: 'var(--dim)', gridColor: 'var(--grid)',
      domainColor: 'var(--grid)', tickColor: 'var(--grid)', labelLimit: 220 },
    legend: { labelColor: 'var(--ink)', titleColor: 'var(--dim)', orient: 'top',
      labelLimit: 260, symbolOpacity: 1, symbolBaseStrokeColor: 'var(--ink)', symbolBaseFillColor: 'var(--ink)' },
    view: { stroke: 'var(--grid)' },
  };
  const severityScale = { domain: SEVERITIES, range: SEVERITIES.map((name) => `var(--${name})`) };
  const shapeScale = { domain: SEVERITIES, range: ['triangle-down', 'diamond', 'circle'] };
  const COLOURS = [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `var(--c${number})`);
  const timeAxis = { field: 't', type: 'temporal', scale: { type: 'utc', nice: false },
    axis: { title: null, labelOverlap: true, tickCount: 8, labelExpr: 'utcFormat(datum.value, clock)' } };
  const clock = ([from, to]) => (to - from < 120_000 ? '%H:%M:%S.%L' : to - from < 86_400_000 ? '%H:%M:%S' : '%m-%d %H:%M');
  const moving = { name: 'grid', bind: 'scales', select: { type: 'interval', encodings: ['x'],
    zoom: 'wheel![event.ctrlKey]' } };

  // A chart with a name, a description, a table of the same data, and keys.
  function chart({ id, title, describe, spec, rows, columns, fit = null, names = ['points'] }) {
    const box = el('div', { class: 'chart', id, tabindex: 0, role: 'group', 'aria-label': title,
      'aria-keyshortcuts': 'ArrowLeft ArrowRight + - 0', onkeydown: keys });
    const more = el('details', {}, el('summary', {}, `${title}: data as a table`));
    const caption = el('figcaption', {}, title);
    const made = { id, box, view: null, names, rows, fit, title };
    more.addEventListener('toggle', () => {
      more.querySelector('.scroll')?.remove();
      if (more.open) more.append(table(title, columns, visible(rows())));
    });
    made.start = async () => {
      const found = rows();
      if (!found.length) {
        box.replaceChildren(el('p', { class: 'dim' }, 'There is nothing to draw.'));
        return;
      }
      const { params = [], ...own } = spec(found);
      const full = { $schema: 'https://vega.github.io/schema/vega-lite/v6.json', width: 1000,
        height: 260, autosize: { type: 'fit-x', contains: 'padding', resize: true }, config, description: `${title}: ${describe()}`, ...own,
        params: [{ name: 'clock', value: clock(state.range) }, ...params] };
      const embedded = await window.vegaEmbed(box, full, { mode: 'vega-lite', ast: true, actions: false,
        renderer: 'svg', defaultStyle: false, logLevel: 1, tooltip: { disableDefaultStyle: true, theme: 'page' } });
      made.view = embedded.view;
      made.view.addSignalListener('grid_t', (_, value) => {
        if (value && (value[0] !== state.range[0] || value[1] !== state.range[1])) {
          setRange([+value[0], +value[1]], made);
        }
      });
      made.view.addEventListener('click', (_, item) => {
        const number = item?.datum?.finding;
        if (number !== undefined) openFinding(data.findings[number], true);
      });
      await made.draw();
    };
    made.draw = async () => {
      if (!made.view) return;
      const all = rows();
      made.names.forEach((name) => made.view.data(name, name === 'marks' ? marks(made) : all));
      if (fit) {
        const [least, most] = fit(visible(all));
        made.view.signal('least', least).signal('most', most);
      }
      made.view.signal('grid_t', state.range).signal('clock', clock(state.range));
      await made.view.runAsync();
    };
    charts.push(made);
    return el('figure', {}, caption, box, more);
  }

  const visible = (rows) => rows.filter((row) => row.t <= state.range[1]
    && (row.t2 ?? row.t) >= state.range[0]);

  function keys(event) {
    const action = { ArrowLeft: 'earlier', ArrowRight: 'later', '+': 'closer', '=': 'closer',
      '-': 'wider', 0: 'whole' }[event.key];
    if (action && event.target === event.currentTarget && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      move[action]();
    }
  }

  // --- the range -----------------------------------------------------------------------------

  const shifted = (share) => {
    const by = (state.range[1] - state.range[0]) * share;
    return state.range.map((at) => at + by);
  };
  const zoomed = (by) => {
    const middle = (state.range[0] + state.range[1]) / 2;
    const half = Math.max(0.5, (state.range[1] - state.range[0]) * by / 2);
    return [middle - half, middle + half];
  };
  const move = {
    earlier: () => setRange(shifted(-0.25)), later: () => setRange(shifted(0.25)),
    closer: () => setRange(zoomed(0.5)), wider: () => setRange(zoomed(2)), whole: () => setRange(whole),
  };

  let drawing = null;
  function setRange(range, by = null) {
    state.range = [...range];
    $('from').value = time(range[0]);
    $('to').value = time(range[1]);
    const outside = data.outside ? `; ${count(data.outside)} frames are of other days` : '';
    $('said').textContent = `${lasted(range[1] - range[0])} shown${outside}`;
    window.clearTimeout(drawing);
    drawing = window.setTimeout(() => redraw(by), by ? 120 : 0);
  }

  async function redraw(except = null) {
    document.body.dataset.drawn = 'no';
    // The chart that is moved itself only has to fit its prices to what it shows.
    for (const each of charts) if (each !== except || each.fit) await each.draw();
    document.body.dataset.drawn = 'yes';
  }

  function readRange() {
    const read = (id) => Date.parse(`${$(id).value.trim().replace(' ', 'T')}Z`);
    const [from, to] = [read('from'), read('to')];
    const valid = from < to;
    for (const id of ['from', 'to']) $(id).setAttribute('aria-invalid', String(!valid));
    if (valid) setRange([from, to]);
    else $('said').textContent = 'A time is written 2026-03-01 12:00:00, and From is before to.';
  }

  // --- findings ------------------------------------------------------------------------------

  data.findings.forEach((finding, number) => { finding.number = number; });
  const matches = (finding) => state.severities.has(finding.severity)
    && (!state.code || finding.code === state.code)
    && (!state.text || JSON.stringify(finding).toLowerCase().includes(state.text));
  const shownFindings = () => data.findings.filter(matches);
  const ofFeed = (finding, feed) => finding.feed === feed.feed
    && (!finding.system || finding.system === feed.system);

  // The marks of findings in a chart: all of them, or those of the feed that is drawn.
  function marks(made) {
    let found = shownFindings().filter((finding) => finding.began !== null);
    if (made.id === 'chart-price') found = found.filter((finding) => ofFeed(finding, feedShown()));
    return found.map((finding) => ({ t: finding.began, t2: finding.ended ?? finding.began,
      severity: finding.severity, code: finding.code, sentence: short(finding.sentence, 120),
      occurrences: finding.count, finding: finding.number }));
  }
  const feedShown = () => data.prices.feeds[state.feed] ?? { feed: null, system: null, fields: {} };

  const findingColumns = [
    { name: 'Severity', value: (row) => row.severity },
    { name: 'Finding', value: (row) => row.code + (row.known ? ' (known)' : '') },
    { name: 'First', value: (row) => time(row.began), kind: 'time' },
    { name: 'Times', value: (row) => count(row.count), kind: 'number' },
    { name: 'Feed or connection', value: (row) => (row.feed ? short(row.feed, 30) : (row.from ?? '')) },
    { name: 'In words', value: (row) => row.sentence },
  ];

  function openFinding(finding, go = false) {
    state.finding = finding;
    if (go) showTab('findings');
    document.querySelectorAll('#finding-list tbody tr').forEach((line) => {
      line.setAttribute('aria-selected', String(line.dataset.finding === String(finding.number)));
    });
    const box = $('finding');
    box.replaceChildren(...findingParts(finding));
    if (go) box.focus();
  }

  function findingParts(finding) {
    const first = finding.rows[0];
    const bytes = first && data.annotated.payloads[`${first.frame}.${first.index}`];
    return [
      el('h3', {}, `${finding.code}: ${finding.sentence}`),
      el('button', { type: 'button', id: 'zoom-to', onclick: () => zoomTo(finding) }, 'Zoom the charts to it'),
      facts([
        ['severity', finding.severity, finding.severity], ['group', finding.group],
        ['system', finding.system ?? ''], ['feed', finding.feed ?? ''], ['signer', finding.signer ?? ''], ['connection', finding.from ?? ''],
        ['first', time(finding.began)], ['last', time(finding.ended)],
        ['lasted', finding.began === null || finding.ended === null ? '' : lasted(finding.ended - finding.began)],
        ['times', count(finding.count)], ['evidence', finding.evidence ?? ''],
        ['fingerprint', finding.fingerprint],
      ].filter(([, value]) => value !== '')),
      table(`Where: the first ${finding.rows.length} of ${count(finding.count)}`, [
        { name: 'Time', value: (row) => time(row.at), kind: 'time' },
        { name: 'Place', value: place }, { name: 'Venue', value: (row) => row.venue },
        { name: 'Payload', value: (row) => row.index, kind: 'number' },
      ], finding.rows),
      bytes ? annotatedView(bytes, 'Annotated bytes of the first') : el('p', { class: 'dim' },
        first ? 'The bytes of this payload are not in the page: payloads inspect shows them.'
          : 'No payload is concerned.'),
    ];
  }

  function zoomTo(finding) {
    const at = finding.began ?? whole[0];
    const until = finding.ended ?? at;
    const around = Math.max((until - at) * 0.25, (whole[1] - whole[0]) / 100);
    const feed = data.prices.feeds.findIndex((each) => ofFeed(finding, each));
    if (feed >= 0) { state.feed = feed; $('feed').value = String(feed); }
    setRange([at - around, until + around]);
    showTab(feed >= 0 ? 'prices' : 'timeline');
    document.querySelector('[role="tab"][aria-selected="true"]').focus();
  }

  function annotatedView(view, title) {
    const words = data.annotated.words;
    const hex = (offset, length) => {
      const text = view.hex.slice(offset * 2, (offset + length) * 2);
      return text.length > 128 ? `${text.slice(0, 96)}…${text.slice(-24)}` : text;
    };
    const rows = view.spans.map(([offset, length, path, value, unit, said, meaning, problem]) => ({
      offset, bytes: hex(offset, length), path: words[path], value, unit: words[unit], said,
      meaning: words[meaning], problem }));
    const head = `${title}: ${view.form ?? 'no known form'}, ${count(view.size)} bytes`;
    const parts = [table(head, [
      { name: 'Byte', value: (row) => row.offset, kind: 'number' },
      { name: 'Hex', value: (row) => row.bytes, kind: 'bytes' },
      { name: 'Field', value: (row) => row.path },
      { name: 'Value', value: (row) => [row.value, row.unit, row.said].filter(Boolean).join(' ') },
      { name: 'Meaning', value: (row) => (row.problem ? `Problem: ${row.problem}` : row.meaning) },
    ], rows, { problem: (row) => row.problem })];
    if (view.more) parts.push(el('p', { class: 'dim' }, `and ${count(view.more)} more lines: payloads inspect shows them.`));
    if (view.error) parts.unshift(el('p', { class: 'danger' }, `Does not decode: ${view.error}`));
    return el('div', { class: 'annotated' }, parts);
  }

  // --- the panels ----------------------------------------------------------------------------

  const figures = data.summary;

  function summaryPanel() {
    const { frames, payloads, verdicts, findings, answers } = figures;
    const card = (name, value, kind) => el('li', { class: kind ?? null }, el('b', {}, value), name);
    const cards = el('ul', { class: 'cards' },
      card('inputs', count(figures.scan.inputs)), card('frames', count(frames.count)),
      card('payloads', count(payloads.count)), card('malformed', count(payloads.malformed)),
      card('passed', verdicts.judged ? count(verdicts.passed) : 'not judged'),
      card('refused', verdicts.judged ? count(verdicts.refused) : 'not judged', verdicts.refused ? 'danger' : null),
      card('findings of danger', count(findings.severities.danger), findings.severities.danger ? 'danger' : null),
      card('warnings', count(findings.severities.warning)), card('feeds', count(figures.feeds.count)),
      card('signers', count(figures.signers.count)));
    return [
      figures.scan.complete === false ? el('p', { class: 'danger' }, 'This scan did not end: figures are of a part.') : null,
      el('p', {}, `From ${timeNs(frames.first)} to ${timeNs(frames.last)}.`), cards,
      el('h3', {}, 'The first bad payload'),
      el('p', {}, answers.first_bad ? `${count(answers.bad)} payloads are bad.`
        : 'None: every payload decodes, none was refused, and no finding is of danger.'),
      answers.first_bad ? badPayload('first-bad', answers.first_bad, answers) : null,
      answers.first_signed ? el('h3', {}, 'The first bad payload with a signer') : null,
      answers.first_signed ? badPayload('first-signed', answers.first_signed, answers) : null,
      table('Findings by code', [
        { name: 'Severity', value: (row) => row.severity }, { name: 'Code', value: (row) => row.code },
        { name: 'Findings', value: (row) => count(row.count), kind: 'number' },
        { name: 'Times', value: (row) => count(row.occurrences), kind: 'number' },
        { name: 'First', value: (row) => timeNs(row.first), kind: 'time' },
        { name: 'For example', value: (row) => row.example },
      ], findings.codes, { select: (row) => {
        state.code = row.code; $('code').value = row.code; filtered(); showTab('findings'); $('code').focus();
      } }),
      findings.suppressed ? el('p', { class: 'dim' }, `${count(findings.suppressed)} findings are suppressed by the policy.`) : null,
      table('Verdicts', [
        { name: 'State', value: (row) => row.state }, { name: 'Verdict', value: (row) => row.verdict },
        { name: 'Error', value: (row) => row.error },
        { name: 'Payloads', value: (row) => count(row.count), kind: 'number' },
        { name: 'First', value: (row) => timeNs(row.first), kind: 'time' },
        { name: 'Last', value: (row) => timeNs(row.last), kind: 'time' },
      ], verdicts.list),
      table(`Received again: ${count(figures.repeats.copies)} copies of ${count(figures.repeats.count)} payloads`, [
        { name: 'Signed hash', value: (row) => short(row.signed_hash, 26), kind: 'bytes' },
        { name: 'Times', value: (row) => count(row.times), kind: 'number' },
        { name: 'Connections', value: (row) => count(row.connections), kind: 'number' },
        { name: 'Feed', value: (row) => short(row.feed ?? row.system, 30) },
        { name: 'First', value: (row) => timeNs(row.first), kind: 'time' },
        { name: 'Last', value: (row) => timeNs(row.last), kind: 'time' },
      ], figures.repeats.list),
      inputsTable(),
    ];
  }

  function badPayload(id, bad, answers) {
    const signers = bad.signers.length ? el('ul', {}, bad.signers.map((each) => el('li', {},
      each.signer ? each.signer + (answers.judged ? `, ${membership(each)}` : '') : `${each.why}`)))
      : 'no signer can be recovered';
    const silences = bad.silences.map((each) => (each.ns === null ? `${short(each.feed, 30)}: it came once`
      : `${lastedNs(each.ns)} at most, ${timeNs(each.began)} to ${timeNs(each.ended)}`));
    const bytes = data.annotated.payloads[`${bad.frame}.${bad.index}`];
    return el('div', { id },
      facts([
        ['time', timeNs(bad.at)], ['place', place(bad.place)],
        ['from', `${bad.venue ?? 'an unknown venue'}, ${connectionWords(bad.from)}`],
        ['feed', bad.feeds.join(', ') || 'unknown'],
        ['what is wrong', el('ul', {}, bad.wrong.map((said) => el('li', {}, said))), 'danger'],
        ['signed by', signers],
        ['received', bad.times === 1 ? 'once' : `${count(bad.times)} times`],
        ...bad.times > 1 ? [['copies', el('ul', {}, bad.copies.map((each) => el('li', {}, `${timeNs(each.at)}  ${place(each.place)}`)))]] : [],
        ['longest silence of the feed', silences.join('; ') || 'unknown'],
      ]),
      bytes ? el('details', {}, el('summary', {}, 'Its bytes, annotated'), annotatedView(bytes, 'The payload')) : null);
  }

  const inputsTable = () => table(`Inputs: ${count(figures.scan.inputs)}`, [
    { name: 'File', value: (row) => row.path }, { name: 'Kind', value: (row) => row.kind },
    { name: 'Bytes', value: (row) => count(row.bytes), kind: 'number' },
    { name: 'Frames', value: (row) => count(row.frames), kind: 'number' },
    { name: 'SHA-256', value: (row) => short(row.sha256, 22), kind: 'bytes' },
    { name: 'What is wrong', value: (row) => (row.problems ?? []).join('; ') || (row.read ? '' : 'not read to its end') },
  ], figures.scan.list);

  const OUTCOMES = ['passed', 'not judged', 'refused', 'malformed', 'unread'];
  function timelineRows() {
    const heights = new Map();
    const order = (row) => OUTCOMES.indexOf(row[1]);
    return [...data.timeline.rows].sort((a, b) => a[0] - b[0] || order(a) - order(b)).map(([t, outcome, n]) => {
      const low = heights.get(t) ?? 0;
      heights.set(t, low + n);
      return { t, t2: t + data.timeline.step, outcome, count: n, low, high: low + n };
    });
  }

  const findingStrip = () => chart({
    id: 'chart-findings', title: 'Findings over time', names: ['marks'],
    describe: () => `${data.findings.length} findings by code and time`,
    rows: () => marks({ id: 'chart-findings' }),
    columns: [{ name: 'Time', value: (row) => time(row.t), kind: 'time' }, { name: 'Finding', value: (row) => row.code },
      { name: 'Severity', value: (row) => row.severity }, { name: 'In words', value: (row) => row.sentence }],
    spec: (found) => ({
      data: { name: 'marks', values: found }, height: { step: 22 }, autosize: 'pad',
      encoding: { x: timeAxis, x2: { field: 't2' }, y: { field: 'code', type: 'nominal', axis: { title: null, grid: true } },
        color: { field: 'severity', type: 'nominal', scale: severityScale, legend: { title: null } } },
      layer: [
        { params: [moving], mark: { type: 'rule', clip: true, strokeWidth: 6, opacity: 0.4, aria: false } },
        { mark: { type: 'point', clip: true, filled: true, size: 70, opacity: 1, cursor: 'pointer', aria: false },
          encoding: { x2: null, shape: { field: 'severity', type: 'nominal', scale: shapeScale, legend: { title: null } },
            tooltip: ['code', 'sentence', 'occurrences'].map((field) => ({ field, type: 'nominal' })) } },
      ],
    }),
  });

  function timelinePanel() {
    const outcomes = chart({
      id: 'chart-outcomes', title: 'Payloads over time, by what became of them',
      describe: () => `Stacked bars of ${count(figures.payloads.count)} payloads over time`,
      rows: timelineRows,
      columns: [{ name: 'From', value: (row) => time(row.t), kind: 'time' }, { name: 'Outcome', value: (row) => row.outcome },
        { name: 'Payloads', value: (row) => count(row.count), kind: 'number' }],
      spec: (found) => ({
        data: { name: 'points', values: found }, params: [moving],
        mark: { type: 'rect', clip: true, aria: false },
        encoding: { x: timeAxis, x2: { field: 't2' },
          y: { field: 'low', type: 'quantitative', axis: { title: `payloads in ${lasted(data.timeline.step)}` } },
          y2: { field: 'high' },
          color: { field: 'outcome', type: 'nominal', legend: { title: null }, scale: { domain: OUTCOMES,
            range: ['var(--passed)', 'var(--unjudged)', 'var(--danger)', 'var(--warning)', 'var(--unread)'] } },
          tooltip: ['outcome', 'count'].map((field) => ({ field, type: 'nominal' })) },
      }),
    });
    return [outcomes, findingStrip()];
  }

  function priceRows() {
    return Object.entries(feedShown().fields).flatMap(([field, points]) => points.map(
      ([t, least, most, last, n]) => ({ t, field, least, most, last, count: n })));
  }

  function priceFit(rows) {
    const least = Math.min(...rows.map((row) => row.least));
    const most = Math.max(...rows.map((row) => row.most));
    if (!rows.length) return [0, 1];
    const room = (most - least) * 0.05 || Math.abs(most) * 0.001 || 1;
    return [least - room, most + room];
  }

  const fitted = (field, title) => ({ field, type: 'quantitative', axis: { title },
    scale: { zero: false, nice: false, domainMin: { expr: 'least' }, domainMax: { expr: 'most' } } });
  const fitting = [{ name: 'least', value: 0 }, { name: 'most', value: 1 }];

  function pricesPanel() {
    const { feeds, total } = data.prices;
    const choice = el('select', { id: 'feed', onchange: (event) => { state.feed = +event.target.value; redraw(); } },
      feeds.map((each, index) => el('option', { value: index }, `${each.system ?? ''} ${each.feed}`)));
    const bands = { type: 'area', clip: true, opacity: 0.25, aria: false };
    const drawn = chart({
      id: 'chart-price', title: 'Prices: least, greatest and last of each bin', names: ['points', 'marks'],
      describe: () => 'Prices of the chosen feed over time, with its findings', rows: priceRows, fit: priceFit,
      columns: [{ name: 'From', value: (row) => time(row.t), kind: 'time' }, { name: 'Field', value: (row) => row.field },
        { name: 'Least', value: (row) => row.least, kind: 'number' }, { name: 'Greatest', value: (row) => row.most, kind: 'number' },
        { name: 'Last', value: (row) => row.last, kind: 'number' }, { name: 'Prices', value: (row) => count(row.count), kind: 'number' }],
      spec: (found) => ({
        height: 340, params: fitting, resolve: { scale: { color: 'independent', shape: 'independent' } },
        layer: [
          { data: { name: 'points', values: found }, params: [moving], mark: bands,
            encoding: { x: timeAxis, y: fitted('least', 'price / 10^18'), y2: { field: 'most' },
              color: { field: 'field', type: 'nominal', scale: { range: COLOURS }, legend: { title: null } } } },
          { data: { name: 'points' }, mark: { type: 'line', clip: true, strokeWidth: 1.5, point: { size: 8 }, aria: false },
            encoding: { x: timeAxis, y: fitted('last', 'price / 10^18'),
              color: { field: 'field', type: 'nominal', scale: { range: COLOURS }, legend: null },
              tooltip: ['field', 'last', 'least', 'most', 'count'].map((field) => ({ field, type: 'nominal' })) } },
          { data: { name: 'marks', values: marks({ id: 'chart-price' }) }, mark: { type: 'rule', clip: true, opacity: 0.6, strokeDash: [4, 3], aria: false },
            encoding: { x: timeAxis, color: { field: 'severity', type: 'nominal', scale: severityScale, legend: { title: 'findings' } } } },
          { data: { name: 'marks' }, mark: { type: 'point', clip: true, filled: true, size: 110, opacity: 1, cursor: 'pointer', aria: false },
            encoding: { x: timeAxis, y: { value: 10 }, color: { field: 'severity', type: 'nominal', scale: severityScale, legend: null },
              shape: { field: 'severity', type: 'nominal', scale: shapeScale, legend: null },
              tooltip: ['code', 'sentence', 'occurrences'].map((field) => ({ field, type: 'nominal' })) } },
        ],
      }),
    });
    return [
      el('div', { class: 'filters' }, el('label', {}, 'Feed ', choice),
        el('span', { class: 'dim' }, `${count(feeds.length)} of ${count(total)} feeds: those with findings first, then those with most prices`)),
      drawn,
      table(`Feeds: ${count(figures.feeds.count)}`, [
        { name: 'System', value: (row) => row.system }, { name: 'Feed', value: (row) => short(row.feed, 26), kind: 'bytes' },
        { name: 'Payloads', value: (row) => count(row.payloads), kind: 'number' },
        { name: 'Refused', value: (row) => count(row.refused), kind: 'number' },
        { name: 'Median latency', value: (row) => lastedNs(row.latency_median_ns), kind: 'number' },
        { name: 'Greatest', value: (row) => lastedNs(row.latency_most_ns), kind: 'number' },
        { name: 'Longest silence', value: (row) => lastedNs(row.silence_ns), kind: 'number' },
        { name: 'which ended', value: (row) => timeNs(row.silence_ended), kind: 'time' },
      ], figures.feeds.list, { select: (row) => {
        const index = feeds.findIndex((each) => each.feed === row.feed && each.system === row.system);
        if (index >= 0) { state.feed = index; $('feed').value = String(index); redraw(); $('feed').focus(); }
      } }),
    ];
  }

  const membership = (row) => (figures.verdicts.judged ? (row.member ? 'in the config' : 'in no config of the state') : 'not judged');
  function signerRows() {
    const { list, rows, step } = data.signers;
    return rows.map(([number, t, n]) => ({ t, t2: t + step, count: n, signer: list[number].signer,
      label: `${short(list[number].signer, 14)} ${short(list[number].network ?? list[number].system, 12)}`,
      network: list[number].network ?? list[number].system, membership: membership(list[number]) }));
  }

  function signersPanel() {
    return [
      chart({
        id: 'chart-signers', title: 'Signers over time', rows: signerRows,
        describe: () => `Heat map: signatures of ${data.signers.list.length} signers over time`,
        columns: [{ name: 'From', value: (row) => time(row.t), kind: 'time' }, { name: 'Signer', value: (row) => row.signer, kind: 'bytes' },
          { name: 'Config', value: (row) => short(row.network, 22), kind: 'bytes' }, { name: 'Member', value: (row) => row.membership },
          { name: 'Signatures', value: (row) => count(row.count), kind: 'number' }],
        spec: (found) => ({
          data: { name: 'points', values: found }, params: [moving], height: { step: 18 }, autosize: 'pad',
          mark: { type: 'rect', clip: true, aria: false },
          encoding: { x: timeAxis, x2: { field: 't2' }, y: { field: 'label', type: 'nominal', axis: { title: null } },
            opacity: { field: 'count', type: 'quantitative', scale: { range: [0.25, 1] }, legend: { title: `signatures in ${lasted(data.signers.step)}` } },
            color: { field: 'membership', type: 'nominal', legend: { title: null }, scale: { domain: ['in the config', 'in no config of the state', 'not judged'],
              range: ['var(--passed)', 'var(--danger)', 'var(--accent)'] } },
            tooltip: ['signer', 'network', 'membership', 'count'].map((field) => ({ field, type: 'nominal' })) },
        }),
      }),
      table(`Signers: ${count(figures.signers.count)}`, [
        { name: 'Signer', value: (row) => row.signer, kind: 'bytes' }, { name: 'Config', value: (row) => short(row.network ?? row.system, 26), kind: 'bytes' },
        { name: 'Member', value: membership }, { name: 'Signatures', value: (row) => count(row.signatures), kind: 'number' },
        { name: 'First', value: (row) => timeNs(row.first), kind: 'time' }, { name: 'Last', value: (row) => timeNs(row.last), kind: 'time' },
      ], figures.signers.list),
    ];
  }

  const QUANTILES = ['median', '95 %', 'greatest'];
  function latencyRows() {
    return data.latency.rows.flatMap(([number, t, least, median, most, greatest]) => QUANTILES.map((quantile, at) => ({
      t, venue: data.latency.venues[number], quantile, ms: [median, most, greatest][at] })));
  }
  function latencyFit(rows) {
    if (!rows.length) return [0, 1];
    const values = rows.map((row) => row.ms);
    const [least, most] = [Math.min(0, ...values), Math.max(...values)];
    return [least, most + (most - least) * 0.05 + 0.001];
  }

  const latencyPanel = () => [chart({
    id: 'chart-latency', title: 'From observation to receipt, in milliseconds', fit: latencyFit, rows: latencyRows,
    describe: () => 'Median, 95 % and greatest latency of each venue over time',
    columns: [{ name: 'From', value: (row) => time(row.t), kind: 'time' }, { name: 'Venue', value: (row) => row.venue },
      { name: 'Of all', value: (row) => row.quantile }, { name: 'ms', value: (row) => row.ms, kind: 'number' }],
    spec: (found) => ({
      data: { name: 'points', values: found }, height: 320, params: fitting,
      layer: [{ params: [moving], mark: { type: 'line', clip: true, point: { size: 10 }, aria: false },
        encoding: { x: timeAxis, y: fitted('ms', 'ms'),
          color: { field: 'venue', type: 'nominal', scale: { range: COLOURS }, legend: { title: null } },
          strokeDash: { field: 'quantile', type: 'nominal', scale: { domain: QUANTILES, range: [[1, 0], [6, 3], [1, 3]] },
            legend: { title: null, symbolType: 'stroke' } },
          tooltip: ['venue', 'quantile', 'ms'].map((field) => ({ field, type: 'nominal' })) } }],
    }),
  })];

  const gapRows = () => data.gaps.map((gap) => ({ t: gap.from, t2: gap.to, what: gap.what, label: short(gap.what, 30),
    kind: gap.kind, lasted: lasted(gap.to - gap.from) }));
  const gapColumns = [{ name: 'Kind', value: (row) => row.kind }, { name: 'Of', value: (row) => row.what },
    { name: 'From', value: (row) => time(row.t), kind: 'time' }, { name: 'To', value: (row) => time(row.t2), kind: 'time' },
    { name: 'Lasted', value: (row) => row.lasted, kind: 'number' }];
  const gapsPanel = () => [
    chart({
      id: 'chart-gaps', title: 'Gaps and silences', rows: gapRows, columns: gapColumns,
      describe: () => `${data.gaps.length} gaps and silences over time`,
      spec: (found) => ({
        data: { name: 'points', values: found }, params: [moving], height: { step: 20 }, autosize: 'pad',
        mark: { type: 'bar', clip: true, height: 12, minBandSize: 2, aria: false },
        encoding: { x: timeAxis, x2: { field: 't2' }, y: { field: 'label', type: 'nominal', axis: { title: null } },
          color: { field: 'kind', type: 'nominal', scale: { range: COLOURS }, legend: { title: null } },
          tooltip: ['kind', 'what', 'lasted'].map((field) => ({ field, type: 'nominal' })) },
      }),
    }),
    table('Gaps and silences, the longest first', gapColumns, gapRows().sort((a, b) => (b.t2 - b.t) - (a.t2 - a.t))),
    table(`Connections: ${count(figures.connections.count)}`, [
      { name: 'Venue', value: (row) => row.venue }, { name: 'Connection', value: connectionWords },
      { name: 'Frames', value: (row) => count(row.frames), kind: 'number' }, { name: 'Incidents', value: (row) => count(row.incidents), kind: 'number' },
      { name: 'Unread', value: (row) => count(row.unread), kind: 'number' },
      { name: 'First', value: (row) => timeNs(row.first), kind: 'time' }, { name: 'Last', value: (row) => timeNs(row.last), kind: 'time' },
    ], figures.connections.list),
  ];

  function findingsPanel() {
    const codes = [...new Set(data.findings.map((finding) => finding.code))].sort();
    const severities = el('fieldset', {}, el('legend', {}, 'Severity'), SEVERITIES.map((name) => el('label', {},
      el('input', { type: 'checkbox', checked: '', id: `severity-${name}`, onchange: (event) => {
        if (event.target.checked) state.severities.add(name); else state.severities.delete(name);
        filtered();
      } }), ` ${name} `)));
    return [
      el('div', { class: 'filters' }, severities,
        el('label', {}, 'Finding ', el('select', { id: 'code', onchange: (event) => { state.code = event.target.value; filtered(); } },
          el('option', { value: '' }, 'all'), codes.map((code) => el('option', { value: code }, code)))),
        el('label', {}, 'Containing ', el('input', { id: 'text', type: 'search', autocomplete: 'off', spellcheck: 'false',
          oninput: (event) => { state.text = event.target.value.trim().toLowerCase(); filtered(); } })),
        el('span', { id: 'matching', role: 'status' })),
      el('div', { id: 'finding-list' }),
      el('section', { id: 'finding', tabindex: -1, 'aria-label': 'The chosen finding' },
        el('p', { class: 'dim' }, 'Choose a finding: arrow keys and Enter, or a click.')),
    ];
  }

  function filtered() {
    const shown = shownFindings();
    const all = figures.findings.count;
    $('matching').textContent = `${count(shown.length)} of ${count(all)} findings`
      + (all > data.findings.length ? `; the page has the gravest ${count(data.findings.length)}` : '');
    const list = table('Findings', findingColumns, shown, { select: (row) => openFinding(row) });
    list.querySelectorAll('tbody tr').forEach((line, index) => {
      line.dataset.finding = shown[index].number;
      line.firstChild.className = shown[index].severity;
    });
    $('finding-list').replaceChildren(list);
    redraw();
  }

  // --- tabs ----------------------------------------------------------------------------------

  const PANELS = [['summary', 'Summary', summaryPanel], ['timeline', 'Timeline', timelinePanel],
    ['prices', 'Prices', pricesPanel], ['signers', 'Signers', signersPanel], ['latency', 'Latency', latencyPanel],
    ['gaps', 'Gaps', gapsPanel], ['findings', 'Findings', findingsPanel]];

  function showTab(name) {
    for (const [each] of PANELS) {
      const tab = $(`tab-${each}`);
      tab.setAttribute('aria-selected', String(each === name));
      tab.tabIndex = each === name ? 0 : -1;
      $(`panel-${each}`).hidden = each !== name;
    }
    $('range').hidden = name === 'summary' || name === 'findings';
  }

  function walkTabs(event) {
    const tabs = PANELS.map(([name]) => $(`tab-${name}`));
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    showTab(PANELS[next][0]);
    tabs[next].focus();
  }

  function setTheme(name) {
    document.documentElement.dataset.theme = name;
    $('theme').setAttribute('aria-pressed', String(name === 'dark'));
  }

  async function start() {
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    setTheme(dark.matches ? 'dark' : 'light');
    dark.addEventListener('change', () => setTheme(dark.matches ? 'dark' : 'light'));
    $('theme').addEventListener('click', () => setTheme(
      document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
    $('subtitle').textContent = `${figures.scan.folder}: ${count(figures.scan.inputs)} inputs, by ${figures.tool}`;
    for (const [name, title, make] of PANELS) {
      $('tabs').append(el('button', { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': `panel-${name}`,
        onclick: () => showTab(name) }, title));
      $('main').append(el('section', { role: 'tabpanel', id: `panel-${name}`, 'aria-labelledby': `tab-${name}` },
        el('h2', {}, title), make()));
    }
    $('tabs').addEventListener('keydown', walkTabs);
    Object.entries(move).forEach(([id, action]) => $(id).addEventListener('click', action));
    for (const id of ['from', 'to']) $(id).addEventListener('change', readRange);
    showTab('summary');
    filtered();
    setRange(whole);
    for (const each of charts) await each.start();
    await redraw();
    document.body.dataset.ready = 'yes';
  }

  start();
})();
