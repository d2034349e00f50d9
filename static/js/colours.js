// Tokens of the stylesheet as colours a chart can use: resolved by the browser, so light-dark() follows the switch.

const probe = document.createElement("span");
probe.hidden = true;

export function colour(name, alpha = 1) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.setProperty("color", `var(--${name})`);
  const found = getComputedStyle(probe).color;
  if (alpha === 1) return found;
  const parts = found.match(/[\d.]+/g);
  return `rgba(${parts[0]},${parts[1]},${parts[2]},${alpha})`;
}

export const font = () => getComputedStyle(document.body).fontFamily;

// A chart that follows its box and the colours; draw() returns an ECharts option.
export function chart(box, draw) {
  const made = window.echarts.getInstanceByDom(box) ?? window.echarts.init(box, null, { renderer: "svg" });
  const redraw = () => made.setOption(draw(box.clientWidth), { notMerge: true });
  redraw();
  if (!box.dataset.drawn) {
    box.dataset.drawn = "1";
    new ResizeObserver(() => { made.resize(); box.redraw?.(); }).observe(box);
    document.addEventListener("themechange", () => box.redraw?.());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => box.redraw?.());
  }
  box.redraw = redraw;
  return made;
}

export const narrow = "\u202f";
export const minus = (text) => String(text).replace("-", "\u2212");
