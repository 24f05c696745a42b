// What the page knows: alerts, troubles, nodes and the station, and in which order they matter.

export const RANK = { routine: 0, important: 1, urgent: 2 };
export const MAX_ROWS = 200;
const MAX_POINTS = 200;

export class State {
  alerts = new Map();
  troubles = new Map();
  nodes = new Map();
  station = null;
  alerts_in_all = 0;
  trails = new Map(); // key -> [lon, lat] of every place a live group was seen at, oldest first

  live(all) {
    this.alerts = new Map(all.alerts.map((alert) => [keyOf(alert), alert]));
    this.troubles = new Map(all.troubles.map((trouble) => [keyOf(trouble), trouble]));
    this.nodes = new Map(all.nodes.map((node) => [node.node, node]));
    this.station = all.station;
    this.alerts_in_all = all.alerts_in_all;
    for (const key of this.trails.keys()) if (!this.alerts.has(key)) this.trails.delete(key);
  }

  // What the station remembers of the way that each group came; only it knows what was before this page was opened.
  walked(told) {
    this.trails = new Map(told.map((one) => [`${one.node}/${one.alert_id}`, one.points.map(({ lon, lat }) => [lon, lat])]));
  }

  changes({ alerts, troubles, nodes }) {
    for (const alert of alerts) {
      const key = keyOf(alert);
      if (!alert.live) {
        this.alerts_in_all -= this.alerts.delete(key) ? 1 : 0;
        this.trails.delete(key);
      } else {
        this.alerts_in_all += this.alerts.has(key) ? 0 : 1;
        this.alerts.set(key, alert);
        if (alert.data.position) this.#walk(key, [alert.data.position.lon, alert.data.position.lat]);
      }
    }
    for (const trouble of troubles) {
      if (trouble.ended_at && trouble.handled_at) this.troubles.delete(keyOf(trouble));
      else this.troubles.set(keyOf(trouble), trouble);
    }
    for (const node of nodes) this.nodes.set(node.node, node);
    this.#bound();
  }

  #walk(key, place) {
    const trail = this.trails.get(key) ?? [];
    if (trail.at(-1)?.join() === place.join()) return;
    this.trails.set(key, [...trail, place].slice(-MAX_POINTS));
  }

  // A page that is left open for weeks must not grow: what lies far below the end of the list is dropped again.
  #bound() {
    if (this.alerts.size <= 4 * MAX_ROWS) return;
    const kept = [...this.alerts.values()].sort(louderFirst).slice(0, 2 * MAX_ROWS);
    this.alerts = new Map(kept.map((alert) => [keyOf(alert), alert]));
    for (const key of this.trails.keys()) if (!this.alerts.has(key)) this.trails.delete(key);
  }

  get ordered() { return [...this.alerts.values(), ...this.troubles.values()].sort(louderFirst); }

  get loudest() {
    const calling = this.ordered.filter(sounds);
    return calling.length ? priorityOf(calling[0]) : null;
  }

  get calling() { return this.ordered.filter(calls).length; }
}

export const isTrouble = (one) => one.alert_id === undefined;
export const keyOf = (one) => (isTrouble(one) ? `trouble/${one.id}` : `${one.node}/${one.alert_id}`);
export const calls = (one) => (isTrouble(one) ? !one.handled_at : one.calls);
const sounds = (one) => calls(one) && !(isTrouble(one) && one.ended_at);
export const priorityOf = (one) => (isTrouble(one) ? (one.ended_at ? "routine" : "urgent") : one.data.priority);
const since = (one) => (isTrouble(one) ? one.began_at : one.heard_at);

function louderFirst(a, b) {
  return calls(b) - calls(a) || RANK[priorityOf(b)] - RANK[priorityOf(a)] || (since(a) < since(b) ? 1 : -1);
}
