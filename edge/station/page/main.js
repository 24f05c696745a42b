// Joins stream, list, map, card, sound and keys.

import { alertCard, troubleCard } from "./card.js";
import { askNote, askToken, askWhy, operator, pickReason } from "./dialogs.js";
import { $, age, make, now_ms, setStationTime } from "./dom.js";
import { History } from "./history.js";
import { ask, Link, pathOf } from "./link.js";
import { List } from "./list.js";
import { Place, posed } from "./map.js";
import { titleOf } from "./rows.js";
import { scenes } from "./scenes.js";
import { Sound } from "./sound.js";
import { calls, isTrouble, keyOf, MAX_ROWS, State } from "./state.js";
import { lastWords, wall } from "./wall.js";

const state = new State();
let selected = null;
let view = "live";
let connected = false;
let failure = null;
let pastCard = null;
let heard = new Set();

const sound = new Sound(banners);
const history = new History(openPast, failed);
const list = new List((key) => select(key, true), (one) => take(one));
const place = new Place((key) => select(key, true));
const link = new Link({
  message(kind, content) {
    connected = true;
    if (kind === "live") {
      state.live(content);
      if (content.alerts.some((one) => one.data.position)) ask("trails").then((told) => { state.walked(told); renderPlace(); }).catch(failed);
      if (view === "history" && history.atStart) history.show();
    } else if (kind === "changes") state.changes(content);
    else if (kind === "station") state.station = content;
    if (state.station) setStationTime(state.station.time);
    kind === "station" || kind === "fault" ? banners() : render();
  },
  lost() {
    connected = false;
    banners();
  },
  locked: unlock,
});

function render() {
  const ordered = state.ordered;
  list.render(ordered.slice(0, MAX_ROWS), selected);
  const hidden = Math.max(0, state.alerts_in_all + state.troubles.size - MAX_ROWS);
  $("more").hidden = !hidden;
  $("more").textContent = `… and ${hidden} more; History has them all.`;
  $("calm").hidden = ordered.length > 0;
  if (!ordered.length) $("calm").replaceChildren(make("b", {}, state.nodes.size ? "✓ All quiet" : "Listening"), state.nodes.size ? "Nothing goes on, and nothing waits for you." : "No node has been heard yet.");
  $("calling").textContent = String(state.calling);
  $("calling").hidden = !state.calling;
  const lame = [...state.nodes.values()].flatMap((node) => (node.cameras.length ? node.cameras : [node])).filter((one) => !["ok", "degraded"].includes(one.state)).length;
  $("lame").textContent = String(lame);
  $("lame").hidden = !lame;
  document.title = `${state.calling ? `(${state.calling}) ` : ""}edge station`;
  $("words").replaceChildren(...lastWords([...state.nodes.values()]));
  if (view === "cameras") $("wall").replaceChildren(...wall([...state.nodes.values()]));
  announce(ordered);
  sound.call(state.loudest);
  refreshCard();
  renderPlace();
  banners();
}

// The map for what has a place on the earth, pictures for what has not.
function renderPlace() {
  if (view !== "live" && view !== "map") return;
  const nodes = [...state.nodes.values()];
  const alerts = [...state.alerts.values(), ...(pastCard ? [pastCard] : [])];
  const placed = nodes.some((node) => posed(node).length) || alerts.some((one) => one.data.position);
  const homeless = alerts.filter((one) => !(one.data.position && place.works));
  const opened = pastCard ?? find(selected);
  const mapped = placed && place.works;
  $("place").hidden = !mapped && view !== "map";
  $("map-none").hidden = mapped;
  $("map-none").textContent = place.word ?? "No camera has told where it stands, and no group has a position.";
  $("scenes").hidden = !homeless.length || (Boolean(opened) && view !== "map");
  $("view-live").classList.toggle("whole", view === "map");
  $("view-live").classList.toggle("wide", mapped || homeless.length > 0 || Boolean(opened) || view === "map");
  const text = JSON.stringify([selected, homeless.map((one) => [keyOf(one), one.data.box, one.data.count, one.data.priority, one.calls])]);
  if ($("scenes").dataset.told !== text) {
    $("scenes").dataset.told = text;
    $("scenes").replaceChildren(...scenes(homeless, selected, (key) => select(key, true)));
  }
  place.show({ alerts, nodes, selected, trails: state.trails, hasBase: Boolean(state.station?.base_map), theme: document.documentElement.dataset.theme });
}

function announce(ordered) {
  const calling = ordered.filter(calls);
  const fresh = calling.filter((one) => !heard.has(keyOf(one)));
  if (fresh.length) {
    sound.unmute(); // silence was asked for what was known, not for what is new
    $("spoken").textContent = `New: ${fresh.slice(0, 3).map(titleOf).join("; ")}`;
  }
  heard = new Set(calling.map(keyOf));
}

function banners() {
  const told = [];
  const say = (text, mild = false) => told.push([text, mild]);
  if (!connected) say("NO CONNECTION to the station. What you see is old. Trying again…");
  else if (state.station?.fault) say(`THE STATION HEARS NOTHING: ${state.station.fault}`);
  if (failure) say(failure, true);
  if (sound.blocked) say("Sound is off until you press any key or click once.", true);
  const text = JSON.stringify(told);
  if ($("banners").dataset.told !== text) {
    $("banners").dataset.told = text;
    $("banners").replaceChildren(...told.map(([words, mild]) => make("p", { class: mild ? "banner mild" : "banner" }, words)));
  }
  document.body.classList.toggle("cut", !connected);
  $("mute").setAttribute("aria-pressed", String(sound.muted_s > 0));
  $("mute").querySelector("span").textContent = sound.muted_s ? `Muted ${sound.muted_s} s` : "Mute 60 s";
}

