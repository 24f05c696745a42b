// Joins stream, list, card, sound and keys.

import { alertCard, troubleCard } from "./card.js";
import { $, age, make, now_ms, setStationTime } from "./dom.js";
import { History } from "./history.js";
import { ask, Link, pathOf } from "./link.js";
import { row, titleOf } from "./rows.js";
import { Sound } from "./sound.js";
import { calls, isTrouble, keyOf, MAX_ROWS, State } from "./state.js";
import { wall } from "./wall.js";

const REASONS = ["animal", "our own people", "known and expected", "vehicle or machine", "weather or picture fault", "test"];
const state = new State();
const shown = new Map(); // key -> { text, element } of every row in the list
let selected = null;
let view = "live";
let connected = false;
let failure = null;
let pastCard = null;
let heard = new Set();

const sound = new Sound(banners);
const history = new History(openPast, failed);
const link = new Link({
  message(kind, content) {
    connected = true;
    if (kind === "live") {
      state.live(content);
      if (view === "history") history.show();
    } else if (kind === "changes") state.changes(content);
    else if (kind === "station") state.station = content;
    if (state.station) setStationTime(state.station.time);
    kind === "station" || kind === "fault" ? banners() : render();
  },
  lost() {
    connected = false;
    banners();
  },
  locked: askToken,
});

function render() {
  const ordered = state.ordered;
  renderList(ordered.slice(0, MAX_ROWS));
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
  if (view === "cameras") $("wall").replaceChildren(...wall([...state.nodes.values()]));
  announce(ordered);
  sound.call(state.loudest);
  refreshCard();
  banners();
}

function renderList(ordered) {
  const list = $("list");
  const focused = document.activeElement?.closest?.("#list li")?.dataset.key;
  const wanted = new Set(ordered.map(keyOf));
  for (const [key, { element }] of shown) {
    if (!wanted.has(key)) {
      element.remove();
      shown.delete(key);
    }
  }
  ordered.forEach((one, index) => {
    const key = keyOf(one);
    const text = JSON.stringify(one);
    let entry = shown.get(key);
    if (entry?.text !== text) {
      const element = row(one, { open: () => select(key, true), take: () => take(one) });
      entry?.element.replaceWith(element);
      entry = { text, element };
      shown.set(key, entry);
    }
    entry.element.classList.toggle("selected", key === selected);
    if (list.children[index] !== entry.element) list.insertBefore(entry.element, list.children[index] ?? null);
  });
  // A row that was replaced or moved under the operator's hand keeps the keyboard.
  if (focused && document.activeElement === document.body) shown.get(focused)?.element.querySelector(".open").focus();
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
  for (const [name, { element }] of shown) element.classList.toggle("selected", name === key);
  shown.get(key)?.element.scrollIntoView({ block: "nearest" });
  refreshCard(focusCard);
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
  for (const { element } of shown.values()) element.classList.remove("selected");
  shown.get(key)?.element.querySelector(".open").focus();
}

function openPast(alert) {
  show("live");
  selected = keyOf(alert);
  pastCard = find(selected) ? null : alert;
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
  const why = await dialog($("ask-why"), () => $("why-input").value.trim(), () => ($("why-input").value = ""));
  if (why) await act(one, "dismiss", { reason: why });
}

async function note(one) {
  if (isTrouble(one)) return;
  const text = await dialog($("ask-note"), () => $("note-input").value.trim(), () => ($("note-input").value = ""));
  if (text) await act(one, "note", { text });
}

function failed(error) {
  failure = `Not done: ${error.message}`;
  setTimeout(() => { failure = null; banners(); }, 8000);
  banners();
}

// Shows a dialog and gives what was entered, or null.
function dialog(element, value, prepare) {
  prepare?.();
  element.returnValue = "";
  element.showModal();
  return new Promise((done) => element.addEventListener("close", () => {
    const by = element.returnValue;
    done(!by || by === "cancel" ? null : by.startsWith("=") ? by.slice(1) : value() || null);
  }, { once: true }));
}

async function operator(again = false) {
  const known = localStorage.getItem("edge-operator");
  if (known && !again) return known;
  const who = await dialog($("ask-who"), () => $("who-input").value.trim(), () => ($("who-input").value = known ?? ""));
  if (who) localStorage.setItem("edge-operator", who);
  $("who-name").textContent = who ?? known ?? "not set";
  return who;
}

async function askToken() {
  const given = await dialog($("ask-token"), () => $("token-input").value, () => ($("token-input").value = ""));
  if (given) await ask("session", { token: given }).catch(failed);
  link.open();
}

function show(name) {
  view = name;
  for (const button of document.querySelectorAll("[data-view]")) button.dataset.view === name ? button.setAttribute("aria-current", "page") : button.removeAttribute("aria-current");
  for (const part of ["live", "cameras", "history"]) $(`view-${part}`).hidden = part !== name;
  if (name === "history") history.show();
  render();
}

function step(by) {
  const keys = [...$("list").children].map((element) => element.dataset.key);
  if (!keys.length) return;
  const at = keys.indexOf(selected);
  select(keys[Math.min(keys.length - 1, Math.max(0, at < 0 ? 0 : at + by))]);
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const open = document.querySelector("dialog[open]");
  if (open?.id === "ask-why" && /^[1-9]$/.test(event.key) && document.activeElement !== $("why-input")) {
    $("reasons").children[event.key - 1]?.click();
    return;
  }
  // A dialog that was just closed holds the keyboard for a moment longer; what is pressed then is meant for the page.
  const typing = event.target.matches("input, textarea, select") && !event.target.closest("dialog:not([open])");
  if (open || typing) return;
  const one = pastCard ?? find(selected);
  const loudest = state.ordered.find(calls);
  const target = one ?? loudest;
  const keys = {
    a: () => (one && calls(one) ? take(one) : loudest && take(loudest)),
    d: () => target && dismiss(target),
    n: () => target && note(target),
    j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
    Escape: closeCard, m: () => sound.mute(), "?": () => $("keys").showModal(),
    1: () => show("live"), 2: () => show("cameras"), 3: () => show("history"),
  };
  const deed = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!deed || (view !== "live" && ["j", "k", "ArrowDown", "ArrowUp"].includes(event.key))) return;
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

$("reasons").append(...REASONS.map((reason, index) => make("button", { type: "button", onclick: () => $("ask-why").close(`=${reason}`) }, make("kbd", {}, String(index + 1)), ` ${reason}`)));
// Not submit buttons: Enter in a field presses the first of those, and must neither cancel nor pick a reason.
for (const button of document.querySelectorAll("[data-cancel]")) button.addEventListener("click", () => button.closest("dialog").close("cancel"));
$("who-name").textContent = localStorage.getItem("edge-operator") ?? "not set";
$("who").addEventListener("click", () => operator(true));
$("mute").addEventListener("click", () => sound.mute());
$("help").addEventListener("click", () => $("keys").showModal());
$("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("edge-theme", theme);
  setTheme(theme);
});
for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => show(button.dataset.view));
addEventListener("keydown", onKey);
setTheme(localStorage.getItem("edge-theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
setInterval(tick, 500);
tick();
link.open();
globalThis.edgeStation = { state, sound, link }; // for tests and for looking into a running page
