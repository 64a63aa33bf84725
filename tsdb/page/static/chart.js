// Lines over time on a canvas: axes, a cross-hair with values, zoom by dragging, and a legend: a click hides a
// line or shows it again, a click with Shift shows it alone.

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
  // zoom(start, end) is called with what was dragged over, zoom() for a double click; low: half as high.
  constructor(place, series, start, end, gap, { zoom = null, low = false, legend = true } = {}) {
    Object.assign(this, { zoom, hidden: new Set(), hover: null, drag: null });
    this.canvas = element("canvas", { class: low ? "low" : "" });
    this.tip = element("div", { class: "tip", hidden: "" });
    this.box = element("div", { class: "chart" }, this.canvas, this.tip);
    this.legend = element("ul", { class: "legend" });
    place.replaceChildren(this.box, ...(legend ? [this.legend] : []));
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    if (zoom) {
      this.canvas.addEventListener("pointerdown", (event) => this.press(event));
      this.canvas.addEventListener("pointerup", (event) => this.release(event));
      this.canvas.addEventListener("dblclick", () => zoom());
    }
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.show(series, start, end, gap);
  }

  // Draw these instead.
  show(series, start, end, gap) {
    Object.assign(this, { series, start, end, gap });
    this.legend.replaceChildren(...series.map((one, index) => this.entry(one, index)));
    this.draw();
  }

  entry(one, index) {
    const item = element("li", { class: this.hidden.has(index) ? "off" : "" },
      element("i", { style: `background:${colour(index)}` }), element("span", { title: one.name }, one.name));
    item.addEventListener("click", (event) => {
      const others = this.series.map((_, i) => i).filter((i) => i !== index);
      if (event.shiftKey) this.hidden = new Set(others.every((i) => this.hidden.has(i)) ? [] : others);
      else if (!this.hidden.delete(index)) this.hidden.add(index);
      if (event.shiftKey) this.hidden.delete(index);
      [...this.legend.children].forEach((each, i) => each.classList.toggle("off", this.hidden.has(i)));
      this.draw();
    });
    return item;
  }

  // Seconds at a place of the canvas.
  time(x) {
    const share = (x - LEFT) / (this.canvas.clientWidth - LEFT - RIGHT);
    return this.start + Math.min(Math.max(share, 0), 1) * (this.end - this.start);
  }

  press(event) {
    this.drag = [this.time(event.offsetX), this.time(event.offsetX)];
    this.canvas.setPointerCapture(event.pointerId);
  }

  release(event) {
    const dragged = this.drag;
    this.drag = null;
    const [from, to] = dragged ? [...dragged].sort((a, b) => a - b) : [0, 0];
    if (to - from > (this.end - this.start) / 100) this.zoom(from, to);
    else this.point(event);
  }

  leave() {
    this.hover = null;
    this.tip.hidden = true;
    this.draw();
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
    if (this.drag) {
      pen.fillStyle = style.getPropertyValue("--wash");
      const [from, to] = this.drag.map(this.x);
      pen.fillRect(Math.min(from, to), TOP, Math.abs(to - from), height - TOP - BOTTOM);
    }
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
      const half = pen.measureText(text).width / 2;  // so that what stands at an end is whole
      pen.fillText(text, Math.max(half, Math.min(this.x(t), width - half)), height - BOTTOM + 8);
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
    const at = event.offsetX, width = this.canvas.clientWidth, t = this.time(at);
    if (this.drag) {
      this.drag[1] = t;
      this.tip.hidden = true;
      this.draw();
      return;
    }
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
