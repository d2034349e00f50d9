// Keys that work everywhere: / searches, ? lists the keys, N starts a new job, J and K move in a list, Esc closes.

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]") !== null;

function move(step) {
  const rows = [...document.querySelectorAll("[data-list] a[href], a[data-row]")]
    .filter((row) => row.offsetParent && row === (row.closest("tr, li")?.querySelector("a[href]") ?? row));      // one stop a row
  if (!rows.length) return false;
  const at = rows.indexOf(document.activeElement);
  rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))].focus();
  return true;
}

const KEYS = {
  "/": () => {
    document.getElementById("side")?.classList.add("is-open");
    const box = document.querySelector("[data-jump]");
    box?.focus();
    return Boolean(box);
  },
  "?": () => {
    const dialog = document.getElementById("keys");
    if (!dialog.open) dialog.showModal();
    return true;
  },
  n: () => {
    const link = document.querySelector("[data-key=n]");
    link?.click();
    return Boolean(link);
  },
  j: () => move(1),
  k: () => move(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.team-switch[open]")) menu.open = false;
    if (typing(event.target)) event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]?.()) event.preventDefault();
});
