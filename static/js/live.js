// The live page: hints over SSE, polling every 15 s besides (hx-trigger), and what must survive each swap.

import { drawAll as drawFronts } from "./front.js";
import { drawAll as drawLines } from "./lines.js";

const live = document.getElementById("live");
let level = "all";
let following = true;
let spoken = 0;
let due = null;

function changed() {                    // at most one fetch a second, however many hints come
  due ??= setTimeout(() => { due = null; window.htmx.trigger(live, "changed"); }, 1000);
}

function listen() {
  const source = new EventSource(live.dataset.events);
  source.addEventListener("changed", changed);
  source.addEventListener("done", () => { source.close(); changed(); });
}

function log() {
  const lines = document.getElementById("log-lines");
  lines.dataset.level = level;
  for (const button of live.querySelectorAll("[data-log]")) button.setAttribute("aria-pressed", String(button.dataset.log === level));
  if (following) lines.scrollTop = lines.scrollHeight;
  for (const word of live.querySelectorAll("[data-following]")) word.hidden = !following;
  lines.addEventListener("scroll", () => { following = lines.scrollTop + lines.clientHeight > lines.scrollHeight - 8; live.querySelector("[data-following]").hidden = !following; });
}

function say() {                        // one polite message in five seconds
  const text = document.getElementById("sentence").textContent;
  const place = document.getElementById("said");
  if (place.textContent !== text && Date.now() - spoken > 5000) { place.textContent = text; spoken = Date.now(); }
  const words = document.querySelector("[data-stop-words]");
  if (words) words.textContent = document.getElementById("stop-words").textContent;
}

let kept = 0;
live.addEventListener("htmx:beforeSwap", () => { kept = document.getElementById("log-lines").scrollTop; });
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.target !== live) return;
  drawFronts();
  drawLines();
  log();
  if (!following) document.getElementById("log-lines").scrollTop = kept;
  say();
});

live.addEventListener("click", (event) => {
  const button = event.target.closest("[data-log]");
  if (button) { level = button.dataset.log; log(); }
});

document.addEventListener("keydown", (event) => { if (event.key === "End" && event.target === document.body) { following = true; log(); } });

log();
say();
listen();
