// Drives the receiver's pages in a real browser, as a person would, and says what is wrong.
// node drive.mjs http://127.0.0.1:PORT CHROMIUM FOLDER HOSTILE_TRACE KNOT: prints {"findings":[…],"summary":"…"}; screenshots go to FOLDER.
import puppeteer from "puppeteer-core";

const [base, chromium, folder, hostile, knot] = process.argv.slice(2);
const findings = [];
const expect = (right, what) => { if (!right) findings.push(what); };
const LIMIT = 15000;
const read = async (path) => (await fetch(base + path)).json();

const launch = () => puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
// A first start on a cold, busy machine may not come about; a second that does not is a finding of its own.
const browser = await launch().catch(launch);
await browser.defaultBrowserContext().overridePermissions(base, ["clipboard-read", "clipboard-write", "clipboard-sanitized-write"]);
const page = await browser.newPage();
await page.setViewport({ width: 1360, height: 900 });
let visited = 0;
page.on("request", (request) => expect(request.url().startsWith(base) || request.url().startsWith("data:"), `a page asks elsewhere: ${request.url().slice(0, 120)}`));
page.on("pageerror", (error) => findings.push(`a script fails on ${page.url()}: ${error.message}`));
page.on("console", (message) => { if (["error", "warn"].includes(message.type())) findings.push(`the console says on ${page.url()}: ${message.text().slice(0, 200)}`); });
page.on("dialog", async (dialog) => { findings.push("a dialog opened"); await dialog.dismiss(); });

async function open(path) {
  const response = await page.goto(base + path, { waitUntil: "load", timeout: 3 * LIMIT });
  visited += 1;
  expect(response.status() === 200, `${path} is answered with ${response.status()}`);
}
const text = () => page.evaluate(() => document.querySelector("main").innerText);
async function until(what, condition, ...args) {
  try { await page.waitForFunction(condition, { timeout: LIMIT }, ...args); } catch { findings.push(`${what}: not within ${LIMIT / 1000} s`); }
}
const shot = (name) => page.screenshot({ path: `${folder}/${name}.png` });

