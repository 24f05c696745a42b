// One alert whole: how many over time, where in the picture, why, and what was done about it.

import { draw, heading, hms, make, movement, people, range, stamp } from "./dom.js";
import { attended } from "./rows.js";
import { scene } from "./scenes.js";

// Whether the node knows, after what an operator did about its alert.
const ANSWERS = { waiting: " (the node does not know yet)", done: " (the node knows)", over: " (over at the node)", refused: " (the node refused it)" };

export function alertCard(card, deeds) {
  const { data } = card;
  const spread = range(data);
  return [
    make("h2", { tabindex: -1 }, `${card.node} / ${data.camera}${data.zone ? ` · ${data.zone}` : ""}`),
    make("p", { class: "quiet" }, attended(card)),
    make("div", { class: "big" }, String(data.count), " ", make("small", {}, `${people(data)}${spread ? `, ${spread} (9 times in 10)` : ""}`)),
    make("div", { class: "deeds" },
      card.calls ? make("button", { class: "strong", type: "button", onclick: deeds.take }, make("kbd", {}, "A"), " Take over") : null,
      make("button", { type: "button", onclick: deeds.dismiss }, make("kbd", {}, "D"), " Dismiss"),
      make("button", { type: "button", onclick: deeds.note }, make("kbd", {}, "N"), " Note"),
      make("button", { type: "button", onclick: deeds.close }, make("kbd", {}, "Esc"), " Close")),
    data.reasons.length ? make("ul", {}, ...data.reasons.map((reason) => make("li", {}, reason))) : null,
    make("h3", {}, "People over time"), chart(card.revisions),
    make("h3", {}, "In the picture"), scene(data, card.has_snapshot ? `api/v1/alerts/${card.node}/${data.alert_id}/snapshot?rev=${data.rev}` : null),
    make("dl", {}, ...facts(card)),
    make("h3", {}, "What was done"),
    card.actions.length ? make("ul", {}, ...card.actions.map((deed) => make("li", {}, `${stamp(deed.at)} ${deed.who}: ${deed.kind}${deed.text ? ` – ${deed.text}` : ""}${ANSWERS[deed.node_answer]}`))) : make("p", { class: "quiet" }, "Nothing yet."),
  ].filter(Boolean);
}

function facts(card) {
  const { data } = card;
  const place = data.position;
  const told = {
    Priority: data.priority,
    "How sure": `${Math.round(100 * data.confidence)} %`,
    Movement: movement(data) || null,
    Position: place ? `${place.lat.toFixed(5)}, ${place.lon.toFixed(5)} ± ${Math.round(place.ce_m)} m (one sigma, ${place.method})` : null,
    Course: data.heading_deg === undefined ? null : `${Math.round(data.heading_deg)}° ${heading(data.heading_deg)}`,
    "Most at once": String(data.count_max),
    "First seen": `${stamp(data.first_seen)} UTC`,
    "Last seen": `${stamp(data.last_seen)} UTC`,
    "Heard here": `${stamp(card.heard_at)} UTC`,
    "Node's clock": data.clock === "ntp" ? null : `${data.clock}: its times may be wrong`,
    Over: data.ended ?? null,
    "Split from": data.parent ?? null,
    "Joined": data.merged_into ?? null,
    Revision: `${data.rev} (${card.revisions.length} kept)`,
    Id: card.alert_id,
  };
  return Object.entries(told).filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

function chart(revisions) {
  const w = 600, h = 150, top = 12, bottom = 128, left = 34;
  const times = revisions.map((one) => Date.parse(one.heard_at));
  const [t0, t1] = [times[0], Math.max(times.at(-1), times[0] + 1000)];
  const most = Math.max(1, ...revisions.map((one) => one.count_high));
  const x = (t) => left + ((t - t0) / (t1 - t0)) * (w - left - 8);
  const y = (n) => bottom - (n / most) * (bottom - top);
  const steps = (pick) => revisions.flatMap((one, i) => [[x(times[i]), y(pick(one))], [x(times[i + 1] ?? t1), y(pick(one))]]);
  const line = (points) => points.map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
  const band = line([...steps((one) => one.count_high), ...steps((one) => one.count_low).reverse()]) + "Z";
  const counts = revisions.map((one) => one.count);
  const said = `From ${counts[0]} to ${counts.at(-1)} people, at most ${Math.max(...counts)}`;
  return draw("svg", { class: "chart", viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": said },
    draw("path", { class: "band", d: band }), draw("path", { class: "count", d: line(steps((one) => one.count)) }),
    draw("text", { x: 4, y: top + 6 }, String(most)), draw("text", { x: 4, y: bottom }, "0"),
    draw("text", { x: left, y: h - 5 }, hms(revisions[0].heard_at)), draw("text", { x: w - 66, y: h - 5 }, hms(revisions.at(-1).heard_at)));
}

export function troubleCard(trouble, deeds) {
  return [
    make("h2", { tabindex: -1 }, `${trouble.node}${trouble.camera ? ` / ${trouble.camera}` : ""}`),
    make("div", { class: "big" }, trouble.state.toUpperCase()),
    make("p", {}, trouble.reason ?? ""),
    make("div", { class: "deeds" },
      trouble.handled_at ? null : make("button", { class: "strong", type: "button", onclick: deeds.take }, make("kbd", {}, "A"), " Take over"),
      make("button", { type: "button", onclick: deeds.close }, make("kbd", {}, "Esc"), " Close")),
    make("dl", {}, make("dt", {}, "Began"), make("dd", {}, `${stamp(trouble.began_at)} UTC`),
      make("dt", {}, "Over"), make("dd", {}, trouble.ended_at ? `${stamp(trouble.ended_at)} UTC` : "no"),
      make("dt", {}, "Known to"), make("dd", {}, trouble.handled_by ?? "nobody")),
  ];
}
