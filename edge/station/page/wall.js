// Every camera, and whether it can be believed.

import { age, make } from "./dom.js";

const SYMBOL = { ok: "✓", degraded: "!", blind: "✕", offline: "✕", silent: "✕", unknown: "?" };
const MAX_WORDS = 24;
const WORST = ["blind", "offline", "silent", "unknown", "degraded", "ok"];

const worst = (node) => Math.min(...[node.state, ...node.cameras.map((camera) => camera.state)].map((state) => WORST.indexOf(state)));
const byWorst = (nodes) => [...nodes].sort((a, b) => worst(a) - worst(b) || a.node.localeCompare(b.node));

// The live view's line about the nodes themselves: how each is, and how old its last word.
export function lastWords(nodes) {
  const told = byWorst(nodes).slice(0, MAX_WORDS).map((node) => {
    const state = WORST[worst(node)];
    return make("li", { class: state }, make("span", { "aria-hidden": "true" }, SYMBOL[state]), ` ${node.node} `,
      ["ok", "degraded"].includes(state) ? make("span", { class: "unseen" }, `${state}, `) : `${state}, `, lastWord(node));
  });
  return nodes.length > MAX_WORDS ? [...told, make("li", {}, `and ${nodes.length - MAX_WORDS} more: Cameras`)] : told;
}

const lastWord = (node) => make("span", {}, "last word ", node.heard_at ? make("b", { "data-since": node.heard_at }, age(node.heard_at)) : "never", node.heard_at ? " ago" : "");

export function wall(nodes) {
  if (!nodes.length) return [make("p", { class: "calm" }, "No node has been heard yet. Nodes appear here by themselves once they reach the broker.")];
  return byWorst(nodes).map(nodeWall);
}

function nodeWall(node) {
  const facts = [];
  if (node.health?.outbox.waiting) facts.push(`${node.health.outbox.waiting} messages wait to be sent`);
  if (node.missing_messages) facts.push(`${node.missing_messages} messages are missing and asked for again`);
  if (node.lost_messages) facts.push(`${node.lost_messages} messages are lost`);
  if (node.health && node.health.clock !== "ntp") facts.push(`clock: ${node.health.clock}`);
  if (node.about) facts.push(`edge ${node.about.version}`);
  const cameras = [...node.cameras].sort((a, b) => WORST.indexOf(a.state) - WORST.indexOf(b.state));
  return make("section", { class: "node", "aria-label": node.node },
    make("header", {}, make("h3", {}, node.node), lastWord(node),
      make("span", { class: "quiet" }, facts.join(" · "))),
    make("div", { class: "tiles" }, ...(node.loud && !cameras.some((camera) => camera.state === node.state) ? [tile("the node itself", node)] : []), ...cameras.map((camera) => tile(camera.camera, camera))));
}

function tile(name, one) {
  return make("div", { class: `tile ${one.state}` },
    make("div", { class: "cam" }, name),
    make("div", { class: "state" }, `${SYMBOL[one.state]} ${one.state}`),
    make("div", {}, one.reason ?? ""),
    make("div", { class: "quiet" }, one.fps === undefined ? "" : `${one.fps} frames/s`, one.dropped ? ` · ${one.dropped} dropped` : ""));
}
