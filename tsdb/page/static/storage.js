// What lies where: the rate of writing, the head and the blocks of each level over time, their codings.

import { ask, element, short } from "/static/api.js";
import { Chart, colour } from "/static/chart.js";

const EVERY_MS = 5000, PULSE_S = 5;
const at = (id) => document.getElementById(id);
const CODINGS = ["constant", "integer", "decimal", "xor", "ordered", "raw"];
const UNITS = [[31536e6, "y"], [864e5, "d"], [36e5, "h"], [6e4, "m"], [1e3, "s"]];
let chart = null;

const ink = (coding) => colour(CODINGS.includes(coding) ? CODINGS.indexOf(coding) : CODINGS.length);
const bytes = (n) => `${short(n)}B`.replace(/(\d)B$/, "$1 B");
const moment = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });

function span(ms) {
  const [size, unit] = UNITS.find(([one]) => ms >= one) || [1, "ms"];
  return `${+(ms / size).toPrecision(3)} ${unit}`;
}

function totals({ head, log, blocks, rate }) {
  const sum = (what) => blocks.reduce((all, block) => all + block[what], 0);
  const raw = blocks.filter((block) => !block.resolution);
  const kept = raw.reduce((all, block) => all + block.samples, 0), size = raw.reduce((all, one) => all + one.bytes, 0);
  const facts = [[short(rate.at(-1)?.[1] ?? 0), "samples a second"], [short(head.samples), "samples in the head"],
    [short(head.series), "series in the head"], [bytes(log.bytes), "log"], [short(sum("samples")), "samples in blocks"],
    [bytes(sum("bytes")), `${blocks.length} blocks`], [kept ? (size / kept).toPrecision(3) : "–", "bytes a sample"]];
  at("totals").replaceChildren(...facts.map(([value, text]) =>
    element("div", {}, element("b", {}, value), element("span", {}, text))));
}

function rates(rate, now) {
  const end = now / 1000, start = rate.length ? Math.min(rate[0][0] / 1000, end - 300) : end - 300;
  const series = [{ name: "samples/s", points: rate.map(([t, v]) => [t / 1000, v]) }];
  if (chart) chart.show(series, start, end, PULSE_S * 2.5);
  else chart = new Chart(at("rate"), series, start, end, PULSE_S * 2.5, { low: true, legend: false });
}

// The rows of the picture, the newest samples at the top: head, levels, tiers.
function rows({ head, blocks }) {
  const made = [];
  if (head.first !== null) made.push({ name: "head", parts: [{ ...head, name: "the head", codings: {} }] });
  const groups = new Map();
  for (const block of blocks) {
    const name = block.resolution ? `every ${span(block.resolution)}` : `level ${block.level}`;
    const order = block.resolution * 1000 + block.level;
    if (!groups.has(name)) groups.set(name, { name, order, parts: [] });
    groups.get(name).parts.push(block);
  }
  return [...made, ...[...groups.values()].sort((a, b) => a.order - b.order)];
}

function told(part) {
  const lines = [part.name, `${moment(part.first)} – ${moment(part.last)}`,
    `${part.samples.toLocaleString()} samples of ${part.series.toLocaleString()} series`];
  if (part.bytes) lines.push(`${bytes(part.bytes)}, ${(part.bytes / part.samples).toPrecision(3)} a sample`);
  return lines.join("\n");
}

function levels(found) {
  const every = rows(found), parts = every.flatMap((row) => row.parts);
  const first = Math.min(...parts.map((part) => part.first)), last = Math.max(...parts.map((part) => part.last));
  const place = (ms) => 100 * (ms - first) / Math.max(last - first, 1);
  at("levels").replaceChildren(...every.map((row) => {
    const line = element("div", { class: "line" });
    for (const part of row.parts) {
      const all = Object.values(part.codings).reduce((a, b) => a + b, 0);
      const left = place(part.first), width = place(part.last) - left;
      line.append(element("div", { class: part.bytes ? "part" : "part head", title: told(part),
        style: `left:${left}%;width:max(3px, calc(${width}% - 1px))` },
      ...Object.entries(part.codings).map(([coding, size]) =>
        element("i", { style: `height:${100 * size / all}%;background:${ink(coding)}` })),
      element("span", {}, part.bytes ? bytes(part.bytes) : short(part.samples))));
    }
    return element("div", { class: "level" }, element("b", {}, row.name), line);
  }), element("div", { class: "level edge" }, element("b", {}), element("div", { class: "line" },
    ...(parts.length ? [element("span", {}, moment(first)), element("span", {}, span(last - first)),
      element("span", {}, moment(last))] : [element("span", {}, "nothing was written yet")]))));
  const seen = new Set(parts.flatMap((part) => Object.keys(part.codings)));
  at("codings").replaceChildren(...[...seen].sort((a, b) => CODINGS.indexOf(a) - CODINGS.indexOf(b)).map((coding) =>
    element("li", {}, element("i", { style: `background:${ink(coding)}` }), coding)));
}

function table(blocks) {
  const heads = ["block", "from", "to", "series", "samples", "size", "a sample", "codings"];
  at("none").hidden = blocks.length > 0;
  at("blocks").hidden = !blocks.length;
  at("blocks").tHead.replaceChildren(element("tr", {}, ...heads.map((head) => element("th", {}, head))));
  at("blocks").tBodies[0].replaceChildren(...[...blocks].reverse().map((block) => {
    const all = Object.values(block.codings).reduce((a, b) => a + b, 0);
    const shares = Object.entries(block.codings).map(([name, size]) => `${name} ${Math.round(100 * size / all)} %`);
    return element("tr", {}, ...[block.name, moment(block.first), moment(block.last), block.series.toLocaleString(),
      block.samples.toLocaleString(), bytes(block.bytes), (block.bytes / block.samples).toPrecision(3),
      shares.join(", ")].map((cell) => element("td", {}, cell)));
  }));
}

async function look() {
  try {
    const found = await ask("status/storage");
    totals(found);
    rates(found.rate, found.now);
    levels(found);
    table(found.blocks);
    at("problem").hidden = !found.damaged.length;
    at("problem").textContent = found.damaged.join("; ");
  } catch (problem) {
    at("problem").hidden = false;
    at("problem").textContent = problem.message;
  }
}

look();
setInterval(look, EVERY_MS);
