// The result page: switch the axis, pin a candidate, filter and sort the table, follow the sections.

import { savePng } from "./colours.js";
import { brush, pin, showAxis } from "./front.js";
import { drawAll as drawLines } from "./lines.js";

const box = document.getElementById("front");
const body = document.querySelector(".candidates tbody");
const rows = body ? [...body.rows] : [];

function press(group, chosen) {
  for (const button of group) button.setAttribute("aria-pressed", String(button === chosen));
}

function sort(button) {
  const key = button.dataset.sort;
  const head = button.closest("th");
  const down = head.getAttribute("aria-sort") !== "descending";
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const side = down ? -1 : 1;
  const value = (row) => (key === "title" ? row.dataset.title : row.dataset[key] === "" ? null : Number(row.dataset[key]));
  const order = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);       // what is not known stays at the end
    return side * (key === "title" ? x.localeCompare(y) : x - y);
  };
  body.append(...rows.toSorted(order));
}

let which = "all";
let brushed = null;             // keys inside the rectangle that was drawn over the front, or null

function filter() {
  for (const row of rows) row.hidden = (which !== "all" && row.dataset[which] !== "1") || (brushed !== null && !brushed.includes(row.dataset.key));
  const said = document.querySelector("[data-shown]");
  if (said) said.textContent = brushed === null ? "" : `${rows.filter((row) => !row.hidden).length} of ${rows.length}, as selected in the front`;
}

function select(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  box.parentElement.classList.toggle("is-brushing", on);
  brush(box, on);
  if (!on) { brushed = null; filter(); }
}

// Two to four ticked rows can be compared; the button says so.
function ticked() {
  const ticks = [...document.querySelectorAll(".compare-tick")];
  const count = ticks.filter((tick) => tick.checked).length;
  for (const tick of ticks) tick.disabled = count >= 4 && !tick.checked;
  const button = document.getElementById("compare-button");
  if (button) { button.disabled = count < 2; button.textContent = count < 2 ? "Compare" : `Compare ${count}`; }
}

// The button below the sensitivity grid names the layers that are ticked.
function excluded() {
  const button = document.querySelector("[data-exclude]");
  if (!button) return;
  const names = [...button.form.querySelectorAll("input[name=exclude]:checked")].map((box) => box.value);
  button.textContent = names.length ? `Exclude ${names.length > 2 ? `${names.length} layers` : names.join(" and ")}, run again` : "Change and run";
}

document.addEventListener("change", (event) => {
  if (event.target.matches(".compare-tick")) ticked();
  if (event.target.name === "exclude") excluded();
});

// Space on a row's link ticks the row.
body?.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.target.matches("input, button")) return;
  const tick = event.target.closest("tr")?.querySelector(".compare-tick");
  if (!tick || tick.disabled) return;
  event.preventDefault();
  tick.click();
});

document.addEventListener("click", (event) => {
  const hit = event.target.closest("[data-axis], [data-show], [data-sort], [data-brush], [data-png]");
  if (!hit) return;
  if (hit.dataset.axis) { press(hit.parentElement.children, hit); showAxis(box, hit.dataset.axis); }
  if (hit.dataset.show) { press(hit.parentElement.children, hit); which = hit.dataset.show; filter(); }
  if (hit.dataset.sort) sort(hit);
  if (hit.dataset.brush !== undefined) select(hit);
  if (hit.dataset.png) savePng(document.getElementById(hit.dataset.png), `${hit.dataset.name}.png`);
});

box?.addEventListener("brushed", (event) => { brushed = event.detail; filter(); });
ticked();

box?.addEventListener("pick", (event) => document.querySelector(`#row-${CSS.escape(event.detail)} a[hx-get]`)?.click());

document.body.addEventListener("htmx:afterSettle", () => {
  const key = document.getElementById("picked").dataset.pick;
  for (const row of rows) row.classList.toggle("is-pinned", row.dataset.key === key);
  if (box.data.pick !== key) { pin(box, key); drawLines(); }
});

const tabs = [...document.querySelectorAll(".tabs a")];
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const tab of tabs) tab.getAttribute("href") === `#${entry.target.id}` ? tab.setAttribute("aria-current", "true") : tab.removeAttribute("aria-current");
  }
}, { rootMargin: "-20% 0px -70% 0px" });
for (const tab of tabs) {
  const section = document.querySelector(tab.getAttribute("href"));
  if (section) watcher.observe(section);
}
