// Why a policy allows a request, or does not, by the component that jco has made JavaScript of:
//
//   node explain.mjs policy.yaml sql-prod-01 GET /api/v1/namespaces/shop/pods

import { readFileSync } from "node:fs";
// Made by scripts/component.
import { policies } from "../../../target/component/js/keyhole.js";

const [file, client, method, target] = process.argv.slice(2);
try {
  const policy = policies.Policy.load(readFileSync(file, "utf8"));
  process.stdout.write(policy.explain({ client, method, target }).words);
} catch (error) {
  // What a function of the component refuses is the error's payload.
  if (!error.payload) throw error;
  for (const problem of [error.payload].flat()) console.error(problem.message ?? problem);
  process.exitCode = 1;
}
