// The front: quality against one cost. Error bars, budget line, floor, the region that fits, the stair, the pick.

import { chart, colour, font, minus, narrow } from "./colours.js";
import { place, widthOf } from "./labels.js";

const GRID = { left: 46, right: 16, top: 44, bottom: 44 };

export function drawFront(box) {
  const data = JSON.parse(document.getElementById(box.dataset.front).textContent);
  box.data = data;
  box.axis = data.axes.some((axis) => axis.key === box.axis) ? box.axis : data.axis;
  if (!data.axis || !data.points.length) return;
  const made = chart(box, (width) => option(box.data, box.axis, width, box.clientHeight, "live" in box.dataset));
  made.off("click");
  made.off("brushSelected");
  made.on("brushSelected", (event) => {
    const hit = event.batch[0];
    const keys = hit?.areas.length ? hit.selected.filter((one) => one.seriesName === "candidates").flatMap((one) => one.dataIndex.map((n) => placed(box.data, box.axis)[n].key)) : null;
    box.dispatchEvent(new CustomEvent("brushed", { detail: keys, bubbles: true }));
  });
  made.on("click", (event) => event.data?.key && box.dispatchEvent(new CustomEvent("pick", { detail: event.data.key, bubbles: true })));
  note(box, data);
}

function note(box, data) {
  const axis = data.axes.find((one) => one.key === box.axis);
  const place = document.querySelector("[data-front-note]");
  if (place) place.textContent = axis.modelled ? `${axis.label} is modelled for at least one candidate; the table says which.` : "";
}

const placed = (data, axis) => data.points.filter((point) => point.x[axis] > 0);

function bounds(data, axis, points) {
  const xs = points.map((point) => point.x[axis.key]);
  if (axis.limit) xs.push(axis.limit);
  const ys = points.flatMap((point) => [point.y, point.low ?? point.y, point.high ?? point.y]);
  if (data.floor !== null) ys.push(data.floor);
  const pad = Math.max((Math.max(...ys) - Math.min(...ys)) * 0.08, data.quality.unit ? 0.2 : 0.002);
  return { left: Math.min(...xs) / 1.45, right: Math.max(...xs) * 1.45, low: Math.min(...ys) - pad, high: Math.min(Math.max(...ys) + pad, data.quality.unit ? 101 : 1.01) };
}

function ticks(left, right) {              // round numbers, about a factor of two apart
  const found = [];
  for (let power = Math.floor(Math.log10(left)); power <= Math.ceil(Math.log10(right)); power++)
    for (const digit of [1, 2, 5]) {
      const tick = digit * 10 ** power;
      if (tick >= left && tick <= right) found.push(tick);
    }
  return found.length ? found : [Math.sqrt(left * right)];
}

const figure = (value) => (value >= 1000 ? value.toLocaleString("en-GB", { maximumFractionDigits: 0 }) : String(Number(value.toPrecision(3))));

function stair(data, axis, points, edge) {
  const steps = axis.front.map((key) => points.find((point) => point.key === key)).filter(Boolean);
  const line = [];
  steps.forEach((point, n) => {
    if (n) line.push([point.x[axis.key], steps[n - 1].y]);
    line.push([point.x[axis.key], point.y]);
  });
  if (steps.length) line.push([edge, steps.at(-1).y]);
  return line;
}

function look(point, picked, live) {
  const pinned = point.key === picked;
  const ring = { borderColor: colour("fruit", 0.45), borderWidth: 0 };
  if (point.baseline) return { symbol: "diamond", size: 13, fill: colour("ink"), edge: colour("ink"), text: colour("ink2") };
  if (point.pick) return { symbol: "circle", size: 16, fill: colour("fruit"), edge: colour("fruit"), text: colour("fruit-ink"), bold: true, ...ring, pinned };
  if (point.fits) return { symbol: "circle", size: 11, fill: colour("leaf"), edge: colour("leaf"), text: colour("leaf-ink"), pinned };
  return { symbol: "circle", size: 11, fill: colour("paper"), edge: colour(live && pinned ? "sky" : "line3"), text: colour("ink3"), pinned };
}

