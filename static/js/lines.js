// Small line charts of curves: one box, one subject.

import { chart, colour, font, minus } from "./colours.js";

const SERIES = ["series1", "series2", "series3", "series4", "series5"];
const MARKS = ["circle", "rect", "triangle", "diamond", "none"];

export function drawLines(box) {
  const data = JSON.parse(document.getElementById(box.dataset.lines).textContent)[Number(box.dataset.index)];
  if (data) chart(box, (width) => option(data, width));
}

const reach = (data) => Math.max(...data.series.flatMap((line) => line.points.map((point) => point[0]))) - data.series[0].points[0][0];

function option(data, width) {
  const small = width < 260;      // names stand inside the plot then
  const label = { color: colour("ink3"), fontFamily: font(), fontSize: 12 };
  return {
    animation: false,
    grid: { left: small ? 36 : 46, right: small ? 12 : 66, top: small ? 18 : 10, bottom: 26 },
    xAxis: { type: "value", min: "dataMin", max: "dataMax", interval: Math.max(1, Math.ceil(reach(data) / 4)), axisLabel: { ...label, hideOverlap: true }, axisLine: { lineStyle: { color: colour("line2") } }, axisTick: { show: false }, splitLine: { show: false } },
    yAxis: { type: "value", scale: true, axisLine: { show: false }, axisTick: { show: false }, splitNumber: 4, axisLabel: { ...label, formatter: (value) => minus(Number(value.toPrecision(4))) }, splitLine: { lineStyle: { color: colour("line") } } },
    tooltip: { renderMode: "richText", trigger: "axis", backgroundColor: colour("paper"), borderColor: colour("line2"), textStyle: { color: colour("ink"), fontFamily: font(), fontSize: 12 } },
    series: data.series.map((line, n) => ({
      type: "line", name: line.name, data: line.points, symbol: line.dash ? "none" : MARKS[n % MARKS.length], symbolSize: 5,
      lineStyle: { color: colour(SERIES[line.dash ? 1 : n % 5]), width: 1.6, type: line.dash ? [5, 4] : "solid" }, itemStyle: { color: colour(SERIES[line.dash ? 1 : n % 5]) },
      endLabel: { show: true, formatter: line.name, ...label, color: colour(SERIES[line.dash ? 1 : n % 5]), ...(small ? { offset: [-62, -9], textBorderColor: colour("paper"), textBorderWidth: 3 } : {}) }, labelLayout: { moveOverlap: "shiftY" },
    })),
  };
}

export const drawAll = () => document.querySelectorAll("[data-lines]").forEach(drawLines);

drawAll();
