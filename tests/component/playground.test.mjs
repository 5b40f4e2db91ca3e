// The playground in a real Chromium, from its file and from a server on loopback.
// KEYHOLE_SCREENSHOTS=FOLDER keeps pictures, to be looked at.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "../../.tools/npm/node_modules/playwright-core/index.mjs";

const FILE = fileURLToPath(new URL("../../target/playground/index.html", import.meta.url));
const PICTURES = process.env.KEYHOLE_SCREENSHOTS;
const WIDTHS = [320, 1280];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

let profile;
let browser;
let server;
let asked = [];

before(async () => {
  profile = mkdtempSync(join(tmpdir(), "keyhole-chromium-"));
  const executablePath = execFileSync("bash", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
  browser = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, headless: true, timeout: 120_000 });
  browser.setDefaultTimeout(60_000);
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.on("data", (bytes) => asked.push(String(bytes)));
    response.setHeader("content-type", "text/html").end(readFileSync(FILE));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
});

after(async () => {
  await browser?.close();
  server?.close();
  rmSync(profile, { recursive: true, force: true });
});

// The page, and all that it has asked for or complained of.
async function open(url = pathToFileURL(FILE).href) {
  const page = await browser.newPage();
  const seen = { requests: [], errors: [] };
  page.on("request", (request) => seen.requests.push(request.url().split(/[?#]/)[0]));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  await page.goto(url);
  await page.waitForSelector("body[data-ready]");
  return { page, seen };
}

const text = (page, selector) => page.locator(selector).innerText();

async function write(page, selector, value) {
  await page.locator(selector).fill(value);
  await page.waitForTimeout(400);
}

test("a first visitor sees why a request is denied, and nothing is fetched", async () => {
  const { page, seen } = await open();
  assert.equal(await text(page, "#verdict"), "Denied: 403");
  assert.match(await text(page, "#reason"), /^pods "web-0" is forbidden: User "keyhole:sql-prod-01" cannot delete/);
  assert.equal(await text(page, "#rule"), '{namespaces: [shop], apiGroups: [""], resources: [pods], resourceNames: [web-0], verbs: [delete]}');
  assert.deepEqual(await page.locator("#tables table:first-child td").allInnerTexts(), ["delete", "shop", '""', "pods", "none", "web-0"]);
  assert.match(await text(page, "#tables table:last-child"), /asked for delete\s+the rule has get, list, create/);
  assert.match(await page.locator("#words").textContent(), /^denied, 403: /);
  const fetched = seen.requests.filter((url) => !url.startsWith("data:"));
  assert.deepEqual(fetched, [pathToFileURL(FILE).href]);
  assert.deepEqual(seen.errors, []);
  await page.close();
});

test("the answer follows the request", async () => {
  const { page } = await open();
  await page.locator("#method").selectOption("GET");
  await write(page, "#target", "/api/v1/namespaces/shop/pods?limit=5");
  assert.equal(await text(page, "#verdict"), "Allowed, as the ServiceAccount shop/sql-prod");
  assert.equal(await page.locator("#remedy").isVisible(), false);
  await page.locator("#client").selectOption("sql-report");
  await write(page, "#target", "/api/v1/namespaces/shop//pods");
  assert.equal(await text(page, "#verdict"), "Refused: 400");
  await page.locator("#client").selectOption("sql-prod-01");
  await page.locator("#method").selectOption("POST");
  await write(page, "#target", "/apis/batch/v1/namespaces/shop/jobs");
  assert.equal(await text(page, "#verdict"), "Allowed if the body keeps the constraints, as the ServiceAccount shop/sql-prod");
  await page.locator("form summary").click();
  await write(page, "#body", '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"evil/x"}]}}}}');
  assert.equal(await text(page, "#verdict"), "Denied: 403");
  await page.close();
});

test("a mistake is marked where it is, and its message leads there", async () => {
  const { page } = await open();
  const policy = await page.locator("#policy").inputValue();
  const line = policy.split("\n").findIndex((text) => text.includes("resources: [pods, pods/log]"));
  await write(page, "#policy", policy.replace('apiGroups: [""], resources: [pods, pods/log]', "apiGroups: [core], resources: [pods, pods/log]"));
  assert.equal(await page.locator("#policy").getAttribute("aria-invalid"), "true");
  assert.match(await text(page, "#policy-state"), /^Not valid: 1 problem\./);
  assert.equal(await page.locator("#policy-editor .gutter .problem").innerText(), `● ${line + 1}`);
  assert.match(await page.locator("#policy-editor .marks .problem u").innerText(), /^core\]/);
  assert.match(await page.locator("#policy-editor .marks .problem em").textContent(), /the core group is `""`/);
  await page.locator("#problems button").first().press("Enter");
  const caret = await page.evaluate(() => [document.activeElement.id, document.activeElement.value.slice(document.activeElement.selectionStart).split("]")[0]]);
  assert.deepEqual(caret, ["policy", "core"]);
  // The answer stays, for the last valid policy.
  assert.equal(await text(page, "#verdict"), "Denied: 403");
  await write(page, "#policy", policy);
  assert.equal(await page.locator("#policy").getAttribute("aria-invalid"), "false");
  await page.close();
});

test("marks lie under the text that they are about", async () => {
  const { page } = await open();
  const policy = await page.locator("#policy").inputValue();
  await write(page, "#policy", `${"# a comment\n".repeat(60)}${policy.replace("kind: Policy", "kind: Pod")}`);
  await page.locator("#problems button").first().click();
  const [mark, box, scrolled] = await page.evaluate(() => {
    const mark = document.querySelector("#policy-editor .marks .problem").getBoundingClientRect();
    const area = document.getElementById("policy");
    return [mark.top, area.getBoundingClientRect().top, area.scrollTop];
  });
  assert.ok(scrolled > 0);
  assert.ok(mark > 0 && mark < 900, `${mark}`);
  // The 62nd line of 20 px each, below a padding of 8 px, as far as it is scrolled.
  assert.ok(Math.abs(mark - (box + 8 + 61 * 20 - scrolled)) < 4, `${mark} ${box} ${scrolled}`);
  await page.close();
});

test("a change is told in permissions", async () => {
  const { page } = await open();
  const lines = await page.locator("#changes li").allInnerTexts();
  assert.deepEqual(lines, [
    '− {namespaces: [shop], apiGroups: [""], resources: [pods], verbs: [delete]}',
    '+ {namespaces: [shop], apiGroups: [""], resources: [pods], verbs: [create]}',
  ]);
  await page.locator("#keep").click();
  assert.equal(await text(page, "#changes"), "No change.");
  await page.close();
});

test("a shared link brings all of it back, and no server sees it", async () => {
  const { port } = server.address();
  const { page } = await open(`http://127.0.0.1:${port}/`);
  await write(page, "#target", "/api/v1/namespaces/kube-system/secrets");
  await page.locator("#share").click();
  await page.waitForFunction(() => location.hash.length > 100);
  asked = [];
  const { page: other } = await open(page.url());
  assert.equal(await other.locator("#target").inputValue(), "/api/v1/namespaces/kube-system/secrets");
  assert.equal(await other.locator("#policy").inputValue(), await page.locator("#policy").inputValue());
  assert.deepEqual(asked, ["GET /"]);
  const { page: broken } = await open(`http://127.0.0.1:${port}/#1.nonsense`);
  assert.equal(await text(broken, "#verdict"), "Denied: 403");
  for (const one of [page, other, broken]) await one.close();
});

test("all of it can be reached and read without a mouse", async () => {
  const { page } = await open();
  const reached = [];
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim().slice(0, 20)));
  }
  for (const id of ["share", "policy", "client", "method", "target", "rule", "copy", "keep"]) assert.ok(reached.includes(id), `${id}: ${reached}`);
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll("input, select, textarea, button")]
      .filter((one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel))
      .map((one) => one.outerHTML),
  );
  assert.deepEqual(nameless, []);
  assert.equal(await page.locator("#answer").getAttribute("aria-live"), "polite");
  await page.close();
});

