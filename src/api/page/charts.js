// Small charts of restarts, as inline SVG: bars by time, and an honest edge where nothing was heard yet.

import { now } from "./api.js";
import { svg } from "./dom.js";
import { MINUTES, store } from "./store.js";
import { count, hm } from "./words.js";

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** `values` of the last 60 minutes as bars of `step` minutes each. */
export function bars(values, { width, height, step, named }) {
  const binned = Array.from({ length: MINUTES / step }, (_, at) => sum(values.slice(at * step, (at + 1) * step)));
  const most = Math.max(1, ...binned);
  const each = width / binned.length;
  const start = (Math.floor(now() / 60_000) + 1) * 60_000 - MINUTES * 60_000;
  const heard = Math.min(width, Math.max(0, ((Math.max(start, store.heardSince ?? start) - start) / (MINUTES * 60_000)) * width));
  const label = `${named}: ${count(sum(values), "end")} that nobody asked for since ${hm(Math.max(start, store.heardSince ?? start))}`;
  const drawing = svg("svg.bars", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  if (heard > each) drawing.append(svg("rect.unheard", { x: 0, y: 0, width: heard, height, "aria-hidden": "true" }));
  drawing.append(svg("rect.floor", { x: 0, y: height - 1, width, height: 1 }));
  binned.forEach((value, at) => {
    if (value === 0) return;
    // The smallest bar can be seen, and many look like more than few.
    const tall = Math.max(3, (value / most) * height);
    const from = start + at * step * 60_000;
    const title = svg("title", {}, `${hm(from)}–${hm(from + step * 60_000)}: ${count(value, "end")} that nobody asked for`);
    drawing.append(svg("rect.bar", { x: at * each + 0.5, y: height - tall, width: Math.max(1, each - 1), height: tall, rx: 0.5 }, title));
  });
  return drawing;
}

/** What the chart does not know, in words. */
export function caveat() {
  const hourAgo = now() - MINUTES * 60_000;
  const parts = [];
  if ((store.heardSince ?? now()) > hourAgo) parts.push(`heard since ${hm(store.heardSince ?? now())}`);
  const gaps = store.gaps.filter((at) => at > hourAgo);
  if (gaps.length > 0) parts.push(`events are missing at ${gaps.slice(-2).map(hm).join(", ")}`);
  return parts.join("; ");
}
