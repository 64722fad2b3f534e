// Elements from data. Text is only ever set as text: nothing here, or anywhere else, parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("p.dim", { title }, "text", child)`. `on…` are listeners, `data` a map, the rest attributes. */
export function el(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  return filled(document.createElement(tag || "div"), classes, attributes, children);
}

/** The same in SVG. */
export function svg(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  return filled(document.createElementNS(SVG, tag), classes, attributes, children);
}

function filled(node, classes, attributes, children) {
  if (classes.length > 0) node.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export const by = (id) => document.getElementById(id);

/** Sets text where it differs, so that nothing is drawn or read out for nothing. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/** Puts `children` in place of what was there, and focus back on what has the same `data-key`. */
export function replace(node, ...children) {
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  node.replaceChildren(...children.flat().filter(Boolean));
  if (focused) {
    for (const one of node.querySelectorAll("[data-key]")) {
      if (one.dataset.key === focused) one.focus({ preventScroll: true });
    }
  }
}

/** Says something to those who hear the page. */
export function announce(words) {
  say(by("say"), words);
}

/** A short message that goes away by itself; one about trouble stays until it is closed. */
export function toast(words, trouble = false) {
  const gone = () => box.remove();
  const close = el("button.quiet.round", { type: "button", "aria-label": "Close", onclick: gone }, "×");
  const box = el(trouble ? "div.toast.bad" : "div.toast", { role: trouble ? "alert" : "status" }, el("span", {}, words), close);
  by("toasts").append(box);
  if (!trouble) setTimeout(gone, 6000);
}
