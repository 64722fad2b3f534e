// The list of services: searched, filtered, sorted; of five thousand only those in sight are drawn.

import { now } from "./api.js";
import { bars } from "./charts.js";
import { by, el, say, show } from "./dom.js";
import { history, mayOperate, store, troubled, watch } from "./store.js";
import { amiss, between, count, restarts, restartsHour, sign, since, stateOf, toneOf, why } from "./words.js";

/** Rows beyond the edge that are drawn too. */
const MARGIN = 8;

export const FILTERS = [
  { id: "all", words: "All", of: () => true },
  { id: "amiss", words: "Not as desired", of: amiss, tone: "bad" },
  { id: "running", words: "Running", of: (s) => ["running", "ready", "reloading"].includes(s.state), tone: "ok" },
  { id: "failed", words: "Failed", of: (s) => s.state === "failed", tone: "bad" },
  { id: "backoff", words: "Back-off", of: (s) => s.state === "backoff", tone: "warn" },
  { id: "held", words: "Held", of: (s) => s.state === "held" || Boolean(s.hold), tone: "held" },
  { id: "files", words: "Bad file", of: (s) => (s.errors?.length ?? 0) > 0, tone: "warn" },
  { id: "stopped", words: "Stopped", of: (s) => s.state === "stopped", tone: "dim" },
];

const RANKS = {
  worst: (service) => {
    const { rank } = stateOf(service.state);
    if (service.state === "failed") return 0;
    if (troubled(service)) return 1;
    if ((service.errors?.length ?? 0) > 0) return 2;
    return rank + 2;
  },
  name: () => 0,
  since: (service) => -(since(service) ?? 0),
  restarts: (service) => -restarts(service),
};

const view = { filter: "all", search: "", sort: "worst", chosen: undefined, names: [], focus: undefined };
const rows = new Map();
let left, box, height;

export function begin() {
  [left, box] = [by("left"), by("services")];
  by("search").addEventListener("input", (event) => set({ search: event.target.value }));
  by("sort").addEventListener("change", (event) => set({ sort: event.target.value }));
  left.addEventListener("scroll", draw, { passive: true });
  addEventListener("resize", () => ((height = undefined), draw()));
  box.addEventListener("keydown", move);
  box.addEventListener("focusin", (event) => (view.focus = event.target.closest("[data-name]")?.dataset.name ?? view.focus));
  box.addEventListener("click", (event) => {
    const row = event.target.closest("[data-name]");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && getSelection().isCollapsed;
    if (row && plain && event.target.tagName !== "A") location.hash = `#/${row.dataset.name}`;
  });
  watch(() => (arrange(), draw()));
  setInterval(() => !document.hidden && draw(), 1000);
}

function set(change) {
  Object.assign(view, change);
  arrange();
  draw();
}

export const choose = (name) => set({ chosen: name, focus: store.services.has(name) ? name : view.focus });
export const showOnly = (filter) => set({ filter });

/** Puts focus on the row of the service, or on the first. */
export function focusRow(name = view.focus) {
  const at = Math.max(0, view.names.indexOf(name));
  if (view.names.length === 0) return;
  view.focus = view.names[at];
  reveal(at);
  draw();
  rows.get(view.focus)?.link.focus({ preventScroll: true });
}

/** The service before or after the chosen one. */
export const neighbour = (step) => view.names[view.names.indexOf(view.chosen) + step];

