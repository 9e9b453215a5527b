"use strict";
// The table of questions: filters, sorts and shows the rows of the page's data, a page of them at a time.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const several = data.runs.length > 1;
  const ROWS = 50;
  const STATES = new Map(data.states.map((state) => [state.name, state]));
  const STATE_KIND = {
    crashed: "alert", wrong_refusal: "alert", wrong_answer: "alert", off_gold: "warn", not_retrieved: "warn", partial: "warn",
    found: "ok",
  };
  // A state that says less than another one of the same question is not shown beside it.
  const PASSED_BY = {
    answered: ["partial", "wrong_answer"], partial: ["wrong_answer"], refused: ["wrong_refusal"],
  };
  const NEARNESS = {
    passage: "on gold passage", page: "on gold page", page_within_1: "next to gold page", document: "in gold document",
  };
  const VERDICTS = { supported: "supported", weak: "weakly supported", unsupported: "unsupported", no_claim: "no claim" };
  const LEVELS = { page: "page", passage: "passage", document: "document" };

  // Elements hold text as text: nothing here is ever parsed as markup.
  const make = (tag, attributes = {}, ...content) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick" || name === "onchange" || name === "oninput") node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    node.append(...content.flat(Infinity).filter((part) => part !== null && part !== undefined && part !== ""));
    return node;
  };
  const chip = (index) =>
    several ? make("span", { class: `chip run-${data.runs[index].letter}` }, data.runs[index].letter) : null;
  const letters = data.runs.map((run) => run.letter);

  // Columns -----------------------------------------------------------------------------------------------------------

  const share = (value) => value.toFixed(2);
  const count = (value) => Math.round(value).toLocaleString("en");
  const time = (ms) =>
    ms < 9.95 ? `${ms.toFixed(1)} ms` : ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)} s`;
  const columns = [
    { name: "gold_rank", title: "gold at rank", group: "Question", show: count, words: "the first hit on gold",
      value: (part) => part.gold_rank },
    { name: "confidence", title: "confidence", group: "Question", show: share, words: "cosine of question and best hit",
      value: (part) => part.confidence },
    { name: "time", title: "time", group: "Question", show: time, words: "for the answer, or the search alone",
      value: (part) => part.timings.total ?? part.timings.search },
    ...data.metrics.map((metric) => ({
      name: metric.name, title: metric.name.replaceAll("_", " "), words: metric.words, group: metric.group,
      show: metric.name.endsWith("_tokens") ? count : share, value: (part) => part.metrics[metric.name],
    })),
  ];
  const column = (name) => columns.find((one) => one.name === name);
  const firstOf = (...names) => names.find((name) => column(name));
  const shown = new Set([
    "gold_rank",
    firstOf("judged_correct", "contains_answer", "f1") ?? firstOf("page_ndcg@10", "passage_ndcg@10", "document_ndcg@10"),
    firstOf("f1", "char_recall@5"),
    firstOf("citation_precision_page", "citation_precision_span"),
    "confidence",
    "time",
  ].filter(Boolean));

  // State of the view -------------------------------------------------------------------------------------------------

  const view = { text: "", state: "", run: "", sort: "", descending: false, of: "0", page: 0 };
  const open = new Set();
  const haystacks = new Map();

  const haystack = (question) => {
    if (!haystacks.has(question)) {
      const answers = question.runs.flatMap((part) => (part ? part.pieces.map((piece) => piece.text).join("") : []));
      const words = [question.id, question.question, ...question.answers, ...answers, ...Object.values(question.tags),
        ...question.gold.map((item) => data.documents[item.document])];
      haystacks.set(question, words.join("\n").toLowerCase());
    }
    return haystacks.get(question);
  };
  const outcome = (part) => (part ? part.states.join(" ") : "");
  const inState = (question, state, run) => {
    if (state === "differs") return new Set(question.runs.map(outcome)).size > 1;
    return question.runs.some((part, index) => part && (run === "" || run === String(index)) && part.states.includes(state));
  };
  const filtered = () => {
    const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = data.questions.filter((question) =>
      words.every((word) => haystack(question).includes(word)) && (!view.state || inState(question, view.state, view.run)));
    const sorted = column(view.sort);
    if (!sorted) return kept;
    const value = (question) => {
      if (view.of === "difference") {
        const values = question.runs.filter(Boolean).map(sorted.value).filter((one) => one !== null && one !== undefined);
        return values.length > 1 ? Math.max(...values) - Math.min(...values) : null;
      }
      const part = question.runs[Number(view.of)];
      return part ? sorted.value(part) ?? null : null;
    };
    const keyed = kept.map((question, place) => ({ question, place, key: value(question) }));
    const sign = view.descending ? -1 : 1;
    keyed.sort((one, other) => {
      if (one.key === null || other.key === null) return (one.key === null) - (other.key === null) || one.place - other.place;
      return sign * (one.key - other.key) || one.place - other.place;
    });
    return keyed.map((one) => one.question);
  };

  // The table ---------------------------------------------------------------------------------------------------------

  const browser = document.getElementById("browser");
  const total = make("p", { class: "count", "aria-live": "polite" });
  const head = make("thead");
  const body = make("tbody");
  const table = make("table", { class: "listing" }, make("caption", { class: "hidden" }, "Questions"), head, body);
  const pages = make("div", { class: "pages" });

  const states = (part) =>
    part.states.filter((state) => !(PASSED_BY[state] ?? []).some((stronger) => part.states.includes(stronger)))
      .map((state) => make("span", { class: `state ${STATE_KIND[state] ?? ""}`, title: STATES.get(state).says || null },
        STATES.get(state).words));

  const row = (question) => {
    const opened = open.has(question.id);
    const button = make("button", { type: "button", "aria-expanded": String(opened), onclick: () => toggle(question, line) },
      make("span", {}, question.question));
    const cells = [...shown].map((name) => {
      const { value, show } = column(name);
      return make("td", { class: "number" }, question.runs.map((part) => {
        const found = part ? value(part) : null;
        return make("span", { class: "line" }, found === null || found === undefined ? "–" : show(found));
      }));
    });
    const line = make("tr", { class: opened ? "open" : null },
      make("td", { class: "question" }, button, make("small", {}, question.id)),
      make("td", { class: "states" }, question.runs.map((part, index) =>
        make("span", { class: "line" }, chip(index), part ? states(part) : "not asked"))),
      cells);
    return line;
  };

  const detailRow = (question) => make("tr", { class: "detail" }, make("td", { colspan: shown.size + 2 }, detail(question)));

  const toggle = (question, line) => {
    const button = line.querySelector("button");
    if (open.delete(question.id)) {
      line.nextElementSibling.remove();
      history.replaceState(null, "", "#questions");
    } else {
      open.add(question.id);
      line.after(detailRow(question));
      history.replaceState(null, "", address(question));
    }
    line.classList.toggle("open", open.has(question.id));
    button.setAttribute("aria-expanded", String(open.has(question.id)));
  };

  const header = () => {
    const heads = [...shown].map((name) => {
      const { title, words } = column(name);
      const active = view.sort === name;
      const sortBy = () => {
        if (active && view.descending) view.sort = "";
        else Object.assign(view, { sort: name, descending: active });
        view.page = 0;
        render();
        head.querySelector(`[data-sort="${CSS.escape(name)}"]`)?.focus();
      };
      return make("th", { scope: "col", class: "number", "aria-sort": active ? (view.descending ? "descending" : "ascending") : null },
        make("button", { type: "button", title: words, "data-sort": name, onclick: sortBy },
          title, active ? (view.descending ? " ↓" : " ↑") : ""));
    });
    head.replaceChildren(make("tr", {}, make("th", { scope: "col" }, "Question"), make("th", { scope: "col" }, "Outcome"), heads));
  };

  const render = () => {
    const kept = filtered();
    const last = Math.max(0, Math.ceil(kept.length / ROWS) - 1);
    view.page = Math.min(view.page, last);
    const from = view.page * ROWS;
    const visible = kept.slice(from, from + ROWS);
    header();
    body.replaceChildren(...visible.flatMap((question) => (open.has(question.id) ? [row(question), detailRow(question)] : [row(question)])));
    const all = data.questions.length;
    total.textContent = kept.length === all ? `${count(all)} questions` : `${count(kept.length)} of ${count(all)} questions`;
    const turn = (by) => () => {
      view.page += by;
      render();
      document.getElementById("questions").scrollIntoView();
    };
    pages.replaceChildren(...(last === 0 ? [] : [
      make("button", { type: "button", class: "button", disabled: view.page === 0, onclick: turn(-1) }, "Previous"),
      make("span", {}, `${count(from + 1)} to ${count(from + visible.length)} of ${count(kept.length)}`),
      make("button", { type: "button", class: "button", disabled: view.page === last, onclick: turn(1) }, "Next"),
    ]));
  };

  // One question ------------------------------------------------------------------------------------------------------

  const address = (question) => `#q=${encodeURIComponent(question.id)}`;
  const place = (document, page) => (page === null ? document : `${document}, page ${page}`);

  const detail = (question) => {
    const gold = question.gold.map((item) => make("li", {},
      make("span", { class: "source" }, place(data.documents[item.document], item.page)),
      item.quote ? make("span", { class: "quote" }, item.quote) : null));
    const tags = Object.entries(question.tags).map(([name, value]) => [name.replaceAll("_", " "), " ", make("b", {}, value), "; "]).flat();
    tags.pop();
    return [
      make("div", { class: "shared" },
        make("div", {}, make("h4", {}, question.answerable ? "Gold answers" : "Gold"),
          question.answerable
            ? question.answers.length ? make("ul", {}, question.answers.map((text) => make("li", {}, text))) : "None given."
            : "The documents do not answer this question."),
        gold.length ? make("div", {}, make("h4", {}, "Gold evidence"), make("ul", {}, gold)) : null),
      make("p", { class: "facts-line" }, tags, tags.length ? " · " : null, make("a", { href: address(question) }, "Link to this question")),
      make("div", { class: several ? "parts" : "parts single" }, question.runs.map((part, index) => partOf(question, part, index))),
      metricsOf(question),
    ];
  };

  const partOf = (question, part, index) => {
    const box = make("div", { class: `part-run ${several ? `run-${letters[index]}` : ""}` });
    if (several) box.append(make("h3", {}, chip(index), " ", data.runs[index].name));
    if (!part) {
      box.append(make("p", { class: "source" }, "This run did not ask the question."));
      return box;
    }
    const said = make("div");
    if (part.error) said.append(make("p", { class: "error" }, `Crashed. ${part.error}`));
    if (part.pieces.length) said.append(...answerOf(part, box));
    if (part.reason) said.append(make("p", { class: "source reason" }, `Reason: ${part.reason}.`));
    if (part.scope.length) {
      said.append(make("p", { class: "source" }, `Asked within ${part.scope.map((name) => data.documents[name]).join(", ")}.`));
    }
    if (part.citations.length || part.wrong.length) said.append(...citationsOf(question, part));
    const facts = [...Object.entries(part.timings).map(([step, ms]) => [step, time(ms)]),
      ...Object.entries(part.usage).map(([name, value]) => [name, count(value)])];
    if (facts.length) {
      said.append(make("p", { class: "facts-line" }, facts.map(([name, value], at) =>
        [at ? " · " : null, make("span", {}, `${name.replaceAll("_", " ")} `, make("b", {}, value))])));
    }
    box.append(said);
    if (part.hits.length) box.append(make("div", {}, hitsOf(question, part)));
    return box;
  };

  const answerOf = (part, box) => {
    const light = (number) => {
      for (const item of box.querySelectorAll(".citations li")) {
        item.classList.toggle("lit", item.dataset.number === number);
        if (item.dataset.number === number) item.scrollIntoView({ block: "nearest" });
      }
    };
    const withMarkers = (text) => text.split(/(\[\d+(?:\s*,\s*\d+)*\])/).map((bit, at) => {
      if (at % 2 === 0) return bit;
      return make("span", { class: "bracket" }, bit.split(/(\d+)/).map((figure, place) => place % 2 === 0 ? figure : make("button",
        { type: "button", class: "marker", "aria-label": `Citation ${figure}`, onclick: () => light(figure) }, figure)));
    });
    const used = new Set(part.pieces.map((piece) => piece.verdict).filter(Boolean));
    const reasons = part.pieces.filter((piece) => piece.reason && piece.verdict !== "supported");
    return [
      make("p", { class: "answer" }, part.pieces.map((piece) => piece.verdict
        ? make("span", { class: `sentence ${piece.verdict}`,
            title: piece.reason ? `${VERDICTS[piece.verdict]}: ${piece.reason}` : VERDICTS[piece.verdict] }, withMarkers(piece.text))
        : withMarkers(piece.text))),
      used.size ? make("p", { class: "legend-verdicts" }, Object.entries(VERDICTS).filter(([verdict]) => used.has(verdict))
        .map(([verdict, words]) => make("span", { class: `sentence ${verdict}` }, words))) : "",
      reasons.length ? make("ul", { class: "source" }, reasons.map((piece) => {
        const words = piece.text.length > 60 ? `${piece.text.slice(0, 60)}…` : piece.text;
        return make("li", {}, `${VERDICTS[piece.verdict]}, ${piece.reason}: “${words}”`);
      })) : "",
    ];
  };

  const goldTag = (question, gold) => {
    if (gold) return make("span", { class: `tag ${gold}` }, NEARNESS[gold]);
    return question.gold.length ? make("span", { class: "tag off" }, "off gold") : null;
  };

  const citationsOf = (question, part) => [
    make("h4", {}, "Citations"),
    make("ol", { class: "citations" }, part.citations.map((citation) => make("li", { "data-number": citation.number },
      make("b", {}, `[${citation.number}]`),
      make("span", {}, make("span", { class: "quote" }, citation.quote),
        make("span", { class: "source" }, place(data.documents[citation.document], citation.page), " ", goldTag(question, citation.gold)))))),
    part.wrong.length ? make("ul", { class: "error" }, part.wrong.map((words) => make("li", {}, words))) : "",
  ];

  const hitsOf = (question, part) => {
    const rows = part.hits.map((hit) => {
      const characters = [...data.texts[hit.text]];
      const bits = [];
      let at = 0;
      for (const [start, end] of hit.marks) {
        bits.push(characters.slice(at, start).join(""), make("mark", {}, characters.slice(start, end).join("")));
        at = end;
      }
      bits.push(characters.slice(at).join(""));
      return make("tr", { class: hit.gold === "passage" || hit.gold === "page" ? "gold" : null },
        make("td", { class: "number" }, String(hit.rank)),
        make("td", { class: "number" }, String(Number(hit.score.toPrecision(3)))),
        make("td", {}, place(data.documents[hit.document], hit.page), " ",
          hit.gold ? make("span", { class: `tag ${hit.gold}` }, NEARNESS[hit.gold]) : null,
          make("span", { class: "excerpt" }, bits)));
    });
    const found = make("table", { class: "hits" },
      make("caption", { class: "hidden" }, "What was retrieved"),
      make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "number" }, "Rank"),
        make("th", { scope: "col", class: "number" }, "Score"), make("th", { scope: "col" }, "Passage"))),
      make("tbody", {}, rows));
    const more = make("button", { type: "button", class: "plain", "aria-pressed": "false", onclick: () => {
      const whole = found.classList.toggle("whole");
      more.setAttribute("aria-pressed", String(whole));
      more.textContent = whole ? "Shorten the passages" : "Show longer passages";
    } }, "Show longer passages");
    const rank = part.level === null ? "" : part.gold_rank === null
      ? `no hit on a gold ${LEVELS[part.level]}` : `first hit on a gold ${LEVELS[part.level]} at rank ${part.gold_rank}`;
    return [make("h4", {}, "Retrieved", rank ? `: ${rank}` : ""), found, more];
  };

  const metricsOf = (question) => {
    const names = data.metrics.map((metric) => metric.name).filter((name) =>
      question.runs.some((part) => part && name in part.metrics));
    if (!names.length) return null;
    const headings = several ? make("thead", {}, make("tr", {}, make("td"), letters.map((letter, index) =>
      make("th", { scope: "col", class: "number" }, chip(index))))) : null;
    const rows = names.map((name) => make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)),
      question.runs.map((part) => make("td", { class: "number" }, part && name in part.metrics ? column(name).show(part.metrics[name]) : "–"))));
    return make("details", {}, make("summary", {}, `Metrics of this question (${names.length})`),
      make("table", { class: "numbers" }, make("caption", { class: "hidden" }, "Metrics of this question"), headings, make("tbody", {}, rows)));
  };

  // Controls ----------------------------------------------------------------------------------------------------------

  const change = (name) => (event) => {
    view[name] = event.target.value;
    view.page = 0;
    render();
  };
  const option = (value, words) => make("option", { value }, words);
  const counted = (state) => count(data.questions.filter((question) => inState(question, state, "")).length);
  const search = make("input", { type: "search", oninput: change("text"), placeholder: "words, an id, a document" });
  const stateSelect = make("select", { onchange: change("state") }, option("", "all"),
    data.states.map(({ name, words, says }) => option(name, `${words}${says ? `, ${says}` : ""} (${counted(name)})`)),
    several ? option("differs", `outcome differs between runs (${counted("differs")})`) : null);
  const boxes = new Map();
  for (const one of columns) {
    const box = make("input", { type: "checkbox", onchange: (event) => {
      const wanted = new Set(shown);
      if (event.target.checked) wanted.add(one.name);
      else wanted.delete(one.name);
      shown.clear();
      for (const { name } of columns) if (wanted.has(name)) shown.add(name);
      if (!shown.has(view.sort)) view.sort = "";
      render();
    } });
    box.checked = shown.has(one.name);
    const label = make("label", { title: one.words }, box, one.title);
    if (!boxes.has(one.group)) boxes.set(one.group, []);
    boxes.get(one.group).push(label);
  }
  const chooser = make("details", { class: "columns" }, make("summary", {}, "Columns"),
    make("div", {}, [...boxes].map(([group, labels]) => make("fieldset", {}, make("legend", {}, group), labels))));
  const controls = make("div", { class: "controls", role: "search" },
    make("label", { class: "wide" }, "Find", search),
    make("label", {}, "Outcome", stateSelect),
    several ? make("label", {}, "in", make("select", { onchange: change("run") }, option("", "any run"),
      letters.map((letter, index) => option(String(index), letter)))) : null,
    several ? make("label", {}, "Sort by the value of", make("select", { onchange: change("of") },
      letters.map((letter, index) => option(String(index), letter)), option("difference", "the difference"))) : null,
    chooser);

  browser.replaceChildren(controls, total, make("div", { class: "scroll" }, table), pages);

  const openFromAddress = () => {
    if (!location.hash.startsWith("#q=")) return;
    let id;
    try {
      id = decodeURIComponent(location.hash.slice(3));
    } catch {
      return;
    }
    const wanted = data.questions.find((question) => question.id === id);
    if (!wanted) return;
    open.add(wanted.id);
    let at = filtered().indexOf(wanted);
    if (at < 0) {
      Object.assign(view, { text: "", state: "" });
      search.value = stateSelect.value = "";
      at = filtered().indexOf(wanted);
    }
    view.page = Math.floor(at / ROWS);
    render();
    body.querySelectorAll(":scope > tr:not(.detail)")[at % ROWS].scrollIntoView();
  };

  render();
  openFromAddress();
  window.addEventListener("hashchange", openFromAddress);
})();
