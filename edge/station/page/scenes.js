// Cameras whose place nobody knows: what is where in their pictures, by fractions of the frame.

import { draw, make } from "./dom.js";
import { calls, keyOf } from "./state.js";

const [W, H] = [640, 480];

export function scenes(alerts, selected, open) {
  const cameras = Map.groupBy(alerts, (one) => `${one.node} / ${one.data.camera}`);
  return [...cameras].sort(([a], [b]) => a.localeCompare(b)).map(([name, groups]) =>
    make("figure", {}, make("figcaption", {}, name), draw("svg", { class: "scene", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${name}: ${groups.map((one) => `a group of ${one.data.count}`).join(", ")}` },
      ...groups.flatMap((one) => hull(one, selected, open)))));
}

function hull(one, selected, open) {
  const { box, count, priority } = one.data;
  const names = ["hull", priority, calls(one) ? "calls" : "", keyOf(one) === selected ? "selected" : ""].filter(Boolean).join(" ");
  const above = box[1] > 0.16;
  return [
    rectangle(box, names, { "data-key": keyOf(one), onclick: () => open(keyOf(one)) }),
    draw("text", { class: `tally ${priority}`, x: W * Math.min(0.9, box[0]), y: H * (above ? box[1] : box[3]) + (above ? -10 : 46), onclick: () => open(keyOf(one)) }, String(count)),
  ];
}

export function rectangle([x0, y0, x1, y1], names, more = {}) {
  return draw("rect", { class: names, x: W * x0, y: H * y0, width: Math.max(2, W * (x1 - x0)), height: Math.max(2, H * (y1 - y0)), ...more });
}

// One group whole, with its members; over its snapshot when the node sent one.
export function scene(data, picture) {
  return draw("svg", { class: "scene", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": picture ? "The picture that the node sent, with the group marked" : "Where the group is in the camera's picture" },
    picture ? draw("image", { href: picture, x: 0, y: 0, width: W, height: H, preserveAspectRatio: "none" }) : null,
    ...(data.members ?? []).map((member) => rectangle(member.box, picture ? "outline" : "body")), rectangle(data.box, `hull ${data.priority}`));
}
