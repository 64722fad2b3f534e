// States, spans and reasons as people say them: the words of `abide status`.

import { svg } from "./dom.js";

/** Each state: how bad (0 is worst), which colour, and a shape of its own, so that colour never tells alone. */
export const STATES = {
  failed: { rank: 0, tone: "bad", shape: "M5 5l6 6M11 5l-6 6", filled: true },
  backoff: { rank: 1, tone: "warn", shape: "M12.2 6.2A4.7 4.7 0 1 0 12.6 9M12.6 3.4v3h-3" },
  waiting: { rank: 2, tone: "warn", shape: "M4.5 8h.01M8 8h.01M11.5 8h.01" },
  stopping: { rank: 3, tone: "busy", shape: "M8 3.5v8M4.8 8.6 8 11.8l3.2-3.2" },
  starting: { rank: 3, tone: "busy", shape: "M8 12.5v-8M4.8 7.4 8 4.2l3.2 3.2" },
  reloading: { rank: 3, tone: "busy", shape: "M3.5 8a4.5 4.5 0 0 1 8-2.8M12.5 8a4.5 4.5 0 0 1-8 2.8M11.7 2.6v2.7H9M4.3 13.4v-2.7H7" },
  held: { rank: 4, tone: "held", shape: "M6 5v6M10 5v6" },
  running: { rank: 5, tone: "ok", shape: "", filled: true },
  ready: { rank: 5, tone: "ok", shape: "M5 8.2l2.1 2.1L11 6.2", filled: true },
  stopped: { rank: 6, tone: "dim", shape: "M5.5 5.5h5v5h-5z" },
};

const UNKNOWN = { rank: 2, tone: "warn", shape: "M8 5v4M8 11h.01" };
export const stateOf = (state) => STATES[state] ?? UNKNOWN;

