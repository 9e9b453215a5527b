// How an answer is shown: sentences with their verdicts, numbered sources, what was left out, and why there is none.

import { documentPath, get, post } from "./api.js";
import { button, copy, fill, h, icon, plural, toast, verdict } from "./dom.js";
import { openSource } from "./source.js";

const STATUS = {
  answered: ["supported", "Answered from your documents"],
  partial: ["weak", "Answered in part"],
  not_found: ["unsupported", "Not in your documents"],
};
const REASONS = {
  no_match: ["Nothing in the documents is near this question.", "Try other words, another collection, or add the document that answers it."],
  not_in_passages: ["The nearest passages do not answer this question.", "Name the thing or the document more exactly, or add the document that answers it."],
  unsupported: ["The model wrote something that the documents do not support, so it is not shown.", "The nearest passages below may help you to ask more exactly."],
  conflict: ["Your documents contradict each other. Both are quoted.", "Check which of the two is valid."],
  unreadable_source: ["A document that was searched could not be read.", "The list of documents says why, and what to do."],
};
const PARTIAL = {
  ...REASONS,
  not_in_passages: ["The documents answer only a part of the question.", ""],
  unsupported: ["A part of what the model wrote is left out, since the documents do not support it.", ""],
};

/** The sentence as text, with a button for each of its citations. */
export function withCitations(text, numbers, cite) {
  const parts = [], known = new Set(numbers);
  let last = 0;
  for (const found of text.matchAll(/\s?\[(\d{1,3})\]/g)) {
    const number = Number(found[1]);
    if (!known.has(number)) continue;
    parts.push(text.slice(last, found.index), cite(number));
    last = found.index + found[0].length;
    known.delete(number);
  }
  parts.push(text.slice(last));
  for (const number of known) parts.push(cite(number));
  return parts;
}

export function place(cited) {
  return [h("bdi", { class: "name" }, cited.document_name), cited.page ? h("span", { class: "page-of" }, `page ${cited.page}`) : null];
}

/** What a citation opens, and how a document that is gone is told. */
export function citer(citations, gone = new Map()) {
  const by = new Map(citations.map((one) => [one.number, one]));
  const open = (number, from) => {
    const cited = by.get(number);
    if (!cited) return;
    if (gone.has(cited.document_id)) {
      const newer = gone.get(cited.document_id);
      if (newer) openSource({ document_id: newer, page: cited.page, start: null, end: null, note: "This is the new version of the document that was cited." }, from);
      else toast(`${cited.document_name} was deleted since. Its words are not shown.`);
      return;
    }
    openSource({ ...cited, end: cited.end }, from);
  };
  const mark = (number) => {
    const cited = by.get(number);
    const lost = cited && gone.has(cited.document_id);
    return h("button", {
      type: "button", class: lost ? "cite lost" : "cite", data: { citation: number },
      "aria-label": cited ? `Source ${number}: ${cited.document_name}${cited.page ? `, page ${cited.page}` : ""}${lost ? ", no longer there" : ""}` : `Source ${number}`,
      onclick: (event) => open(number, event.currentTarget),
    }, String(number));
  };
  return { open, mark };
}

/** The list of sources, as footnotes. */
export function sources(citations, cites, gone = new Map()) {
  if (!citations.length) return null;
  return h("section", { class: "sources", "aria-label": "Sources" },
    h("h3", {}, "Sources"),
    h("ol", {}, citations.map((cited) => {
      const lost = gone.has(cited.document_id), newer = gone.get(cited.document_id);
      return h("li", {}, h("button", {
        type: "button", class: lost ? "footnote lost" : "footnote", data: { source: cited.number },
        onclick: (event) => cites.open(cited.number, event.currentTarget),
      },
        h("span", { class: "number" }, String(cited.number)),
        h("span", { class: "body" },
          cited.quote && h("q", { class: "quote" }, cited.quote),
          h("span", { class: "where" }, place(cited),
            lost && h("span", { class: "gone" }, icon("alert"), newer ? "Replaced since: opens the new version" : "Deleted since: its words are not shown")))));
    })));
}

