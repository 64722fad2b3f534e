// The live log of one instance: follows, pauses, finds. The last few thousand lines; the files have the rest.

import { Refusal, stream } from "./api.js";
import { el, say, show } from "./dom.js";
import { count } from "./words.js";

/** So many lines are kept. */
const KEPT = 4000;
/** So many are asked for at first. */
const FIRST = 500;

/** What would drive a terminal, or turn text around, is left out or made visible. */
const clean = (line) =>
  line
    // eslint-disable-next-line no-control-regex
    .replace(/\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g, "")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

/** Opens the log of `service`, of its instance `index` where it has several. */
export function openLog(service, instances) {
  const abort = new AbortController();
  const state = { lines: [], nodes: [], pending: [], paused: false, following: true, rest: "", index: instances[0]?.id, search: undefined, only: false };
  let attempt, frame, timer;

  const search = el("input", { type: "search", id: "log-search", placeholder: "Find", "aria-label": "Find in the log", spellcheck: "false", autocomplete: "off", data: { key: "log-search" } });
  const only = el("input", { type: "checkbox", id: "log-only" });
  const found = el("span.dim.found", { role: "status" });
  const pause = el("button.plain.small", { type: "button", "aria-pressed": "false", data: { key: "pause" }, title: "Pause (p)" }, "Pause");
  const pick = el("select", { "aria-label": "Instance" }, ...instances.map((one) => el("option", { value: one.id }, `${service}@${one.id}`)));
  const out = el("div.lines", { role: "log", tabindex: 0, "aria-live": "off", "aria-label": `Output of ${service}` });
  const latest = el("button.latest.small", { type: "button", hidden: true }, "Jump to the latest");
  const trouble = el("p.wrong", { role: "alert", hidden: true });
  const node = el("div.log", {}, el("div.tools", {}, instances.length > 1 && pick, search, el("label.check", {}, only, "Only these"), found, el("span.grow"), pause), trouble, el("div.frame", {}, out, latest));

  const atEnd = () => out.scrollTop + out.clientHeight >= out.scrollHeight - 12;
  const toEnd = () => ((state.following = true), (out.scrollTop = out.scrollHeight), show(latest, false));

  function draw(line) {
    const item = el("div", {});
    if (line.note) item.classList.add("note");
    const hits = state.search && !line.note ? [...line.text.matchAll(state.search)].filter((hit) => hit[0].length > 0) : [];
    if (hits.length === 0) {
      item.textContent = line.text || "\u00a0";
      if (state.search && state.only) item.hidden = true;
    } else {
      let at = 0;
      for (const hit of hits) {
        item.append(line.text.slice(at, hit.index), el("mark", {}, hit[0]));
        at = hit.index + hit[0].length;
      }
      item.append(line.text.slice(at));
      item.classList.add("hit");
    }
    return item;
  }

  function redraw() {
    state.nodes = state.lines.map(draw);
    out.replaceChildren(...state.nodes);
    tell();
    toEnd();
  }

  function tell() {
    const hits = out.getElementsByClassName("hit").length;
    say(found, state.search ? `${hits.toLocaleString("en")} of ${count(state.lines.length, "line")}` : "");
    say(pause, state.paused ? `Resume${state.pending.length > 0 ? ` (${state.pending.length} new)` : ""}` : "Pause");
    pause.setAttribute("aria-pressed", String(state.paused));
  }

  function flush() {
    frame = undefined;
    if (state.pending.length > KEPT) state.pending.splice(0, state.pending.length - KEPT);
    if (!state.paused && state.pending.length > 0) {
      const stay = state.following;
      const fresh = state.pending.splice(0);
      const nodes = fresh.map(draw);
      state.lines.push(...fresh);
      state.nodes.push(...nodes);
      const over = state.lines.length - KEPT;
      if (over > 0) {
        state.lines.splice(0, over);
        state.nodes.splice(0, over).forEach((old) => old.remove());
      }
      out.append(...nodes.filter((one) => state.nodes.includes(one)));
      if (stay) toEnd();
      else show(latest, true);
    }
    tell();
  }

  const add = (lines) => {
    state.pending.push(...lines);
    frame ??= requestAnimationFrame(flush);
  };

  /** After a break: what is known already is not shown twice. */
  function joined(lines) {
    const known = [...state.lines, ...state.pending].filter((line) => !line.note).slice(-200).map((line) => line.text);
    if (known.length === 0) return lines;
    const stand = (texts, from) => texts.every((text, at) => lines[from + at]?.text === text);
    for (let from = 0; from + known.length <= lines.length; from += 1) {
      if (stand(known, from)) return lines.slice(from + known.length);
    }
    for (let number = known.length - 1; number > 0; number -= 1) {
      if (stand(known.slice(-number), 0)) return lines.slice(number);
    }
    return [{ text: "the connection was lost here; lines may be missing", note: true }, ...lines];
  }

  async function read(again) {
    attempt?.abort();
    const mine = (attempt = new AbortController());
    state.rest = "";
    let burst = again ? [] : undefined;
    const settle = () => {
      const lines = burst;
      burst = undefined;
      if (lines && !mine.signal.aborted) add(joined(lines));
    };
    const many = state.index !== undefined && instances.length > 1 ? `&instance=${state.index}` : "";
    try {
      await stream(`/v1/services/${encodeURIComponent(service)}/logs?lines=${FIRST}&follow=true${many}`, {
        signal: mine.signal,
        patient: true,
        opened: () => show(trouble, false),
        take: (text) => {
          const parts = (state.rest + text).split("\n");
          state.rest = parts.pop();
          const lines = parts.map((part) => ({ text: clean(part.replace(/\r$/, "")) }));
          if (burst?.length === 0) setTimeout(settle, 300);
          if (burst) burst.push(...lines);
          else add(lines);
        },
      });
      throw new Refusal(0, "the log ended");
    } catch (error) {
      if (mine.signal.aborted || abort.signal.aborted) return;
      settle();
      const refused = error instanceof Refusal && error.status >= 400 && error.status < 500;
      say(trouble, `${error.full ?? error.message}${refused ? "" : "; trying again"}`);
      show(trouble, true);
      if (!refused) timer = setTimeout(() => read(true), 2000);
    }
  }

  const find = () => {
    const words = search.value;
    // A half-typed expression is looked for as it stands.
    const quoted = words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const expression = /^\/(.+)\/$/.exec(words)?.[1];
    try {
      state.search = words ? new RegExp(expression ?? quoted, "gi") : undefined;
    } catch {
      state.search = new RegExp(quoted, "gi");
    }
    redraw();
  };
  let typing;
  search.addEventListener("input", () => (clearTimeout(typing), (typing = setTimeout(find, 80))));
  only.addEventListener("change", () => ((state.only = only.checked), redraw()));
  const toggle = () => {
    state.paused = !state.paused;
    flush();
  };
  pause.addEventListener("click", toggle);
  pick.addEventListener("change", () => {
    state.index = Number(pick.value);
    Object.assign(state, { lines: [], nodes: [], pending: [] });
    redraw();
    read(false);
  });
  out.addEventListener("scroll", () => ((state.following = atEnd()), state.following && show(latest, false)), { passive: true });
  latest.addEventListener("click", toEnd);
  read(false);

  return {
    node,
    pause: toggle,
    search: () => (search.focus(), search.select()),
    again: () => (clearTimeout(timer), read(true)),
    /** Browsers have few connections to one server, for all their tabs. */
    rest: () => (clearTimeout(timer), attempt?.abort()),
    close() {
      abort.abort();
      attempt?.abort();
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    },
  };
}
