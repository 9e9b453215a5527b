// Calls of the server, in the form of /openapi.json, and whether it answers at all. Paths are relative to the page, which a
// proxy may serve under a prefix.

import { askForKey, authorization } from "./key.js";

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const AWAY = "The server does not answer. Start it again with “footnote serve”. What it accepted is safe.";
const TRY_EVERY_MS = 1500;

/** Whether the server answers: `ok`, `starting` or `away`. Tells `change`, and tries again until it answers. */
class Connection extends EventTarget {
  state = "ok";
  message = "";
  #timer = 0;

  lost(state, message) {
    this.#set(state, message);
    if (!this.#timer) this.#timer = setTimeout(() => this.#try(), TRY_EVERY_MS);
  }

  /** The error of a call that got no answer. */
  gone() {
    this.lost("away", AWAY);
    return new ApiError(0, "away", AWAY);
  }

  /** Resolves once the server answers. */
  async back() {
    if (this.state !== "ok") await new Promise((resolve) => this.addEventListener("back", resolve, { once: true }));
  }

  async #try() {
    this.#timer = 0;
    try {
      const response = await fetch("readyz", { cache: "no-store" });
      if (response.ok) {
        this.#set("ok", "");
        this.dispatchEvent(new Event("back"));
        return;
      }
      const body = await response.json().catch(() => null);
      this.lost("starting", body?.error?.message || "The server is starting.");
    } catch {
      this.lost("away", AWAY);
    }
  }

  #set(state, message) {
    if (this.state === state && this.message === message) return;
    this.state = state;
    this.message = message;
    this.dispatchEvent(new Event("change"));
  }
}

export const connection = new Connection();

async function send(method, path, body, { signal, accept } = {}) {
  const headers = { Accept: accept || "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  for (;;) {
    const used = authorization();
    let response;
    try {
      response = await fetch(path, {
        method, headers: { ...headers, ...used }, signal, cache: "no-cache", body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw connection.gone();
    }
    if (response.ok) return response;
    const error = failure(response.status, await response.text());
    if (error.status !== 401) throw error;
    if (used.Authorization === authorization().Authorization) await askForKey(error.message); // else there is a newer one
  }
}

function failure(status, text) {
  let said;
  try { said = JSON.parse(text).error; } catch { said = null; }
  const error = new ApiError(status, said?.code || "unknown", said?.message || `The server answered ${status}.`);
  if (error.code === "starting" || error.code === "not_open") connection.lost("starting", error.message);
  return error;
}

export const get = async (path, options) => (await send("GET", path, undefined, options)).json();
export const post = async (path, body, options) => (await send("POST", path, body, options)).json();
export const patch = async (path, body) => (await send("PATCH", path, body)).json();
export const del = async (path) => { await send("DELETE", path); };
export const text = async (path, accept) => (await send("GET", path, undefined, { accept })).text();
export const blob = async (path, accept = "*/*") => (await send("GET", path, undefined, { accept })).blob();

export const documentPath = (id, rest = "") => `v1/documents/${encodeURIComponent(id)}${rest}`;

/** The server-sent events of a POST, each as {event, data}. */
export async function* events(path, body, signal) {
  const response = await send("POST", path, body, { signal, accept: "text/event-stream" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      let piece;
      try {
        piece = await reader.read();
      } catch (error) {
        if (error.name === "AbortError") throw error;
        connection.lost("away", AWAY);
        throw new ApiError(0, "away", "The connection broke before the answer was complete. Ask again.");
      }
      if (piece.done) return;
      rest += piece.value;
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const block = rest.slice(0, end);
        rest = rest.slice(end + 2);
        const event = /^event: (.*)$/m.exec(block), data = /^data: (.*)$/m.exec(block);
        if (event && data) yield { event: event[1], data: JSON.parse(data[1]) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Upload one file. `progress` is called with 0 to 1. Returns {done, abort}; `done` resolves to the document. */
export function upload(file, name, collection, progress) {
  const request = new XMLHttpRequest(), form = new FormData();
  form.append("collection", collection);
  form.append("file", file, name);
  const done = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => progress(event.total ? event.loaded / event.total : 0));
    request.addEventListener("load", () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText).documents[0]);
      else {
        const error = failure(request.status, request.responseText);
        if (error.status === 401) askForKey(error.message);
        reject(error);
      }
    });
    request.addEventListener("error", () => reject(connection.gone()));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    request.open("POST", "v1/documents");
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.send(form);
  });
  return { done, abort: () => request.abort() };
}
