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

// The chart as a PNG of twice its size, on the card's own ground.
export function savePng(box, name) {
  const drawing = box.querySelector("svg").cloneNode(true);
  drawing.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const wide = box.clientWidth, high = box.clientHeight;
  const picture = new Image(wide, high);
  picture.addEventListener("load", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [wide * 2, high * 2];
    const pen = canvas.getContext("2d");
    pen.fillStyle = colour("paper");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const link = document.createElement("a");
    link.href = canvas.toDataURL("image/png");
    link.download = name;
    link.click();
  });
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(drawing))}`;
}

export const narrow = "\u202f";
export const minus = (text) => String(text).replace("-", "\u2212");
