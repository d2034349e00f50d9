// The new-job page: sliders and number boxes say the same, Ctrl+Enter starts. Everything else is htmx, CSS and a plain form.
(() => {
  "use strict";
  const form = document.getElementById("job-form");
  if (!form) return;
  const short = (value) => String(Number(value.toPrecision(value >= 100 ? 3 : 2)));

  function place(slider, value = 10 ** Number(slider.value)) {
    const low = Number(slider.min), high = Number(slider.max);
    slider.style.setProperty("--fill", `${100 * (Number(slider.value) - low) / (high - low)}%`);
    slider.setAttribute("aria-valuetext", `${short(value)} ${slider.dataset.unit}`);
  }

  function follow(box) {       // number box -> slider
    const slider = form.querySelector(`[data-slider="${box.name}"]`);
    const value = Number(box.value.replace(",", "."));
    if (slider && value > 0) slider.value = Math.log10(value);
    if (slider) place(slider, value > 0 ? value : undefined);
  }

  function settle() { form.querySelectorAll("[data-scale-box]").forEach(follow); }

  form.addEventListener("input", (event) => {
    const from = event.target;
    if (from.dataset.slider) {
      const box = form.elements[from.dataset.slider];
      box.value = short(10 ** Number(from.value));
      const toggle = form.elements[`on_${from.dataset.slider}`];
      toggle.checked = true;
      place(from);
    } else if (from.dataset.scaleBox !== undefined) {
      form.elements[`on_${from.name}`].checked = from.value.trim() !== "";
      follow(from);
    }
  });

  // Switching a limit on without a number takes the slider's place as the number, so that the switch means something.
  form.addEventListener("change", (event) => {
    const name = (event.target.name || "").startsWith("on_") && event.target.name.slice(3);
    const box = name && form.elements[name];
    const slider = name && form.querySelector(`[data-slider="${name}"]`);
    if (box && slider && event.target.checked && !box.value.trim()) {
      box.value = short(10 ** Number(slider.value));
      place(slider);
    }
  });

  // "Set 28 min" in the dry run: with a script the page stays where it is.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-minutes]");
    if (!button) return;
    event.preventDefault();
    form.elements.minutes.value = button.dataset.minutes;
    form.elements.minutes.dispatchEvent(new Event("input", { bubbles: true }));
    form.elements.minutes.focus();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !form.contains(document.activeElement) && document.activeElement !== document.body) return;
    event.preventDefault();
    form.requestSubmit(document.getElementById("start-job"));
  });
  document.addEventListener("htmx:afterSettle", settle);
  settle();
})();
