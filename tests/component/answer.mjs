// Answers questions of tests/tests/component, from stdin to stdout, by the component.

import { readFileSync } from "node:fs";
import { policies } from "../../target/component/js/keyhole.js";

const { Policy, diff } = policies;

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));
const text = (bytes) => Buffer.from(bytes).toString("utf8");

function load(document) {
  try {
    return { policy: Policy.load(document) };
  } catch (error) {
    if (!error.payload) throw error;
    return { problems: error.payload };
  }
}

function judge(policy, row, now) {
  const { asked, headers, body } = row;
  const words = asked && policy.explain({ ...asked, contentType: asked.contentType ?? undefined }).words;
  const arrival = {
    headers: headers.map(([name, value]) => [name, unhex(value)]),
    body: body === null ? undefined : unhex(body),
  };
  try {
    const permit = policy.judge(arrival, now);
    const sent = permit.headers.map(([name, value]) => `${name}: ${hex(value)}\n`).join("");
    const instead = permit.body ? hex(permit.body) : "";
    const message = `${permit.client} ${permit.account}\n${sent}${instead}\n${permit.reported ?? ""}`;
    return { status: null, attributes: attributes(permit), message, words };
  } catch (error) {
    if (!error.payload) throw error;
    const { status, headers, body, reason } = error.payload;
    const answered = headers.map(([name, value]) => `${name}: ${value}\n`).join("");
    return { status, attributes: null, message: `${answered}${text(body)}${reason}`, words };
  }
}

function attributes({ attributes: { tag, val }, headers }) {
  if (tag === "path") return `${val.verb} ${text(new Map(headers).get(":path"))}`;
  return `${val.verb} ${val.apiGroup}/${val.resource}/${val.subresource} ${val.namespace}/${val.name}`;
}

function described({ policy, problems }, now) {
  if (problems) return `problems\n${written(problems)}`;
  const names = policy.clients().join(" ");
  return `valid ${policy.revision()} ${names}\n${written(policy.warnings(now))}`;
}

function written(problems) {
  return problems.map(({ line, column, field, message }) => `${line}:${column}: ${field}: ${message}\n`).join("");
}

function answer({ now, policy, rows, documents }) {
  if (rows) {
    const held = Policy.load(policy);
    return rows.map((row) => judge(held, row, BigInt(now)));
  }
  const loaded = documents.map(load);
  const valid = loaded.flatMap(({ policy }) => (policy ? [policy] : []));
  return {
    checked: loaded.map((one) => described(one, BigInt(now))),
    diffs: valid.flatMap((before) => valid.map((after) => diff(before, after).words)),
  };
}

process.stdout.write(JSON.stringify(answer(JSON.parse(readFileSync(0, "utf8")))));
