// Completion in the editor: functions and metrics, inside braces labels, behind `=` their values.

import { ask, element } from "/static/api.js";

const SHOWN = 50;

export class Completer {
  constructor(editor, list) {
    Object.assign(this, { editor, list, at: 0, choices: [], known: new Map(), asked: 0 });
    editor.addEventListener("input", () => this.look());
    editor.addEventListener("keydown", (event) => this.key(event));
    editor.addEventListener("blur", () => setTimeout(() => this.close(), 150));
  }

  // What the API says, asked once a minute at most.
  async once(path, params = {}) {
    const key = path + JSON.stringify(params), known = this.known.get(key);
    if (known && performance.now() - known.at < 60000) return known.data;
    const data = await ask(path, params).catch(() => []);
    this.known.set(key, { at: performance.now(), data });
    return data;
  }

  // Where the cursor stands: {kind, word, ...}.
  context() {
    const before = this.editor.value.slice(0, this.editor.selectionStart);
    const value = before.match(/([a-zA-Z_:][\w:]*)?\{[^{}]*?([a-zA-Z_]\w*)\s*(?:=~?|!=|!~)\s*"([^"]*)$/);
    if (value) return { kind: "value", metric: value[1], label: value[2], word: value[3] };
    const label = before.match(/([a-zA-Z_:][\w:]*)?\{(?:[^{}"]|"[^"]*")*?([a-zA-Z_]\w*)?$/);
    if (label) return { kind: "label", metric: label[1], word: label[2] || "" };
    const by = before.match(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*?(\w*)$/);
    if (by) return { kind: "label", word: by[1] };
    const name = before.match(/[a-zA-Z_:][\w:]*$/);
    return name ? { kind: "name", word: name[0] } : null;
  }

  async candidates({ kind, metric, label, word }) {
    const params = metric ? { "match[]": metric } : {};
    if (kind === "value") return (await this.once(`label/${label}/values`, params)).map((text) => ({ text }));
    if (kind === "label")
      return (await this.once("labels", params)).filter((text) => text !== "__name__").map((text) => ({ text }));
    if (!this.functions) this.functions = (await (await fetch("/functions.json")).json()).data;
    const metrics = await this.once("label/__name__/values"), told = await this.once("metadata");
    return [
      ...Object.entries(this.functions).map(([text, told]) => ({ text, note: told.join("  "), after: "(" })),
      ...metrics.map((text) => ({ text, note: told[text]?.[0]?.help || told[text]?.[0]?.type || "metric" })),
    ].filter(({ text }) => text !== word);
  }

  async look() {
    const context = this.context(), number = ++this.asked;
    if (!context) return this.close();
    const word = context.word.toLowerCase(), all = await this.candidates(context);
    if (number !== this.asked) return undefined;
    const rank = ({ text }) => text.toLowerCase().startsWith(word) ? 0 : text.toLowerCase().includes(word) ? 1 : 2;
    this.choices = all.map((one) => [rank(one), one]).filter(([r]) => r < 2).sort((a, b) => a[0] - b[0])
      .slice(0, SHOWN).map(([, one]) => one);
    this.at = 0;
    this.word = context.word;
    return this.choices.length ? this.show() : this.close();
  }

  show() {
    this.list.replaceChildren(...this.choices.map((one, index) => {
      const item = element("li", { role: "option", "aria-selected": index === this.at }, one.text,
        element("small", {}, one.note || ""));
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); this.at = index; this.take(); });
      return item;
    }));
    this.list.hidden = false;
    this.list.children[this.at].scrollIntoView({ block: "nearest" });
  }

  close() { this.list.hidden = true; }

  take() {
    const { text, after = "" } = this.choices[this.at], end = this.editor.selectionStart;
    this.editor.setRangeText(text + after, end - this.word.length, end, "end");
    this.close();
    this.editor.focus();
  }

  key(event) {
    if (this.list.hidden) {
      if (event.key === " " && event.ctrlKey) { event.preventDefault(); this.look(); }
      return;
    }
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      event.preventDefault();
      this.at = (this.at + moves[event.key] + this.choices.length) % this.choices.length;
      this.show();
    } else if ((event.key === "Enter" && !event.ctrlKey) || event.key === "Tab") {
      event.preventDefault();
      this.take();
    } else if (event.key === "Escape") this.close();
  }
}
