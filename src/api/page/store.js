// What is known of abide: services, findings, and what happened. Everything that is drawn is drawn from here.

import { now } from "./api.js";

/** Charts show this many minutes. */
export const MINUTES = 60;
/** So many events are kept for reading. */
const EVENTS = 1000;
/** A service that was in trouble stays with those in trouble for this long, so that lists do not jump. */
const SETTLES = 90_000;

export const store = {
  /** All of the status but its services. */
  head: undefined,
  services: new Map(),
  /** Of files, with their source lines; by service, "" for those of none. */
  findings: new Map(),
  me: undefined,
  /** Newest last: `{ at, kind, …news }`. */
  events: [],
  /** The time of the first event that was heard: before it the charts know nothing. */
  heardSince: undefined,
  /** Times at which events are missing. */
  gaps: [],
};

const bins = new Map();
const trouble = new Map();
const listeners = new Set();
let frame;

/** Calls `draw` in the frame after something changed. */
export function watch(draw) {
  listeners.add(draw);
}

export function changed() {
  frame ??= requestAnimationFrame(() => {
    frame = undefined;
    for (const draw of listeners) draw();
  });
}

const minute = (at) => Math.floor(at / 60_000);

export function takeAll(status) {
  const { services, ...head } = status;
  store.head = head;
  store.services = new Map(services.map((service) => [service.name, service]));
  services.forEach(noteTrouble);
  changed();
}

/** Takes some services over; false where one that was asked for is not there any more. */
export function takeSome(status, asked) {
  const { services, ...head } = status;
  const known = new Set(services.map((service) => service.name));
  const same = store.head?.generation === head.generation;
  store.head = head;
  let sorted = true;
  for (const service of services) {
    sorted &&= store.services.has(service.name);
    store.services.set(service.name, service);
    noteTrouble(service);
  }
  changed();
  return same && sorted && asked.every((name) => known.has(name));
}

function noteTrouble(service) {
  if (!service.as_desired) trouble.set(service.name, now());
}

/** Whether the service is in trouble, or was a moment ago. */
export function troubled(service) {
  return !service.as_desired || now() - (trouble.get(service.name) ?? 0) < SETTLES;
}

export function takeFindings(list) {
  store.findings = Map.groupBy ? Map.groupBy(list, (one) => one.service ?? "") : grouped(list);
  changed();
}

function grouped(list) {
  const map = new Map();
  for (const one of list) map.set(one.service ?? "", [...(map.get(one.service ?? "") ?? []), one]);
  return map;
}

/** An end that nobody asked for, whatever came of it. */
const isCrash = (news) =>
  news.kind === "transition" && ((news.exit !== undefined && news.from !== "stopping") || (news.grave && news.to === "stopping"));

/** Takes one event; the services that it is about. */
export function takeEvent(news) {
  const at = Date.parse(news.at) || now();
  store.heardSince = Math.min(store.heardSince ?? at, at);
  // What abide does not remember from before the page was opened is no gap, but where hearing begins.
  const first = store.events.length === 0;
  store.events.push({ ...news, at });
  if (store.events.length > EVENTS) store.events.splice(0, store.events.length - EVENTS);
  if (news.kind === "missed") {
    if (!first) store.gaps = [...store.gaps.slice(-20), at];
  } else if (isCrash(news)) {
    for (const key of ["", news.service]) {
      if (!bins.has(key)) bins.set(key, new Map());
      const of = bins.get(key);
      of.set(minute(at), (of.get(minute(at)) ?? 0) + 1);
    }
    trouble.set(news.service, at);
  }
  changed();
  return about(news);
}

export function about(news) {
  if (news.kind === "order") return news.targets.map((done) => done.target.split("@")[0]);
  return news.service ? [news.service] : [];
}

/** Unasked ends in each of the last 60 minutes, the present one last; of one service, or of all. */
export function history(service = "") {
  const of = bins.get(service);
  const last = minute(now());
  if (!of) return undefined;
  for (const at of of.keys()) if (at <= last - MINUTES) of.delete(at);
  return Array.from({ length: MINUTES }, (_, index) => of.get(last - MINUTES + 1 + index) ?? 0);
}

/** `web*`, as abide matches names. */
export function matches(pattern, name) {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".");
  return new RegExp(`^${escaped}$`).test(name);
}

/** Whether the visitor may start, stop, restart and reload this service. */
export function mayOperate(name) {
  const patterns = (right) => [right.services ?? "*"].flat().flatMap((list) => list.split(","));
  return (store.me?.rights ?? []).some(
    (right) => ["all", "full", "operate"].includes(right.may) && patterns(right).some((pattern) => matches(pattern.trim(), name)),
  );
}
