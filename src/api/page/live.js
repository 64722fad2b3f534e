// Keeps what is known true: one stream of events, and a look at what they are about. A lost connection mends itself.

import { Refusal, events, get, now, stream } from "./api.js";
import { store, takeAll, takeEvent, takeFindings, takeSome } from "./store.js";

/** More names than this: all is looked at. */
const SOME = 60;
/** A full look now and then, for what no event tells; also at what the visitor may. */
const SLOW = 30_000;

let told = () => {};
let gone = () => {};
let last;
let session;
let wake = () => {};

/** Begins. `state(word, retryAt)` with "connecting", "live" or "lost"; `refused()` when the token is no good any more. */
export function begin({ state, refused }) {
  [told, gone] = [state, refused];
  session?.abort();
  session = new AbortController();
  last = undefined;
  keep(session.signal);
}

export function end() {
  session?.abort();
  session = undefined;
}

/** Tries again at once. */
export const retry = () => wake();

async function keep(signal) {
  let failures = 0;
  told("connecting");
  while (!signal.aborted) {
    try {
      await once(signal, () => (failures = 0));
      failures += 1;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && error.status === 401) return gone();
      failures += 1;
    }
    const wait = Math.min(15_000, 500 * 2 ** Math.min(failures, 5)) * (0.8 + Math.random() * 0.4);
    told("lost", Date.now() + wait);
    await new Promise((go) => {
      const timer = setTimeout(go, wait);
      wake = () => (clearTimeout(timer), go());
    });
  }
}

async function once(signal, mended) {
  if (!store.head || !last) takeAll(await get("/v1/status", signal));
  const resume = last ?? `${store.head.abide.instance_id.slice(0, 8)}-0`;
  let opened = now();
  const take = events(({ id, data }) => {
    if (id) last = id;
    if (data === undefined) return;
    const news = JSON.parse(data);
    const names = takeEvent(news);
    // What is told anew is already in the status.
    if (Date.parse(news.at) < opened - 2000) return;
    if (["file", "mended"].includes(news.kind)) look.findings();
    if (news.kind === "missed" || (news.kind === "plan" && news.action === "stop")) look.all();
    look.some(names);
  });
  await stream(`/v1/events?since=${encodeURIComponent(resume)}`, {
    signal,
    headers: last ? { "last-event-id": last } : {},
    take,
    opened: () => {
      opened = now();
      store.heardSince ??= opened;
      mended();
      told("live");
      look.all();
      look.findings();
    },
  });
}

/** Looks at what changed: soon, never twice at once, and all of it seldom where that is much. */
const look = {
  names: new Set(),
  whole: false,
  errors: false,
  timer: undefined,
  busy: false,
  price: 0,
  at: 0,
  all() {
    this.whole = true;
    this.soon();
  },
  findings() {
    this.errors = true;
    this.soon();
  },
  some(names) {
    names.forEach((name) => this.names.add(name));
    if (this.names.size > SOME) this.whole = true;
    if (names.length > 0) this.soon();
  },
  soon() {
    if (this.busy || this.timer || !session) return;
    const rest = this.whole ? Math.max(0, this.at + this.price * 5 - Date.now()) : 0;
    const wait = Math.max(document.hidden ? 3000 : 120, rest);
    this.timer = setTimeout(() => this.now(session?.signal), wait);
  },
  async now(signal) {
    [this.timer, this.busy] = [undefined, true];
    const names = [...this.names];
    const { whole, errors } = this;
    [this.whole, this.errors] = [false, false];
    this.names.clear();
    try {
      if (whole) {
        const began = Date.now();
        takeAll(await get("/v1/status", signal));
        [this.at, this.price] = [Date.now(), Date.now() - began];
      } else if (names.length > 0) {
        const path = `/v1/status?names=${names.map(encodeURIComponent).join(",")}`;
        if (!takeSome(await get(path, signal), names)) this.whole = true;
      }
      if (errors) takeFindings((await get("/v1/findings", signal)).findings);
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) gone();
      // Gone in the meantime, most likely; where the connection is, the stream says so.
      if (error instanceof Refusal && error.status === 404 && names.length > 0) this.whole = true;
    }
    this.busy = false;
    if (this.whole || this.errors || this.names.size > 0) this.soon();
  },
};

/** After an order: what it was about is looked at, whatever the events say. */
export const lookAt = (names) => look.some(names);

async function lookSlowly() {
  if (!session || document.hidden) return;
  try {
    store.me = await get("/v1/whoami", session.signal);
    look.all();
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) gone();
  }
}

setInterval(lookSlowly, SLOW);
document.addEventListener("visibilitychange", () => !document.hidden && retry());
addEventListener("online", () => retry());
