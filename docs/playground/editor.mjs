// A text area with line numbers, and marks where something is wrong.

export class Editor {
  #text;
  #marks;
  #gutter;

  constructor(root, changed) {
    this.#text = root.querySelector("textarea");
    this.#marks = root.querySelector(".marks");
    this.#gutter = root.querySelector(".gutter");
    this.#text.addEventListener("input", changed);
    this.#text.addEventListener("scroll", () => this.#follow());
  }

  get value() {
    return this.#text.value;
  }

  set value(text) {
    this.#text.value = text;
    this.mark([]);
  }

  // Each finding has a line, a column, a message and a kind: `problem` or `warning`.
  mark(findings) {
    const byLine = Map.groupBy
      ? Map.groupBy(findings, ({ line }) => line)
      : findings.reduce((map, one) => map.set(one.line, [...(map.get(one.line) ?? []), one]), new Map());
    const lines = this.value.split("\n");
    this.#gutter.replaceChildren(...lines.flatMap((_, index) => number(index + 1, byLine.get(index + 1))));
    this.#marks.replaceChildren(...lines.flatMap((line, index) => marked(line, byLine.get(index + 1))));
    this.#text.setAttribute("aria-invalid", String(findings.some(({ kind }) => kind === "problem")));
    this.#follow();
  }

  goTo({ line, column }) {
    const lines = this.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    const at = before + offset(lines[line - 1] ?? "", column);
    this.#text.focus();
    this.#text.setSelectionRange(at, at);
    const height = parseFloat(getComputedStyle(this.#text).lineHeight);
    this.#text.scrollTop = Math.max(0, (line - 4) * height);
    this.#text.scrollIntoView({ block: "nearest" });
  }

  #follow() {
    const { scrollLeft, scrollTop } = this.#text;
    this.#marks.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
    this.#gutter.scrollTop = scrollTop;
  }
}

function number(line, findings) {
  if (!findings) return [`${line}\n`];
  const mark = element("i", kind(findings), `● ${line}`);
  return [mark, "\n"];
}

// The line, underlined from the first place on, and what is wrong behind it.
function marked(line, findings) {
  if (!findings) return [`${line}\n`];
  const start = offset(line, Math.min(...findings.map(({ column }) => column)));
  const row = element("span", kind(findings));
  row.append(line.slice(0, start), element("u", "", line.slice(start) || " "));
  const [first, ...more] = findings;
  row.append(element("em", "", more.length ? `${first.message} (and ${more.length} more)` : first.message));
  return [row, "\n"];
}

// Columns count characters; the offsets of a text, UTF-16 units.
function offset(line, column) {
  return [...line].slice(0, column - 1).join("").length;
}

function kind(findings) {
  return findings.some(({ kind }) => kind === "problem") ? "problem" : "warning";
}

export function element(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
