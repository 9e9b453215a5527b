// Verify: any text, whoever wrote it, sentence by sentence against the documents.

import { post } from "./api.js";
import { button, copy, fill, h, icon, plural, slice, VERDICTS, verdict } from "./dom.js";
import { citer, nearest, place } from "./answer.js";
import { collectionChoice, library, SAMPLES, SAMPLE_TEXT } from "./library.js";

const ORDER = ["supported", "weak", "unsupported", "no_claim"];
const MEANS = {
  supported: "The documents say this.",
  weak: "The documents say something close. Read the source.",
  unsupported: "The documents do not say this.",
  no_claim: "There is nothing to check here.",
};
let kept = { text: "", result: null, question: "", collection: "" };

export async function show(main) {
  let checking = null;
  const field = h("textarea", { id: "text", rows: 9, placeholder: "Paste a text: an e-mail, a summary, an answer of another assistant…", value: kept.text });
  const question = h("input", { id: "answers", type: "text", value: kept.question, placeholder: "Optional", maxlength: 2000 });
  const collection = collectionChoice(h("select", { "aria-label": "Collection to check against" }), kept.collection);
  const go = button("verify", "Check every sentence", () => {}, { type: "submit" });
  const count = h("span", { class: "muted count" });
  const sample = button(null, "Try an example", () => { field.value = SAMPLE_TEXT; counted(); form.requestSubmit(); }, { class: "quiet" });
  const form = h("form", { class: "verify-form", onsubmit: submit },
    h("label", { for: "text", class: "sr" }, "Text to check"), field,
    h("div", { class: "row" }, h("label", { class: "inline grow", for: "answers" }, "Question it answers", question), collection),
    h("div", { class: "row" }, go, sample, count));
  const result = h("div", { class: "result" });
  const state = h("p", { class: "sr", role: "status" });
  fill(main, h("div", { class: "page verify" }, h("h1", {}, "Verify"),
    h("p", { class: "lede" }, "Paste any text. Each sentence is compared with your documents, and the words that support it are shown."), form, state, result));
  const offer = () => { sample.hidden = !library.collections.includes(SAMPLES) || field.value.trim() !== ""; };
  const counted = () => { count.textContent = field.value ? plural(field.value.trim().split(/\s+/).filter(Boolean).length, "word") : ""; offer(); };
  field.addEventListener("input", counted);
  field.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); });
  library.addEventListener("change", offer);
  counted();
  if (kept.result) draw(kept.text, kept.result);

  async function submit(event) {
    event.preventDefault();
    if (checking) { checking.abort(); return; }
    const text = field.value;
    if (!text.trim()) { field.focus(); return; }
    checking = new AbortController();
    fill(go, icon("stop"), h("span", {}, "Stop"));
    fill(result, h("p", { class: "phase" }, h("span", { class: "spin", "aria-hidden": "true" }), h("span", {}, "Comparing each sentence with your documents…")));
    state.textContent = "Checking.";
    try {
      const body = { text, ...(question.value.trim() && { question: question.value.trim() }), ...(collection.value && { collection: collection.value }) };
      const found = await post("v1/verify", body, { signal: checking.signal });
      kept = { text, result: found, question: question.value, collection: collection.value };
      draw(text, found);
      field.style.setProperty("height", "9rem");
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      result.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    } catch (error) {
      const stopped = error.name === "AbortError";
      state.textContent = stopped ? "Stopped." : error.message;
      fill(result, h("div", { class: `callout ${stopped ? "plain" : "bad"}` }, icon(stopped ? "stop" : "alert"), h("span", {}, stopped ? "Stopped." : error.message)));
    } finally {
      checking = null;
      fill(go, icon("verify"), h("span", {}, "Check every sentence"));
    }
  }

  function draw(text, found) {
    const { sentences, citations } = found;
    const counts = Object.fromEntries(ORDER.map((name) => [name, sentences.filter((one) => one.verdict === name).length]));
    const claims = sentences.length - counts.no_claim;
    state.textContent = ORDER.filter((name) => counts[name]).map((name) => `${counts[name]} ${VERDICTS[name].toLowerCase()}`).join(", ");
    let only = "", chosen = -1;
    const marks = [];
    const words = h("div", { class: "checked-text" });
    let at = 0;
    sentences.forEach((one, index) => {
      if (one.start > at) words.append(slice(text, at, one.start));
      const mark = h("span", {
        class: `claim ${one.verdict}`, role: "button", tabindex: "0", "aria-pressed": "false", data: { index },
        onclick: () => choose(index), onkeydown: (event) => keys(event, index),
      }, h("span", { class: "sr" }, `${VERDICTS[one.verdict]}: `), one.text, one.verdict !== "no_claim" && h("sup", { class: "glyph", "aria-hidden": "true" }, icon(one.verdict)));
      marks.push(mark);
      words.append(mark);
      at = one.end;
    });
    words.append(slice(text, at, Infinity));
    const card = h("aside", { class: "card", "aria-label": "The chosen sentence", "aria-live": "polite" });
    const cites = citer(citations);

    const bar = h("div", { class: "tally", "aria-hidden": "true" }, ORDER.filter((name) => counts[name]).map((name) => h("i", { class: name, style: { "flex-grow": String(counts[name]) } })));
    const filters = h("div", { class: "legend", role: "group", "aria-label": "Show only" }, ORDER.filter((name) => counts[name]).map((name) =>
      h("button", { type: "button", class: `legend-item ${name}`, "aria-pressed": "false", onclick: (event) => filter(name, event.currentTarget) }, icon(name), h("strong", {}, String(counts[name])), h("span", {}, VERDICTS[name]))));
    const headline = !claims ? "There is nothing to check in this text"
      : counts.supported === claims ? "Your documents support every claim"
        : counts.unsupported ? `${plural(counts.unsupported, "claim")} of ${claims} ${counts.unsupported === 1 ? "is" : "are"} not in your documents`
          : `${counts.supported} of ${plural(claims, "claim")} ${counts.supported === 1 ? "is" : "are"} supported in full`;
    fill(result, h("section", { class: "verdicts", "aria-label": "Result" },
      h("h2", {}, headline), bar, h("div", { class: "row between" }, filters, h("div", { class: "row" },
        counts.unsupported + counts.weak > 0 && button("right", "Next doubt", next, { class: "quiet small" }),
        button("copy", "Copy the report", () => copy(report(text, found), "The report is copied."), { class: "quiet small" })))),
    h("div", { class: "checked" }, words, card));
    const first = sentences.findIndex((one) => one.verdict === "unsupported");
    choose(first >= 0 ? first : sentences.findIndex((one) => one.verdict !== "no_claim"), false);

    function filter(name, pressed) {
      only = only === name ? "" : name;
      for (const one of filters.children) one.setAttribute("aria-pressed", String(one === pressed && only !== ""));
      marks.forEach((mark, index) => mark.classList.toggle("dim", only !== "" && sentences[index].verdict !== only));
    }

    function next() {
      const doubts = sentences.map((one, index) => [one.verdict, index]).filter(([name]) => name === "unsupported" || name === "weak").map(([, index]) => index);
      const index = doubts.find((one) => one > chosen) ?? doubts[0];
      choose(index);
      marks[index].focus();
      marks[index].scrollIntoView({ block: "nearest" });
    }

    function keys(event, index) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(index); }
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step && marks[index + step]) { event.preventDefault(); marks[index + step].focus(); choose(index + step); }
    }

    function choose(index) {
      if (index < 0) { fill(card, h("p", { class: "muted" }, "Choose a sentence to see its sources.")); return; }
      marks[chosen]?.setAttribute("aria-pressed", "false");
      chosen = index;
      marks[index].setAttribute("aria-pressed", "true");
      const one = sentences[index];
      const cited = one.citations.map((number) => citations.find((found) => found.number === number)).filter(Boolean);
      fill(card, h("div", { class: "row between" }, verdict(one.verdict), one.verdict !== "no_claim" && h("span", { class: "muted small-text" }, `${Math.round(one.confidence * 100)} % likely`)),
        h("p", { class: "said" }, one.text),
        h("p", { class: "why" }, one.reason ? `${one.reason.charAt(0).toUpperCase()}${one.reason.slice(1)}.` : MEANS[one.verdict]),
        cited.length > 0 && [h("h3", {}, cited.length === 1 ? "The documents say" : "What the documents say"), cited.map((source) =>
          h("button", { type: "button", class: "footnote", data: { source: source.number }, onclick: (event) => cites.open(source.number, event.currentTarget) },
            h("span", { class: "number" }, String(source.number)), h("span", { class: "body" }, h("q", { class: "quote" }, source.quote), h("span", { class: "where" }, place(source)))))]);
      if (one.verdict === "unsupported") addNearest(one.text, index);
    }

    /** Below a sentence that nothing supports: what the documents say about it. */
    async function addNearest(query, index) {
      const { hits } = await post("v1/search", { query, top_k: 3, ...(kept.collection && { collection: kept.collection }) }).catch(() => ({ hits: [] }));
      if (chosen === index && hits.length) card.append(nearest(hits, hits));
    }
  }

  return () => { checking?.abort(); kept.text = field.value; library.removeEventListener("change", offer); };
}

function report(text, { sentences, citations }) {
  const line = (words) => words.replace(/\s+/g, " ").trim();
  const lines = sentences.map((one) => `- **${VERDICTS[one.verdict]}** ${line(one.text)}${one.citations.map((number) => ` [${number}]`).join("")}${one.reason ? ` (${one.reason})` : ""}`);
  const sources = citations.map((one) => `[${one.number}] ${line(one.document_name)}${one.page ? `, page ${one.page}` : ""}: “${line(one.quote)}”`);
  return `# Checked by Footnote\n\n${lines.join("\n")}\n${sources.length ? `\n${sources.join("  \n")}\n` : ""}`;
}
