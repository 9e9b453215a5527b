// The source beside an answer: the page's picture with the quoted words marked, or the text with the quote marked.

import { blob, documentPath, get } from "./api.js";
import { button, copy, fill, h, icon, length, save, slice, toast } from "./dom.js";

const panel = document.getElementById("source");
const main = document.getElementById("main");
const WINDOW = 6000; // characters of text shown before and after a quote
const KEPT_PICTURES = 12;
const pictures = new Map();
const ZOOMS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];
const narrow = matchMedia("(max-width: 999px)");
let opener = null, current = null, turn = 0, zoom = 1, mode = "both";

/** Open a stretch of a document: {document_id, page, start, end, quote?, boxes?, number?}. */
export async function openSource(place, from = null) {
  opener = from || opener;
  unmark();
  if (from?.classList.contains("cite")) from.setAttribute("aria-expanded", "true");
  const footnote = from?.closest(".answer, .result")?.querySelector(`.footnote[data-source="${Number(place.number)}"]`);
  (from?.classList.contains("footnote") ? from : footnote)?.setAttribute("aria-current", "true");
  current = { ...place };
  const mine = ++turn;
  panel.hidden = false;
  document.body.classList.add("with-source");
  main.inert = narrow.matches;
  fill(panel, head(place.document_name || "…"), h("p", { class: "loading" }, "Opening the source…"));
  try {
    const record = await get(documentPath(place.document_id));
    if (mine !== turn) return;
    current.record = record;
    current.page = place.page || (record.pages ? await pageOf(place, record) : null);
    if (mine !== turn) return;
    await draw();
  } catch (error) {
    if (mine !== turn) return;
    const lost = error.status === 404;
    fill(panel, head(place.document_name || "Source"), h("div", { class: "callout bad" }, icon("alert"),
      h("div", {}, h("p", {}, lost ? "This document is no longer there: it was deleted or replaced." : error.message))));
  }
  if (mine === turn) panel.focus({ preventScroll: true });
}

/** Forget which citation is open. */
function unmark() {
  for (const one of document.querySelectorAll(".cite[aria-expanded], .footnote[aria-current]")) {
    one.removeAttribute("aria-expanded");
    one.removeAttribute("aria-current");
  }
}

/** The page where a stretch begins, by halving: a link may name only the characters. */
async function pageOf({ document_id: id, start }, record) {
  let [first, last] = [1, record.pages];
  while (start && first < last) {
    const middle = Math.floor((first + last) / 2);
    const { end } = await get(documentPath(id, `/pages/${middle}`));
    if (start < end) last = middle; else first = middle + 1;
  }
  return first;
}

