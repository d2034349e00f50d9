// Where names of points go: beside their point, never on one another, left out where there is no room.

const LINE = 15;

const meets = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

function places(at, width, area) {           // in order of liking, relative to the middle of the point
  const gap = at.size / 2 + 5;
  const middle = at.x - width / 2;
  const slid = Math.max(area.x, Math.min(middle, area.x + area.w - width));       // above and below, a name may stand off the middle
  return [
    { position: "right", x: at.x + gap, y: at.y - LINE - 1, offset: [0, -LINE / 2 - 1] },
    { position: "left", x: at.x - gap - width, y: at.y - LINE - 1, offset: [0, -LINE / 2 - 1] },
    { position: "right", x: at.x + gap, y: at.y + 2, offset: [0, LINE / 2 + 2] },
    { position: "left", x: at.x - gap - width, y: at.y + 2, offset: [0, LINE / 2 + 2] },
    { position: "top", x: slid, y: at.y - gap - LINE, offset: [slid - middle, 0] },
    { position: "bottom", x: slid, y: at.y + gap, offset: [slid - middle, 0] },
  ];
}

function beside(at, area) {                  // the side with more room; the name is cut there
  const gap = at.size / 2 + 5;
  const left = at.x - area.x - gap, right = area.x + area.w - at.x - gap;
  return { ...places(at, left, area)[right < left ? 1 : 0], w: Math.max(left, right) };
}

// points: [{key, x, y, size, text, must}] in pixels, the most important first.  area: {x, y, w, h}.  taken: boxes to keep clear.
// bars: boxes that are better not crossed.  Returns Map key -> {position, offset, width}.
export function place(points, area, taken, bars, measure) {
  const boxes = [...taken, ...points.map((at) => ({ x: at.x - at.size / 2, y: at.y - at.size / 2, w: at.size, h: at.size }))];
  const found = new Map();
  for (const at of points) {
    const width = measure(at.text);
    const free = places(at, width, area).map((spot) => ({ ...spot, w: width, h: LINE })).filter((spot) =>
      spot.x >= area.x && spot.x + spot.w <= area.x + area.w && spot.y >= area.y && spot.y + LINE <= area.y + area.h && !boxes.some((box) => meets(box, spot)));
    const cost = (spot) => bars.filter((bar) => meets(bar, spot)).length;
    const best = free.reduce((one, other) => (one && cost(one) <= cost(other) ? one : other), null);
    if (!best && !at.must) continue;
    const spot = best ?? { ...beside(at, area), h: LINE };
    boxes.push(spot);
    found.set(at.key, { position: spot.position, offset: spot.offset, width: Math.min(spot.w, width) + 1 });
  }
  return found;
}

let pen = null;

export function widthOf(font, size) {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = `600 ${size}px ${font}`;
  return (text) => pen.measureText(text).width;
}
