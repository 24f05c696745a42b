// One stream from the station. It begins with the whole live state, so a page that was cut off is right with the first
// message after; a stream that says nothing for three beats is dead, whatever the browser believes.

const DEAD_MS = 3000;
const AGAIN_MS = 700;
const LOOK_MS = 500;

export class Link {
  #source = null;
  #heard_ms = 0;
  #looked_ms = Date.now();
  #on;

  constructor(on) {
    this.#on = on;
    setInterval(() => this.#watch(), LOOK_MS);
  }

  open() {
    this.#source?.close();
    this.#heard_ms = Date.now();
    const source = (this.#source = new EventSource("api/v1/stream"));
    for (const kind of ["live", "changes", "station", "fault"]) {
      source.addEventListener(kind, (event) => {
        if (source !== this.#source) return;
        this.#heard_ms = Date.now();
        this.#on.message(kind, JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      if (source !== this.#source) return;
      this.#on.lost();
      source.close();
      this.#source = null;
      setTimeout(() => this.#source === null && this.#again(), AGAIN_MS);
    };
  }

  async #again() {
    // EventSource does not say why it failed; a station that wants its token must be told apart from one that is gone.
    try {
      const answer = await fetch("api/v1/health", { signal: AbortSignal.timeout(DEAD_MS) });
      if (answer.status === 401) return this.#on.locked();
    } catch { /* gone: try again */ }
    if (this.#source === null) this.open();
  }

  // A page that was itself asleep or too busy has heard nothing either: what came meanwhile is read first.
  #watch() {
    const late = Date.now() - this.#looked_ms > 2 * LOOK_MS;
    this.#looked_ms = Date.now();
    if (late) setTimeout(() => this.#judge(), 2 * LOOK_MS);
    else this.#judge();
  }

  #judge() {
    if (this.#source === null || Date.now() - this.#heard_ms <= DEAD_MS) return;
    this.#on.lost();
    this.open();
  }
}

export async function ask(path, body) {
  const request = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`api/v1/${path}`, { ...request, signal: AbortSignal.timeout(10000) });
  if (answer.status === 204) return null;
  const said = await answer.json().catch(() => ({ error: `the station answers ${answer.status}` }));
  if (!answer.ok) throw new Error(said.error ?? `the station answers ${answer.status}`);
  return said;
}

export const pathOf = (alert) => `alerts/${encodeURIComponent(alert.node)}/${encodeURIComponent(alert.alert_id)}`;
