// What is wrong with files, with the line that is meant: abide gives it to those who may read the service.

import { by, el, replace, show } from "./dom.js";
import { store } from "./store.js";
import { count, place } from "./words.js";

/** Findings as compilers show them. Takes them with a source line (`place.source`) and, from the status, without. */
export function frames(findings) {
  return findings.map((finding) => {
    const where = finding.place ?? finding;
    const at = place({ file: finding.file, line: where.line ?? undefined, column: where.column ?? undefined });
    const help = finding.help ?? finding.hint;
    return el(
      "article.finding",
      { data: { severity: finding.severity ?? "error" } },
      el("p.line", {}, el("b", {}, finding.message), el("span.dim", {}, finding.code)),
      el("p", {}, el("code", {}, at)),
      finding.place?.source !== undefined && source(finding.place),
      help && el("p.hint", {}, help),
    );
  });
}

function source({ line, column, end_column: end, source: text }) {
  const characters = [...text];
  const part = (from, to) => characters.slice(from, to).join("");
  const number = el("span.number", { "aria-hidden": "true" }, String(line));
  return el("pre.source", { tabindex: 0, "aria-label": `line ${line}` }, number, el("code", {}, part(0, column - 1), el("u", {}, part(column - 1, end - 1) || " "), part(end - 1)));
}

let open = false;

/** All that is wrong with files, above the list. */
export function drawFiles() {
  const section = by("files");
  const all = [...store.findings.values()].flat().filter((finding) => (finding.severity ?? "error") === "error");
  show(section, all.length > 0);
  const key = JSON.stringify(all);
  if (section.dataset.drawn === key) return;
  section.dataset.drawn = key;
  const shown = all.slice(0, 50);
  const box = el("details", {}, el("summary", { id: "files-title", data: { key: "files" } }, `${count(all.length, "error")} in files`, el("span.dim", {}, ` ${first(all)}`)), frames(shown), all.length > shown.length && el("p.dim", {}, `and ${count(all.length - shown.length, "more")}`));
  box.open = open;
  box.addEventListener("toggle", () => (open = box.open));
  replace(section, box);
}

function first(all) {
  const names = [...new Set(all.map((finding) => finding.service ?? finding.file))];
  return names.slice(0, 4).join(", ") + (names.length > 4 ? " …" : "");
}