// What people who do not see or do not use a mouse need, and what holds on every page.
async function accessible(path) {
  const problems = await page.evaluate(() => {
    const found = [];
    const named = (element) => element.getAttribute("aria-label") || element.title || element.textContent.trim() || element.labels?.length;
    if (document.documentElement.lang !== "en") found.push("no language");
    if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
    if (!document.querySelector("main")) found.push("no main");
    for (const element of document.querySelectorAll("button, a, input, select, summary")) if (!named(element)) found.push(`no name: ${element.outerHTML.slice(0, 80)}`);
    for (const element of document.querySelectorAll("svg")) if (!element.closest("[aria-hidden=true]") && element.getAttribute("aria-hidden") !== "true" && !element.getAttribute("aria-label") && !element.closest("a.brand")) found.push("a drawing without a label");
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    if (new Set(ids).size !== ids.length) found.push("an id twice");
    if (document.querySelector("[style], style, script:not([src])")) found.push("inline style or script");
    // Contrast of what is read, against the nearest ground (WCAG AA).
    const parse = (color) => color.match(/[\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (element) => { for (; element; element = element.parentElement) { const color = getComputedStyle(element).backgroundColor; const parts = parse(color); if (!color.includes("color(") && (parts.length < 4 || parts[3] === 1)) return parts; } return [255, 255, 255]; };
    for (const element of [...document.querySelectorAll("main p, main dt, main dd, main td, main th, main .dim, main .badge, main .arrow, main a, nav a, footer span")].slice(0, 300)) {
      const color = getComputedStyle(element).color;
      if (!element.textContent.trim() || color.includes("color(")) continue;
      const [light, dark] = [luminance(parse(color)), luminance(ground(element))].sort((a, b) => b - a);
      if ((light + 0.05) / (dark + 0.05) < 4.5) { found.push(`too little contrast: ${element.className || element.tagName}`); break; }
    }
    return found;
  });
  for (const problem of problems) findings.push(`${path}: ${problem}`);
}

// 1. The data on every page.
const { sessions } = await read("/api/sessions");
const demo = sessions.find((session) => session.server.name?.includes("demo")) ?? sessions.find((session) => !session.id.includes("<script>"));
const detail = await read(`/api/sessions/${encodeURIComponent(demo.id)}`);
const tools = [...new Set(detail.events.filter((event) => event.method === "tools/call").map((event) => event.resource))];
const { traces } = await read("/api/traces?limit=300");
const run = traces.find((trace) => trace.op === "gen_ai.invoke_agent" && trace.errors > 0) ?? traces.find((trace) => trace.model_calls > 1);
const PAGES = [
  ["/", "overview", ["MCP calls", "Est. cost", (await read("/api/tools")).find((tool) => tool.kind !== "model").name]],
  ["/sessions", "sessions", [demo.client.name, demo.server.name]],
  [`/sessions/${encodeURIComponent(demo.id)}`, "session", tools],
  ["/traces", "traces", ["invoke_agent"]],
  [`/traces/${run.trace_id}`, "trace", ["gen_ai.chat", "execute_tool"]],
  ["/issues", "issues", ["ToolCallError"]],
  ["/issues/1", "issue", ["Tags"]],
  ["/tools", "tools", tools],
  ["/logs", "logs", ["MCP tools/call"]],
  ["/search?query=rate+limit", "search", ["rate limit"]],
];
for (const scheme of ["light", "dark"]) {
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  for (const [path, name, words] of PAGES) {
    await open(path);
    // Rows have their text once they were painted.
    for (const word of words) await until(`${path} shows ${word}`, (word) => document.querySelector("main").innerText.includes(word), word);
    await accessible(path);
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3);
    expect(scheme === "dark" ? ground < 60 : ground > 200, `${path} is not ${scheme}`);
    if (scheme === "light" || name === "overview") await shot(scheme === "light" ? name : `${name}-dark`);
  }
}
await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);

// 2. On a phone nothing is cut off.
await page.setViewport({ width: 390, height: 844 });
for (const [path, name] of PAGES) {
  await open(path);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide <= 0, `${path} is ${wide} px too wide for a phone`);
  const cut = await page.evaluate(() => [...document.querySelectorAll(".card.scroll, nav[aria-label=Areas]")].some((box) => box.scrollWidth > box.clientWidth));
  expect(!cut, `${path}: columns or areas are out of sight on a phone`);
  if (name === "session") await shot("session-phone");
}
await page.setViewport({ width: 1360, height: 900 });

// 3. A span opens to its conversation; what is copied can be sent again.
await open(`/traces/${run.trace_id}`);
await (await page.$$("#spans summary"))[1].click();
await until("a span's conversation", () => document.querySelector("#spans .conversation .message.user"));
await shot("span");
await open(`/sessions/${encodeURIComponent(demo.id)}`);
await (await page.$("#list summary")).click();
await until("an item's JSON", () => document.querySelector("section.raw button"));
for (const [name, begins] of [["copy JSON", "{"], ["copy curl", "curl "], ["copy fixture", "{}"]]) {
  await page.evaluate((name) => [...document.querySelectorAll("section.raw button")].find((button) => button.textContent === name).click(), name);
  await until(`${name} says so`, () => [...document.querySelectorAll("section.raw button")].some((button) => button.textContent === "copied"));
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied.startsWith(begins), `${name} copies ${JSON.stringify(copied.slice(0, 60))}`);
  await until(`${name} ends`, () => [...document.querySelectorAll("section.raw button")].every((button) => button.textContent !== "copied"));
}

