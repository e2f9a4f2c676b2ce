// Light or dark as the reader chose; runs before the page is painted, so that it does not flash.
"use strict";
(() => {
  const KEY = "watchpost-theme";
  const root = document.documentElement;
  let chosen = null;
  try { chosen = localStorage.getItem(KEY); } catch { /* a browser may forbid it; the system's choice holds */ }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  window.watchpostTheme = () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    try { localStorage.setItem(KEY, root.dataset.theme); } catch { /* kept until the page is left */ }
  };

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", window.watchpostTheme);
  });
})();
