// The past, page by page as one scrolls. A page far out of sight gives its rows back and keeps only its height, so that
// the ten thousandth alert scrolls like the first.

import { $, make } from "./dom.js";
import { ask } from "./link.js";
import { row } from "./rows.js";

const NEAR_PX = 1500;

export class History {
  #next = null;
  #loading = false;
  #turn = 0;
  #open;
  #failed;
  #pages = new Map(); // element -> the alerts of that page
  #looking = false;

  constructor(open, failed) {
    this.#open = open;
    this.#failed = failed;
    $("filters").addEventListener("input", () => this.show());
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    // Whichever scrolls: the view, or on a phone the whole document. An IntersectionObserver would tell only of changes,
    // and misses an end that was filled and reached again between two frames.
    document.addEventListener("scroll", () => this.#look(), { capture: true, passive: true });
  }

  // Whoever reads far down is not thrown back to the top because the line was cut.
  get atStart() { return $("past").getBoundingClientRect().top > 0; }

  async show() {
    this.#turn += 1;
    this.#loading = false;
    this.#next = null;
    const query = this.#query();
    for (const kind of ["csv", "geojson"]) $(kind).href = `api/v1/export/alerts.${kind}?${query}`;
    await this.#load(query, true);
  }

  #query() {
    const given = [...new FormData($("filters"))].filter(([, value]) => value).map(([name, value]) => [name, name === "from" || name === "to" ? `${value}Z` : value]);
    return new URLSearchParams(given);
  }

  async #more() {
    if (this.#next === null || this.#loading) return;
    const query = this.#query();
    query.set("before", this.#next);
    await this.#load(query, false);
  }

  async #load(query, fresh) {
    const turn = this.#turn;
    this.#loading = true;
    try {
      const page = await ask(`alerts?${query}`);
      if (turn !== this.#turn) return;
      this.#next = page.next;
      if (fresh) this.#clear();
      this.#add(page.alerts);
      $("found").textContent = `${page.count} ${page.count === 1 ? "alert" : "alerts"}`;
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    } finally {
      if (turn === this.#turn) this.#loading = false;
    }
    this.#look();
  }

  #clear() {
    this.#pages.clear();
    $("past").replaceChildren();
  }

  #add(alerts) {
    const element = make("div", { class: "rows past", role: "presentation" }, ...this.#rows(alerts));
    this.#pages.set(element, alerts);
    $("past").append(element);
  }

  #rows(alerts) {
    return alerts.map((alert) => row(alert, { past: true, open: () => this.#open(alert) }));
  }

  // Once a frame: fetch what is about to be seen, and keep rows only near to what is seen.
  #look() {
    if (this.#looking || $("view-history").hidden) return;
    this.#looking = true;
    requestAnimationFrame(() => {
      this.#looking = false;
      if ($("view-history").hidden) return;
      const boxes = [...this.#pages.keys()].map((element) => [element, element.getBoundingClientRect()]);
      for (const [element, box] of boxes) this.#sight(element, box);
      if ($("past-end").getBoundingClientRect().top < innerHeight + NEAR_PX) this.#more();
    });
  }

  #sight(element, box) {
    const near = box.bottom > -NEAR_PX && box.top < innerHeight + NEAR_PX;
    if (near && !element.childElementCount) {
      element.replaceChildren(...this.#rows(this.#pages.get(element)));
      element.style.height = "";
    } else if (!near && element.childElementCount && !element.contains(document.activeElement)) {
      element.style.height = `${box.height}px`;
      element.replaceChildren();
    }
  }
}
