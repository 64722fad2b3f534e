// One service, close: what it does and why, its files' errors, its restarts, its log, what happened to it.

import { get, now } from "./api.js";
import { bars, caveat } from "./charts.js";
import { by, el, replace, say, show, svg } from "./dom.js";
import { frames } from "./files.js";
import { openLog } from "./log.js";
import { button, buttons, remedy } from "./orders.js";
import { history, mayOperate, store, watch } from "./store.js";
import { feed } from "./news.js";
import { amiss, between, bytes, count, ended, holdOf, moment, restarts, restartsHour, sign, since, span, stateOf, toneOf, why, whyInstance } from "./words.js";

/** In place of a name: what happened to all. No service can have this name. */
export const ALL = "!events";
const TABS = [
  ["overview", "Overview"],
  ["log", "Log"],
  ["events", "Events"],
];
/** How often what the processes use is asked for, of the one service that is looked at. */
const USAGE = 5000;

const view = { name: undefined, tab: "overview", drawn: undefined, log: undefined, usage: undefined, parts: undefined };

export function begin() {
  watch(draw);
  setInterval(() => !document.hidden && tick(), 1000);
  setInterval(() => !document.hidden && measure(), USAGE);
}

/** A tab that nobody sees reads no log. */
const RESTS = 30_000;
let resting;
document.addEventListener("visibilitychange", () => {
  clearTimeout(resting?.timer);
  if (!document.hidden) {
    if (resting?.log && resting.log === view.log) view.log.again();
    resting = undefined;
  } else if (view.log) {
    const { log } = view;
    resting = { timer: setTimeout(() => ((resting.log = log), log.rest()), RESTS) };
  }
});

export const current = () => view;

/** Shows `name` (nothing: the pane goes), with this tab. */
export function open(name, tab = "overview") {
  const known = TABS.some(([id]) => id === tab) ? tab : "overview";
  if (view.name === name && view.tab === known) return;
  closeLog();
  if (view.name !== name) view.usage = undefined;
  Object.assign(view, { name, tab: known, drawn: undefined, parts: undefined });
  draw();
  measure();
}

export function closeLog() {
  view.log?.close();
  view.log = undefined;
}

function draw() {
  const pane = by("detail");
  show(pane, view.name !== undefined);
  by("app").classList.toggle("split", view.name !== undefined);
  if (view.name === undefined) return;
  if (view.name === ALL) {
    if (!view.parts) everything(pane);
    return replace(view.parts.body, feed());
  }
  view.parts ??= skeleton(pane);
  const service = store.services.get(view.name);
  const key = JSON.stringify([service, store.findings.get(view.name), store.me, view.usage, view.tab, Boolean(store.head), Math.floor(now() / 60_000), history(view.name)]);
  if (view.tab === "events") replace(view.parts.body, feed(view.name));
  if (view.drawn === key) return;
  view.drawn = key;
  if (!service) {
    replace(view.parts.acts);
    if (store.head) replace(view.parts.body, el("p.none", {}, `There is no service ${view.name}, or you may not see it.`));
    return closeLog();
  }
  header(service);
  if (view.tab === "overview") replace(view.parts.body, overview(service));
  if (view.tab === "log" && !view.log) {
    view.log = openLog(service.name, service.instances);
    view.parts.body.replaceChildren(view.log.node);
  }
  tick();
}

function everything(pane) {
  view.parts = { body: el("div.body") };
  replace(pane, el("header.top.plain", {}, el("div.line", {}, el("h2", { tabindex: -1, id: "detail-title" }, "What happened"), el("span.grow"), back()), el("p.dim", {}, caveat())), view.parts.body);
  pane.classList.remove("fixed");
}

const back = () =>
  el("a.back", { href: "#/", "aria-label": "Close, back to all services", title: "Close (Escape)", data: { key: "back" } }, svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, svg("path", { d: "M4 4l8 8M12 4l-8 8", class: "cross" })));

function skeleton(pane) {
  const parts = { state: el("span.state"), about: el("p.dim"), acts: el("div.acts"), body: el("div.body", { role: "tabpanel", id: "panel", tabindex: -1 }) };
  const tabs = TABS.map(([id, words]) =>
    el("a.tab", { role: "tab", href: `#/${view.name}/${id}`, "aria-selected": String(view.tab === id), "aria-controls": "panel", tabindex: view.tab === id ? 0 : -1, data: { key: `tab ${id}` } }, words),
  );
  const list = el("div.tabs", { role: "tablist", "aria-label": `About ${view.name}` }, tabs);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    location.hash = tabs[at].hash;
  });
  parts.title = el("h2", { tabindex: -1, id: "detail-title" }, view.name);
  const top = el("header.top", {}, el("div.line", {}, parts.title, parts.state, el("span.grow"), back()), parts.about, parts.acts, list);
  replace(pane, top, parts.body);
  pane.classList.toggle("fixed", view.tab === "log");
  return parts;
}

