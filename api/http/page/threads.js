// Threads: the conversations that the server keeps. Open, rename, export, delete.

import { del, get, patch, text } from "./api.js";
import { button, confirm, fill, h, icon, plural, save, toast, when } from "./dom.js";

export async function show(main) {
  const { threads } = await get("v1/threads?limit=1000");
  let kept = threads.filter((one) => one.turns), query = "";
  const search = h("input", { type: "search", placeholder: "Find a conversation", "aria-label": "Find a conversation by title", oninput: () => { query = search.value.trim().toLowerCase(); draw(); } });
  const list = h("ul", { class: "threads" });
  fill(main, h("div", { class: "page narrow" },
    h("div", { class: "row between head" }, h("h1", {}, "Threads"), h("a", { class: "button", href: "#/ask" }, icon("plus"), h("span", {}, "New question"))),
    h("p", { class: "lede" }, "Your conversations, kept where Footnote runs, with every citation."),
    kept.length > 5 && h("div", { class: "filters" }, h("span", { class: "search" }, icon("search"), search)), list));

  function draw() {
    const shown = kept.filter((one) => !query || one.title.toLowerCase().includes(query));
    if (!shown.length) {
      fill(list, h("li", { class: "nothing" }, icon("threads"), h("p", {}, kept.length ? "No title has these words." : "No conversations yet. The first question begins one.")));
      return;
    }
    fill(list, shown.map(item));
  }

  function item(thread) {
    const href = `#/threads/${encodeURIComponent(thread.id)}`;
    const about = h("div", { class: "about" }, h("a", { class: "name", href }, thread.title || "Untitled"),
      h("div", { class: "detail" }, [plural(thread.turns, "question"), when(thread.updated_at), thread.collection].filter(Boolean).join(" · ")));
    return h("li", { class: "thread", data: { id: thread.id } }, about, h("div", { class: "acts" },
      button("edit", `Rename ${thread.title}`, () => rename(thread, about), { words: false, class: "quiet icon-only" }),
      button("download", `Save ${thread.title} as Markdown`, () => keep(thread), { words: false, class: "quiet icon-only" }),
      button("trash", `Delete ${thread.title}`, () => remove(thread), { words: false, class: "quiet icon-only" })));
  }

  function rename(thread, about) {
    const field = h("input", { type: "text", value: thread.title, maxlength: 200, "aria-label": "Title", required: true });
    const form = h("form", { class: "row rename", onsubmit: async (event) => {
      event.preventDefault();
      if (!field.value.trim()) return;
      try {
        thread.title = (await patch(`v1/threads/${encodeURIComponent(thread.id)}`, { title: field.value.trim() })).title;
        dispatchEvent(new Event("threads-changed"));
      } catch (error) { toast(error.message); }
      draw();
    } }, field, h("button", { type: "submit", class: "small" }, "Save"), h("button", { type: "button", class: "quiet small", onclick: draw }, "Cancel"));
    field.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.preventDefault(); draw(); } });
    fill(about, form);
    field.focus();
    field.select();
  }

  async function keep(thread) {
    try {
      const name = thread.title.replace(/[^\p{L}\p{N} _-]/gu, "").trim().slice(0, 60) || "thread";
      save(await text(`v1/threads/${encodeURIComponent(thread.id)}`, "text/markdown"), `${name}.md`, "text/markdown");
    } catch (error) { toast(error.message); }
  }

  async function remove(thread) {
    if (!(await confirm(`Delete “${thread.title}”?`, `${plural(thread.turns, "question")} with answers and feedback will be gone.`, "Delete"))) return;
    try {
      await del(`v1/threads/${encodeURIComponent(thread.id)}`);
      kept = kept.filter((one) => one !== thread);
      dispatchEvent(new Event("threads-changed"));
      draw();
    } catch (error) { toast(error.message); }
  }

  draw();
}
