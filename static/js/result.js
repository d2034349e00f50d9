// The result page: switch the axis, pin a candidate, filter and sort the table, follow the sections.

import { pin, showAxis } from "./front.js";
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

function show(which) {
  for (const row of rows) row.hidden = which !== "all" && row.dataset[which] !== "1";
}

document.addEventListener("click", (event) => {
  const hit = event.target.closest("[data-axis], [data-show], [data-sort]");
  if (!hit) return;
  if (hit.dataset.axis) { press(hit.parentElement.children, hit); showAxis(box, hit.dataset.axis); }
  if (hit.dataset.show) { press(hit.parentElement.children, hit); show(hit.dataset.show); }
  if (hit.dataset.sort) sort(hit);
});

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
