// The page as a whole: sign in, where one is, the head, the keys.

import * as api from "./api.js";
import { bars, caveat } from "./charts.js";
import * as detail from "./detail.js";
import { announce, by, el, replace, say, show } from "./dom.js";
import { drawFiles } from "./files.js";
import * as keys from "./keys.js";
import * as list from "./list.js";
import * as live from "./live.js";
import { feed } from "./news.js";
import { actOf, buttonOfAll, order } from "./orders.js";
import { changed, history, store, watch } from "./store.js";
import { amiss, between, count, hms } from "./words.js";

let link = { state: "connecting" };

// --- signing in ---

async function enter(words) {
  try {
    store.me = await api.get("/v1/whoami");
  } catch (error) {
    if (error.status === 401 || error.status === 403) return ask(words && api.token.get() ? words : "");
    // Nobody there yet: the page mends itself.
    link = { state: "lost", at: Date.now() + 3000 };
    show(by("app"), true);
    drawLink();
    setTimeout(() => enter(words), 3000);
    return;
  }
  if (store.me.rights.length === 0) {
    return ask(api.token.get() ? `abide knows this as ${store.me.name}, and lets it do nothing: give it a right in abide.toml.` : "");
  }
  show(by("sign-in"), false);
  show(by("app"), true);
  show(by("sign-out"), Boolean(api.token.get()));
  show(by("who"), true);
  show(by("lately"), true);
  say(by("who"), store.me.name);
  live.begin({ state: connection, refused: () => ask("abide does not accept this token any more. It may have been taken out of abide.toml.") });
  route();
}

function ask(words = "") {
  live.end();
  detail.closeLog();
  api.token.set("");
  store.me = undefined;
  show(by("app"), false);
  show(by("who"), false);
  show(by("lately"), false);
  show(by("sign-out"), false);
  show(by("lost"), false);
  show(by("sign-in"), true);
  link = { state: "out" };
  drawLink();
  say(by("token-error"), words);
  by("token").value = "";
  by("token").focus();
}

by("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  say(by("token-error"), "");
  api.token.set(by("token").value.trim());
  enter("abide refuses this token. Look for a slip of the paste, or make a new one.");
});
by("sign-out").addEventListener("click", () => ask());

// --- the connection ---

function connection(state, at) {
  const before = link.state;
  link = { state, at };
  if (before === "lost" && state === "live") {
    announce("Connected again.");
    detail.current().log?.again();
  }
  if (before === "live" && state === "lost") link.since = Date.now();
  drawLink();
}

function drawLink() {
  const words = { connecting: "connecting", live: "live", lost: "no connection", out: "signed out" };
  by("link").dataset.state = link.state;
  say(by("link-words"), words[link.state]);
  show(by("lost"), link.state === "lost");
  by("app").classList.toggle("stale", link.state === "lost" && Boolean(store.head));
  if (link.state !== "lost") return;
  const wait = Math.max(0, Math.ceil((link.at - Date.now()) / 1000));
  const known = store.head ? `What you see is as of ${hms(Date.parse(store.head.abide.written_at))}, or later.` : "";
  say(by("lost-words"), `No connection to abide; trying again ${wait > 0 ? `in ${wait}s` : "now"}. ${known}`);
}

by("lost-now").addEventListener("click", () => live.retry());
setInterval(() => link.state === "lost" && drawLink(), 1000);

// --- the head ---

function drawHead() {
  if (!store.head) return;
  const services = [...store.services.values()];
  const wrong = services.filter(amiss);
  const { abide } = store.head;
  const title = services.length === 0 ? "No services" : wrong.length === 0 ? `All ${count(services.length, "service")} as desired` : `${wrong.length.toLocaleString("en")} of ${count(services.length, "service")} not as desired`;
  const failed = wrong.some((service) => ["failed", "backoff"].includes(service.state) && service.desired === "running");
  const tone = wrong.length === 0 ? "ok" : failed ? "bad" : "warn";
  tellVerdict(title);
  say(by("verdict"), title);
  by("verdict").dataset.tone = tone;
  document.title = `${wrong.length > 0 ? `(${wrong.length}) ` : ""}abide · ${location.hostname}`;
  say(by("verdict-more"), `abide ${abide.version}, pid ${abide.pid}, up ${between(Date.parse(abide.started_at), api.now())}${abide.state === "running" ? "" : `, ${abide.state}`}`);
  say(by("about"), `abide ${abide.version} · ${services.length} services · charts count ends that nobody asked for, by the events that abide still knows (${caveat() || "all of the last hour"}).`);
  drawHour();
  drawNotes();
  drawFiles();
}

let told = { title: undefined, at: 0 };

/** Who hears the page is told of a change, and not of each turn of a service that comes and goes. */
function tellVerdict(title) {
  if (told.title === title || Date.now() - told.at < 20_000) return;
  if (told.title !== undefined) announce(title);
  told = { title, at: Date.now() };
}

function drawHour() {
  const values = history() ?? new Array(60).fill(0);
  const key = `${values.join()} ${caveat()} ${Math.floor(api.now() / 60_000)}`;
  if (by("hour").dataset.drawn === key) return;
  by("hour").dataset.drawn = key;
  const number = values.reduce((a, b) => a + b, 0);
  replace(by("hour"), el("figcaption", {}, el("span", {}, "Restarts, last hour"), el("b", {}, number.toLocaleString("en"))), bars(values, { width: 360, height: 36, step: 1, named: "all services" }), el("p.dim", {}, caveat()));
}