/** The sign of a state. */
export function sign(state, tone = stateOf(state).tone) {
  const { shape, filled } = stateOf(state);
  const plain = state === "running";
  return svg(
    "svg.sign",
    { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", data: { tone } },
    filled && svg("circle", { cx: 8, cy: 8, r: plain ? 4.5 : 7, class: "body" }),
    shape && svg("path", { d: shape, class: filled ? "cut" : "line" }),
  );
}

/** `340ms`, `12s`, `3m12s`, `2h05m`, `4d03h`. */
export function span(ms) {
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, "0");
  if (s < 1) return `${Math.max(0, Math.round(ms))}ms`;
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86400)}d${two(Math.floor(s / 3600) % 24)}h`;
}

/** How long ago, or until; in whole seconds. */
export const between = (from, to) => {
  const ms = Math.max(0, to - from);
  return ms < 1000 ? "0s" : span(ms);
};

export const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit + 1 < units.length) [n, unit] = [n / 1024, unit + 1];
  return `${unit > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockSeconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
/** `14:02`. */
export const hm = (at) => clock.format(at);
/** `14:02:09`. */
export const hms = (at) => clockSeconds.format(at);
/** With the date. */
export const moment = (at) => day.format(at);

/** `exit code 1`, `SIGSEGV, core dumped`. */
export function ended(exit) {
  const oom = exit.oom ? " for want of memory" : "";
  if (exit.kind === "code" && exit.code !== undefined) return `exit code ${exit.code}${oom}`;
  if (exit.kind === "signal" && exit.signal) return `${exit.signal}${oom}${exit.core ? ", core dumped" : ""}`;
  return "an unknown end";
}

/** `services.d/web.toml:12:1`. */
export const place = (error) => [error.file, error.line, error.column].filter((part) => part !== undefined && part !== null).join(":");

export const worstInstance = (service) =>
  service.instances.reduce((worst, one) => (!worst || stateOf(one.state).rank < stateOf(worst.state).rank ? one : worst), undefined);

/** When the service came to be as it is: its newest start, or its last end. */
export function since(service) {
  const at = service.instances.map((one) => Date.parse((one.pid && one.started_at) || one.last_exit?.at || one.started_at || ""));
  const known = at.filter((time) => !Number.isNaN(time));
  return known.length > 0 ? Math.max(...known) : undefined;
}

export const restarts = (service) => service.instances.reduce((sum, one) => sum + (one.restarts ?? 0), 0);
export const restartsHour = (service) => service.instances.reduce((sum, one) => sum + (one.restarts_1h ?? 0), 0);

/** The hold of a service, or of the first of its instances that has one. */
export const holdOf = (service) => service.hold ?? service.instances.find((one) => one.hold)?.hold;

function held(hold, now) {
  const until = hold.until ? `, lifts in ${between(now, Date.parse(hold.until))}` : "";
  const why = hold.reason ? `: ${hold.reason}` : "";
  return `held by ${hold.by?.name ?? "an operator"}${why}${until}`;
}

/** Why an instance is where it is; empty when that is a matter of course. */
export function whyInstance(service, instance, now) {
  const last = instance.last_exit && `${ended(instance.last_exit)} after ${span(instance.last_exit.ran_ms)}`;
  const next = () => {
    if (!instance.next_attempt_at) return undefined;
    const wait = Date.parse(instance.next_attempt_at) - now;
    const time = wait < 500 ? "due now" : `in ${span(wait)}`;
    return instance.attempt > 1 ? `next attempt ${time} (${instance.attempt} short runs in a row)` : `next attempt ${time}`;
  };
  const hold = instance.hold ?? (instance.state === "held" ? service.hold : undefined);
  switch (instance.state) {
    case "running":
    case "ready":
      if (!instance.in_sync && !(service.conditions?.length > 0)) return instance.reason ?? "runs an older version than its file says";
      return instance.reason ?? "";
    case "failed":
      return `${instance.reason ?? last ?? "could not be started"}; abide has given up until its file changes or somebody starts it`;
    case "held":
      return hold ? held(hold, now) : (instance.reason ?? "");
    case "backoff":
      // The reason counts down in words of its own; ours does so live.
      return [(instance.reason ?? last)?.replace(/, next attempt in [^,;]*$/, ""), next()].filter(Boolean).join("; ");
    default:
      return [instance.reason ?? (instance.state === "stopped" ? last : undefined), next()].filter(Boolean).join("; ");
  }
}

/** One line for a service; empty when all is a matter of course. */
export function why(service, now) {
  const parts = [];
  const worst = worstInstance(service);
  const own = worst ? whyInstance(service, worst, now) : "";
  if (own) parts.push(own);
  const [error] = service.errors ?? [];
  if (error) {
    const then = !service.accepted_hash ? "nothing of it has run yet" : "the last good version stays in force";
    const file = error.file === service.source.file ? "its file" : error.file;
    parts.push(`${file} has an error${error.line ? ` in line ${error.line}` : ""}: ${error.message}; ${then}`);
  }
  for (const condition of service.conditions ?? []) {
    const told = ["DependenciesMet", "NotHeld"].includes(condition.type) || (condition.type === "ConfigValid" && error);
    if (!told && condition.status !== "true") parts.push(condition.message);
  }
  if (parts.length === 0 && service.desired === "stopped" && service.instances.every((one) => one.state === "stopped" && !one.last_exit)) {
    parts.push(service.source.kind === "toml" ? "its file says enabled = false" : "its directory holds a file `down`");
  }
  if (parts.length === 0) parts.push(...wobbles(service, now));
  return parts.join("; ");
}

/** It runs, and not for long: who looks just then would think that all is well. */
function wobbles(service, now) {
  const recent = service.instances.map((one) => one.last_exit).filter((exit) => exit && !exit.asked && now - Date.parse(exit.at) < 600_000);
  const hour = restartsHour(service);
  if (hour === 0 || recent.length === 0) return [];
  const [exit] = recent.sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  return [`restarted ${hour}× in the last hour; last: ${ended(exit)} after ${span(exit.ran_ms)}`];
}

/** The colour of a service: a good state is doubted where something else is wrong. */
export const toneOf = (service) =>
  amiss(service) && ["running", "ready", "stopped"].includes(service.state) ? "warn" : stateOf(service.state).tone;

/** Whether it needs eyes. */
export const amiss = (service) => !service.as_desired || (service.errors?.length ?? 0) > 0;
