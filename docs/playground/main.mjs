// The page: what is written is judged at once, by the component.

import { policies } from "keyhole";
import { tables, verdict } from "playground/answer";
import { Editor, element } from "playground/editor";
import { EXAMPLE } from "playground/example";
import { fromFragment, toFragment } from "playground/share";

const { Policy, diff } = policies;
const at = (id) => document.getElementById(id);

const editor = new Editor(at("policy-editor"), later(read));
const oldEditor = new Editor(at("old-editor"), later(compare));
// The last valid ones: while somebody writes, the answer stays.
let policy;
let old;

function read() {
  const loaded = load(editor.value);
  const findings = loaded.problems ?? warnings(loaded.policy);
  editor.mark(findings);
  at("problems").replaceChildren(...findings.map((finding) => element("li", "", link(finding))));
  at("policy-state").textContent = loaded.policy
    ? `Valid: revision ${loaded.policy.revision()}${count(findings.length, ", ", "warning")}`
    : `Not valid${count(findings.length, ": ", "problem")}. The answer is by the last valid policy.`;
  if (!loaded.policy) return;
  drop(policy);
  policy = loaded.policy;
  offer(policy.clients());
  answer();
  compare();
}

function answer() {
  const client = at("client").value;
  if (!policy || !client) return show({ decision: "none", sentence: "The policy has no client." });
  const body = at("body").value;
  const request = {
    client,
    method: at("method").value,
    target: at("target").value,
    contentType: at("content-type").value || undefined,
    body: body ? new TextEncoder().encode(body) : undefined,
  };
  const start = performance.now();
  const explanation = policy.explain(request);
  const took = performance.now() - start;
  show({ ...explanation, sentence: verdict(explanation), took });
}

function show({ decision, sentence, reason = "", smallestRule, words = "", took, ...explanation }) {
  at("answer").className = decision;
  at("verdict").textContent = sentence;
  at("reason").textContent = reason;
  at("remedy").hidden = !smallestRule;
  at("rule").textContent = smallestRule ?? "";
  at("tables").replaceChildren(...(explanation.needs ? tables(explanation, (rule) => editor.goTo(rule)) : []));
  at("words").textContent = words;
  at("time").textContent = took === undefined ? "" : `Explained in ${took.toFixed(1)} ms`;
}

function compare() {
  const loaded = load(oldEditor.value);
  oldEditor.mark(loaded.problems ?? []);
  if (loaded.policy) {
    drop(old);
    old = loaded.policy;
  }
  if (!old || !policy) return;
  const { parts } = diff(old, policy);
  at("changes").replaceChildren(...(parts.length ? parts.flatMap(part) : [element("p", "", "No change.")]));
}

function part({ client, fate, gone, new: added }) {
  const title = client === undefined ? "The gateway" : `Client ${client}`;
  const line = (sign, kind) => (text) => element("li", kind, `${sign} ${text}`);
  return [
    element("h3", "", fate === "kept" ? title : `${title} is ${fate}`),
    element("ul", "", ...gone.map(line("−", "gone")), ...added.map(line("+", "new"))),
  ];
}

function load(text) {
  try {
    return { policy: Policy.load(text) };
  } catch (error) {
    if (!Array.isArray(error.payload)) throw error;
    return { problems: error.payload.map((problem) => ({ ...problem, kind: "problem" })) };
  }
}

function warnings(policy) {
  const now = BigInt(Math.floor(Date.now() / 1000));
  return policy.warnings(now).map((warning) => ({ ...warning, kind: "warning" }));
}

// Its memory is the component's.
function drop(policy) {
  policy?.[Symbol.dispose ?? Symbol.for("dispose")]();
}

function link(finding) {
  const { line, column, field, message, kind } = finding;
  const button = element("button", kind, `${kind === "warning" ? "Warning, line" : "Line"} ${line}: ${message} `, element("code", "", field));
  button.type = "button";
  button.addEventListener("click", () => editor.goTo({ line, column }));
  return button;
}

function offer(clients) {
  const chosen = at("client").value;
  at("client").replaceChildren(...clients.map((name) => element("option", "", name)));
  if (clients.includes(chosen)) at("client").value = chosen;
}

function count(number, before, thing) {
  if (number === 0) return "";
  return `${before}${number} ${thing}${number === 1 ? "" : "s"}`;
}

function later(action) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, 120);
  };
}

function state() {
  const fields = ["client", "method", "target", "content-type", "body"];
  const request = Object.fromEntries(fields.map((name) => [name, at(name).value]));
  return { policy: editor.value, old: oldEditor.value, ...request };
}

async function begin() {
  const shared = await fromFragment(location.hash.slice(1));
  const { policy, old, client, ...fields } = { ...EXAMPLE, ...shared };
  oldEditor.value = old;
  editor.value = policy;
  for (const [name, value] of Object.entries(fields)) if (at(name)) at(name).value = value;
  read();
  if (client) {
    at("client").value = client;
    answer();
  }
}

at("request").addEventListener("input", later(answer));
at("request").addEventListener("submit", (event) => event.preventDefault());
at("keep").addEventListener("click", () => {
  oldEditor.value = editor.value;
  compare();
});
at("copy").addEventListener("click", () => navigator.clipboard?.writeText(`- ${at("rule").textContent}`));
at("share").addEventListener("click", async () => {
  history.replaceState(null, "", `#${await toFragment(state())}`);
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  at("shared").textContent = copied ? "The link is copied." : "The link is in the address bar.";
});
addEventListener("hashchange", begin);

await begin();
document.body.dataset.ready = "true";