export function closeSource(refocus) {
  if (panel.hidden) return;
  turn += 1;
  panel.hidden = true;
  panel.replaceChildren();
  main.inert = false;
  document.body.classList.remove("with-source");
  unmark();
  if (refocus && opener?.isConnected) opener.focus();
  opener = null;
  if (/^#\/documents\/./.test(location.hash)) history.replaceState(null, "", "#/documents");
}
narrow.addEventListener("change", () => { main.inert = narrow.matches && !panel.hidden; });

panel.addEventListener("keydown", (event) => {
  if (/^(INPUT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowLeft" || event.key === "PageUp") turnPage(-1, event);
  if (event.key === "ArrowRight" || event.key === "PageDown") turnPage(1, event);
  if (event.key === "+") setZoom(1, event);
  if (event.key === "-") setZoom(-1, event);
});

function head(name) {
  return h("div", { class: "source-head" },
    h("div", { class: "source-title" }, current?.number && h("span", { class: "number" }, String(current.number)), h("h2", {}, h("bdi", {}, name))),
    current?.record && [
      button("link", "Copy a link to these words", () => copy(link(), "Link copied."), { words: false, class: "quiet icon-only" }),
      button("download", "Download the original", download, { words: false, class: "quiet icon-only" }),
    ],
    button("close", "Close the source", () => closeSource(true), { words: false, class: "quiet icon-only" }));
}

async function download() {
  const { name } = current.record;
  try {
    save(await blob(documentPath(current.document_id, "/file")), name.split("/").pop(), "application/octet-stream");
  } catch (error) { toast(error.message); }
}

function link() {
  const words = new URLSearchParams();
  for (const field of ["page", "start", "end"]) if (current[field] !== null && current[field] !== undefined) words.set(field, current[field]);
  return `${new URL("./", document.baseURI)}#/documents/${encodeURIComponent(current.document_id)}?${words}`;
}

function facts(record) {
  const parts = [];
  if (current.note) parts.push(h("p", { class: "callout weak" }, icon("weak"), h("span", {}, current.note)));
  if (record.error) parts.push(h("div", { class: "callout bad" }, icon("alert"), h("div", {}, h("p", {}, "This document could not be read."), h("p", {}, record.error.message))));
  if (record.notes.length) {
    parts.push(h("details", { class: "more notes" }, h("summary", {}, `${record.notes.length} ${record.notes.length === 1 ? "note" : "notes"} on what was read`),
      h("ul", {}, record.notes.map((note) => h("li", {}, note.page ? h("button", { type: "button", class: "link", onclick: () => goTo(note.page) }, `Page ${note.page}`) : null, note.page ? ": " : null, note.message)))));
  }
  return parts;
}

async function draw() {
  const { record } = current;
  if (record.status !== "ready" && !record.pages) {
    fill(panel, head(record.name), h("div", { class: "source-body" }, facts(record), !record.error && h("p", { class: "loading" }, `This document is not read yet: ${record.status}.`)));
    return;
  }
  if (record.pages) await drawPage();
  else await drawText();
}

// pages --------------------------------------------------------------------------------------------------------------

async function drawPage() {
  const mine = turn, { record, page } = current;
  const marked = current.start !== null && current.start !== undefined && current.end > current.start;
  const query = marked ? `?start=${current.start}&end=${current.end}` : "";
  const body = await get(documentPath(current.document_id, `/pages/${page}${query}`));
  if (mine !== turn) return;
  const here = current.boxes?.length ? current.boxes.filter((box) => box.page === page) : body.boxes;
  const drawn = body.width > 0; // only formats whose pages have a picture have a size
  const text = h("div", { class: "page-text", lang: "" }, h("h3", {}, `Text of page ${page}`),
    h("p", { class: "verbatim" }, marked ? markedText(body.text, current.start - body.start, current.end - body.start) : body.text || "No text was read on this page."),
    body.source === "ocr" && h("p", { class: "muted" }, `${drawn ? "Recognised in a picture" : "Words of pictures on it were recognised"}${body.confidence ? `, ${Math.round(body.confidence * 100)} % sure` : ""}.`));
  const view = h("div", { class: `views ${drawn ? mode : "text"}` });
  if (drawn) view.append(sheet(body, here));
  view.append(text);
  const bar = toolbar(record, page, drawn);
  const over = marked && spill(body, page);
  fill(panel, head(record.name), bar, h("div", { class: "source-body", tabindex: "0", role: "region", "aria-label": `Page ${page} of ${record.name}` }, facts(record), quoteLine(marked ? slice(body.text, Math.max(0, current.start - body.start), Math.max(0, current.end - body.start)) : ""), over, view));
  reveal(view);
}

function sheet(body, boxes) {
  const picture = pictureOf(body.page);
  const frame = h("div", { class: "sheet", style: { "aspect-ratio": `${body.width} / ${body.height}`, width: `${zoom * 100}%` } }, picture,
    boxes.map((box) => h("i", {
      class: "box", "aria-hidden": "true",
      style: {
        left: `${(box.x0 / body.width) * 100}%`, top: `${(1 - box.y1 / body.height) * 100}%`,
        width: `${((box.x1 - box.x0) / body.width) * 100}%`, height: `${((box.y1 - box.y0) / body.height) * 100}%`,
      },
    })));
  if (picture.complete && picture.naturalWidth) frame.classList.add("drawn");
  else picture.addEventListener("load", () => frame.classList.add("drawn"));
  picture.addEventListener("error", () => { frame.replaceWith(h("p", { class: "muted" }, "The picture of this page could not be made. Its text follows.")); panel.querySelector(".views")?.classList.replace("picture", "text"); });
  return h("div", { class: "sheet-wrap" }, frame);
}

/** The picture of a page; the last ones are kept, since the server draws each anew and keeps none. */
function pictureOf(page) {
  const path = documentPath(current.document_id, `/pages/${page}?dpi=${sharpness()}`);
  const kept = pictures.get(path);
  if (kept?.complete && kept.naturalWidth) return kept;
  const picture = h("img", { data: { page }, alt: `Page ${page} of ${current.record.name}`, decoding: "async" });
  blob(path, "image/png").then((drawn) => { picture.src = URL.createObjectURL(drawn); }, () => picture.dispatchEvent(new Event("error")));
  pictures.set(path, picture);
  if (pictures.size > KEPT_PICTURES) {
    const [oldest, { src }] = pictures.entries().next().value;
    pictures.delete(oldest);
    URL.revokeObjectURL(src);
  }
  return picture;
}

/** Dots an inch of the picture: more where the page is drawn large or the screen is fine. */
function sharpness() {
  return zoom * devicePixelRatio > 1.3 ? 220 : 110;
}

function toolbar(record, page, drawn) {
  const field = h("input", { type: "text", inputmode: "numeric", value: String(page), "aria-label": `Page, of ${record.pages}`, size: 3 });
  field.addEventListener("change", () => goTo(Number.parseInt(field.value, 10)));
  const choose = (value, label) => h("button", { type: "button", class: "segment", "aria-pressed": String(mode === value), onclick: () => { mode = value; drawPage(); } }, label);
  return h("div", { class: "toolbar", role: "toolbar", "aria-label": "Page" },
    h("div", { class: "group" },
      button("left", "Previous page", () => turnPage(-1), { words: false, class: "quiet icon-only", disabled: page <= 1 }),
      h("span", { class: "pager" }, field, h("span", {}, `/ ${record.pages}`)),
      button("right", "Next page", () => turnPage(1), { words: false, class: "quiet icon-only", disabled: page >= record.pages })),
    drawn && h("div", { class: "group segments", role: "group", "aria-label": "Show" }, choose("picture", "Picture"), choose("text", "Text"), choose("both", "Both")),
    drawn && mode !== "text" && h("div", { class: "group" },
      button("minus", "Smaller", () => setZoom(-1), { words: false, class: "quiet icon-only", disabled: zoom <= ZOOMS[0] }),
      h("output", { class: "zoom" }, `${Math.round(zoom * 100)} %`),
      button("plus", "Larger", () => setZoom(1), { words: false, class: "quiet icon-only", disabled: zoom >= ZOOMS.at(-1) })));
}

/** The quote, and a warning where `shown`, the words that are marked, are no longer words of it. */
function quoteLine(shown) {
  if (!current.quote) return null;
  return [h("blockquote", { class: "quoted" }, h("q", { class: "quote" }, current.quote)),
    !current.quote.includes(shown) && h("p", { class: "callout weak" }, icon("alert"), h("span", {}, "The document was read anew since this answer: the marked words are not those of the quote."))];
}

/** Says that the quote goes on, or began, on another page. */
function spill(body, page) {
  const parts = [];
  if (current.start < body.start) parts.push(button("left", `The quote begins on page ${page - 1}`, () => goTo(page - 1), { class: "quiet small" }));
  if (current.end > body.end) parts.push(button("right", `The quote goes on on page ${page + 1}`, () => goTo(page + 1), { class: "quiet small" }));
  return parts.length ? h("div", { class: "spill" }, parts) : null;
}

function turnPage(by, event) {
  if (!current?.record?.pages) return;
  event?.preventDefault();
  goTo(current.page + by);
}

function goTo(page) {
  const { record } = current;
  const wanted = Math.min(Math.max(1, page || current.page), record.pages);
  if (wanted === current.page) { drawPage(); return; }
  const active = document.activeElement?.getAttribute("aria-label");
  current.page = wanted;
  drawPage().then(() => {
    const same = active && panel.querySelector(`[aria-label="${CSS.escape(active)}"]:not([disabled])`);
    (same || panel).focus({ preventScroll: true });
  });
}

function setZoom(by, event) {
  event?.preventDefault();
  const index = ZOOMS.indexOf(zoom) + by;
  if (index < 0 || index >= ZOOMS.length) return;
  zoom = ZOOMS[index];
  panel.querySelector(".sheet")?.style.setProperty("width", `${zoom * 100}%`);
  const picture = panel.querySelector(".sheet img"), sharper = picture && pictureOf(picture.dataset.page);
  if (picture && sharper !== picture) { // the old picture stays until the new one is there
    sharper.decode().then(() => { if (picture.isConnected) picture.replaceWith(sharper); }, () => {});
  }
  const shown = panel.querySelector(".zoom");
  if (shown) shown.textContent = `${Math.round(zoom * 100)} %`;
  const [smaller, larger] = ["Smaller", "Larger"].map((name) => panel.querySelector(`[aria-label="${name}"]`));
  if (smaller) smaller.disabled = index === 0;
  if (larger) larger.disabled = index === ZOOMS.length - 1;
  reveal(panel.querySelector(".views"));
}

function reveal(view) {
  const target = view?.querySelector(".views:not(.text) .box, .box") || view?.querySelector("mark");
  const scroller = panel.querySelector(".source-body");
  if (!target || !scroller || !target.getClientRects().length) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const at = target.getBoundingClientRect(), frame = scroller.getBoundingClientRect();
  scroller.scrollTo({ top: scroller.scrollTop + at.top - frame.top - frame.height * 0.35, left: scroller.scrollLeft + at.left - frame.left - 40, behavior: calm ? "auto" : "smooth" });
}

// text ---------------------------------------------------------------------------------------------------------------

function markedText(text, start, end) {
  const [from, to] = [Math.max(0, start), Math.max(0, Math.min(length(text), end))];
  if (to <= from) return [text];
  return [slice(text, 0, from), h("mark", {}, slice(text, from, to)), slice(text, to)];
}

async function drawText() {
  const mine = turn, { record } = current;
  const marked = current.start !== null && current.start !== undefined && current.end > current.start;
  const from = Math.max(0, (marked ? current.start : 0) - WINDOW), to = (marked ? current.end : 0) + WINDOW;
  const body = await get(documentPath(current.document_id, `/text?start=${from}&end=${to}`));
  if (mine !== turn) return;
  const view = h("p", { class: "verbatim" }, marked ? markedText(body.text, current.start - body.start, current.end - body.start) : body.text);
  let [first, last] = [body.start, body.end];
  const earlier = button(null, "Show the text before", async () => {
    const more = await get(documentPath(current.document_id, `/text?start=${Math.max(0, first - WINDOW)}&end=${first}`));
    view.prepend(more.text);
    first = more.start;
    earlier.hidden = first <= 0;
  }, { class: "quiet small" });
  const later = button(null, "Show the text after", async () => {
    const more = await get(documentPath(current.document_id, `/text?start=${last}&end=${last + WINDOW}`));
    view.append(more.text);
    last = more.end;
    later.hidden = last >= body.length;
  }, { class: "quiet small" });
  earlier.hidden = first <= 0;
  later.hidden = last >= body.length;
  const views = h("div", { class: "views text" }, h("div", { class: "page-text" }, h("h3", { class: "sr" }, "Text"), earlier, view, later));
  fill(panel, head(record.name), h("div", { class: "source-body", tabindex: "0", role: "region", "aria-label": `Text of ${record.name}` }, facts(record), quoteLine(marked ? slice(body.text, current.start - body.start, current.end - body.start) : ""), views));
  reveal(views);
}
