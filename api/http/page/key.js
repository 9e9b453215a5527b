// The API key of a server that needs one: asked for when a call is refused, kept in this tab until it is closed.

import { h } from "./dom.js";

const NAME = "footnote-key";
let secret = "";
try { secret = sessionStorage.getItem(NAME) || ""; } catch { /* without storage it is kept until the page is left */ }
let asking = null;

export const hasKey = () => secret !== "";
export const authorization = () => (secret ? { Authorization: `Bearer ${secret}` } : {});

/** Ask for a key, once for all calls that wait for one. Resolves when the reader has given it. */
export function askForKey(why) {
  if (!asking) asking = openDialog(why).finally(() => { asking = null; });
  return asking;
}

function openDialog(why) {
  return new Promise((resolve) => {
    const field = h("input", { type: "password", id: "key-field", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-why" });
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "key-title" }, h("form", { method: "dialog" },
      h("h2", { id: "key-title" }, "This server needs a key"),
      h("p", { id: "key-why" }, why),
      h("label", { for: "key-field" }, "API key"), field,
      h("p", { class: "muted" }, "It is kept in this tab until you close it."),
      h("div", { class: "row end" }, h("button", { type: "submit" }, "Continue"))));
    dialog.addEventListener("cancel", (event) => event.preventDefault()); // nothing works without a key
    dialog.addEventListener("close", () => {
      secret = field.value.trim();
      try { sessionStorage.setItem(NAME, secret); } catch { /* as above */ }
      dialog.remove();
      dispatchEvent(new Event("key-changed"));
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