/** What the files say and abide does not do yet: each a line, and what ends it. */
function heldBack({ guard, rollout, batch, suspended = [] }) {
  const some = (names) => `${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`;
  const held = [];
  if (guard?.removals.length > 0) {
    const more = `These are stopped, and are no services any more: ${some(guard.removals)}.`;
    held.push({ line: `The files of ${count(guard.removals.length, "service")} are gone, too many to be believed; they run on: ${some(guard.removals)}.`, act: "confirm", words: "Let them go…", more });
  }
  if (rollout?.state === "rolling") held.push({ line: `Restarts after an edit: ${rollout.done} of ${rollout.total} done.` });
  if (rollout?.state === "paused") held.push({ line: `Restarts after an edit stopped at ${rollout.done} of ${rollout.total}: ${some(rollout.failed)} failed.`, act: "resume", words: "Go on all the same" });
  if (batch) held.push({ line: `${count(batch.waiting.length, "edit")} wait until all of their batch is good: ${some(batch.files)} is not.` });
  for (const one of suspended) {
    const what = one.service ?? (one.directory ? `${one.directory} (it holds a file .abide-hold)` : "every file");
    const why = one.reason ? `: ${one.reason}` : "";
    const waits = one.waiting?.length > 0 ? ` ${count(one.waiting.length, "edit")} wait.` : "";
    held.push({ line: `Suspended by ${one.by.name}, ${what}${why}.${waits}`, ...(one.service || one.directory ? {} : { act: "resume", words: "Resume" }) });
  }
  return held;
}

function drawNotes() {
  const { head } = store;
  const sources = (head.sources ?? []).filter((source) => source.state !== "ok").map((source) => `${source.path} is ${source.state}: ${source.reason ?? "nothing is stopped because of it"}`);
  const ignored = head.ignored ?? [];
  const lines = [...(head.abide.notes ?? []), ...sources];
  if (ignored.length > 0) lines.push(`${count(ignored.length, "entry").replace("entrys", "entries")} that mean nothing to abide: ${ignored.slice(0, 3).map((one) => one.path).join(", ")}${ignored.length > 3 ? " …" : ""}`);
  const held = heldBack(head);
  const key = JSON.stringify([held, lines]);
  if (by("notes").dataset.drawn === key) return;
  by("notes").dataset.drawn = key;
  const withheld = held.map(({ line, act, words, more }) => el("p.callout", { data: { tone: "warn" } }, `${line} `, act && buttonOfAll(act, words, more)));
  replace(by("notes"), ...withheld, ...lines.map((line) => el("p.callout", { data: { tone: "warn" } }, line)));
}

// --- where one is ---

function route() {
  if (by("app").hidden) return;
  const match = /^#\/([^/]*)(?:\/(\w+))?$/.exec(location.hash);
  if (location.hash && !match) return;
  const [name, tab] = [match?.[1] ? decodeURIComponent(match[1]) : undefined, match?.[2]];
  const before = detail.current();
  const moved = before.name !== name;
  const inTabs = document.activeElement?.getAttribute("role") === "tab";
  detail.open(name, tab);
  list.choose(name);
  if (name === detail.ALL) by("lately").setAttribute("aria-current", "page");
  else by("lately").removeAttribute("aria-current");
  if (inTabs) by("detail").querySelector("[aria-selected=true]")?.focus();
  else if (name && moved) by("detail-title")?.focus({ preventScroll: true });
  else if (!name && moved) list.focusRow();
  changed();
}

addEventListener("hashchange", route);

// --- keys ---

const here = () => {
  const { name } = detail.current();
  const focused = document.activeElement?.closest?.("[data-name]")?.dataset.name;
  return store.services.get(name ?? focused ?? "");
};
const act = (key) => () => {
  const service = here();
  const which = service && actOf(key, service.state);
  if (which) order(which, service.name);
  return Boolean(which);
};
const tab = (id) => () => {
  const service = here();
  if (service) location.hash = `#/${service.name}/${id}`;
  return Boolean(service);
};
const walk = (step) => () => {
  const { name, tab: at } = detail.current();
  const next = name && list.neighbour(step);
  if (next) location.hash = `#/${next}/${at}`;
  else if (!name) list.step(document.activeElement?.closest(".rows") ? step : 0);
  return true;
};

keys.begin([
  [["/"], "Search services; in a log, find", () => ((detail.current().log?.search ?? (() => by("search").focus()))(), true)],
  [["j", "ArrowDown"], "Next service", (event) => event.key === "j" && walk(1)()],
  [["k", "ArrowUp"], "Service before", (event) => event.key === "k" && walk(-1)()],
  [["Enter"], "Open the service", () => false],
  [["o"], "Its overview", tab("overview")],
  [["l"], "Its log", tab("log")],
  [["v"], "Its events", tab("events")],
  [["s"], "Start it", act("s")],
  [["r"], "Restart it", act("r")],
  [["e"], "Reload it", act("e")],
  [["x"], "Stop it", act("x")],
  [["p"], "Pause the log, or go on", () => (detail.current().log?.pause(), true)],
  [["a"], "What happened to all", () => ((location.hash = `#/${detail.ALL}`), true)],
  [["Escape"], "Back to the list", back],
  [["?"], "This help", () => (keys.help(), true)],
]);

function back(event) {
  if (event.target.matches("input[type=search]") && event.target.value) {
    event.target.value = "";
    event.target.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (event.target.matches("input, select")) {
    event.target.blur();
    if (event.target.id === "search") list.focusRow();
    else by("detail-title")?.focus();
  } else if (detail.current().name) {
    location.hash = "#/";
  }
  return true;
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  list.focusRow();
});

say(by("host"), location.host);
say(by("sign-in-host"), location.host);
list.begin();
detail.begin();
watch(drawHead);
setInterval(() => !document.hidden && store.head && drawHead(), 5000);
if (api.token.get()) enter();
else ask();