// WCAG 2: the contrast of two colours.
function contrast(one, other) {
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[\d.]+/g).map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

test("it fits 320 px, and has contrast in light and in dark", async () => {
  const { page } = await open();
  const grounds = {};
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} px at ${width}`);
      if (PICTURES) await page.screenshot({ path: join(PICTURES, `${scheme}-${width}.png`), fullPage: true });
    }
    const pairs = await page.evaluate(() => {
      const ground = (own) => {
        for (let at = own; at; at = at.parentElement) {
          const color = getComputedStyle(at).backgroundColor;
          if (color !== "rgba(0, 0, 0, 0)") return color;
        }
        return undefined;
      };
      const shown = [...document.querySelectorAll("h1, h1 span, h2, p, label, button, td, th, code, summary, .gutter, #changes li")];
      return shown.filter((one) => one.textContent.trim()).map((one) => [one.outerHTML.slice(0, 60), getComputedStyle(one).color, ground(one)]);
    });
    for (const [what, ink, ground] of pairs) assert.ok(contrast(ink, ground) >= 4.5, `${scheme}: ${what}: ${ink} on ${ground}`);
    grounds[scheme] = pairs[0][2];
  }
  assert.notEqual(grounds.light, grounds.dark);
  await page.close();
});

test("a policy of 1,000 rules is explained faster than it is read", async () => {
  const { page } = await open();
  const policy = await page.locator("#policy").inputValue();
  const rules = Array.from({ length: 1000 }, (_, n) => `  - {namespaces: [n${n}], apiGroups: [""], resources: [pods], verbs: [get, list]}`);
  const [start] = policy.split("\nroles:\n");
  const text = `${start.replace("[pod-operator, job-runner]", "[pod-reader]")}\nroles:\n- name: pod-reader\n  rules:\n${rules.join("\n")}\n`;
  const times = await page.evaluate(async (text) => {
    const { policies } = await import("keyhole");
    const median = (run) => {
      const times = Array.from({ length: 31 }, () => {
        const start = performance.now();
        run();
        return performance.now() - start;
      });
      return times.sort((a, b) => a - b)[15];
    };
    const load = () => policies.Policy.load(text);
    const policy = load();
    const request = { client: "sql-prod-01", method: "DELETE", target: "/api/v1/namespaces/shop/pods/web-0" };
    return { load: median(load), explain: median(() => policy.explain(request)) };
  }, text);
  console.log(`1,000 rules: read in ${times.load.toFixed(1)} ms, explained in ${times.explain.toFixed(2)} ms`);
  assert.ok(times.explain < times.load);
  await page.close();
});