// Names for the points that matter, and for the others where there is room.
function names(data, axis, points, edge, width, height) {
  const wide = width - GRID.left - GRID.right, high = height - GRID.top - GRID.bottom;
  const x = (value) => GRID.left + (Math.log(value / edge.left) / Math.log(edge.right / edge.left)) * wide;
  const y = (value) => GRID.top + ((edge.high - value) / (edge.high - edge.low)) * high;
  const weight = (point) => (point.pick ? 5 : 0) + (point.key === data.pick ? 4 : 0) + (point.baseline ? 3 : 0) + (axis.front.includes(point.key) ? 2 : 0) + (point.fits ? 1 : 0);
  const measure = widthOf(font(), 12);
  const dots = points.toSorted((a, b) => weight(b) - weight(a)).map((point) => ({ key: point.key, x: x(point.x[axis.key]), y: y(point.y), size: point.pick ? 18 : 13, text: point.title, must: point.pick }));
  const shown = width < 480 ? dots.filter((dot) => dot.must) : dots;
  const bars = points.filter((point) => point.low !== null).map((point) => ({ x: x(point.x[axis.key]) - 1, y: y(point.high), w: 2, h: y(point.low) - y(point.high) }));
  const taken = data.floor === null ? [] : [{ x: GRID.left + wide - measure(`floor ${data.floor_text}`) - 8, y: y(data.floor), w: 200, h: 16 }];
  if (data.floor !== null) bars.push({ x: GRID.left, y: y(data.floor) - 1, w: wide, h: 2 });
  if (axis.limit) bars.push({ x: x(axis.limit) - 1, y: GRID.top, w: 2, h: high });
  return place(shown, { x: GRID.left + 2, y: GRID.top, w: wide + 10, h: high }, taken, bars, measure);
}

function option(data, key, width, height, live) {
  const axis = data.axes.find((one) => one.key === key);
  const points = placed(data, key);
  const edge = bounds(data, axis, points);
  const small = width < 480;
  const label = { color: colour("ink3"), fontFamily: font(), fontSize: 12 };
  const rule = { color: colour("bad"), type: [5, 4], width: 1.5 };
  const ruleLabel = { ...label, color: colour("bad"), fontWeight: 600 };
  const named = names(data, axis, points, edge, width, height);
  const lines = [];
  if (axis.limit) lines.push({ xAxis: axis.limit, name: "budget", label: { ...ruleLabel, formatter: `budget ${figure(axis.limit)}${narrow}${axis.unit}`, position: "end" }, lineStyle: rule });
  if (data.floor !== null) lines.push({ yAxis: data.floor, label: { ...ruleLabel, formatter: `floor ${data.floor_text}`, position: "insideEndBottom" }, lineStyle: rule });
  const area = [];
  if (axis.limit || data.floor !== null)
    area.push([{ xAxis: edge.left, yAxis: data.floor ?? edge.low }, { xAxis: axis.limit ?? edge.right, yAxis: edge.high }]);
  return {
    animation: false,
    textStyle: { fontFamily: font() },
    grid: GRID,
    toolbox: { show: false },
    brush: live ? undefined : { toolbox: [], z: 100, xAxisIndex: 0, yAxisIndex: 0, throttleType: "debounce", throttleDelay: 120, outOfBrush: { opacity: 0.35 }, brushStyle: { color: colour("sky", 0.12), borderColor: colour("sky"), borderWidth: 1 } },
    xAxis: {
      type: "log", min: edge.left, max: edge.right, name: `${axis.title} (log scale)`, nameLocation: "middle", nameGap: 28, nameTextStyle: label,
      axisLine: { lineStyle: { color: colour("line2") } }, axisTick: { show: false, customValues: ticks(edge.left, edge.right) }, splitLine: { show: false }, minorTick: { show: false },
      axisLabel: { ...label, customValues: ticks(edge.left, edge.right), formatter: figure, hideOverlap: true },
    },
    yAxis: {
      type: "value", axisLine: { show: false }, axisTick: { show: false }, min: edge.low, max: edge.high, name: data.quality.title, nameLocation: "end", nameGap: 26, nameTextStyle: { ...label, align: "left", padding: [0, 0, 0, -34] },
      axisLabel: { ...label, showMinLabel: false, showMaxLabel: false, formatter: (value) => minus(Number(value.toFixed(3))) }, splitLine: { lineStyle: { color: colour("line") } },
      splitNumber: small ? 4 : 5,
    },
    tooltip: {
      renderMode: "richText", trigger: "item", backgroundColor: colour("paper"), borderColor: colour("line2"), textStyle: { color: colour("ink"), fontFamily: font(), fontSize: 12 },
      formatter: ({ data: hit }) => (hit?.point ? tip(hit.point, data, axis) : ""),
    },
    series: [
      { type: "line", data: stair(data, axis, points, edge.right), showSymbol: false, lineStyle: { color: colour("leaf"), width: 1.6 }, silent: true, z: 2,
        markLine: { silent: true, symbol: "none", data: lines }, markArea: { silent: true, data: area, itemStyle: { color: colour("leaf-soft", 0.7) } } },
      bars(points, axis, data),
      { type: "scatter", name: "candidates", z: 5, data: points.map((point) => dot(point, axis, data, label, named.get(point.key), live)) },
    ],
  };
}

