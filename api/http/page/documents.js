// Documents: add files and folders, see what became of each, search, filter, open, try again, delete.

import { del } from "./api.js";
import { button, confirm, fill, h, icon, plural, size, toast, when } from "./dom.js";
import { collator, library, unfinished, useSamples } from "./library.js";
import { openSource } from "./source.js";

const OVERSCAN = 4;
const STATES = {
  waiting: "Waiting to be sent", sending: "Sending", queued: "Waiting", parsing: "Reading", embedding: "Indexing", indexing: "Almost ready", ready: "Ready", failed: "Not read",
};

export async function show(main) {
  if (library.loaded) library.load().catch(() => {}); // other programs add documents too
  else await library.load();
  let query = "", collection = "", status = "", items = [], height = 68;

  const into = h("input", { id: "into", type: "text", value: "default", list: "collections", maxlength: 64, autocomplete: "off", spellcheck: "false" });
  const known = h("datalist", { id: "collections" });
  const files = h("input", { type: "file", multiple: true, class: "sr", tabindex: "-1", "aria-hidden": "true" });
  const folder = h("input", { type: "file", webkitdirectory: true, class: "sr", tabindex: "-1", "aria-hidden": "true" });
  for (const input of [files, folder]) {
    input.addEventListener("change", () => {
      add([...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      input.value = "";
    });
  }
  const drop = h("section", { class: "drop", "aria-label": "Add documents" },
    h("div", { class: "drop-words" }, icon("upload"), h("div", {}, h("p", { class: "strong" }, "Drop files or folders here"),
      h("p", { class: "muted" }, "PDF, Word, Excel, slides, HTML, Markdown, CSV, e-mail, EPUB, scans and pictures"))),
    h("div", { class: "row" },
      button("documents", "Choose files", () => files.click()), button("folder", "Choose a folder", () => folder.click(), { class: "quiet" }),
      h("label", { class: "inline", for: "into" }, "into the collection", into)), known, files, folder);

  const search = h("input", { type: "search", placeholder: "Find a document", "aria-label": "Find a document by name", oninput: () => { query = search.value.trim().toLowerCase(); refresh(true); } });
  const pick = h("select", { "aria-label": "Collection", onchange: () => { collection = pick.value; refresh(true); } });
  const states = h("div", { class: "segments", role: "group", "aria-label": "Status" });
  const summary = h("div", { class: "list-summary" });
  const scroller = h("div", { class: "list", tabindex: "0", role: "region", "aria-label": "Documents" });
  const canvas = h("ul", { class: "canvas" });
  scroller.append(canvas);
  const none = h("div", { class: "nothing" });
  const filters = h("div", { class: "filters" }, h("span", { class: "search" }, icon("search"), search), pick, states);
  const page = h("div", { class: "page documents" }, h("h1", {}, "Documents"), drop, filters, summary, none, scroller);
  fill(main, page);

  function add(found) {
    const name = into.value.trim() || "default";
    const left = new Set(found.filter(({ name: path, file }) => path.split("/").some((part) => part.startsWith(".") && part.length > 1) || (!file.size && found.length > 1)));
    const kept = found.filter((one) => !left.has(one));
    if (kept.length) { library.add(kept, name); scroller.scrollTop = 0; }
    const names = [...left].map((one) => one.name.split("/").pop()).sort(collator.compare);
    if (left.size) toast(`${plural(left.size, "hidden or empty file")} left out: ${names.slice(0, 3).join(", ")}${left.size > 3 ? ", …" : ""}`);
  }
  // the whole view takes a drop
  let depth = 0;
  const over = (event) => { if (event.dataTransfer?.types.includes("Files")) { event.preventDefault(); event.dataTransfer.dropEffect = "copy"; } };
  const enter = (event) => { if (event.dataTransfer?.types.includes("Files")) { depth += 1; drop.classList.add("over"); } };
  const out = () => { depth = Math.max(0, depth - 1); if (!depth) drop.classList.remove("over"); };
  const dropped = async (event) => {
    event.preventDefault();
    depth = 0;
    drop.classList.remove("over");
    add(await readDrop(event.dataTransfer));
  };
  const handlers = { dragover: over, dragenter: enter, dragleave: out, drop: dropped };
  for (const [name, handler] of Object.entries(handlers)) main.addEventListener(name, handler);

  function refresh(top = false) {
    const all = library.items();
    const has = { "": all.length, ready: 0, busy: 0, failed: 0 };
    for (const one of all) has[one.status === "ready" ? "ready" : one.status === "failed" ? "failed" : "busy"] += 1;
    if (status && !has[status]) status = "";
    items = all.filter((one) => (!query || one.name.toLowerCase().includes(query)) && (!collection || one.collection === collection) &&
      (!status || (status === "busy" ? one.status !== "ready" && one.status !== "failed" : one.status === status)));
    const names = library.collections;
    if (pick.options.length !== names.length + 1) {
      fill(pick, h("option", { value: "" }, "All collections"), names.map((one) => h("option", { value: one }, one)));
      fill(known, names.map((one) => h("option", { value: one })));
      pick.value = names.includes(collection) ? collection : (collection = "");
    }
    const drawn = `${has[""]}/${has.ready}/${has.busy}/${has.failed}/${status}`;
    if (states.dataset.drawn !== drawn) {
      states.dataset.drawn = drawn;
      const choose = (value, label) => h("button", { type: "button", class: "segment", "aria-pressed": String(status === value), onclick: () => { status = value; refresh(true); [...states.children].find((one) => one.getAttribute("aria-pressed") === "true")?.focus(); } }, `${label} ${has[value].toLocaleString("en")}`);
      fill(states, choose("", "All"), choose("ready", "Ready"), has.busy > 0 && choose("busy", "In progress"), has.failed > 0 && choose("failed", "Not read"));
    }
    drawSummary(all, has);
    filters.hidden = !all.length;
    none.hidden = items.length > 0;
    scroller.hidden = !items.length;
    if (!items.length) {
      fill(none, icon("empty"), all.length ? h("p", {}, "No document matches. Change the words or the filters.")
        : [h("p", {}, "No documents yet. Add yours above, or try the samples: a handbook, a manual, a price list and a policy."),
          button(null, "Use the sample documents", useSamples)]);
    }
    const whole = `${items.length * height}px`;
    canvas.style.setProperty("height", whole);
    scroller.style.setProperty("--rows", whole);
    scroller.style.setProperty("flex-basis", `calc(${whole} + 2px)`);
    if (top) scroller.scrollTop = 0;
    draw();
  }

  function drawSummary(all, has) {
    const sending = library.uploads.filter((one) => one.status !== "failed");
    const busy = all.filter((one) => unfinished(one)).length;
    fill(summary, (sending.length + busy > 0) && [
      h("span", { class: "spin", "aria-hidden": "true" }),
      h("span", { role: "status" }, [sending.length && `${plural(sending.length, "file")} to send`, busy && `${plural(busy, "document")} being read`].filter(Boolean).join(", ")),
      sending.length > 1 && button("stop", "Stop sending", () => library.stopAll(), { class: "quiet small" }),
    ], collection && has[""] > 0 && button("trash", `Delete the collection ${collection}`, removeCollection, { class: "quiet small danger-text" }));
  }

  async function removeCollection() {
    const name = collection, count = [...library.documents.values()].filter((one) => one.collection === name).length;
    if (!count || !(await confirm(`Delete the collection ${name}?`, `${plural(count, "document")} will be gone from every search and answer at once.`, "Delete"))) return;
    try {
      await del(`v1/collections/${encodeURIComponent(name)}`);
      collection = "";
      await library.load();
    } catch (error) { toast(error.message); }
  }

  // The list draws only the rows that can be seen, all of one height.
  const rows = new Map();
  let frame = 0;
  function draw() {
    frame = 0;
    const first = Math.max(0, Math.floor(scroller.scrollTop / height) - OVERSCAN);
    const last = Math.min(items.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + OVERSCAN);
    const wanted = new Set();
    for (let index = first; index < last; index += 1) {
      const item = items[index];
      wanted.add(item.id);
      const look = `${item.status}/${item.sent || item.progress}/${item.error?.code}/${item.notes.length}/${item.pages}`;
      let row = rows.get(item.id);
      if (!row || row.look !== look) {
        const focused = row?.node.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
        const node = drawRow(item);
        if (row) row.node.replaceWith(node); else canvas.append(node);
        row = { node, look };
        rows.set(item.id, row);
        if (focused) node.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
      }
      row.node.style.setProperty("transform", `translateY(${index * height}px)`);
      row.node.setAttribute("aria-posinset", index + 1);
      row.node.setAttribute("aria-setsize", items.length);
    }
    for (const [id, row] of rows) if (!wanted.has(id)) { row.node.remove(); rows.delete(id); }
  }
  scroller.addEventListener("scroll", () => { frame ||= requestAnimationFrame(draw); }, { passive: true });
  const resized = new ResizeObserver(() => {
    height = main.clientWidth <= 640 ? 96 : 68; // as style.css has it
    refresh();
  });
  resized.observe(main);

  function drawRow(item) {
    const share = item.status === "sending" ? item.sent : item.progress || 0;
    const busy = item.status === "sending" || unfinished(item);
    const failed = item.status === "failed";
    const state = failed ? "failed" : item.status === "ready" ? "ready" : "busy";
    const detail = failed
      ? h("span", { class: "failure", title: item.error?.message }, why(item))
      : [item.pages > 0 && plural(item.pages, "page"), size(item.size_bytes), item.created_at && when(item.created_at), item.notes.length > 0 && plural(item.notes.length, "note")].filter(Boolean).join(" · ");
    const open = () => openSource({ document_id: item.id, document_name: item.name, page: null, start: null, end: null });
    const name = item.upload ? h("span", { class: "name" }, h("bdi", {}, item.name))
      : h("button", { type: "button", class: "name link", onclick: open, title: item.name }, h("bdi", {}, item.name));
    const acts = [];
    if (failed) acts.push(button("retry", `Try ${item.name} again`, () => library.retry(item).catch((error) => toast(error.message)), { words: false, class: "quiet icon-only" }));
    const end = busy || item.status === "waiting"
      ? button("stop", `Stop ${item.name}`, () => library.stop(item).catch((error) => toast(error.message)), { words: false, class: "quiet icon-only" })
      : button("trash", `Delete ${item.name}`, () => remove(item), { words: false, class: "quiet icon-only" });
    if (!item.parent_id) acts.push(end); // otherwise it is deleted with the file that it is inside of
    return h("li", { class: `document ${state}`, data: { id: item.id, status: item.status } },
      h("span", { class: "kind", "aria-hidden": "true" }, kindOf(item.name)),
      h("div", { class: "about" }, h("div", { class: "line" }, name, h("span", { class: "chip" }, item.collection)), h("div", { class: "detail" }, detail)),
      h("div", { class: "state" }, h("span", { class: "state-word" }, state === "ready" ? icon("supported") : failed ? icon("unsupported") : null, STATES[item.status] || item.status),
        busy && h("span", { class: "bar", role: "progressbar", "aria-label": `${STATES[item.status]} ${item.name}`, "aria-valuenow": Math.round(share * 100), "aria-valuemin": 0, "aria-valuemax": 100 }, h("i", { style: { width: `${Math.max(4, share * 100)}%` } }))),
      h("div", { class: "acts" }, acts));
  }

  async function remove(item) {
    if (!item.upload && !(await confirm(`Delete ${item.name}?`, "It will be gone from every search and answer at once.", "Delete"))) return;
    try { await library.remove(item); } catch (error) { toast(error.message); }
  }

  const update = () => refresh();
  library.addEventListener("change", update);
  refresh();
  return () => {
    library.removeEventListener("change", update);
    for (const [name, handler] of Object.entries(handlers)) main.removeEventListener(name, handler);
    resized.disconnect();
  };
}

/** Why a file was not read and what to do, without its name, which stands above. */
function why({ name, error }) {
  const words = error?.message || "";
  const rest = words.startsWith(`${name}: `) ? words.slice(name.length + 2) : words;
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

function kindOf(name) {
  const found = /\.([a-z0-9]{1,4})$/i.exec(name);
  return found ? found[1].toUpperCase() : "FILE";
}

/** The files of a drop, folders included, each as {file, name} with its path. */
async function readDrop(transfer) {
  const entries = [...transfer.items].filter((one) => one.kind === "file").map((one) => one.webkitGetAsEntry?.() || one.getAsFile());
  const found = [];
  const walk = async (entry, path) => {
    if (entry instanceof File) { found.push({ file: entry, name: entry.name }); return; }
    if (entry.isFile) { found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), name: path + entry.name }); return; }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one, `${path}${entry.name}/`);
    }
  };
  for (const entry of entries.filter(Boolean)) await walk(entry, "").catch(() => toast(`${entry.name} could not be read.`));
  return found.sort((one, other) => collator.compare(other.name, one.name));
}
