// The frame of the page: views by the address's hash, the navigation, the theme, and whether the server answers.

import { connection, get } from "./api.js";
import { button, fill, h, icon } from "./dom.js";
import { askForKey, hasKey } from "./key.js";
import { library } from "./library.js";
import { closeSource, openSource } from "./source.js";
import { showAsk } from "./ask.js";

const VIEWS = [
  ["ask", "Ask", "#/ask"],
  ["documents", "Documents", "#/documents"],
  ["verify", "Verify", "#/verify"],
  ["threads", "Threads", "#/threads"],
  ["status", "Status", "#/status"],
];
const main = document.getElementById("main");
let leave = () => {};
let shown = "";

const nav = document.getElementById("nav");
for (const [name, label, href] of VIEWS) nav.append(h("a", { href, data: { view: name } }, icon(name), h("span", {}, label)));

async function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", id = ""] = path.split("/").map(decodeURIComponent);
  const params = new URLSearchParams(query);
  const name = VIEWS.some(([known]) => known === view) ? view : "ask";
  const key = name === "documents" ? name : `${name}/${id}`;
  for (const link of nav.children) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (key !== shown) {
    if (shown) closeSource(false);
    leave();
    leave = () => {};
    shown = key;
    document.title = `${VIEWS.find(([known]) => known === name)[1]} · Footnote`;
    main.dataset.view = name === "threads" && id ? "ask" : name;
    leave = (await show(name, id)) || (() => {});
  }
  if (name === "documents" && id) {
    const number = (field) => (params.has(field) ? Number(params.get(field)) : null);
    openSource({ document_id: id, page: number("page"), start: number("start"), end: number("end") });
  }
}

async function show(name, id) {
  try {
    if (name === "ask") return await showAsk(main, "", replaceRoute);
    if (name === "threads" && id) return await showAsk(main, id, replaceRoute);
    const module = await import(`./${name}.js`).catch(() => { throw connection.gone(); });
    return await module.show(main);
  } catch (error) {
    if (error.name === "AbortError") return null;
    fill(main, h("div", { class: "page narrow" }, h("h1", {}, "This view could not be opened"),
      h("p", { class: "callout bad" }, icon("alert"), h("span", {}, error.message))));
    if (error.code === "away" || error.code === "starting") {
      connection.back().then(() => { shown = ""; route(); });
    }
    return null;
  }
}

/** Name the thread in the address without drawing the view again. */
function replaceRoute(id) {
  history.replaceState(null, "", `#/threads/${encodeURIComponent(id)}`);
  shown = `threads/${id}`;
}

// the server ---------------------------------------------------------------------------------------------------------

const away = document.getElementById("away");
connection.addEventListener("change", () => {
  away.hidden = connection.state === "ok";
  fill(away, h("span", { class: "spin", "aria-hidden": "true" }), h("span", {}, connection.message));
});

const foot = document.getElementById("foot");
const health = h("a", { href: "#/status", class: "health" });
const LOOKS = { light: "dark", dark: "light" };
const looks = () => document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
const theme = button(null, "Change to the dark look", () => {
  const wanted = LOOKS[looks()];
  document.documentElement.dataset.theme = wanted;
  try { localStorage.setItem("theme", wanted); } catch { /* private windows keep nothing */ }
  drawTheme();
}, { words: false, class: "quiet icon-only" });
function drawTheme() {
  const now = looks();
  fill(theme, icon(now === "dark" ? "sun" : "moon"));
  for (const name of ["aria-label", "title"]) theme.setAttribute(name, `Change to the ${LOOKS[now]} look`);
}
const key = button(null, "Change the API key", () => askForKey("Calls are sent with the new key from now on."), { class: "quiet-link link" });
addEventListener("key-changed", () => { key.hidden = false; drawHealth(); });
key.hidden = !hasKey();
foot.append(health, key, h("a", { href: "docs", class: "quiet-link" }, "API"), theme);

async function drawHealth() {
  try {
    const { model } = await get("readyz");
    const [backend, ...rest] = model.detail.split(": ")[0].split("/");
    const name = backend === "extractive" ? "Quotes only" : rest.pop();
    fill(health, h("i", { class: `dot ${model.status === "ok" ? "supported" : "weak"}`, "aria-hidden": "true" }),
      h("span", {}, model.status === "ok" ? name || "Ready" : "No model answers"));
    health.title = model.detail;
  } catch { fill(health, h("i", { class: "dot unsupported", "aria-hidden": "true" }), h("span", {}, "No connection")); }
}
connection.addEventListener("back", drawHealth);
connection.addEventListener("change", () => { if (connection.state !== "ok") drawAway(); });
function drawAway() {
  fill(health, h("i", { class: "dot unsupported", "aria-hidden": "true" }), h("span", {}, "No connection"));
}

// recent threads, where there is room --------------------------------------------------------------------------------

const recent = document.getElementById("recent");
export async function drawRecent() {
  try {
    const { threads } = await get("v1/threads?limit=8");
    const kept = threads.filter((one) => one.turns);
    recent.hidden = !kept.length;
    fill(recent, h("h2", {}, "Recent"), h("ul", {}, kept.map((one) => h("li", {},
      h("a", { href: `#/threads/${encodeURIComponent(one.id)}`, title: one.title }, one.title || "Untitled")))));
  } catch { recent.hidden = true; }
}
addEventListener("threads-changed", drawRecent);

addEventListener("hashchange", route);
addEventListener("click", (event) => { // a link to the open view begins it anew: another question
  const link = event.target.closest?.('a[href="#/ask"]');
  if (link && location.hash.replace(/^$/, "#/ask") === "#/ask" && !event.ctrlKey && !event.metaKey) { shown = ""; route(); }
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) closeSource(true);
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    const field = document.querySelector("main textarea, main input[type=search]");
    if (field) { event.preventDefault(); field.focus(); }
  }
});
drawTheme();
drawHealth();
drawRecent();
library.load().catch(() => {});
route();
