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
};

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

/** The act that a key stands for, among those possible. */
export const actOf = (key, state) => acts(state).find((act) => ACTS[act].key === key);

export async function order(act, name, target = name) {
  if (!mayOperate(name)) return toast(`Your token may not ${act} ${name}.`, true);
  let body = {};
  if (act === "stop" || act === "restart") {
    const answer = await ask(act, target);
    if (!answer) return;
    body = answer;
  }
  announce(`${act} ${target}`);
  try {
    const { targets } = await post(`/v1/services/${encodeURIComponent(target)}/${act}`, body);
    const words = targets.map((done) => `${done.target}: ${done.words}`).join("; ");
    toast(words || `${target}: nothing to do`, targets.some((done) => done.refused));
  } catch (error) {
    toast(error.full ?? String(error), true);
  }
  lookAt([name]);
}

/** Asks before something ends; what to send, or nothing. */
function ask(act, target) {
  const { words, title, more, bad } = ACTS[act];
  const dialog = by("ask");
  say(by("ask-title"), `${title ?? words} ${target}?`);
  say(by("ask-words"), more);
  const yes = by("ask-yes");
  say(yes, title ?? words);
  yes.classList.toggle("bad", Boolean(bad));
  const reason = el("input", { id: "ask-reason", type: "text", maxlength: 200, autocomplete: "off", placeholder: "disk is being replaced" });
  const lasts = el("select", { id: "ask-for" }, ...FOR.map(([value, text]) => el("option", { value }, text)));
  const fields = act === "stop" ? [el("label", { for: "ask-reason" }, "Why"), reason, el("label", { for: "ask-for" }, "How long"), lasts] : [];
  by("ask-fields").replaceChildren(...fields);
  // Enter in a field means yes, not the first button, which is Cancel.
  reason.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), yes.click()));
  dialog.returnValue = "";
  dialog.showModal();
  (act === "stop" ? reason : yes).focus();
  return new Promise((done) => {
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue !== "yes") return done(undefined);
        const body = {};
        if (act === "stop" && reason.value.trim()) body.reason = reason.value.trim();
        if (act === "stop" && lasts.value) body.for = lasts.value;
        done(body);
      },
      { once: true },
    );
  });
}
