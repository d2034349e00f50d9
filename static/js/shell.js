// The shell: colours, menu, copy buttons, dialogs. Everything is wired by data attributes, so pages need no script of their own for it.

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.setAttribute("aria-label", `Colours: ${theme}`);
    for (const face of button.querySelectorAll("[data-theme-is]")) face.hidden = face.dataset.themeIs !== theme;
  }
  document.dispatchEvent(new CustomEvent("themechange"));
}

async function copyFrom(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {                                     // no clipboard without TLS: select it, so that Ctrl+C does it
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return say("Selected. Press Ctrl+C to copy.");
  }
  say("Copied.");
}

export function say(text) {
  document.querySelector(".toast")?.remove();
  const toast = Object.assign(document.createElement("div"), { className: "toast", textContent: text });
  toast.setAttribute("role", "status");
  document.body.append(toast);
  setTimeout(() => toast.remove(), 2500);
}

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest?.(selector);
  let hit;
  if (on("[data-theme-switch]")) setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
  else if ((hit = on("[data-menu]"))) {
    const open = document.getElementById("side").classList.toggle("is-open");
    hit.setAttribute("aria-expanded", String(open));
  } else if ((hit = on("[data-copy]"))) copyFrom(hit);
  else if ((hit = on("[data-open]"))) document.getElementById(hit.dataset.open).showModal();
  for (const menu of document.querySelectorAll("details.team-switch[open]")) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-submit-on-change]")) event.target.form.requestSubmit();
});
