// Times in the reader's own zone, and lists that grow as items arrive.
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
      else if ("instant" in time.dataset) time.textContent = `${day.slice(5)} ${clock.slice(0, 5)}`;
      else if ("moment" in time.dataset) time.textContent = `${day} ${clock}`;
      else time.textContent = ago(Date.now() - at.getTime());
    }
  }

  // A link to a row opens it.
  function openTarget() {
    let id;
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; /* nothing's address */ }
    const details = id && document.getElementById(id)?.querySelector("details");
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

  // Only while the page is seen: a browser has six connections to a host, and hidden or kept pages would hold them all.
  let stream = null;
  function listen() {
    const sign = document.getElementById("live");
    if (!sign || stream || document.hidden || /[?&](before|after)=/.test(location.search)) return;
    sign.hidden = false;
    stream = new EventSource("/stream?payload=0");
    stream.onopen = () => { sign.textContent = "live"; sign.className = "live on"; schedule(); };
    stream.onerror = () => { sign.textContent = "receiver stopped"; sign.className = "live off"; };
    stream.onmessage = schedule;
    stream.addEventListener("missed", schedule);
  }
  function hush() {
    stream?.close();
    stream = null;
  }
  document.addEventListener("visibilitychange", () => { if (document.hidden) hush(); else listen(); });
  window.addEventListener("pagehide", hush);
  window.addEventListener("pageshow", listen);

  localTimes(document);
  setInterval(() => localTimes(document), 10000);
  openTarget();
  window.addEventListener("hashchange", openTarget);
  listen();
})();
