"use strict";
// Shows what the server sends, once a second. Text goes in as text, never as markup.

const WORDS = {
  failure: ["✖", "Failure", "bad"], no_data: ["?", "No data", "bad"], alert: ["▲", "Alert", "bad"],
  delay: ["‖", "Stopped", "warn"], acknowledged: ["▲", "Alert, seen", "warn"],
  unknown: ["·", "Unknown", "none"], setup: ["⚙", "Setup", "none"], no_order: ["○", "No order", "none"],
  producing: ["▶", "Producing", "good"], running: ["▶", "Running", "good"],
};
const KPIS = { oee: "OEE", availability: "Availability", effectiveness: "Effectiveness", quality_ratio: "Quality", scrap_ratio: "Scrap" };
const SILENT_MS = 5000;
const $ = (id) => document.getElementById(id);
let machine = null;
let stream = null;
let heard = 0;
let shown = null;

function word(status) { return WORDS[status] || ["·", String(status), "none"]; }
function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}
function put(node, text) { if (node.textContent !== text) node.textContent = text; }
function tone(node, value) { if (node.dataset.tone !== value) node.dataset.tone = value; }
function parts(node, names) {
  for (const [name, tag] of Object.entries(names)) node[name] = node.appendChild(make(tag, name));
  return node;
}

// Keeps one child per item, in order, so that focus and open details outlive each update.
function sync(parent, items, key, create, update) {
  const known = parent.known || (parent.known = new Map());
  const keep = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    if (keep.has(name)) continue;
    keep.add(name);
    let node = known.get(name);
    if (!node) known.set(name, node = create(item));
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const [name, node] of known) if (!keep.has(name)) { node.remove(); known.delete(name); }
}

function percent(value) { return `${(value * 100).toFixed(1)} %`; }
function ago(us) {
  const s = Math.max(0, us) / 1e6;
  if (s < 1) return "now";
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 129600 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}
function age(us) { return us < 1e6 ? "now" : `${ago(us)} ago`; }
function shownValue(value) {
  if (value === null) return "–";
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(5)));
}

function kpis(node, figures) {
  const found = figures ? Object.keys(KPIS).filter((name) => name in figures.values || name in figures.unknown) : [];
  sync(node, found, (name) => name, (name) => {
    const box = make("div", name === "oee" ? "first" : "");
    box.appendChild(make("dt", "", KPIS[name]));
    box.value = box.appendChild(make("dd"));
    return box;
  }, (box, name) => {
    const reason = figures.unknown[name] || "";
    put(box.value, reason ? "–" : percent(figures.values[name]));
    if (box.title !== reason) box.title = reason;
    if (reason) box.value.setAttribute("aria-label", `unknown: ${reason}`);
    else box.value.removeAttribute("aria-label");
  });
}

function doubts(figures) {
  const little = figures.coverage !== null && figures.coverage < 0.95;
  return [
    figures.incomplete ? ", incomplete" : "",
    little ? `, ${percent(figures.coverage)} of it known` : "",
    figures.doubts.length ? ", doubtful" : "",
  ].join("");
}

function newLine() {
  const card = make("article", "line");
  const head = parts(card.appendChild(make("div", "head")), { name: "h3", state: "p" });
  card.nameNode = head.name; card.state = head.state;
  card.kpis = card.appendChild(make("dl", "kpis"));
  card.window = card.appendChild(make("p", "window quiet"));
  card.machines = card.appendChild(make("div", "machines"));
  return card;
}
function updateLine(card, line) {
  const [sign, text, mood] = word(line.status);
  tone(card, mood);
  put(card.nameNode, line.name);
  const said = line.because.map((one) => `${word(one.status)[0]} ${word(one.status)[1]}: ${one.names.join(", ")}`).join(" · ");
  put(card.state, said || `${sign} ${text}`);
  card.setAttribute("aria-label", `Line ${line.name}, ${text}`);
  kpis(card.kpis, line.kpis);
  const figures = line.kpis;
  put(card.window, figures ? `${figures.window}, ${figures.standard}${doubts(figures)}, as of ${age(shown.now - figures.until)}` : "");
  const why = figures ? figures.doubts.join("; ") : "";
  if (card.window.title !== why) card.window.title = why;
  sync(card.machines, line.machines, (m) => m.path, newMachine, updateMachine);
}
function newMachine(item) {
  const button = parts(make("button", "machine"), { title_: "span", what: "span", order: "span" });
  button.type = "button";
  button.title_.className = "name";
  button.addEventListener("click", () => open(item.path));
  return button;
}
function updateMachine(button, item) {
  const [sign, text, mood] = word(item.status);
  const doing = item.activity !== item.status ? `, ${word(item.activity)[1].toLowerCase()}` : "";
  tone(button, mood);
  put(button.title_, item.name);
  put(button.what, `${sign} ${text}${doing}`);
  put(button.order, item.order ? `${item.order} · ${shownValue(item.good)} good` : "");
  button.setAttribute("aria-label", `${item.name}: ${text}${doing}. Show its values`);
}

