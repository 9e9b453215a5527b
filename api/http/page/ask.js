// Ask: a conversation. A question streams a draft, which the checked answer replaces; the server keeps both as a thread.

import { connection, del, events, get, post } from "./api.js";
import { button, fill, h, icon, plural, toast } from "./dom.js";
import { drawAnswer } from "./answer.js";
import { collectionChoice, library, SAMPLES, SAMPLE_QUESTIONS, unfinished, useSamples } from "./library.js";

/** Draw the view into `main`, with the turns of a thread where an id is given. Returns what to do when it is left. */
export async function showAsk(main, threadId, onThread) {
  let thread = threadId ? await get(`v1/threads/${encodeURIComponent(threadId)}`) : null;
  let asking = null;
  const log = h("div", { class: "log" });
  const welcome = h("div", { class: "welcome" });
  const field = h("textarea", {
    id: "question", rows: 1, placeholder: "Ask your documents", enterkeyhint: "send", maxlength: 8000,
  });
  const collection = collectionChoice(h("select", { "aria-label": "Collection to search" }), thread?.collection);
  const style = h("select", { "aria-label": "Length of the answer" }, h("option", { value: "full" }, "Full sentences"), h("option", { value: "brief" }, "Brief"));
  const send = h("button", { type: "submit", class: "send", "aria-label": "Ask" });
  const form = h("form", { class: "composer", onsubmit: submit },
    h("label", { for: "question", class: "sr" }, "Your question"), field,
    h("div", { class: "composer-row" }, collection, style, h("span", { class: "hint" }, "Enter asks, Shift + Enter breaks the line"), send));
  const state = h("p", { class: "sr", role: "status" });
  const title = h("h1", { class: "sr" }, thread ? thread.title || "Conversation" : "Ask your documents");
  fill(main, h("div", { class: "ask" }, title, welcome, log, h("div", { class: "composer-wrap" }, form), state));

  field.addEventListener("input", grow);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
  });
  function grow() {
    field.style.setProperty("height", "auto");
    field.style.setProperty("height", `${Math.min(field.scrollHeight, 220)}px`);
  }
  function drawSend() {
    fill(send, icon(asking ? "stop" : "send"));
    send.setAttribute("aria-label", asking ? "Stop" : "Ask");
    send.classList.toggle("stop", Boolean(asking));
    form.classList.toggle("busy", Boolean(asking));
  }

  const edit = (question) => { field.value = question; grow(); field.focus(); field.select(); };
  for (const turn of thread?.messages || []) log.append(keptTurn(turn, edit));
  drawSend();
  drawWelcome();
  library.addEventListener("change", drawWelcome);
  if (!threadId && matchMedia("(min-width: 1000px)").matches) field.focus({ preventScroll: true });
  if (thread?.messages.length) main.scrollTop = main.scrollHeight;

  function drawWelcome() {
    welcome.hidden = log.childElementCount > 0;
    if (welcome.hidden) { welcome.replaceChildren(); return; }
    if (!library.loaded) return;
    const stage = `${library.ready}/${library.documents.size}/${library.uploads.length}`;
    if (welcome.dataset.stage === stage) return;
    welcome.dataset.stage = stage;
    if (library.ready) fill(welcome, readyWelcome(askNow));
    else fill(welcome, firstVisit());
  }
  function askNow(question) { field.value = question; form.requestSubmit(); }

  async function submit(event) {
    event.preventDefault();
    if (asking) { asking.abort(); return; }
    const question = field.value.trim();
    if (!question) { field.focus(); return; }
    asking = new AbortController();
    if (!(await hasDocuments())) {
      asking = null;
      toast(library.documents.size ? "No document is ready yet." : "There are no documents to ask yet.", "Documents", () => { location.hash = "#/documents"; });
      return;
    }
    drawSend();
    field.value = "";
    grow();
    const turn = h("article", { class: "turn asked", "aria-label": question }, h("h2", { class: "question" }, question));
    const body = h("div", { class: "answer" });
    turn.append(body);
    log.append(turn);
    drawWelcome();
    turn.scrollIntoView({ block: "start" });
    try {
      if (!thread) {
        thread = await post("v1/threads", collection.value ? { collection: collection.value } : {});
        thread.fresh = true;
      }
      await ask(question, body);
      if (thread.fresh) { thread.fresh = false; onThread(thread.id); }
      dispatchEvent(new Event("threads-changed"));
    } catch (error) {
      failed(body, question, error);
      if (thread?.fresh) { del(`v1/threads/${encodeURIComponent(thread.id)}`).catch(() => {}); thread = null; }
    } finally {
      asking = null;
      drawSend();
    }
  }

  async function ask(question, body) {
    const phase = h("p", { class: "phase" });
    const words = h("div", { class: "draft-text" });
    const draft = h("div", { class: "draft", hidden: true }, h("p", { class: "draft-label" }, icon("edit"), "Draft, not checked yet"), words);
    const say = (text) => { fill(phase, h("span", { class: "spin", "aria-hidden": "true" }), h("span", {}, text)); state.textContent = text; };
    fill(body, phase, draft);
    say("Searching your documents…");
    let hits = [], quiet = 0, answer = null;
    const query = { question, thread_id: thread.id, stream: true, style: style.value, ...(collection.value && { collection: collection.value }) };
    for await (const { event, data } of events("v1/query", query, asking.signal)) {
      clearTimeout(quiet);
      if (event === "retrieval") {
        hits = data.hits;
        const names = [...new Set(hits.map((hit) => hit.document_name))];
        say(hits.length ? `Reading ${plural(hits.length, "passage")} of ${names.slice(0, 2).join(", ")}${names.length > 2 ? ` and ${names.length - 2} more` : ""}…` : "Nothing near was found…");
      } else if (event === "status") {
        say("The model is being loaded, which may take a minute…");
      } else if (event === "token") {
        if (draft.hidden) { draft.hidden = false; say("Writing a draft…"); }
        words.append(data.text);
        quiet = setTimeout(() => say("Checking each sentence against its source…"), 600);
      } else if (event === "answer") answer = data;
      else if (event === "error") throw Object.assign(new Error(data.error.message), { code: data.error.code });
    }
    clearTimeout(quiet);
    if (!answer) throw new Error("The answer ended before it was complete. Ask again.");
    fill(body, drawAnswer(answer, { hits, onEdit: edit }));
    body.classList.add("fresh");
    state.textContent = answer.status === "not_found" ? "The documents do not answer this." : `Answered, with ${plural(answer.citations.length, "source")}.`;
  }

  function failed(body, question, error) {
    const stopped = error.name === "AbortError";
    const again = button("retry", "Ask again", () => { body.closest(".turn").remove(); askNow(question); }, { class: "quiet small" });
    const change = button("edit", "Edit", () => { body.closest(".turn").remove(); drawWelcome(); edit(question); }, { class: "quiet small" });
    fill(body, h("div", { class: `callout ${stopped ? "plain" : "bad"}` }, icon(stopped ? "stop" : "alert"),
      h("div", {}, h("p", {}, stopped ? "Stopped. Nothing was kept." : error.message))), h("div", { class: "actions" }, again, change));
    state.textContent = stopped ? "Stopped." : error.message;
    if (error.code === "away") connection.back().then(() => { if (body.isConnected) toast("The server is back.", "Ask again", () => again.click()); });
  }

  return () => {
    asking?.abort();
    library.removeEventListener("change", drawWelcome);
  };
}

