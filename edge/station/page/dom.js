// Building the page, and saying things as people do. Text goes in as text: nothing a node says is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

export function make(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function draw(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// The station's clock rules: a desk's own clock may be wrong.
let ahead_ms = 0;
export function setStationTime(iso) { ahead_ms = Date.parse(iso) - Date.now(); }
export const now_ms = () => Date.now() + ahead_ms;

export function age(iso) {
  const s = Math.max(0, Math.round((now_ms() - Date.parse(iso)) / 1000));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

export const hms = (iso) => iso.slice(11, 19);
export const when = (iso) => (iso.slice(0, 10) === new Date(now_ms()).toISOString().slice(0, 10) ? hms(iso) : stamp(iso));
export const stamp = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;

export const people = (data) => (data.count === 1 ? "person" : "people");
export const range = (data) => (data.count_low === data.count_high ? "" : `${data.count_low}–${data.count_high}`);

const COMPASS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];
export const heading = (deg) => COMPASS[Math.round(deg / 45) % 8];

export function movement(data) {
  const words = [];
  if (data.line) words.push(`${data.line.crossed} crossed ${data.line.id} ${data.line.direction}`);
  if (data.heading_deg !== undefined) words.push(`heading ${heading(data.heading_deg)}`);
  if (data.speed_m_s !== undefined) words.push(`${data.speed_m_s.toFixed(1)} m/s`);
  return words.join(", ");
}