function arrange() {
  const words = view.search.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (service) => {
    if (words.length === 0) return true;
    const text = `${service.name} ${service.description ?? ""} ${service.state}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const filter = FILTERS.find((one) => one.id === view.filter);
  const rank = RANKS[view.sort];
  const found = [...store.services.values()].filter((service) => filter.of(service) && fits(service));
  const ranked = found.map((service) => [rank(service), service.name]);
  ranked.sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1));
  view.names = ranked.map(([, name]) => name);
  if (!view.names.includes(view.focus)) view.focus = view.names[0];
  filters();
  show(by("none"), view.names.length === 0);
  say(by("none"), nothing(filter));
}

function nothing(filter) {
  if (store.services.size === 0) {
    const path = store.head?.sources?.[0]?.path;
    return path ? `No services that you may see. Put a file NAME.toml into ${path} to have one.` : "No services that you may see.";
  }
  return view.search ? `Nothing matches “${view.search}”${filter.id === "all" ? "" : ` among “${filter.words}”`}.` : `None is “${filter.words}”.`;
}

function filters() {
  const group = by("filters");
  const numbers = new Map(FILTERS.map((filter) => [filter.id, 0]));
  for (const service of store.services.values()) {
    for (const { id, of } of FILTERS) if (of(service)) numbers.set(id, numbers.get(id) + 1);
  }
  for (const filter of FILTERS) {
    let button = group.querySelector(`[data-filter="${filter.id}"]`);
    if (!button) {
      const click = () => set({ filter: view.filter === filter.id ? "all" : filter.id });
      button = el("button.chip", { type: "button", data: { filter: filter.id, tone: filter.tone ?? "" }, onclick: click }, el("span", {}, filter.words), el("b"));
      group.append(button);
    }
    const number = numbers.get(filter.id);
    button.setAttribute("aria-pressed", String(view.filter === filter.id));
    say(button.lastChild, number.toLocaleString("en"));
    show(button, number > 0 || view.filter === filter.id || filter.id === "all");
  }
}

/** Draws the rows that can be seen, and the one that has the focus. */
function draw() {
  if (!left || by("app").hidden) return;
  height ??= measure();
  const total = view.names.length;
  box.style.height = `${total * height}px`;
  box.parentElement.setAttribute("aria-rowcount", String(total + 1));
  const top = box.getBoundingClientRect().top - left.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(-top / height) - MARGIN);
  const end = Math.min(total, Math.ceil((left.clientHeight - top) / height) + MARGIN);
  const wanted = new Map();
  for (let at = first; at < end; at += 1) wanted.set(view.names[at], at);
  const focused = view.names.indexOf(view.focus);
  if (focused >= 0) wanted.set(view.focus, focused);
  for (const [name, row] of rows) {
    if (!wanted.has(name)) (row.node.remove(), rows.delete(name));
  }
  const time = now();
  const inOrder = [...wanted].sort((a, b) => a[1] - b[1]);
  for (const [name, at] of inOrder) {
    if (!rows.has(name)) rows.set(name, make(name));
    fill(rows.get(name), store.services.get(name), at, time);
  }
  put(inOrder.map(([name]) => rows.get(name).node));
}

/** The order of the tree is that of the screen, for those who hear it; a row with the focus is not moved, or it would lose it. */
function put(nodes) {
  let cursor = box.firstChild;
  for (const node of nodes) {
    if (node.contains(document.activeElement)) {
      while (cursor !== node) {
        const stray = cursor;
        cursor = cursor.nextSibling;
        box.append(stray);
      }
    }
    if (cursor === node) cursor = cursor.nextSibling;
    else box.insertBefore(node, cursor);
  }
}

function measure() {
  const probe = make("probe").node;
  box.append(probe);
  const tall = probe.offsetHeight;
  probe.remove();
  return tall || 44;
}

function make(name) {
  const part = (kind, role = "cell") => el(kind, { role });
  const link = el("a.name", { href: `#/${name}`, tabindex: -1 }, name);
  const row = {
    link,
    state: part("span.state"),
    about: el("span.about"),
    why: part("span.why"),
    chart: el("span.spark"),
    restarts: el("span"),
    since: part("span.since.num"),
    pid: part("span.pid.num"),
    drawn: {},
  };
  row.node = el(
    "div.row",
    { role: "row", data: { name } },
    row.state,
    el("span.title", { role: "cell" }, link, row.about),
    row.why,
    el("span.restarts.num", { role: "cell" }, row.chart, row.restarts),
    row.since,
    row.pid,
  );
  return row;
}

function fill(row, service, at, time) {
  if (!service) return;
  const { node, drawn } = row;
  const place = `translateY(${at * height}px)`;
  if (drawn.place !== place) {
    node.style.transform = drawn.place = place;
    node.setAttribute("aria-rowindex", String(at + 2));
  }
  const tone = toneOf(service);
  const state = `${service.state} ${tone}`;
  if (drawn.state !== state) {
    drawn.state = state;
    row.state.replaceChildren(sign(service.state, tone), el("span", {}, service.state));
    row.state.dataset.tone = tone;
  }
  say(row.about, service.instances.length > 1 ? `${service.instances.length}× ${service.description ?? ""}` : (service.description ?? ""));
  const reason = why(service, time);
  say(row.why, reason);
  row.why.title = reason;
  row.why.dataset.about = service.description ?? "";
  const number = restarts(service);
  say(row.restarts, number > 0 ? number.toLocaleString("en") : "");
  const values = history(service.name);
  const shape = values ? values.join() + Math.floor(time / 60_000) : "";
  if (drawn.shape !== shape) {
    drawn.shape = shape;
    row.chart.replaceChildren(...(values ? [bars(values, { width: 60, height: 16, step: 3, named: service.name })] : []));
  }
  row.restarts.title = number > 0 ? `${count(number, "restart")}, ${restartsHour(service)} of them in the last hour` : "";
  const from = since(service);
  say(row.since, from === undefined ? "" : between(from, time));
  const pids = service.instances.filter((one) => one.pid);
  say(row.pid, pids.length > 1 ? `${pids.length}×` : String(pids[0]?.pid ?? ""));
  node.classList.toggle("chosen", view.chosen === service.name);
  if (view.chosen === service.name) row.link.setAttribute("aria-current", "true");
  else row.link.removeAttribute("aria-current");
  row.link.tabIndex = view.focus === service.name ? 0 : -1;
}

function move(event) {
  const page = Math.max(1, Math.floor(left.clientHeight / height) - 4);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  step(steps[event.key]);
}

/** Moves the focus by so many rows. */
export function step(by) {
  const at = Math.min(view.names.length - 1, Math.max(0, view.names.indexOf(view.focus) + by));
  focusRow(view.names[at]);
}

function reveal(at) {
  const [outer, inner] = [left.getBoundingClientRect(), box.getBoundingClientRect()];
  const tools = left.querySelector(".sticky")?.offsetHeight ?? by("filters").parentElement.offsetHeight + 8;
  const top = inner.top - outer.top + at * height;
  if (top < tools) left.scrollTop -= tools - top;
  else if (top + height > left.clientHeight) left.scrollTop += top + height - left.clientHeight;
}

export const canOperate = (service) => mayOperate(service.name);