/** Whether there is something to ask. Where the server does not say, the question itself is told why. */
async function hasDocuments() {
  if (!library.ready) await library.load().catch(() => {});
  return library.ready > 0 || connection.state !== "ok";
}

function keptTurn(turn, edit) {
  const gone = new Map(turn.gone.map((one) => [one.document_id, one.replaced_by]));
  return h("article", { class: "turn", "aria-label": turn.question },
    h("h2", { class: "question" }, turn.question),
    h("div", { class: "answer" }, drawAnswer(turn.answer, { gone, feedback: turn.feedback, onEdit: edit })));
}

function readyWelcome(askNow) {
  const samples = library.collections.includes(SAMPLES);
  return [
    h("p", { class: "hero", "aria-hidden": "true" }, "Ask your documents."),
    h("p", { class: "lede" }, `${plural(library.ready, "document")} ${library.ready === 1 ? "is" : "are"} ready. Every sentence of an answer is checked against the exact words it cites, and what is not there is not answered.`),
    samples && h("div", { class: "suggestions" }, h("h2", {}, "Try one of these"),
      h("ul", {}, SAMPLE_QUESTIONS.map((one) => h("li", {}, h("button", { type: "button", class: "suggestion", onclick: () => askNow(one) }, h("span", {}, one), icon("right")))))),
  ];
}

function firstVisit() {
  const waiting = library.uploads.length + [...library.documents.values()].filter(unfinished).length;
  const failed = library.documents.size && !waiting;
  const steps = [
    ["Add documents", "PDF, Word, Excel, slides, web pages, e-mail, scans. They are kept where Footnote runs.", waiting
      ? h("p", { class: "phase" }, h("span", { class: "spin", "aria-hidden": "true" }), h("span", {}, `Reading ${plural(waiting, "document")}…`))
      : h("div", { class: "row" }, h("a", { class: "button", href: "#/documents" }, icon("upload"), h("span", {}, "Add documents")),
        button(null, "Use the sample documents", useSamples, { class: "quiet" })),
    ],
    ["Ask a question", "In your own words. A language model writes a draft, and only what can be proven is shown."],
    ["See the proof", "Each sentence cites the exact words. Click a number: the page opens with these words marked."],
  ];
  return [
    h("p", { class: "hero", "aria-hidden": "true" }, "Answers you can check."),
    h("p", { class: "lede" }, failed ? "The documents so far could not be read; the list says why." : "Footnote answers from your own documents and shows the very words that support each sentence."),
    h("ol", { class: "steps" }, steps.map(([name, words, extra], index) => h("li", {}, h("span", { class: "step", "aria-hidden": "true" }, String(index + 1)), h("div", {}, h("h2", {}, name), h("p", {}, words), extra)))),
  ];
}
