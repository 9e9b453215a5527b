// The documents as the page knows them: the list, uploads under way, and the changes of both.

import { blob, connection, del, documentPath, get, upload } from "./api.js";
import { toast } from "./dom.js";

const AT_ONCE = 3;
const LOOK_EVERY_MS = 1000;
const UNFINISHED = new Set(["queued", "parsing", "embedding", "indexing"]);
export const SAMPLES = "sample";
const SAMPLE_FILES = ["handbook.pdf", "price_list.xlsx", "product_manual.docx", "returns_policy.html"];
export const SAMPLE_QUESTIONS = [
  "What does the warranty not cover?",
  "How quickly must a stolen laptop be reported?",
  "Until when must workshop staff take the leave that they carried over?",
  "What is the full-day per-diem rate for Poland?",
];
export const SAMPLE_TEXT =
  "A lost or stolen device must be reported to the security desk within 2 hours. " +
  "Workshop staff may carry over up to 6 unused days, to be taken by 31 January. " +
  "The warranty does not cover damage by animals. " +
  "Every new employee receives a bicycle on the first day.";

export const unfinished = (item) => UNFINISHED.has(item.status);
export const collator = new Intl.Collator("en", { numeric: true });

class Library extends EventTarget {
  documents = new Map();
  uploads = [];
  loaded = false;
  #timer = 0;
  #loading = null;

  /** Load the whole list. */
  load() {
    this.#loading ??= this.#load().finally(() => { this.#loading = null; });
    return this.#loading;
  }

  async #load() {
    const { documents } = await get("v1/documents");
    this.documents = new Map(documents.map((one) => [one.id, one]));
    this.loaded = true;
    this.#changed();
    this.#watch();
  }

  get collections() {
    const names = new Set(["default"]);
    for (const one of this.documents.values()) names.add(one.collection);
    return [...names].sort(collator.compare);
  }

  get ready() {
    let count = 0;
    for (const one of this.documents.values()) count += one.status === "ready";
    return count;
  }

  /** Newest first: files that are being sent, then the documents. */
  items() {
    return [...this.uploads, ...[...this.documents.values()].reverse()];
  }

  /** Queue files, given as {file, name}. */
  add(files, collection) {
    const entries = files.map(({ file, name }) => ({
      id: `upload-${crypto.randomUUID?.() || Math.random()}`, upload: true, file, name, collection, status: "waiting",
      size_bytes: file.size, sent: 0, pages: 0, notes: [], error: null,
    }));
    this.uploads = [...entries, ...this.uploads];
    this.#changed();
    this.#send();
  }

  async addSamples() {
    const files = await Promise.all(SAMPLE_FILES.map(async (name) => ({ file: await blob(`page/samples/${name}`), name })));
    this.add(files, SAMPLES);
  }

  #send() {
    const sending = this.uploads.filter((one) => one.status === "sending").length;
    const next = this.uploads.filter((one) => one.status === "waiting").reverse().slice(0, Math.max(0, AT_ONCE - sending));
    for (const entry of next) this.#sendOne(entry);
  }

  async #sendOne(entry) {
    entry.status = "sending";
    const sending = upload(entry.file, entry.name, entry.collection, (share) => { entry.sent = share; this.#changed(); });
    entry.abort = sending.abort;
    try {
      const { id } = await sending.done;
      this.uploads = this.uploads.filter((one) => one !== entry);
      const known = this.documents.get(id);
      this.documents.delete(id);
      this.documents.set(id, await get(documentPath(id)).catch(() => known));
      if (!this.documents.get(id)) this.documents.delete(id);
    } catch (error) {
      if (error.name === "AbortError") this.uploads = this.uploads.filter((one) => one !== entry);
      else if (error.code === "away" || error.code === "starting") {
        entry.status = "waiting";
        entry.sent = 0;
        this.#changed();
        await connection.back();
      } else {
        entry.status = "failed";
        entry.error = { code: error.code, message: error.message };
      }
    }
    this.#changed();
    this.#watch();
    this.#send();
  }

  /** Stop an upload or the reading of a document: it is gone afterwards. */
  async stop(item) {
    if (!item.upload) return this.remove(item);
    if (item.status === "sending") item.abort();
    else this.uploads = this.uploads.filter((one) => one !== item);
    this.#changed();
  }

  stopAll() {
    for (const one of [...this.uploads]) this.stop(one);
  }

  /** Send a file again: an upload that failed, or the stored bytes of a document that could not be read. */
  async retry(item) {
    if (item.upload) {
      item.status = "waiting";
      item.error = null;
      this.#changed();
      this.#send();
      return;
    }
    const top = this.documents.get(item.parent_id) || item; // what is inside a file is read again with it
    this.add([{ file: await blob(documentPath(top.id, "/file")), name: top.name }], top.collection);
  }

  async remove(item) {
    if (item.upload) return this.stop(item);
    await del(documentPath(item.id));
    for (const one of [...this.documents.values()]) {
      if (one.id === item.id || one.parent_id === item.id) this.documents.delete(one.id);
    }
    this.#changed();
  }

  #watch() {
    if (!this.#timer && [...this.documents.values()].some(unfinished)) {
      this.#timer = setTimeout(() => this.#look(), LOOK_EVERY_MS);
    }
  }

  /** Ask only for what is under way, so that a long list stays cheap. */
  async #look() {
    try {
      const known = [...this.documents.values()].filter(unfinished);
      const lists = await Promise.all(["parsing", "embedding", "indexing", "queued"].map((status) =>
        get(`v1/documents?status=${status}&limit=1000`)));
      const active = new Map(lists.flatMap((list) => list.documents).map((one) => [one.id, one]));
      for (const [id, one] of active) this.documents.set(id, one);
      const done = known.filter((one) => !active.has(one.id)).slice(0, 50);
      const settled = await Promise.all(done.map((one) => get(documentPath(one.id)).catch(() => null)));
      done.forEach((one, index) => {
        if (settled[index]) this.documents.set(one.id, settled[index]);
        else this.documents.delete(one.id);
      });
      if (done.length && !active.size && !this.uploads.length) await this.#load(); // replaced versions are gone
    } catch {
      await connection.back();
    }
    this.#timer = 0;
    this.#changed();
    this.#watch();
  }

  #changed() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}

export const library = new Library();
connection.addEventListener("back", () => library.load().catch(() => {}));

/** What a button does that loads the samples. */
export async function useSamples(event) {
  const pressed = event.currentTarget;
  pressed.disabled = true;
  try {
    await library.addSamples();
  } catch (error) {
    pressed.disabled = false;
    toast(error.message);
  }
}

/** A choice of collection, kept up to date while it is on the page. */
export function collectionChoice(select, chosen) {
  const show = () => {
    const value = select.value || chosen || "";
    select.replaceChildren(new Option("All collections", ""), ...library.collections.map((one) => new Option(one, one)));
    select.value = library.collections.includes(value) ? value : "";
    select.hidden = library.collections.length < 2; // nothing to choose
  };
  const update = () => {
    if (!select.isConnected && select.dataset.shown) library.removeEventListener("change", update);
    else { select.dataset.shown = "1"; if (select.options.length !== library.collections.length + 1) show(); }
  };
  library.addEventListener("change", update);
  show();
  return select;
}
