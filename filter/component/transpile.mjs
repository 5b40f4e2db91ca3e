// Makes JavaScript of the component by jco: one module, with the WebAssembly in it.
//
//   node transpile.mjs keyhole.wasm FOLDER

import { transpile, writeFiles } from "../../.tools/npm/node_modules/@bytecodealliance/jco-transpile/dist/index.js";

const [component, outDir] = process.argv.slice(2);
const { files } = await transpile(component, {
  name: "keyhole",
  outDir,
  // As text in the module: a page then has nothing to fetch.
  base64Cutoff: 2 ** 31,
  nodejsCompat: false,
  minify: true,
});
await writeFiles(files, false);
