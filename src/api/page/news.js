// What happened, newest first, in words.

import { el } from "./dom.js";
import { about, store } from "./store.js";
import { hms, moment, place, sign, stateOf } from "./words.js";

/** So many are shown. */
const SHOWN = 200;

function words(news) {
  switch (news.kind) {
    case "transition":
      return news.from === news.to ? news.reason : `${news.from} → ${news.to}: ${news.reason}`;
    case "plan":
      return `plan: ${news.action}, ${news.reason}`;
    case "file":
      return `${news.error ? "error" : "warning"} in ${place(news)}: ${news.message}`;
    case "mended":
      return `${news.file} is mended`;
    case "order":
      return `${news.act} by ${news.author?.name ?? "somebody"}: ${news.targets.map((done) => `${done.target} ${done.words}`).join("; ")}`;
    case "missed":
      return `${news.count ?? "some"} events are missing here: ${news.why}`;
    default:
      return news.kind;
  }
}

function tone(news) {
  if (news.kind === "transition") return news.grave ? "bad" : stateOf(news.to).tone;
  if (news.kind === "file") return news.error ? "bad" : "warn";
  return news.kind === "missed" ? "warn" : "dim";
}

/** The events of one service, or of all (`undefined`). */
export function feed(service) {
  const list = [];
  for (let at = store.events.length - 1; at >= 0 && list.length < SHOWN; at -= 1) {
    const news = store.events[at];
    const names = about(news);
    if (service === undefined || names.includes(service) || news.kind === "missed") list.push([news, names]);
  }
  if (list.length === 0) return el("p.none", {}, "Nothing has happened since this page listens.");
  const who = (news, names) => {
    if (service !== undefined || names.length === 0) return news.instance === undefined || service === undefined ? false : el("b", {}, `@${news.instance} `);
    const [name] = names;
    return el("a", { href: `#/${name}` }, `${name}${news.instance === undefined ? "" : `@${news.instance}`}`);
  };
  return el(
    "ol.feed",
    {},
    list.map(([news, names]) =>
      el("li", { data: { tone: tone(news) } }, el("time", { datetime: new Date(news.at).toISOString(), title: moment(news.at) }, hms(news.at)), news.kind === "transition" ? sign(news.to, tone(news)) : el("i.dot", { "aria-hidden": "true" }), el("span", {}, who(news, names), who(news, names) ? " " : false, words(news))),
    ),
  );
}