// What would be a command to a terminal is not pasted into one.
await fetch(`${base}/api/1/envelope/`, { method: "POST", body: `{}\n{"type":"attachment"}\nescape-${process.pid} \u001b[201~\n` });
await open(`/search?query=escape-${process.pid}`);
await (await page.$("#list summary")).click();
await until("an attachment's text", () => document.querySelector("section.raw button"));
await page.evaluate(() => [...document.querySelectorAll("section.raw button")].find((button) => button.textContent === "copy curl").click());
await until("copy curl says so", () => [...document.querySelectorAll("section.raw button")].some((button) => button.textContent === "copied"));
const pasted = await page.evaluate(() => navigator.clipboard.readText());
expect(/^[ -~]+\n$/.test(pasted) && pasted.includes("/envelope | curl"), `copy curl copies ${JSON.stringify(pasted.slice(0, 80))}`);

// 4. Live: what arrives appears on every page without a reload.
const word = `live-${process.pid}`;
const post = (items) => fetch(`${base}/api/1/envelope/`, { method: "POST", body: ["{}", ...items.flatMap(([type, payload]) => [JSON.stringify({ type }), JSON.stringify(payload)])].join("\n") });
// A failed call of an MCP tool named `name`: its log, its transaction, its error.
async function call(name, session, trace) {
  const [at, span] = [Date.now() / 1000, [...name].reduce((sum, char) => (sum * 31n + BigInt(char.charCodeAt(0))) & 0xffffffffffffffffn, 7n).toString(16).padStart(16, "0")];
  const facts = { event_type: "tools/call", session_id: session, server_name: "live" };
  const contexts = { trace: { trace_id: trace, span_id: span, op: "tools/call", status: "internal_error" } };
  const attributes = Object.fromEntries(Object.entries({ ...facts, resource_name: name }).map(([key, value]) => [key, { value, type: "string" }]));
  await post([["log", { items: [{ timestamp: at, trace_id: trace, span_id: span, level: "error", body: `log of ${name}`, attributes }] }],
    ["transaction", { event_id: span + span, timestamp: at, start_timestamp: at - 0.01, transaction: `call of ${name}`, contexts, tags: { ...facts, resource: name }, spans: [] }],
    ["event", { event_id: span + trace.slice(16), timestamp: at, level: "error", exception: { values: [{ type: `error of ${name}`, value: "live" }] }, contexts, tags: { ...facts, resource: name } }]]);
}
const steady = ["5e55".repeat(8), `session-${word}`];
await call(`first-${word}`, steady[1], steady[0]);
const LIVE = [["/logs", "log of"], ["/sessions", "session of"], ["/traces", "call of"], ["/issues", "error of"], ["/tools", ""], ["/", "error of"], [`/search?query=${word}`, "log of"], [`/sessions/${steady[1]}`, ""], [`/traces/${steady[0]}`, "call of"]];
for (const [at, [path, what]] of LIVE.entries()) {
  await open(path);
  await until(`the live sign of ${path}`, () => document.getElementById("live")?.textContent === "live");
  const name = `tool${at}-${word}`;
  const own = path.endsWith(steady[0]) || path.endsWith(steady[1]);
  await call(name, own ? steady[1] : `session of ${name}`, own ? steady[0] : String(at).repeat(32));
  await until(`what arrives on ${path}`, (shown) => document.querySelector("main").textContent.includes(shown), `${what} ${name}`.trim());
}
await open("/logs#%");
await until("the live sign beside an address that names no row", () => document.getElementById("live")?.textContent === "live");

// 5. By keyboard alone: search, rows, areas, help, light and dark.
await open("/");
await page.keyboard.press("/");
await page.keyboard.type(word);
await Promise.all([page.waitForNavigation({ timeout: LIMIT }), page.keyboard.press("Enter")]);
expect((await text()).includes(word), "the search by keyboard does not find the log");
await page.keyboard.press("Escape");
await page.keyboard.press("j");
await page.keyboard.press("Enter");
await until("a row opened by keyboard", () => document.querySelector("#list details[open]"));
expect(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== "none"), "the focus cannot be seen");
await page.keyboard.press("?");
await until("the help", () => document.getElementById("help").open);
await page.keyboard.press("Escape");
await page.keyboard.press("d");
expect(await page.evaluate(() => document.documentElement.dataset.theme) === "dark", "d does not darken");
await page.keyboard.press("g");
await Promise.all([page.waitForNavigation({ timeout: LIMIT }), page.keyboard.press("t")]);
expect(page.url().endsWith("/traces"), `g t leads to ${page.url()}`);
expect(await page.evaluate(() => document.documentElement.dataset.theme) === "dark", "the choice of dark is forgotten");
await page.keyboard.press("d");

