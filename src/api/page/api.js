// Requests to abide: the token, refusals as values, streams. The only file that talks to the network.

const KEY = "abide-token";
/** A stream that is silent for longer than this is dead: abide sends a comment every 15 s. */
const SILENCE = 40_000;

/** What abide, or the way to it, said no with. `status` is 0 where nobody answered. */
export class Refusal extends Error {
  constructor(status, words, hint) {
    super(words);
    this.status = status;
    this.hint = hint;
  }
  get full() {
    return this.hint ? `${this.message}. ${this.hint}` : this.message;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

/** How far abide's clock is ahead of this machine's, in ms; small differences are nobody's concern. */
let ahead = 0;
/** Now, by abide's clock. */
export const now = () => Date.now() + ahead;

async function request(path, options = {}) {
  const headers = { accept: "application/json, text/plain, text/event-stream", ...options.headers };
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "omit", redirect: "error", ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "abide does not answer");
  }
  const date = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isNaN(date)) ahead = Math.abs(date - Date.now()) > 2500 ? date - Date.now() : 0;
  return response;
}

async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  return new Refusal(response.status, problem.detail ?? `abide answers ${response.status}`, problem.hint);
}

/** `GET path` as JSON. */
export async function get(path, signal) {
  const response = await request(path, { signal });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/** `POST path`; an order that was obeyed in part only is an answer too (409). */
export async function post(path, body) {
  const response = await request(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  if (response.ok) return response.json();
  const copy = response.clone();
  if (response.status === 409) {
    const answer = await response.json().catch(() => ({}));
    if (Array.isArray(answer.targets)) return answer;
  }
  throw await refusal(copy);
}

/**
 * `GET path`, whose text goes to `take` as it comes; resolves when it ends. `patient`: silence is no sign of death.
 */
export async function stream(path, { headers, signal, take, opened, patient = false }) {
  const dead = new AbortController();
  const stop = () => dead.abort();
  signal?.addEventListener("abort", stop);
  let clock = setTimeout(stop, SILENCE);
  try {
    const response = await request(path, { headers, signal: dead.signal });
    if (!response.ok) throw await refusal(response);
    opened?.();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      clearTimeout(clock);
      if (!patient) clock = setTimeout(stop, SILENCE);
      const { done, value } = await reader.read();
      if (done) return;
      take(value);
    }
  } catch (error) {
    if (signal?.aborted || error instanceof Refusal) throw error;
    throw new Refusal(0, "the connection to abide broke off");
  } finally {
    clearTimeout(clock);
    signal?.removeEventListener("abort", stop);
  }
}

/** Cuts a stream of server-sent events into events: `feed(text)` calls `take({ id, data })`. */
export function events(take) {
  let rest = "";
  let event = { id: undefined, data: [] };
  const line = (text) => {
    if (text === "") {
      // One that only says where the stream stands has no data.
      if (event.id !== undefined || event.data.length > 0) {
        take({ id: event.id, data: event.data.length > 0 ? event.data.join("\n") : undefined });
      }
      event = { id: undefined, data: [] };
      return;
    }
    const at = text.indexOf(":");
    const [field, value] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1).replace(/^ /, "")];
    if (field === "id") event.id = value;
    else if (field === "data") event.data.push(value);
  };
  return (text) => {
    rest += text;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}
