// The pages by keyboard: search, rows, areas, help. Every key also has a link or a button.
"use strict";
(() => {
  const AREAS = { o: "/", s: "/sessions", t: "/traces", i: "/issues", u: "/tools", l: "/logs" };
  let isGoing = false;

  const rows = () => [...document.querySelectorAll("main summary, main a.row")].filter((row) => row.offsetParent !== null);

  function step(by) {
    const all = rows();
    if (all.length === 0) return;
    const at = all.indexOf(document.activeElement);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea");
    if (event.key === "Escape" && isTyping) { event.target.blur(); return; }
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isGoing) {
      isGoing = false;
      const href = AREAS[event.key];
      if (href) { event.preventDefault(); location.assign(href); }
      return;
    }
    switch (event.key) {
      case "/": document.getElementById("find")?.focus(); break;
      case "j": step(1); break;
      case "k": step(-1); break;
      case "g": isGoing = true; setTimeout(() => { isGoing = false; }, 1500); break;
      case "d": window.watchpostTheme(); break;
      case "?": document.getElementById("help")?.showModal(); break;
      default: return;
    }
    event.preventDefault();
  });
})();
