// The query page.  Its state is in the address, in the names Prometheus' links have.

import { ask, element, metricText } from "/static/api.js";
import { Chart } from "/static/chart.js";
import { Completer } from "/static/complete.js";

const LINES = 200, POINTS = 250;
const at = (id) => document.getElementById(id);
const form = at("ask"), query = at("query");
let tab = "graph", chart = null;

new Completer(query, at("choices"));

function restore() {
  const given = new URLSearchParams(location.search);
  query.value = given.get("g0.expr") || "";
  tab = given.get("g0.tab") === "1" ? "table" : "graph";
  const range = given.get("g0.range_input");
  if (range) setRange(seconds(range));
  if (given.get("g0.end_input")) at("end").value = given.get("g0.end_input").replace(" ", "T");
  at("step").value = given.get("g0.step_input") || "";
}

function remember() {
  const state = new URLSearchParams({ "g0.expr": query.value, "g0.tab": tab === "table" ? "1" : "0",
    "g0.range_input": `${at("range").value}s` });
  if (at("end").value) state.set("g0.end_input", at("end").value.replace("T", " "));
  if (at("step").value) state.set("g0.step_input", at("step").value);
  history.replaceState(null, "", `?${state}`);
}

// How much time is shown, in seconds; one that the list does not have is added to it.
function setRange(length) {
  const value = String(Math.max(Math.round(length), 1));
  if (![...at("range").options].some((one) => one.value === value))
    at("range").append(element("option", { value }, `${value} s`));
  at("range").value = value;
}

function setEnd(time) {
  const moment = new Date(time * 1000), local = new Date(moment - moment.getTimezoneOffset() * 60000);
  at("end").value = local.toISOString().slice(0, 19);
}

// What was dragged over fills the chart; without it twice as much is shown, around the same middle.
function zoom(start, end) {
  const range = Number(at("range").value);
  if (end === undefined) {
    if (at("end").value) setEnd(Math.min(new Date(at("end").value) / 1000 + range / 2, Date.now() / 1000));
    setRange(range * 2);
  } else {
    setEnd(Math.ceil(end));
    setRange(Math.ceil(end) - Math.floor(start));
  }
  run();
}

function seconds(text) {
  const units = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  return [...text.matchAll(/(\d+)([smhdw])/g)].reduce((sum, [, n, unit]) => sum + n * units[unit], 0);
}

function show(problem) {
  at("problem").hidden = !problem;
  at("problem").textContent = problem || "";
  at("answer").hidden = Boolean(problem);
}

async function run() {
  if (!query.value.trim()) return;
  remember();
  const end = at("end").value ? new Date(at("end").value).getTime() / 1000 : Date.now() / 1000;
  const range = Number(at("range").value), start = end - range;
  const step = at("step").value ? seconds(at("step").value) || Number(at("step").value)
    : Math.max(Math.round(range / POINTS), 1);
  const begun = performance.now();
  document.querySelectorAll(".tab").forEach((one) => one.classList.toggle("on", one.dataset.tab === tab));
  try {
    const data = tab === "graph" ? await ask("query_range", { query: query.value, start, end, step })
      : await ask("query", { query: query.value, time: end });
    const took = performance.now() - begun;
    show();
    tab === "graph" ? graph(data.result, start, end, step) : table(data);
    const rows = Array.isArray(data.result[0]) || data.result[0]?.metric ? data.result.length : 1;
    at("stats").textContent = `${data.resultType} · ${rows.toLocaleString()} series · ${took.toFixed(0)} ms` +
      (tab === "graph" ? ` · step ${step} s` : "") + (rows > LINES && tab === "graph" ? ` · the first ${LINES} drawn` : "");
  } catch (problem) { show(problem.message); }
}

function graph(result, start, end, step) {
  at("table").hidden = true;
  at("chart").hidden = false;
  const series = result.slice(0, LINES).map(({ metric, values }) => ({ name: metricText(metric),
    points: values.map(([t, v]) => [t, parseFloat(v.replace("Inf", "Infinity"))]) }));
  // The same lines at another time: what was hidden stays hidden.
  const same = chart?.series.length === series.length && series.every(({ name }, i) => name === chart.series[i].name);
  if (same) chart.show(series, start, end, step * 1.5);
  else chart = new Chart(at("chart"), series, start, end, step * 1.5, { zoom });
}

function table({ resultType, result }) {
  at("chart").hidden = true;
  at("table").hidden = false;
  const rows = resultType === "scalar" || resultType === "string" ? [["", result[1]]]
    : result.map((row) => [metricText(row.metric), row.value ? row.value[1]
      : row.values.map(([t, v]) => `${v} @${t}`).join("\n")]);
  at("table").tBodies[0].replaceChildren(...rows.map(([name, value]) =>
    element("tr", {}, element("td", {}, name), element("td", { style: "white-space:pre" }, value))));
}

form.addEventListener("submit", (event) => { event.preventDefault(); run(); });
query.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.ctrlKey) run(); });
at("range").addEventListener("change", run);
at("format").addEventListener("click", async () => {
  try { query.value = await ask("format_query", { query: query.value }); show(); }
  catch (problem) { show(problem.message); }
  query.rows = Math.max(2, query.value.split("\n").length);
});
document.querySelectorAll(".tab").forEach((one) => one.addEventListener("click", () => { tab = one.dataset.tab; run(); }));
restore();
run();