/** A whole answer. `hits` are the passages of the stream, where they are known. */
export function drawAnswer(answer, { gone = new Map(), feedback = null, hits = [], onEdit } = {}) {
  const cites = citer(answer.citations, gone);
  const [kind, words] = STATUS[answer.status];
  const refused = answer.status === "not_found";
  const reason = answer.reason && (refused ? REASONS : PARTIAL)[answer.reason];
  const parts = [];
  parts.push(h("p", { class: `outcome ${kind}` }, icon(kind === "unsupported" ? "empty" : kind), h("strong", {}, words),
    answer.confidence !== null && !refused && h("span", { class: "confidence", title: "How likely it is that the documents answer the question and that this is the answer" },
      h("i", { class: "meter", "aria-hidden": "true" }, h("i", { style: { width: `${Math.round(answer.confidence * 100)}%` } })),
      `${Math.round(answer.confidence * 100)} % sure`)));
  if (reason) {
    parts.push(h("div", { class: `callout ${refused ? "plain" : "weak"}` }, icon(answer.reason === "conflict" ? "alert" : refused ? "search" : "weak"),
      h("div", {}, h("p", {}, reason[0]), reason[1] && h("p", { class: "muted" }, reason[1]))));
  }
  if (!refused) {
    parts.push(h("ol", { class: "sentences" }, answer.sentences.map((one) => h("li", { class: one.verdict },
      verdict(one.verdict),
      h("div", {}, h("p", {}, withCitations(one.text, one.citations, cites.mark)),
        one.reason && one.verdict !== "supported" && one.verdict !== "no_claim" && h("p", { class: "why" }, sentenceCase(one.reason)))))));
    parts.push(sources(answer.citations, cites, gone));
  }
  if (answer.left_out.length) {
    parts.push(h("details", { class: "more left-out" },
      h("summary", {}, `Left out: ${plural(answer.left_out.length, "sentence")} that the documents do not support`),
      h("ul", {}, answer.left_out.map((one) => h("li", {}, verdict("unsupported"), h("div", {}, h("p", {}, one.text), h("p", { class: "why" }, sentenceCase(one.reason))))))));
  }
  if (refused && answer.retrieved.length) parts.push(nearest(answer.retrieved, hits));
  parts.push(made(answer));
  parts.push(actions(answer, feedback, gone, onEdit));
  return parts;
}

