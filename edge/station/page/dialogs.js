// What the page asks its operator: who is there, why it is nothing, what to remember, and the station's token.

import { $, make } from "./dom.js";

const REASONS = ["animal", "our own people", "known and expected", "vehicle or machine", "weather or picture fault", "test"];

export const askWhy = () => dialog($("ask-why"), $("why-input"));
export const askNote = () => dialog($("ask-note"), $("note-input"));
export const askToken = () => dialog($("ask-token"), $("token-input"));

// The operator's name; asked for when it is not known yet, or on request.
export async function operator(again = false) {
  const known = localStorage.getItem("edge-operator");
  if (known && !again) return known;
  const who = await dialog($("ask-who"), $("who-input"), known ?? "");
  if (who) localStorage.setItem("edge-operator", who);
  $("who-name").textContent = who ?? known ?? "not set";
  return who;
}

// Shows a dialog and gives what was entered, or null.
function dialog(element, field, start = "") {
  field.value = start;
  element.returnValue = "";
  element.showModal();
  return new Promise((done) => element.addEventListener("close", () => {
    const by = element.returnValue;
    done(!by || by === "cancel" ? null : by.startsWith("=") ? by.slice(1) : field.value.trim() || null);
  }, { once: true }));
}

// A number chooses one of the usual reasons, unless somebody is writing another one.
export function pickReason(key) {
  if (!$("ask-why").open || !/^[1-9]$/.test(key) || document.activeElement === $("why-input")) return false;
  $("reasons").children[key - 1]?.click();
  return true;
}

$("reasons").append(...REASONS.map((reason, index) => make("button", { type: "button", onclick: () => $("ask-why").close(`=${reason}`) }, make("kbd", {}, String(index + 1)), ` ${reason}`)));
// Not submit buttons: Enter in a field presses the first of those, and must neither cancel nor pick a reason.
for (const button of document.querySelectorAll("[data-cancel]")) button.addEventListener("click", () => button.closest("dialog").close("cancel"));
$("who-name").textContent = localStorage.getItem("edge-operator") ?? "not set";
$("who").addEventListener("click", () => operator(true));