const find = (key) => state.alerts.get(key) ?? state.troubles.get(key);

function select(key, focusCard = false) {
  selected = key;
  pastCard = null;
  list.select(key);
  refreshCard(focusCard);
  renderPlace();
}

let cardText = null;
async function refreshCard(focusCard = false) {
  const one = pastCard ?? find(selected);
  const open = Boolean(one);
  $("card").hidden = !open;
  $("view-live").classList.toggle("open", open);
  if (!open) {
    selected = cardText = null;
    return;
  }
  const text = JSON.stringify(one);
  if (text === cardText && !focusCard) return;
  cardText = text;
  const deeds = { take: () => take(one), dismiss: () => dismiss(one), note: () => note(one), close: closeCard };
  try {
    const parts = isTrouble(one) ? troubleCard(one, deeds) : alertCard(await ask(pathOf(one)), deeds);
    if (text !== cardText) return;
    const held = document.activeElement?.closest?.("#card") && document.activeElement.textContent;
    $("card").replaceChildren(...parts);
    if (focusCard) $("card").querySelector("h2").focus();
    else if (held) [...$("card").querySelectorAll("button")].find((button) => button.textContent === held)?.focus();
  } catch (error) {
    failed(error);
  }
}

function closeCard() {
  const key = selected;
  selected = pastCard = cardText = null;
  refreshCard();
  list.select(null);
  renderPlace();
  list.focus(key);
}

function openPast(alert) {
  selected = keyOf(alert);
  pastCard = find(selected) ? null : alert;
  show("live");
  refreshCard(true);
}

async function act(one, path, body) {
  const who = await operator();
  if (!who) return;
  try {
    const told = await ask(`${isTrouble(one) ? `troubles/${one.id}` : pathOf(one)}/${path}`, { who, ...body });
    failure = null;
    if (pastCard && keyOf(told) === keyOf(pastCard)) pastCard = { ...told, revisions: undefined, actions: undefined };
    if (isTrouble(told)) state.changes({ alerts: [], troubles: [told], nodes: [] });
    else state.changes({ alerts: [told], troubles: [], nodes: [] });
    cardText = null;
    render();
  } catch (error) {
    failed(error);
  }
}

const take = (one) => act(one, "acknowledge", {});

async function dismiss(one) {
  if (isTrouble(one)) return;
  const why = await askWhy();
  if (why) await act(one, "dismiss", { reason: why });
}

async function note(one) {
  if (isTrouble(one)) return;
  const text = await askNote();
  if (text) await act(one, "note", { text });
}

function failed(error) {
  failure = `Not done: ${error.message}`;
  setTimeout(() => { failure = null; banners(); }, 8000);
  banners();
}

async function unlock() {
  const given = await askToken();
  if (given) await ask("session", { token: given }).catch(failed);
  link.open();
}

function show(name) {
  view = name;
  for (const button of document.querySelectorAll("[data-view]")) button.dataset.view === name ? button.setAttribute("aria-current", "page") : button.removeAttribute("aria-current");
  for (const part of ["live", "cameras", "history"]) $(`view-${part}`).hidden = part !== (name === "map" ? "live" : name);
  if (name === "history") history.show();
  render();
}

function step(by) {
  const key = list.step(selected, by);
  if (key !== null) select(key);
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (pickReason(event.key)) return;
  // A dialog that was just closed holds the keyboard for a moment longer; what is pressed then is meant for the page.
  const typing = event.target.matches("input, textarea, select") && !event.target.closest("dialog:not([open])");
  if (typing || document.querySelector("dialog[open]") || (event.key.startsWith("Arrow") && event.target.closest("#map"))) return;
  if (event.key.length === 1 && localStorage.getItem("edge-keys") === "off") return; // WCAG 2.1.4; dictation types letters
  const one = pastCard ?? find(selected);
  const loudest = state.ordered.find(calls);
  const target = one ?? loudest;
  const keys = {
    a: () => (one && calls(one) ? take(one) : loudest && take(loudest)),
    d: () => target && dismiss(target),
    n: () => target && note(target),
    j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
    f: () => place.all(), Escape: closeCard, m: () => sound.mute(), "?": () => $("keys").showModal(),
    1: () => show("live"), 2: () => show("map"), 3: () => show("cameras"), 4: () => show("history"),
  };
  const deed = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!deed || (!["live", "map"].includes(view) && ["j", "k", "ArrowDown", "ArrowUp"].includes(event.key))) return;
  event.preventDefault();
  deed();
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    const text = age(element.dataset.since);
    if (element.textContent !== text) element.textContent = text;
  }
  $("clock").textContent = `${new Date(now_ms()).toISOString().slice(11, 19)} UTC`;
}

$("mute").addEventListener("click", () => sound.mute());
$("help").addEventListener("click", () => $("keys").showModal());
$("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("edge-theme", theme);
  setTheme(theme);
  renderPlace();
});
$("fit").addEventListener("click", () => place.all());
$("single-keys").checked = localStorage.getItem("edge-keys") !== "off";
$("single-keys").addEventListener("change", () => localStorage.setItem("edge-keys", $("single-keys").checked ? "on" : "off"));
for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => show(button.dataset.view));
addEventListener("keydown", onKey);
setTheme(localStorage.getItem("edge-theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
setInterval(tick, 500);
tick();
link.open();
globalThis.edgeStation = { state, sound, link, place }; // for tests and for looking into a running page