// 6. Hostile payloads are inert: nothing runs, nothing reorders, nothing is endless.
const ACTIVE = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]";
const evil = (await read("/api/sessions?limit=1000")).sessions.find((session) => session.id.includes("<script>"));
const issue = (await read("/api/issues")).issues.find((issue) => issue.title.includes("<script>"));
const targets = ["/", "/sessions", `/sessions/${encodeURIComponent(evil.id)}`, "/traces", `/traces/${hostile}`, "/issues", `/issues/${issue.id}`, "/tools", "/logs", "/search?query=pwned", `/traces/${knot}`, "/search?query=half+a+pair", "/search?query=deep"];
for (const path of targets) {
  await open(path);
  await page.evaluate(() => [...document.querySelectorAll("main details")].slice(0, 12).forEach((details) => { details.open = true; }));
  await until(`${path} comes to rest`, () => !document.querySelector("main details[open][data-panel] > .inside > p") && ![...document.querySelectorAll("main section.raw pre")].some((pre) => pre.textContent === "…"));
  const seen = await page.evaluate((active) => ({
    pwned: window.pwned !== undefined,
    markup: document.querySelectorAll("main img, main script, main iframe, main [onerror]").length,
    active: new RegExp(active).test(document.body.innerText),
    failed: document.querySelector("main").innerText.includes("could not be loaded"),
    links: [...document.querySelectorAll("a")].filter((link) => !/^(\/|#)/.test(link.getAttribute("href"))).length,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    cut: [...document.querySelectorAll(".card.scroll")].some((box) => box.scrollWidth > box.clientWidth),
    length: document.body.innerHTML.length,
  }), ACTIVE);
  expect(!seen.pwned, `${path}: a payload ran`);
  expect(seen.markup === 0, `${path}: a payload became markup`);
  expect(!seen.active, `${path}: control characters or reordering are shown`);
  expect(seen.links === 0, `${path}: a link leads elsewhere`);
  expect(seen.wide <= 0, `${path}: a payload widens the page by ${seen.wide} px`);
  expect(!seen.failed, `${path}: what was opened could not be loaded`);
  expect(!seen.cut, `${path}: a payload pushes columns out of sight`);
  expect(seen.length < 16e6, `${path}: the page has ${seen.length} characters`);
}
await open(`/traces/${hostile}`);
const rows = await page.evaluate(() => document.querySelectorAll("#spans > li").length);
expect(rows === 5000, `the large trace shows ${rows} of its spans`);
await open(`/traces/${knot}`);
const tied = await page.evaluate(() => [...document.querySelectorAll("#spans > li .name")].map((name) => name.textContent));
for (const name of ["first of two", "second of two", "its own parent", "backwards", "at no time", "link 2999"]) expect(tied.some((shown) => shown.includes(name)), `the knot does not show the span ${name}`);

// 7. Without scripts the pages still say everything.
await page.setJavaScriptEnabled(false);
await open("/");
expect((await page.$$(".tile")).length >= 6 && (await page.$$("figure.chart svg")).length === 5, "the overview needs its script");
await open(`/traces/${run.trace_id}`);
expect((await page.$$("#spans .inside a")).length > 3, "without a script spans cannot be reached");

await browser.close();
console.log(JSON.stringify({ findings, summary: `${visited} pages opened: data, live, search, keyboard, dark, phone, ${targets.length} with hostile payloads` }));
