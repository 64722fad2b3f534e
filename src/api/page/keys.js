// Keys: what they do, and the page that says so. Single keys can be turned off, for those whose tools speak to the page.

import { by, el } from "./dom.js";

const STORED = "abide-single-keys";
const single = () => localStorage.getItem(STORED) !== "off";

/** `list`: `[keys, words, act]`; `act` true where the key was meant. */
export function begin(list) {
  const keys = new Map(list.flatMap(([names, , act]) => names.map((name) => [name, act])));
  by("keys").replaceChildren(...list.map(([names, words]) => el("div", {}, el("dt", {}, names.flatMap((name, at) => [at > 0 && " ", el("kbd", {}, shown(name))])), el("dd", {}, words))));
  const box = by("single-keys");
  box.checked = single();
  box.addEventListener("change", () => localStorage.setItem(STORED, box.checked ? "on" : "off"));
  by("help-open").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest("input, textarea, select");
    if (event.key !== "Escape" && (typing || (event.key.length === 1 && !single()))) return;
    if (keys.get(event.key)?.(event)) event.preventDefault();
  });
}

export function help() {
  if (!by("help").open) by("help").showModal();
}

const shown = (name) => ({ Escape: "Esc", ArrowDown: "↓", ArrowUp: "↑" })[name] ?? name;
