// Asks Prometheus' API of the server this page came from.

export async function ask(path, params = {}) {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) form.append(name, value);
  const response = await fetch(`/api/v1/${path}?${form}`);
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(answer.error || response.statusText);
  return answer.data;
}

export function metricText(metric) {
  const { __name__: name = "", ...labels } = metric;
  const inner = Object.entries(labels).map(([n, v]) => `${n}=${JSON.stringify(v)}`);
  return inner.length || !name ? `${name}{${inner.join(", ")}}` : name;
}

// 1234567 -> 1.235 M; four digits, so that a column of them lines up.
export function short(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  for (const [unit, of] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]])
    if (size >= of) return `${+(value / of).toPrecision(4)} ${unit}`;
  if (size !== 0 && size < 1e-4) return value.toExponential(2);
  return String(+value.toPrecision(4));
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name === "style") made.style.cssText = value;  // as an attribute the page's policy forbids it
    else made.setAttribute(name, value);
  made.append(...children);
  return made;
}