function newAlert(item) {
  const row = make("li", "alert");
  const box = row.appendChild(make("details"));
  const top = box.appendChild(make("summary"));
  row.title_ = top.appendChild(make("span", "title"));
  row.more = top.appendChild(make("span", "quiet"));
  row.words = box.appendChild(make("ul", "words"));
  box.addEventListener("toggle", () => {
    if (!box.open || row.image) return;
    row.image = box.appendChild(make("img"));
    row.image.alt = `Signals of ${item.name} before the alert`;
    row.image.src = `/alerts/${encodeURIComponent(item.id)}.svg`;
  });
  return row;
}
function updateAlert(row, item) {
  const seen = item.state === "acknowledged";
  tone(row, seen ? "none" : item.severity === "low" ? "warn" : "bad");
  put(row.title_, item.message.includes(item.name) ? item.message : `${item.name}: ${item.message}`);
  const by = seen ? `, seen by ${item.acknowledged_by}${item.note ? ` (${item.note})` : ""}` : ", not yet seen by anybody";
  put(row.more, `${item.severity} · since ${ago(shown.now - item.onset)}${by}`);
  sync(row.words, item.words, (text) => text, (text) => make("li", "", text), () => {});
}

function newValue() {
  return parts(make("tr"), { tag: "td", value: "td", unit: "td", age: "td" });
}
function updateValue(row, item) {
  row.value.className = "number"; row.age.className = "number";
  tone(row, item.good || item.time === null ? "none" : "bad");
  put(row.tag, item.tag);
  if (item.description) row.tag.title = item.description;
  put(row.value, item.time !== null && !item.good ? `${shownValue(item.value)} (bad)` : shownValue(item.value));
  put(row.unit, item.unit || "");
  put(row.age, item.time === null ? "–" : ago(shown.now - item.time));
}
function showMachine(found) {
  put($("machine-name"), found.name);
  put($("machine-path"), found.path);
  kpis($("machine-kpis"), found.kpis);
  const wanted = $("filter").value.trim().toLowerCase();
  const rows = found.values.filter((one) => one.tag.toLowerCase().includes(wanted));
  sync($("values"), rows, (one) => one.tag, newValue, updateValue);
}

function show(state) {
  shown = state;
  document.title = `${state.alerts.length ? `(${state.alerts.length}) ` : ""}${state.site} · Penstock`;
  put($("site"), state.site);
  const bad = state.lines.filter((line) => word(line.status)[2] === "bad" || word(line.status)[2] === "warn");
  const summary = $("summary");
  put(summary, !state.lines.length ? "No lines are configured"
    : bad.length ? `▲ ${bad.length} of ${state.lines.length} lines need${bad.length === 1 ? "s" : ""} attention: ${bad.map((l) => l.name).join(", ")}`
    : "✓ Nothing needs attention");
  summary.className = bad.length ? "bad" : "good";
  sync($("lines"), state.lines, (line) => line.path, newLine, updateLine);
  sync($("alerts"), state.alerts, (one) => one.id, newAlert, updateAlert);
  const count = state.alerts.length + state.more_alerts;
  put($("count"), `${count} open alert${count === 1 ? "" : "s"}`);
  $("no-alerts").hidden = state.alerts.length > 0;
  $("more-alerts").hidden = !state.more_alerts;
  put($("more-alerts"), `and ${state.more_alerts} more`);
  if (state.machine && state.machine.path === machine) showMachine(state.machine);
}
function link() {
  const silent = heard && performance.now() - heard > SILENT_MS;
  const trouble = silent || (stream && stream.readyState !== 1) ? "No connection: what you see is old" : shown && shown.trouble ? `Kafka is not read: ${shown.trouble}` : "";
  $("link").className = trouble ? "link lost" : "link";
  put($("link"), trouble || (shown ? new Date(shown.now / 1000).toLocaleTimeString() : ""));
}
function connect() {
  if (stream) stream.close();
  stream = new EventSource(machine === null ? "/events" : `/events?machine=${encodeURIComponent(machine)}`);
  stream.onmessage = (event) => { heard = performance.now(); show(JSON.parse(event.data)); link(); };
  const mine = stream;
  // A browser gives up where the answer is an error; we do not.
  stream.onerror = () => { link(); if (mine.readyState === 2) setTimeout(() => { if (mine === stream) connect(); }, 3000); };
}
function open(path) {
  machine = path;
  $("filter").value = "";
  sync($("values"), [], () => "", newValue, updateValue);
  kpis($("machine-kpis"), null);
  put($("machine-name"), path.split("/").pop());
  put($("machine-path"), path);
  $("machine").showModal();
  connect();
}
$("machine").addEventListener("close", () => { machine = null; connect(); });
$("filter").addEventListener("input", () => { if (shown && shown.machine) showMachine(shown.machine); });
setInterval(link, 1000);
connect();
