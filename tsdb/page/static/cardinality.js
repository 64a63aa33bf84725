// What makes the series: metrics, labels and pairs, the largest first; a metric opens to its labels.

import { ask, element, short } from "/static/api.js";

const at = (id) => document.getElementById(id);

function bars(list, rows, link) {
  const most = Math.max(1, ...rows.map(({ value }) => value));
  list.replaceChildren(...rows.map(({ name, value }) => {
    const shown = link ? element("a", { href: link(name) }, name) : element("span", {}, name);
    return element("li", { style: `--share:${100 * value / most}%`, title: `${name}: ${value.toLocaleString()}` },
      shown, element("span", {}, value.toLocaleString()));
  }));
}

function total(value, text) {
  return element("div", {}, element("b", {}, short(value)), element("span", {}, text));
}

async function open(metric) {
  at("focus").hidden = !metric;
  if (!metric) return;
  const match = { "match[]": `{__name__=${JSON.stringify(metric)}}` };
  const names = (await ask("labels", match)).filter((name) => name !== "__name__");
  const rows = await Promise.all(names.map(async (name) =>
    ({ name, value: (await ask(`label/${name}/values`, match)).length })));
  at("focus").querySelector("h2").textContent = metric;
  bars(at("focus").querySelector("ul"), rows.sort((a, b) => b.value - a.value));
}

async function run() {
  try {
    const status = await ask("status/tsdb", { limit: 20 }), head = status.headStats;
    at("totals").replaceChildren(total(head.numSeries, "series"), total(head.numLabelPairs, "label pairs"),
      total((await ask("label/__name__/values")).length, "metrics"),
      total((await ask("labels")).length, "labels"));
    bars(at("metrics"), status.seriesCountByMetricName, (name) => `#${encodeURIComponent(name)}`);
    bars(at("labels"), status.labelValueCountByLabelName);
    bars(at("pairs"), status.seriesCountByLabelValuePair, (pair) => {
      const [, name, value] = pair.match(/^([^=]*)=(.*)$/s);
      return `/graph?${new URLSearchParams({ "g0.expr": `count by (__name__) ({${name}=${JSON.stringify(value)}})`,
        "g0.tab": "1" })}`;
    });
    bars(at("bytes"), status.memoryInBytesByLabelName);
    await open(decodeURIComponent(location.hash.slice(1)));
  } catch (problem) {
    at("problem").hidden = false;
    at("problem").textContent = problem.message;
  }
}

addEventListener("hashchange", () => open(decodeURIComponent(location.hash.slice(1))));
run();
