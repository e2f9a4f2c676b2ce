// JSON and spans, fetched when they are opened, and copied as JSON, as a curl command or as a fixture (an envelope).
// Everything from outside is set as text, never as markup.
"use strict";
(() => {
  const pad = (number, width = 2) => String(number).padStart(width, "0");

  // JSON, opened on demand.

  const LONGEST = 512 * 1024;
  const COLORED = 128 * 1024;
  // Nested more deeply, lines are indented no further; a payload may open a bracket half a million times.
  const DEEPEST = 40;
  // Characters that indenting may make of a payload.
  const ROOM = 4 * LONGEST;
  const ACTIVE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
  const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;

  // Indents without parsing: a parsed number above 2^53 would show other digits than were sent.
  function indented(json) {
    let out = "", depth = 0;
    const line = () => "\n" + "  ".repeat(Math.min(depth, DEEPEST));
    for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g)) {
      if (token === "{" || token === "[") { depth += 1; out += token + line(); }
      else if (token === "}" || token === "]") { depth = Math.max(0, depth - 1); out += line() + token; }
      else if (token === ",") out += token + line();
      else if (token === ":") out += ": ";
      else out += token;
      if (out.length > ROOM) return out + "…";
    }
    return out.replace(/([{[])\s+([}\]])/g, "$1$2");
  }

  function colored(text) {
    const fragment = document.createDocumentFragment();
    let end = 0;
    for (const match of text.matchAll(TOKEN)) {
      fragment.append(text.slice(end, match.index));
      const span = document.createElement("span");
      const [token, string, colon] = match;
      span.className = colon !== undefined ? "key" : string !== undefined ? "string" : "literal";
      span.textContent = string ?? token;
      fragment.append(span, colon ?? "");
      end = match.index + token.length;
    }
    fragment.append(text.slice(end));
    return fragment;
  }

  async function showRaw(section) {
    const pre = section.querySelector("pre");
    if (!pre || section.dataset.shown) return;
    section.dataset.shown = "1";
    pre.hidden = false;
    pre.textContent = "…";
    try {
      const response = await fetch(`/api/items/${encodeURIComponent(section.dataset.item)}`);
      if (!response.ok) throw new Error((await response.json()).detail);
      const sent = await response.text();
      const cut = sent.length > LONGEST;
      const json = (response.headers.get("content-type") ?? "").includes("json");
      const text = (json ? indented(sent.slice(0, LONGEST)) : sent.slice(0, LONGEST))
        .replace(ACTIVE, (char) => "\\u" + pad(char.charCodeAt(0).toString(16), 4));
      pre.replaceChildren(json && text.length <= COLORED ? colored(text) : text);
      if (cut) pre.append(`\n… ${sent.length - LONGEST} more characters; open “raw” for all`);
      addCopy(section, sent);
    } catch (error) {
      pre.textContent = `could not be loaded: ${error.message}`;
      delete section.dataset.shown;
    }
  }

  async function copy(button, text) {
    const name = button.textContent;
    try {
      await navigator.clipboard.writeText(await text());
      button.textContent = "copied";
    } catch {
      button.textContent = "not copied";
    }
    setTimeout(() => { button.textContent = name; }, 1500);
  }

  async function envelope(section) {
    const response = await fetch(`/api/items/${encodeURIComponent(section.dataset.item)}/envelope`);
    if (!response.ok) throw new Error(response.statusText);
    return response.text();
  }

  // Pasted control characters are commands to a terminal: a payload with any is fetched instead. The word that ends the text must
  // not be a line of it.
  const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
  function curl(body, item) {
    const send = `curl -sS ${location.origin}/api/1/envelope/ -H 'Content-Type: application/x-sentry-envelope' --data-binary @-`;
    if (CONTROL.test(body)) return `curl -sS ${location.origin}/api/items/${encodeURIComponent(item)}/envelope | ${send}\n`;
    let end = "WATCHPOST";
    while (body.includes(end)) end += "_";
    return `${send} <<'${end}'\n${body.replace(/\n$/, "")}\n${end}\n`;
  }

  function addCopy(section, sent) {
    const choices = [
      ["copy JSON", () => sent],
      ["copy curl", async () => curl(await envelope(section), section.dataset.item)],
      ["copy fixture", () => envelope(section)],
    ];
    for (const [name, text] of choices) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => copy(button, text));
      section.querySelector("header").append(button);
    }
  }

  // A span's panel is a part of its own page.
  async function showPanel(details) {
    if (details.dataset.shown) return;
    details.dataset.shown = "1";
    const inside = details.querySelector(".inside");
    try {
      const response = await fetch(details.dataset.panel);
      if (!response.ok) throw new Error(response.statusText);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const panel = page.getElementById("panel");
      panel.removeAttribute("id");
      inside.replaceChildren(document.adoptNode(panel));
      for (const open of inside.querySelectorAll("details[open] section.raw")) showRaw(open);
    } catch (error) {
      inside.textContent = `could not be loaded: ${error.message}`;
      delete details.dataset.shown;
    }
  }

  document.addEventListener("toggle", (event) => {
    const details = event.target;
    if (!details.open) return;
    if (details.dataset?.panel) showPanel(details);
    else for (const section of details.querySelectorAll("section.raw")) showRaw(section);
  }, true);
  for (const section of document.querySelectorAll("[data-open] section.raw, details[open]:not([data-panel]) section.raw")) showRaw(section);
})();
