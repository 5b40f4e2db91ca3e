// Makes a component small (OUT.wasm), and JavaScript of it by jco: one module in FOLDER, with
// the WebAssembly in it.
//
//   node finish.mjs BUILT.wasm OUT.wasm FOLDER

import { readFileSync, writeFileSync } from "node:fs";
import { transpileBytes, writeFiles } from "../../.tools/npm/node_modules/@bytecodealliance/jco-transpile/dist/index.js";
import { runOptimizeComponent } from "../../.tools/npm/node_modules/@bytecodealliance/jco-transpile/dist/opt.js";

const [built, out, outDir] = process.argv.slice(2);
// What Rust uses by default, and no more.
const features = ["bulk-memory", "bulk-memory-opt", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];
const optArgs = ["-Oz", "--strip-debug", "--strip-producers", ...features.map((feature) => `--enable-${feature}`)];
const { component } = await runOptimizeComponent(readFileSync(built), { optArgs });
const { files } = await transpileBytes(component, {
  name: "keyhole",
  outDir,
  // As text in the module: a page then has nothing to fetch.
  base64Cutoff: 2 ** 31,
  nodejsCompat: false,
  minify: true,
});
await writeFiles(files, false);
writeFileSync(out, component);