function header(service) {
  const { parts } = view;
  const tone = toneOf(service);
  parts.state.replaceChildren(sign(service.state, tone), service.state);
  parts.state.dataset.tone = tone;
  say(parts.about, service.description ?? "");
  show(parts.about, Boolean(service.description));
  const may = mayOperate(service.name);
  const acts = buttons(service.name, service.name, service.state);
  if (remedy(service)) acts.unshift(button(remedy(service), service.name));
  // Of what never had a good file there is nothing to start.
  if (!service.accepted_hash) replace(parts.acts, el("p.dim", {}, "Nothing of it can run until its file is mended."));
  else replace(parts.acts, may ? acts : el("p.dim", {}, "You may look at this service, and not start or stop it."));
}

/** A span that goes on by itself. */
const age = (at, words = "") => el("time", { datetime: new Date(at).toISOString(), title: moment(at), data: { since: at, words } });

function tick() {
  if (view.name === undefined || !view.parts?.state) return;
  const time = now();
  for (const node of by("detail").querySelectorAll("[data-since]")) say(node, `${between(Number(node.dataset.since), time)}${node.dataset.words}`);
  const service = store.services.get(view.name);
  const line = by("detail").querySelector("[data-why]");
  if (service && line) say(line, why(service, time));
  for (const node of by("detail").querySelectorAll("[data-why-instance]")) {
    const instance = service?.instances.find((one) => one.id === Number(node.dataset.whyInstance));
    if (instance) say(node, whyInstance(service, instance, time));
  }
}

function overview(service) {
  const reason = why(service, now());
  const tone = amiss(service) || service.state === "held" ? toneOf(service) : "dim";
  const findings = store.findings.get(service.name) ?? service.errors ?? [];
  return [
    reason && el("p.callout", { data: { tone, why: "" } }, reason),
    findings.length > 0 && el("section", {}, el("h3", {}, "Errors in its files"), frames(findings)),
    facts(service),
    el("section", {}, el("h3", {}, "Restarts, last hour"), chart(service)),
    service.instances.length > 1 && instances(service),
    conditions(service),
    versions(service),
    processes(service),
  ];
}

function facts(service) {
  const [first] = service.instances;
  const one = service.instances.length === 1;
  const list = el("dl.facts");
  const fact = (name, ...value) => value.filter(Boolean).length > 0 && list.append(el("div", {}, el("dt", {}, name), el("dd", {}, ...value)));
  const from = since(service);
  const exit = service.instances.map((it) => it.last_exit).filter(Boolean).sort((a, b) => Date.parse(b.at) - Date.parse(a.at))[0];
  const causes = {};
  for (const instance of service.instances) for (const [cause, n] of Object.entries(instance.restarts_by ?? {})) causes[cause] = (causes[cause] ?? 0) + n;
  if (one && first.pid) fact("PID", String(first.pid));
  if (from !== undefined && (first?.pid || !exit)) fact(first?.pid ? "Up for" : "Ended", age(from, first?.pid ? "" : " ago"));
  const all = restarts(service);
  if (all > 0) fact("Restarts", `${all.toLocaleString("en")}, ${restartsHour(service)} in the last hour`);
  if (all > 0) fact("Because of", Object.entries(causes).map(([cause, n]) => `${cause.replace(/_/g, " ")} ${n}×`).join(", "));
  if (exit) fact("Last end", `${ended(exit)}${exit.asked ? ", as asked" : ""} after ${span(exit.ran_ms)}, `, age(Date.parse(exit.at), " ago"));
  if (one && first.ready_ms !== undefined) fact("Ready after", span(first.ready_ms));
  if (one && first.health) fact("Health", `${first.health.status}${first.health.message ? `: ${first.health.message}` : ""}`);
  if (one && first.status_text) fact("Says", first.status_text);
  if (view.usage?.processes > 0) {
    fact("Memory", bytes(view.usage.memory));
    fact("Processor", view.usage.share === undefined ? span(view.usage.cpu) : `${view.usage.share.toFixed(1)} %, ${span(view.usage.cpu)} in all`);
    fact("Processes", String(view.usage.processes));
  }
  const hold = holdOf(service);
  if (hold) fact("Held by", `${hold.by?.name ?? "an operator"} since `, age(Date.parse(hold.since), ""), hold.until ? `, until ${moment(Date.parse(hold.until))}` : "");
  fact("File", el("code", {}, service.source.file), ...(service.source.drop_ins ?? []).map((file) => el("code", {}, ` + ${file}`)));
  if (service.instances.length > 0) fact("Runs what its file says", service.instances.every((it) => it.in_sync) ? "yes" : "no");
  if (one && first.log) {
    const lost = first.log.dropped_lines > 0 ? ` (${count(first.log.dropped_lines, "line")} lost)` : "";
    fact("Log", el("code", {}, first.log.path), lost);
  }
  return list;
}

function chart(service) {
  const values = history(service.name) ?? new Array(60).fill(0);
  const note = [caveat(), `${restartsHour(service)} by the status`].filter(Boolean).join("; ");
  return el("figure.chart", {}, bars(values, { width: 480, height: 48, step: 1, named: service.name }), el("figcaption.dim", {}, el("span", {}, "1 h ago"), el("span", {}, note), el("span", {}, "now")));
}

