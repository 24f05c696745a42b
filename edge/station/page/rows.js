// One line of the list, live or past.

import { age, make, movement, people, range, stamp, when } from "./dom.js";
import { calls, isTrouble, keyOf, priorityOf } from "./state.js";

const TAG = { urgent: "▲ urgent", important: "◆ important", routine: "● routine" };
const WORD = { blind: "BLIND", offline: "OFFLINE", silent: "SILENT" };

export function row(one, { open, take, past = false }) {
  const over = isTrouble(one) ? Boolean(one.ended_at) : one.data.phase === "end";
  const names = ["row", priorityOf(one), calls(one) && !past ? "calls" : "", over ? "over" : ""];
  const parts = isTrouble(one) ? troubleParts(one) : alertParts(one, past);
  const taking = calls(one) && !past;
  return make(past ? "div" : "li", { class: names.filter(Boolean).join(" "), "data-key": keyOf(one), role: past ? "listitem" : null },
    make("button", { type: "button", class: "open", onclick: open }, ...parts),
    taking ? make("button", { type: "button", class: "take", onclick: take }, make("kbd", {}, "A"), " Take over", make("span", { class: "unseen" }, ` ${titleOf(one)}`)) : null);
}

export function titleOf(one) {
  if (isTrouble(one)) return `${one.node}${one.camera ? ` / ${one.camera}` : ""} ${one.state}`;
  return `${one.data.count} ${people(one.data)} at ${one.node} / ${one.data.camera}`;
}

function alertParts(alert, past) {
  const { data } = alert;
  const spread = range(data);
  const place = `${alert.node} / ${data.camera}${data.zone ? ` · ${data.zone}` : ""}`;
  // The node's sentence about a crossing says less than how many crossed where.
  const why = data.line ? data.reasons.filter((reason) => !reason.startsWith(`line ${data.line.id} `)) : data.reasons;
  const what = [movement(data), ...why].filter(Boolean).slice(0, 3).join(" · ");
  return [
    make("span", { class: "number" }, String(data.count), make("small", {}, spread ? `${spread} ${people(data)}` : people(data))),
    make("span", {},
      make("span", { class: "where" }, place), make("br"),
      make("span", { class: "what" }, make("span", { class: "tag" }, TAG[data.priority]), what), make("br"),
      make("span", { class: "how quiet" }, attended(alert))),
    make("span", { class: "age" },
      past ? stamp(alert.heard_at) : make("span", { "data-since": alert.heard_at }, age(alert.heard_at)),
      make("small", { class: "quiet" }, data.phase === "end" ? "over" : `seen ${when(data.last_seen)}`)),
  ];
}

function troubleParts(trouble) {
  const ended = trouble.ended_at ? `over since ${when(trouble.ended_at)}` : "still so";
  return [
    make("span", { class: "number word" }, WORD[trouble.state]),
    make("span", {},
      make("span", { class: "where" }, `${trouble.node}${trouble.camera ? ` / ${trouble.camera}` : ""}`), make("br"),
      make("span", { class: "what" }, trouble.camera ? "This camera sees nothing" : "This node and all its cameras are lost", trouble.reason ? `: ${trouble.reason}` : ""), make("br"),
      make("span", { class: "how quiet" }, trouble.handled_by ? `${trouble.handled_by} knows` : "nobody has taken it over")),
    make("span", { class: "age" }, make("span", { "data-since": trouble.began_at }, age(trouble.began_at)), make("small", { class: "quiet" }, ended)),
  ];
}

export function attended(alert) {
  if (alert.louder_again) return `LOUDER than when ${alert.handled_by} took it over`;
  if (alert.handled === "acknowledged") return `taken over by ${alert.handled_by} at ${when(alert.handled_at)}`;
  if (alert.handled === "dismissed") return `dismissed by ${alert.handled_by}: ${alert.handled_reason}`;
  return "nobody has taken it over";
}
