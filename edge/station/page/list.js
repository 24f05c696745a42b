// The live list: rows are replaced only when what they say changed, so that focus, hover and a screen reader stay put.

import { $ } from "./dom.js";
import { row } from "./rows.js";
import { keyOf } from "./state.js";

export class List {
  #shown = new Map(); // key -> { text, element }
  #open;
  #take;

  constructor(open, take) {
    this.#open = open;
    this.#take = take;
  }

  render(ordered, selected) {
    const list = $("list");
    const focused = document.activeElement?.closest?.("#list li")?.dataset.key;
    const wanted = new Set(ordered.map(keyOf));
    for (const [key, { element }] of this.#shown) {
      if (!wanted.has(key)) {
        element.remove();
        this.#shown.delete(key);
      }
    }
    ordered.forEach((one, index) => {
      const element = this.#element(one);
      element.classList.toggle("selected", keyOf(one) === selected);
      if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    });
    // A row that was replaced or moved under the operator's hand keeps the keyboard.
    if (focused && document.activeElement === document.body) this.focus(focused);
  }

  select(selected) {
    for (const [key, { element }] of this.#shown) element.classList.toggle("selected", key === selected);
    this.#shown.get(selected)?.element.scrollIntoView({ block: "nearest" });
  }

  focus(key) { this.#shown.get(key)?.element.querySelector(".open").focus(); }

  // The key of the row so many steps after `selected`; the first when that is not in the list.
  step(selected, by) {
    const keys = [...$("list").children].map((element) => element.dataset.key);
    const at = keys.indexOf(selected);
    return keys[Math.min(keys.length - 1, Math.max(0, at < 0 ? 0 : at + by))] ?? null;
  }

  #element(one) {
    const key = keyOf(one);
    const text = JSON.stringify(one);
    let entry = this.#shown.get(key);
    if (entry?.text !== text) {
      const element = row(one, { open: () => this.#open(key), take: () => this.#take(one) });
      entry?.element.replaceWith(element);
      entry = { text, element };
      this.#shown.set(key, entry);
    }
    return entry.element;
  }
}