function instances(service) {
  const rows = service.instances.map((one) =>
    el(
      "li",
      {},
      el("div.line", {}, el("b", {}, `@${one.id}`), el("span.state", { data: { tone: stateOf(one.state).tone } }, sign(one.state), one.state), one.pid && el("span.dim", {}, `pid ${one.pid}`), one.started_at && one.pid && age(Date.parse(one.started_at)), one.restarts > 0 && el("span.dim", {}, count(one.restarts, "restart")), el("span.grow"), buttons(service.name, `${service.name}@${one.id}`, one.state, true).filter((button) => button.dataset.act !== "reload")),
      el("p.dim", { data: { whyInstance: one.id } }),
    ),
  );
  return el("section", {}, el("h3", {}, count(service.instances.length, "instance")), el("ul.instances", {}, rows));
}

function conditions(service) {
  // What is wrong with its files stands above, in full.
  const list = (service.conditions ?? []).filter((one) => one.type !== "ConfigValid");
  if (list.length === 0) return false;
  return el("section", {}, el("h3", {}, "Not in order"), el("ul.plainlist", {}, list.map((one) => el("li", {}, el("b", {}, one.type), ` ${one.message} `, el("span.dim", {}, "for ", age(Date.parse(one.since)))))));
}

/** What it was, and the way back; read when it is opened. */
function versions(service) {
  if (!service.accepted_hash) return false;
  const body = el("div");
  const load = async () => {
    try {
      const { versions } = await get(`/v1/services/${encodeURIComponent(service.name)}/history`);
      const line = (one) => {
        const keys = one.changes.map((change) => change.field);
        const changed = keys.length > 4 ? `${keys.slice(0, 4).join(", ")} and ${keys.length - 4} more` : keys.join(", ");
        const back = one.in_force ? el("b", {}, "in force") : button("rollback", service.name, { to: one.version });
        return el("li", {}, el("code", {}, one.version), ` ${one.cause} `, el("span.dim", {}, age(Date.parse(one.at), " ago"), changed && `, ${changed}`), " ", back);
      };
      body.replaceChildren(el("ul.plainlist.versions", {}, versions.reverse().map(line)));
    } catch (error) {
      body.replaceChildren(el("p.dim", {}, error.full ?? String(error)));
    }
  };
  const suspended = (store.head.suspended ?? []).some((one) => one.service === service.name);
  const pause = button(suspended ? "resume" : "suspend", service.name);
  const box = el("details", {}, el("summary", { data: { key: "versions" } }, "Versions of its files"), pause, body);
  // A redraw leaves it as it was.
  box.open = view.versionsOpen === service.name;
  if (box.open) load();
  box.addEventListener("toggle", () => {
    const opened = box.open && view.versionsOpen !== service.name;
    view.versionsOpen = box.open ? service.name : undefined;
    if (opened) load();
  });
  return box;
}

function processes(service) {
  if (!service.instances.some((one) => one.pid)) return false;
  const body = el("div");
  const load = async () => {
    try {
      const tree = await get(`/v1/services/${encodeURIComponent(service.name)}/tree`);
      const lines = tree.instances.flatMap((instance) => instance.processes.map((one) => el("tr", {}, el("td.num", {}, String(one.pid)), el("td.num", {}, bytes(one.resident_bytes ?? 0)), el("td.num", {}, span(one.cpu_ms ?? 0)), el("td", {}, el("code", {}, one.command ?? "")))));
      body.replaceChildren(el("table.processes", {}, el("thead", {}, el("tr", {}, ["PID", "Memory", "CPU", "Command"].map((word) => el("th", { scope: "col" }, word)))), el("tbody", {}, lines)));
    } catch (error) {
      body.replaceChildren(el("p.dim", {}, error.full ?? error.message));
    }
  };
  const box = el("details", { data: { open: view.treeOpen === service.name ? "yes" : "" } }, el("summary", { data: { key: "tree" } }, "Processes"), body);
  box.open = view.treeOpen === service.name;
  box.addEventListener("toggle", () => {
    view.treeOpen = box.open ? service.name : undefined;
    if (box.open) load();
  });
  return box;
}

/** What the processes of the one that is looked at use. */
async function measure() {
  const { name } = view;
  if (name === undefined || view.tab !== "overview" || !store.head || !store.services.get(name)?.instances.some((one) => one.pid)) return;
  try {
    const usage = await get(`/v1/usage?names=${encodeURIComponent(name)}`);
    if (view.name !== name) return;
    const sum = (field) => usage.services.reduce((all, one) => all + (one[field] ?? 0), 0);
    const at = Date.parse(usage.at);
    const [cpu, before] = [sum("cpu_ms"), view.usage];
    const share = before && at > before.at && cpu >= before.cpu ? ((cpu - before.cpu) / (at - before.at)) * 100 : undefined;
    view.usage = { at, cpu, share, memory: sum("resident_bytes"), processes: sum("processes") };
    draw();
  } catch {
    view.usage = undefined;
  }
}
