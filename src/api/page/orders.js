// The operator's hand: buttons that the token allows, one question where something would end, and what came of it.

import { post } from "./api.js";
import { announce, by, el, say, toast } from "./dom.js";
import { lookAt } from "./live.js";
import { mayOperate } from "./store.js";

const FOR = [
  ["", "Until somebody starts it"],
  ["15m", "For 15 minutes"],
  ["1h", "For an hour"],
  ["2h", "For 2 hours"],
  ["8h", "For 8 hours"],
  ["1d", "For a day"],
];

const ACTS = {
  start: { words: "Start", key: "s" },
  restart: { words: "Restart", key: "r", more: "Its processes end and new ones start, in the newest version." },
  reload: { words: "Reload", key: "e" },
  stop: { words: "Stop…", title: "Stop", key: "x", more: "It stays stopped until somebody starts it, or for as long as you say. An edit of its file does not start it.", bad: true },
  confirm: { words: "Let it go…", title: "Stop for good", key: "c", more: "Its file is gone, and so are others: it is stopped, and is no service any more.", bad: true, asks: true },
  retry: { words: "Try again", key: "t", more: "The version that its file has, and that was rolled back, is started once more.", asks: true },
  resume: { words: "Act on its files again", key: "u" },
  suspend: { words: "Suspend…", title: "Suspend", key: "z", more: "Nothing that changes in its files is acted on until somebody resumes it. What runs is supervised as ever.", asks: true },
  rollback: { words: "Go back…", title: "Go back", more: "An earlier version is started. What its file says is tried again when a key of it changes that matters, or by hand.", asks: true },
};

/** What one can do about what is held back of a service. */
const HELD_BACK = { RemovalHeld: "confirm", RolledBack: "retry", RollingStopped: "retry", Suspended: "resume" };

/** What can be done about a service whose files are not in force. */
export function remedy(service) {
  const held = (service.conditions ?? []).find((one) => one.type === "InSync");
  return held && HELD_BACK[held.reason];
}

const down = ["held", "stopped", "failed", "backoff"];

/** What can be done with a service, or an instance, in this state. */
export function acts(state) {
  if (down.includes(state)) return state === "held" ? ["start"] : ["start", "stop"];
  return ["restart", "reload", "stop"];
}

/** The buttons for a target (`web`, `web@2`); none where the token may not press them. */
export function buttons(name, target, state, small = false) {
  if (!mayOperate(name)) return [];
  return acts(state).map((act) =>
    el(
      `button.${act === "start" && !small ? "main" : "plain"}${ACTS[act].bad ? ".bad" : ""}${small ? ".small" : ""}`,
      { type: "button", data: { act, key: `${act} ${target}` }, title: `${ACTS[act].title ?? ACTS[act].words} ${target} (${ACTS[act].key})`, onclick: () => order(act, name, target) },
      ACTS[act].words,
    ),
  );
}

/** A button for one act beside those that its state allows. */
export function button(act, name, body) {
  if (!mayOperate(name)) return false;
  const { words, title, bad } = ACTS[act];
  return el(`button.plain.small${bad ? ".bad" : ""}`, { type: "button", data: { act, key: `${act} ${name}` }, title: `${title ?? words} ${name}`, onclick: () => order(act, name, name, body) }, words);
}

/** The same, about all services: for who may act on all. */
export function buttonOfAll(act, words, more) {
  if (!mayOperate("*")) return false;
  return el("button.plain.small", { type: "button", data: { act, key: `${act} all` }, onclick: () => orderOfAll(act, words, more) }, words);
}

async function orderOfAll(act, words, more) {
  if (more && !(await ask(act, "", { title: words, more }))) return;
  await give(`/v1/${act}`, {}, words);
}

/** The act that a key stands for, among those possible. */
export const actOf = (key, state) => acts(state).find((act) => ACTS[act].key === key);

export async function order(act, name, target = name, body = {}) {
  if (!mayOperate(name)) return toast(`Your token may not ${act} ${name}.`, true);
  if (act === "stop" || act === "restart" || ACTS[act].asks) {
    const answer = await ask(act, target);
    if (!answer) return;
    body = { ...body, ...answer };
  }
  await give(`/v1/services/${encodeURIComponent(target)}/${act}`, body, `${act} ${target}`);
  lookAt([name]);
}

/** Gives an order, and says what came of it. */
async function give(path, body, said) {
  announce(said);
  try {
    const { targets } = await post(path, body);
    const words = targets.map((done) => `${done.target}: ${done.words}`).join("; ");
    toast(words || `${said}: nothing to do`, targets.some((done) => done.refused));
  } catch (error) {
    toast(error.full ?? String(error), true);
  }
}

/** Asks before something ends; what to send, or nothing. */
function ask(act, target, other = {}) {
  const { words, title, more, bad } = { ...ACTS[act], ...other };
  const dialog = by("ask");
  say(by("ask-title"), `${title ?? words}${target && ` ${target}`}?`);
  say(by("ask-words"), more);
  const yes = by("ask-yes");
  say(yes, title ?? words);
  yes.classList.toggle("bad", Boolean(bad));
  const reason = el("input", { id: "ask-reason", type: "text", maxlength: 200, autocomplete: "off", placeholder: "disk is being replaced" });
  const lasts = el("select", { id: "ask-for" }, ...FOR.map(([value, text]) => el("option", { value }, text)));
  const why = act === "stop" || act === "suspend";
  const fields = why ? [el("label", { for: "ask-reason" }, "Why"), reason] : [];
  if (act === "stop") fields.push(el("label", { for: "ask-for" }, "How long"), lasts);
  by("ask-fields").replaceChildren(...fields);
  // Enter in a field means yes, not the first button, which is Cancel.
  reason.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), yes.click()));
  dialog.returnValue = "";
  dialog.showModal();
  (why ? reason : yes).focus();
  return new Promise((done) => {
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return done(undefined);
        const body = {};
        if (why && reason.value.trim()) body.reason = reason.value.trim();
        if (act === "stop" && lasts.value) body.for = lasts.value;
        done(body);
      },
      { once: true },
    );
  });
}
