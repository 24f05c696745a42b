// The past, page by page as one scrolls; rows out of sight cost nothing (content-visibility).

import { $ } from "./dom.js";
import { ask } from "./link.js";
import { row } from "./rows.js";

export class History {
  #next = null;
  #loading = false;
  #turn = 0;
  #open;
  #failed;

  constructor(open, failed) {
    this.#open = open;
    this.#failed = failed;
    $("filters").addEventListener("input", () => this.show());
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.#more(), { rootMargin: "800px" }).observe($("past-end"));
  }

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
      const rows = page.alerts.map((alert) => row(alert, { past: true, open: () => this.#open(alert) }));
      if (fresh) $("past").replaceChildren(...rows);
      else $("past").append(...rows);
      $("found").textContent = `${page.count} ${page.count === 1 ? "alert" : "alerts"}`;
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    } finally {
      if (turn === this.#turn) this.#loading = false;
    }
  }
}
