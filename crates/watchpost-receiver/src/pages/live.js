// What the pages do beyond being read: times in the reader's own zone, JSON on demand, lists that grow as items arrive.
// Everything from outside is set as text, never as markup.
"use strict";
(() => {
  const pad = (number, width = 2) => String(number).padStart(width, "0");

  function ago(milliseconds) {
    const seconds = Math.max(0, Math.round(milliseconds / 1000));
    if (seconds < 5) return "just now";
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86400)} d ago`;
  }

  function localTimes(root) {
    for (const time of root.querySelectorAll("time")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
      const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
      if ("clock" in time.dataset) time.textContent = `${clock}.${pad(at.getMilliseconds(), 3)}`;
      else if ("stamp" in time.dataset) time.textContent = `${day.slice(5)} ${clock}.${pad(at.getMilliseconds(), 3)}`;
      else if ("moment" in time.dataset) time.textContent = `${day} ${clock}`;
      else time.textContent = ago(Date.now() - at.getTime());
    }
  }

  // JSON, opened on demand.

  const LONGEST = 512 * 1024;
  const COLORED = 128 * 1024;
  const ACTIVE = /[\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
  const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;

  // Indents without parsing: a parsed number above 2^53 would show other digits than were sent.
  function indented(json) {
    let out = "", depth = 0;
    const line = () => "\n" + "  ".repeat(depth);
    for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g)) {
      if (token === "{" || token === "[") { depth += 1; out += token + line(); }
      else if (token === "}" || token === "]") { depth = Math.max(0, depth - 1); out += line() + token; }
      else if (token === ",") out += token + line();
      else if (token === ":") out += ": ";
      else out += token;
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

  function addCopy(section, text) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    section.querySelector("header").append(button);
  }

  document.addEventListener("toggle", (event) => {
    if (event.target.open) event.target.querySelectorAll("section.raw").forEach(showRaw);
  }, true);

  // A link to a row opens it.
  function openTarget() {
    const details = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)))?.querySelector("details");
    if (details) details.open = true;
  }

  // Live: when something arrives the page is fetched again, and what changed is put in place.

  const isOpen = (element) => element.matches(":has(details[open])") || element.contains(document.activeElement);

  function mergeRows(old, fresh) {
    const known = new Map([...old.children].map((row) => [row.id, row]));
    const rows = [...fresh.children].map((row) => {
      const before = known.get(row.id);
      if (!before) row.classList.add("new");
      return before && (before.isEqualNode(row) || isOpen(before)) ? before : row;
    });
    if (rows.length !== old.children.length || rows.some((row, at) => row !== old.children[at])) old.replaceChildren(...rows);
  }

  async function refresh() {
    const response = await fetch(location.href);
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    localTimes(fresh);
    const parts = [...fresh.querySelectorAll("[data-live]")];
    const old = parts.map((part) => document.getElementById(part.id));
    if (old.some((part, at) => !part || part.tagName !== parts[at].tagName)) {
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      document.querySelector("footer").replaceWith(fresh.querySelector("footer"));
      return;
    }
    parts.forEach((part, at) => {
      if (part.dataset.live === "rows") mergeRows(old[at], part);
      else if (!old[at].isEqualNode(part)) old[at].replaceWith(part);
    });
  }

  const PAUSE = 1000;
  let due = null, last = 0;
  function schedule() {
    if (due !== null || document.hidden) return;
    due = setTimeout(async () => {
      try { await refresh(); } catch { /* the stream says when the receiver is gone */ }
      last = Date.now();
      due = null;
    }, Math.max(100, PAUSE - (Date.now() - last)));
  }

  function listen() {
    const sign = document.getElementById("live");
    if (!sign || /[?&](before|after)=/.test(location.search)) return;
    sign.hidden = false;
    const stream = new EventSource("/stream?payload=0");
    stream.onopen = () => { sign.textContent = "live"; sign.className = "live on"; schedule(); };
    stream.onerror = () => { sign.textContent = "receiver stopped"; sign.className = "live off"; };
    stream.onmessage = schedule;
    stream.addEventListener("missed", schedule);
    document.addEventListener("visibilitychange", schedule);
  }

  localTimes(document);
  setInterval(() => localTimes(document), 10000);
  openTarget();
  window.addEventListener("hashchange", openTarget);
  listen();
})();
