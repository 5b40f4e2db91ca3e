// An explanation, as a sentence and as tables.

import { element } from "playground/editor";

const VERDICTS = {
  allowed: "Allowed",
  reported: "Allowed and reported",
  "depends-on-body": "Allowed if the body keeps the constraints",
  denied: "Denied",
  refused: "Refused",
};

export function verdict({ decision, status, account }) {
  return status ? `${VERDICTS[decision]}: ${status}` : `${VERDICTS[decision]}, as the ServiceAccount ${account}`;
}

export function tables({ attributes, needs }, goTo) {
  return [
    ...(attributes ? [readAs(attributes)] : []),
    ...needs.map((need) => (need.allowedBy.length ? allowedBy(need, goTo) : nearest(need, goTo))),
  ];
}

function readAs({ tag, val }) {
  const rows =
    tag === "path"
      ? [["verb", val.verb], ["path", val.path]]
      : [
          ["verb", val.verb],
          ["namespace", val.namespace || "none: the cluster scope"],
          ["apiGroup", val.apiGroup || '""'],
          ["resource", val.resource],
          ["subresource", val.subresource || "none"],
          ["resourceName", val.name || "none"],
        ];
  return table("Read as", rows.map(([name, value]) => [element("th", "", name), element("td", "", code(value))]));
}

function allowedBy({ verb, allowedBy }, goTo) {
  const rows = allowedBy.map((rule) => [element("th", "", place(rule, goTo)), element("td", "", code(rule.text))]);
  return table(`${verb}: allowed by`, rows);
}

function nearest({ verb, nearest }, goTo) {
  if (!nearest) return table(`${verb}: the client has no rule for requests of this kind`, []);
  const { rule, differences } = nearest;
  const rows = differences.map(({ field, asked, has, note }) => [
    element("th", "", field),
    element("td", "", "asked for ", code(asked)),
    element("td", "", "the rule has ", code(has.join(", ")), note ? ` (${note})` : ""),
  ]);
  const caption = element("span", "", `${verb}: denied; the nearest rule is at `, place(rule, goTo));
  const text = element("td", "", code(rule.text));
  text.colSpan = 3;
  return table(caption, [[text], ...rows]);
}

function place(rule, goTo) {
  const button = element("button", "", `line ${rule.line}`);
  button.type = "button";
  button.title = `${rule.field}, of the role ${rule.role}`;
  button.addEventListener("click", () => goTo(rule));
  return button;
}

function table(caption, rows) {
  const body = element("tbody", "", ...rows.map((cells) => element("tr", "", ...cells)));
  for (const head of body.querySelectorAll("th")) head.scope = "row";
  return element("table", "", element("caption", "", caption), body);
}

function code(text) {
  return element("code", "", text);
}
