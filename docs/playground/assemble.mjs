// Puts the page, its style and its modules into one file, which needs no server.
//
//   node assemble.mjs keyhole.js index.html

import { readFileSync, writeFileSync } from "node:fs";

const [component, out] = process.argv.slice(2);
const here = (name) => readFileSync(new URL(name, import.meta.url), "utf8");
const asUrl = (text) => `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;

const imports = { keyhole: asUrl(readFileSync(component, "utf8")) };
for (const name of ["answer", "editor", "example", "share"]) {
  imports[`playground/${name}`] = asUrl(here(`${name}.mjs`));
}
const parts = {
  '<link rel="stylesheet" href="style.css">': `<style>\n${here("style.css")}</style>`,
  '<script type="module" src="main.mjs"></script>':
    `<script type="importmap">${JSON.stringify({ imports })}</script>\n` +
    `<script type="module">\n${here("main.mjs")}</script>`,
};
let page = here("index.html");
for (const [place, part] of Object.entries(parts)) {
  if (!page.includes(place)) throw new Error(`index.html has no ${place}`);
  page = page.replace(place, () => part);
}
writeFileSync(out, page);
