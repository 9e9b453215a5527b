// Status: what /readyz says of each part, the queue, and what went wrong last.

import { connection, get } from "./api.js";
import { fill, h, icon, plural } from "./dom.js";
import { library, unfinished } from "./library.js";
import { openSource } from "./source.js";

const EVERY_MS = 5000;
const PARTS = [
  ["model", "Language model", "Writes the drafts"],
  ["embedder", "Embedding model", "Finds passages by meaning"],
  ["worker", "Queue", "Reads new documents"],
  ["catalog", "Catalog", "Holds documents and threads"],
  ["index", "Indexes", "Derived from the catalog"],
  ["disk", "Disk", "Where the data directory is"],
];
const WORDS = { ok: "Works", degraded: "Works in part", rebuilding: "Being built again", restarting: "Restarting", busy: "Busy", off: "Off", unreachable: "Does not answer", unknown: "Not known yet", low: "Low" };
const KIND = { ok: "supported", degraded: "weak", off: "weak", rebuilding: "weak", restarting: "weak", busy: "weak", unknown: "weak", low: "weak", unreachable: "unsupported" };

export async function show(main) {
  const parts = h("ul", { class: "parts" }), errors = h("section", { class: "errors" }), state = h("p", { class: "lede", role: "status" }, "Looking…");
  fill(main, h("div", { class: "page narrow" }, h("h1", {}, "Status"), state, parts, errors,
    h("p", { class: "muted footnote-line" }, "Versions, weights and every check: ", h("code", {}, "footnote doctor"), ". Figures for Prometheus: ", h("code", {}, "/metrics"), ". The API: ", h("a", { href: "docs" }, "/docs"), ".")));
  let timer = 0, left = false;

  async function look() {
    try {
      const ready = await get("readyz");
      const bad = PARTS.filter(([key]) => ready[key] && KIND[ready[key].status] !== "supported");
      state.textContent = bad.length ? `Works, but: ${bad.map(([, name]) => name.toLowerCase()).join(", ")}.` : "Everything works.";
      fill(parts, PARTS.filter(([key]) => ready[key]).map(([key, name, what]) => {
        const { status, detail } = ready[key];
        return h("li", { class: "part", data: { part: key } }, h("span", { class: `verdict ${KIND[status]}` }, icon(KIND[status]), h("span", {}, WORDS[status] || status)),
          h("div", {}, h("h2", {}, name), h("p", { class: "muted" }, what), h("p", { class: "detail" }, detail)));
      }));
    } catch (error) {
      state.textContent = error.message;
      fill(parts);
      await connection.back();
    }
    if (!left) timer = setTimeout(look, EVERY_MS);
  }

  function drawErrors() {
    const all = [...library.documents.values()];
    const failed = all.filter((one) => one.status === "failed").slice(-10).reverse(), busy = all.filter(unfinished).length;
    fill(errors, h("h2", {}, "Documents"), h("p", { class: "muted" }, `${plural(library.ready, "document")} ready, ${busy} in progress, ${failed.length ? `the last ${plural(failed.length, "failure")}:` : "none failed."}`),
      failed.length > 0 && h("ul", { class: "failures" }, failed.map((one) => h("li", {}, icon("alert"), h("div", {},
        h("button", { type: "button", class: "link", onclick: (event) => openSource({ document_id: one.id, document_name: one.name, page: null, start: null, end: null }, event.currentTarget) }, h("bdi", {}, one.name)),
        h("p", { class: "muted" }, one.error?.message || ""))))));
  }

  library.addEventListener("change", drawErrors);
  if (library.loaded) drawErrors();
  await look();
  return () => { left = true; clearTimeout(timer); library.removeEventListener("change", drawErrors); };
}