function sentenceCase(text) {
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

/** The first three passages as a list; the text of those that are not among `hits` is asked for. */
export function nearest(passages, hits) {
  const texts = new Map(hits.map((hit) => [`${hit.document_id}/${hit.start}`, hit.text]));
  const item = (one) => {
    const quote = h("q", { class: "quote" }, "…");
    const show = (words) => { quote.textContent = words.length > 280 ? `${words.slice(0, 280).replace(/\s\S*$/, "")} …` : words; };
    const known = texts.get(`${one.document_id}/${one.start}`);
    if (known) show(known);
    else get(documentPath(one.document_id, `/text?start=${one.start}&end=${one.end}`)).then((found) => show(found.text), () => show("This passage is no longer there."));
    return h("li", {}, h("button", { type: "button", class: "footnote", onclick: (event) => openSource(one, event.currentTarget) },
      h("span", { class: "number" }, icon("search")), h("span", { class: "body" }, quote, h("span", { class: "where" }, place(one)))));
  };
  return h("section", { class: "sources nearest", "aria-label": "Nearest passages" }, h("h3", {}, "Nearest passages"), h("ul", {}, passages.slice(0, 3).map(item)));
}

const STEPS = { rewrite: "rewriting", retrieve: "search", select: "selection", pack: "packing", generate: "writing", judge: "judging", verify: "checking" };
function made(answer) {
  const seconds = (ms) => (ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`);
  const rows = [
    answer.standalone_question && ["Asked as", answer.standalone_question],
    ["Model", answer.model],
    ["Passages", `${answer.usage.passages_sent} sent, ${answer.usage.passages_left_out} left out`],
    ["Tokens", `${answer.usage.prompt_tokens} read, ${answer.usage.completion_tokens} written`],
    ["Time", Object.entries(answer.timings_ms).filter(([step]) => STEPS[step]).map(([step, ms]) => `${STEPS[step]} ${seconds(ms)}`).join(" · ")],
  ].filter(Boolean);
  return h("details", { class: "more made" }, h("summary", {}, "How this answer was made"),
    h("dl", {}, rows.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])));
}

/** An answer as Markdown, with its sources. */
export function markdown(answer) {
  const lines = [`**${oneLine(answer.question)}**`, answer.answer];
  if (answer.citations.length) {
    lines.push(answer.citations.map((one) =>
      `[${one.number}] ${oneLine(one.document_name)}${one.page ? `, page ${one.page}` : ""}${one.quote ? `: “${oneLine(one.quote)}”` : ""}`).join("  \n"));
  }
  return `${lines.join("\n\n")}\n`;
}
const oneLine = (text) => text.replace(/\s+/g, " ").trim();

const RATINGS = [["right", "Right"], ["wrong", "Wrong"], ["wrong citation", "Wrong citation"]];

function actions(answer, feedback, gone, onEdit) {
  const bar = h("div", { class: "actions" },
    button("copy", "Copy as Markdown", () => copy(markdown(answer), "Copied with its sources."), { class: "quiet small" }),
    onEdit && button("edit", "Edit and ask again", () => onEdit(answer.question), { class: "quiet small" }));
  if (!answer.turn_id) return bar;
  const form = h("form", { class: "feedback-form", hidden: true });
  const group = h("div", { class: "rating", role: "group", "aria-labelledby": `rating-${answer.turn_id}` });
  let given = feedback;
  const draw = () => fill(group, h("span", { id: `rating-${answer.turn_id}` }, "Is this answer right?"), RATINGS.map(([value, label]) => h("button", {
    type: "button", class: "quiet small", "aria-pressed": String(given?.rating === value), onclick: () => rate(value),
  }, label)));
  const send = async (rating, citation, comment) => {
    try {
      given = await post("v1/feedback", { turn_id: answer.turn_id, rating, ...(citation && { citation }), ...(comment && { comment }) });
      draw();
      return true;
    } catch (error) { toast(error.message); return false; }
  };
  const rate = async (rating) => {
    if (!(await send(rating, given?.rating === rating ? given.citation : null, given?.comment))) return;
    if (rating === "right") { form.hidden = true; toast("Thank you. Kept with this answer."); return; }
    const id = `comment-${answer.turn_id}`;
    const field = h("textarea", { id, rows: 2, maxlength: 4000, value: given?.comment || "" });
    const which = rating === "wrong citation" && answer.citations.length > 1 && h("select", { id: `${id}-n` },
      h("option", { value: "" }, "Any"), answer.citations.map((one) => h("option", { value: one.number }, `Source ${one.number}`)));
    fill(form, which && [h("label", { for: `${id}-n` }, "Which source?"), which],
      h("label", { for: id }, rating === "wrong" ? "What is the right answer?" : "Where does it stand?"), field,
      h("div", { class: "row end" }, h("button", { type: "submit", class: "small" }, "Send")));
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (await send(rating, which && which.value ? Number(which.value) : null, field.value.trim())) { form.hidden = true; toast("Thank you. Kept with this answer."); }
    };
    form.hidden = false;
    field.focus({ preventScroll: true });
    form.scrollIntoView({ block: "nearest" });
  };
  draw();
  bar.append(group);
  return [bar, form];
}