function bars(points, axis, data) {
  return {
    type: "custom", silent: true, z: 3,
    data: points.filter((point) => point.low !== null).map((point) => [point.x[axis.key], point.low, point.high, point.pick ? 2 : point.baseline ? 3 : point.fits ? 1 : 0]),
    renderItem(params, api) {
      const [x, low] = api.coord([api.value(0), api.value(1)]);
      const high = api.coord([api.value(0), api.value(2)])[1];
      const stroke = [colour("line2"), colour("leaf"), colour("fruit"), colour("ink")][api.value(3)];
      const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke, lineWidth: 1.4 } });
      return { type: "group", children: [line(x, low, x, high), line(x - 4, low, x + 4, low), line(x - 4, high, x + 4, high)] };
    },
    encode: { x: 0, y: [1, 2] },
  };
}

function dot(point, axis, data, label, spot, live) {
  const style = look(point, data.pick, live);
  return {
    value: [point.x[axis.key], point.y], key: point.key, point, symbol: style.symbol, symbolSize: style.pinned && !point.pick ? style.size + 4 : style.size,
    itemStyle: { color: style.fill, borderColor: style.edge, borderWidth: 1.6, opacity: 1, ...(style.pinned ? { borderWidth: 3 } : {}) },
    label: { show: Boolean(spot), silent: true, opacity: 1, formatter: point.title, position: spot?.position, offset: spot?.offset, width: spot?.width, overflow: "truncate", distance: 5, ...label, color: style.text, fontWeight: style.bold ? 600 : 450,
      textBorderColor: colour("paper"), textBorderWidth: 3 },
    cursor: "pointer",
  };
}

function tip(point, data, axis) {
  const places = data.quality.places;
  const band = point.low === null ? "" : ` [${point.low.toFixed(places)}, ${point.high.toFixed(places)}]`;
  const lines = [point.title, `${data.quality.label} ${point.y.toFixed(places)}${band}${data.quality.unit ? narrow + data.quality.unit : ""}`,
    `${axis.label} ${figure(point.x[axis.key])}${narrow}${axis.unit}`];
  if (point.broke) lines.push(`breaks ${point.broke}`);
  return minus(lines.join("\n"));
}

// Dragging a rectangle over the points: on, the table shows only those inside; off, all again.
export function brush(box, on) {
  const made = window.echarts.getInstanceByDom(box);
  if (!on) made.dispatchAction({ type: "brush", areas: [] });
  made.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption: on ? { brushType: "rect", brushMode: "single" } : { brushType: false } });
}

export function showAxis(box, key) {
  box.axis = key;
  note(box, box.data);
  box.redraw();
}

export function pin(box, key) {
  box.data.pick = key;
  box.redraw();
}

export const drawAll = () => document.querySelectorAll("[data-front]").forEach(drawFront);

drawAll();
