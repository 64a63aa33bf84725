// Lines over time on a canvas: axes, a cross-hair with values, a legend that hides and shows.

import { element, short } from "/static/api.js";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
  604800, 1209600, 2592000];
const LEFT = 64, RIGHT = 12, TOP = 10, BOTTOM = 26;
const TIP_ROWS = 12;

export function colour(index) {
  return `hsl(${(28 + index * 137.5) % 360} 62% ${matchMedia("(prefers-color-scheme: dark)").matches ? 62 : 42}%)`;
}

export class Chart {
  // series: [{name, points: [[seconds, value], ...]}]; points further apart than `gap` are not joined.
  constructor(place, series, start, end, gap) {
    Object.assign(this, { series, start, end, gap, hidden: new Set(), hover: null });
    this.canvas = element("canvas");
    this.tip = element("div", { class: "tip", hidden: "" });
    this.box = element("div", { class: "chart" }, this.canvas, this.tip);
    this.legend = element("ul", { class: "legend" });
    series.forEach((one, index) => this.legend.append(this.entry(one, index)));
    place.replaceChildren(this.box, this.legend);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => { this.hover = null; this.tip.hidden = true; this.draw(); });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.draw();
  }

  entry(one, index) {
    const item = element("li", {}, element("i", { style: `background:${colour(index)}` }),
      element("span", { title: one.name }, one.name));
    item.addEventListener("click", () => {
      this.hidden.has(index) ? this.hidden.delete(index) : this.hidden.add(index);
      item.classList.toggle("off");
      this.draw();
    });
    return item;
  }

  extent() {
    let low = Infinity, high = -Infinity;
    this.series.forEach((one, index) => {
      if (this.hidden.has(index)) return;
      for (const [, value] of one.points)
        if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    });
    if (low > high) return [0, 1];
    if (low > 0 && low < high / 2) low = 0;
    if (low === high) return low === 0 ? [-1, 1] : [Math.min(0, 2 * low), Math.max(0, 2 * low)];
    return [low, high + (high - low) * 0.05];
  }

  draw() {
    const ratio = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const pen = this.canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    pen.scale(ratio, ratio);
    const [low, high] = this.extent();
    this.x = (t) => LEFT + (t - this.start) / Math.max(this.end - this.start, 1) * (width - LEFT - RIGHT);
    this.y = (v) => height - BOTTOM - (v - low) / (high - low) * (height - TOP - BOTTOM);
    this.axes(pen, style, width, height, low, high);
    this.series.forEach((one, index) => { if (!this.hidden.has(index)) this.line(pen, one.points, colour(index)); });
    if (this.hover !== null) {
      pen.strokeStyle = style.getPropertyValue("--soft");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(this.x(this.hover), TOP);
      pen.lineTo(this.x(this.hover), height - BOTTOM);
      pen.stroke();
    }
  }

  axes(pen, style, width, height, low, high) {
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = style.getPropertyValue("--soft");
    pen.strokeStyle = style.getPropertyValue("--edge");
    pen.lineWidth = 1;
    const rough = (high - low) / 6, base = 10 ** Math.floor(Math.log10(rough));
    const every = [1, 2, 5, 10].map((n) => n * base).find((n) => n >= rough);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (let v = Math.ceil(low / every) * every; v <= high; v += every) {
      const y = Math.round(this.y(v)) + 0.5;
      pen.beginPath();
      pen.moveTo(LEFT, y);
      pen.lineTo(width - RIGHT, y);
      pen.stroke();
      pen.fillText(short(Math.abs(v) < every / 1e6 ? 0 : v), LEFT - 8, y);
    }
    const span = this.end - this.start;
    const step = STEPS.find((s) => span / s <= width / 110) || STEPS.at(-1);
    const shift = new Date(this.start * 1000).getTimezoneOffset() * 60;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (let t = Math.ceil((this.start - shift) / step) * step + shift; t <= this.end; t += step) {
      const moment = new Date(t * 1000), midnight = moment.getHours() + moment.getMinutes() === 0;
      const text = step >= 86400 || midnight ? moment.toLocaleDateString(undefined, { month: "short", day: "numeric" })
        : moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hour12: false,
          ...(step < 60 && { second: "2-digit" }) });
      pen.fillText(text, this.x(t), height - BOTTOM + 8);
    }
  }

  line(pen, points, ink) {
    pen.strokeStyle = pen.fillStyle = ink;
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.beginPath();
    let before = null;
    for (const [t, v] of points) {
      if (!Number.isFinite(v)) { before = null; continue; }
      if (before !== null && t - before <= this.gap) pen.lineTo(this.x(t), this.y(v));
      else { pen.moveTo(this.x(t), this.y(v)); pen.fillRect(this.x(t) - 1, this.y(v) - 1, 2, 2); }
      before = t;
    }
    pen.stroke();
  }

  point(event) {
    const at = event.offsetX, width = this.canvas.clientWidth;
    const t = this.start + (at - LEFT) / (width - LEFT - RIGHT) * (this.end - this.start);
    const near = this.series.flatMap((one, index) => {
      if (this.hidden.has(index)) return [];
      const found = one.points.reduce((a, b) => Math.abs(b[0] - t) < Math.abs(a[0] - t) ? b : a, [Infinity, NaN]);
      return Math.abs(found[0] - t) <= this.gap ? [{ one, index, t: found[0], v: found[1] }] : [];
    });
    if (!near.length) return;
    this.hover = near[0].t;
    near.sort((a, b) => b.v - a.v);
    const rows = near.slice(0, TIP_ROWS).map(({ one, index, v }) => element("p", {},
      element("i", { style: `background:${colour(index)}` }), `${short(v)}  ${one.name}`));
    if (near.length > TIP_ROWS) rows.push(element("p", {}, `and ${near.length - TIP_ROWS} more`));
    this.tip.replaceChildren(element("p", {}, new Date(this.hover * 1000).toLocaleString()), ...rows);
    this.tip.hidden = false;
    const right = at > width / 2;
    this.tip.style.cssText = `top:14px;${right ? `right:${width - at + 14}px` : `left:${at + 14}px`}`;
    this.draw();
  }
}
