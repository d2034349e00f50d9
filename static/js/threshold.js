// What a threshold does: counts, precision, recall and cost of each choice, from the histogram of one class's scores that lies in the page.

import { minus, narrow } from "./colours.js";

const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)}${narrow}%` : "–");
const count = (n) => n.toLocaleString("en");
const number = (field) => { const value = Number(field.value.replace(",", ".")); return Number.isFinite(value) && value >= 0 && field.value.trim() ? value : null; };
const short = (value) => minus(value.toLocaleString("en", { maximumSignificantDigits: 3 }));

// From the top bin down: what is called the class when the threshold is the lower edge of each bin; the last entry calls nothing.
function choices({ of, others }) {
  const rows = Array(of.length + 1);
  let hits = 0, alarms = 0;
  rows[of.length] = { hits, alarms };
  for (let place = of.length - 1; place >= 0; place -= 1) {
    hits += of[place];
    alarms += others[place];
    rows[place] = { hits, alarms };
  }
  return rows.map((row) => ({ ...row, missed: hits - row.hits, passed: alarms - row.alarms }));
}

function costs(rows, box) {
  const alarm = box.querySelector("#cost-alarm"), miss = box.querySelector("#cost-miss");
  const [a, m] = [number(alarm), number(miss)];
  alarm.setAttribute("aria-invalid", String(a === null));
  miss.setAttribute("aria-invalid", String(m === null));
  if (a === null || m === null) return null;
  const n = rows[0].hits + rows[0].alarms;
  return rows.map((row) => (1000 * (a * row.alarms + m * row.missed)) / n);
}

// The middle of the longest stretch of cheapest thresholds: the edges of it are where luck of the test rows sits.
function cheapest(list) {
  const least = Math.min(...list);
  let best = [0, -1];
  for (let start = 0; start < list.length; start += 1) {
    let end = start;
    while (end < list.length && list[end] === least) end += 1;
    if (end - start > best[1] - best[0] + 1) best = [start, end - 1];
    start = Math.max(start, end - 1);
  }
  return Math.round((best[0] + best[1]) / 2);
}

const mark = (name, x, y) => document.querySelector(`[data-mark="${name}"]`)?.setAttribute("d", `M${x.toFixed(1)} ${y.toFixed(1)}h0`);

function show(box) {
  const rows = choices(JSON.parse(document.getElementById(box.dataset.threshold).textContent));
  const slider = box.querySelector("#threshold"), last = rows.length - 1, place = Number(slider.value);
  const at = rows[place], of = at.hits + at.missed, others = at.alarms + at.passed;
  const said = (name, text) => { box.querySelector(`[data-said="${name}"]`).textContent = text; };
  said("threshold", (place / last).toFixed(3).replace(/0$/, ""));
  for (const name of ["hits", "missed", "alarms", "passed"]) said(name, count(at[name]));
  said("precision", share(at.hits, at.hits + at.alarms));
  said("recall", share(at.hits, of));
  said("f1", share(2 * at.hits, 2 * at.hits + at.alarms + at.missed));
  slider.setAttribute("aria-valuetext", `${place / last}: ${at.hits} found, ${at.missed} missed, ${at.alarms} false alarms`);
  mark("roc", (100 * at.alarms) / others, 100 - (100 * at.hits) / of);
  if (at.hits + at.alarms) mark("pr", (100 * at.hits) / of, 100 - (100 * at.hits) / (at.hits + at.alarms));
  const list = costs(rows, box);
  if (!list) { for (const name of ["cost", "best", "least"]) said(name, "–"); return; }
  const best = cheapest(list), most = Math.max(...list) || 1, height = (value) => 38 - (36 * value) / most;
  said("cost", short(list[place]));
  said("best", String(best / last));
  said("least", short(list[best]));
  box.querySelector("[data-cost]").setAttribute("points", list.map((value, n) => `${((100 * n) / last).toFixed(1)},${height(value).toFixed(1)}`).join(" "));
  mark("cost", (100 * place) / last, height(list[place]));
  box.dataset.best = best;
}

const showAll = () => document.querySelectorAll("[data-threshold]").forEach(show);

document.addEventListener("input", (event) => { const box = event.target.closest("[data-threshold]"); if (box) show(box); });
document.addEventListener("click", (event) => {
  const box = event.target.closest("[data-cheapest]")?.closest("[data-threshold]");
  if (!box || box.dataset.best === undefined) return;
  box.querySelector("#threshold").value = box.dataset.best;
  show(box);
});
document.addEventListener("htmx:afterSettle", showAll);
showAll();
