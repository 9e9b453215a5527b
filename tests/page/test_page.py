"""The page in a real Chromium: what people do with it, what it shows, and what it never does."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pptx
import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("playwright", reason="playwright is not installed: pip install playwright")

from browsing import SlowGenerator, Visit, open_browser
from conftest import WordHashEmbedder
from playwright.sync_api import expect
from serving import build_app, listening, wait_for

from api.http.routes.page import FOLDER, POLICY
from rag.generation import make_generator
from rag.models.weights import TINY_LLM
from rag.settings import Settings, load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from playwright.sync_api import Browser

MAX_BYTES = 150_000
LEAVE = "Ten unused vacation days carry over to the next year."
EVIL = "<img src=x onerror=alert(1)>.pdf"
VERDICTS = {"supported": "Supported", "weak": "Weak", "unsupported": "Not supported", "no_claim": "No claim"}
_RECORD_DRAFTS = """() => { window.drafts = [];
const look = () => { const draft = document.querySelector(".draft-text")?.textContent;
if (draft && draft !== drafts.at(-1)) drafts.push(draft); };
new MutationObserver(look).observe(document.querySelector("main"), {childList: true, subtree: true}); }"""
VIEWS = ("#/ask", "#/documents", "#/verify", "#/threads", "#/status", "docs")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def _settings(folder: Path) -> Settings:
    answers = {"min_evidence": 0, "min_confidence": 0, "judge": "off"}
    return load_settings({}, data_dir=folder, answers=answers)


@pytest.fixture
def generator() -> SlowGenerator:
    return SlowGenerator()


@pytest.fixture
def app(tmp_path: Path, generator: SlowGenerator) -> FastAPI:
    return build_app(_settings(tmp_path / "store"), WordHashEmbedder(), generator, work=True)


@pytest.fixture
def visit(browser: Browser, app: FastAPI, generator: SlowGenerator) -> Iterator[Visit]:
    """A fresh tab on a fresh server. Whatever a test does, the tab stays on its origin, policy and silence."""
    with listening(app) as url:
        context = browser.new_context(reduced_motion="reduce", permissions=["clipboard-read", "clipboard-write"])
        context.set_default_timeout(20_000)
        one = Visit(context.new_page(), url, app.state.door.runtime().library, generator)
        yield one
        violations = one.violations()
        context.close()
        assert violations == []
    assert one.foreign == []
    assert one.console == []


def test_the_page_is_small_and_has_a_strict_policy(visit: Visit) -> None:
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES
    for place in ("/", "/docs", "/page/app.js"):
        answer = httpx.get(visit.url + place)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "'unsafe" not in POLICY
    assert httpx.get(f"{visit.url}/page/nothing.js").json()["error"]["code"] == "not_found"
    for path in files:
        source = path.read_text(encoding="utf-8")
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert sink not in source, f"{path.name} uses {sink}"
    visit.open()


def test_the_first_visit_shows_three_steps_and_loads_the_samples_by_one_click(visit: Visit) -> None:
    visit.open()
    page = visit.page
    expect(page.locator(".steps li")).to_have_count(3)  # once the list of documents has come
    page.get_by_role("button", name="Use the sample documents").click()
    page.locator(".suggestion").first.wait_for(timeout=120_000)
    page.get_by_text("4 documents are ready").wait_for(timeout=120_000)
    assert {record.collection for record in visit.library.catalog.documents.list_documents()[0]} == {"sample"}
    visit.generator.reply = (
        "It does not cover lithium cells, damage by animals, or a scale whose seal has been broken [1]."
    )
    page.get_by_role("button", name="What does the warranty not cover?").click()
    page.locator(".sentences .verdict.supported").wait_for()
    assert page.locator(".sources .name").first.inner_text() == "product_manual.docx"


def test_a_citation_opens_its_page_with_the_quoted_words_marked(visit: Visit, pdf: Callable[..., bytes]) -> None:
    before = "Holidays are listed on the board.\nThe office opens at eight."
    visit.upload(
        "handbook.pdf", pdf("Contents", f"{before}\nTen unused vacation days carry over\nto the next year.\nAsk Ines.")
    )
    turn = visit.ask("How many unused vacation days carry over?", f"{LEAVE[:-1]} [1].")
    assert turn.locator(".verdict").first.inner_text() == "Supported"
    turn.locator(".cite").first.click()
    record = visit.library.catalog.documents.list_documents()[0][0]
    quote = turn.locator(".sources .quote").inner_text()
    assert visit.marked_words(record.id, 2) == quote.split() == LEAVE.split()
    assert visit.page.locator(".box").count() == 2, "one box a line"
    assert visit.page.locator(".source mark").inner_text().split() == LEAVE.split()
    assert visit.page.locator(".sheet img").evaluate("(image) => image.naturalWidth") > 300

    visit.page.get_by_role("button", name="Previous page").click()
    visit.page.get_by_role("heading", name="Text of page 1").wait_for()
    assert visit.page.locator(".box").count() == 0
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#source").is_hidden()
    assert turn.locator(".cite").first.evaluate("(cite) => cite === document.activeElement")


def test_a_quote_over_two_pages_is_marked_on_both(visit: Visit, pdf: Callable[..., bytes]) -> None:
    visit.upload(
        "minutes.pdf", pdf("The committee lends the meadow to the village", "school until the end of the year 2027.")
    )
    record = visit.library.catalog.documents.list_documents()[0][0]
    text = visit.library.catalog.documents.text(record.id)
    start, end = text.index("meadow"), text.index("until") + len("until")
    visit.open(f"#/documents/{record.id}?page=1&start={start}&end={end}")
    assert visit.marked_words(record.id, 1) == ["meadow", "to", "the", "village"]
    visit.page.get_by_role("button", name="The quote goes on on page 2").click()
    visit.page.get_by_role("heading", name="Text of page 2").wait_for()
    assert visit.marked_words(record.id, 2) == ["school", "until"]
    assert visit.page.get_by_role("button", name="The quote begins on page 1").is_visible()
    visit.open(f"#/documents/{record.id}?start={text.index('school')}&end={end}")
    assert visit.marked_words(record.id, 2) == ["school", "until"], "a link may leave the page out"


def test_a_format_without_pages_shows_the_text_with_the_quote_marked_and_in_sight(visit: Visit) -> None:
    lines = "\n\n".join(f"Paragraph {number} is about nothing in particular, 😀 as usual." for number in range(400))
    visit.upload("leave.md", f"# Leave\n\n{lines}\n\n{LEAVE}\n\n{lines}".encode())
    turn = visit.ask("How many unused vacation days carry over?", f"{LEAVE[:-1]} [1].")
    turn.locator(".cite").first.click()
    mark = visit.page.locator(".source mark")
    mark.wait_for()
    assert mark.inner_text() == LEAVE
    expect(mark).to_be_in_viewport()
    assert visit.page.locator(".source .callout").count() == 0
    assert turn.locator(".footnote[aria-current]").count() == 1

    visit.page.keyboard.press("Escape")
    assert turn.locator(".footnote[aria-current]").count() == 0
    body = json.dumps({"text": "Other words. " * 9000, "start": 0, "end": 117_000, "length": 117_000})
    visit.page.route("**/text?*", lambda route: route.fulfill(body=body, content_type="application/json"))
    turn.locator(".cite").first.click()
    visit.page.get_by_text("The document was read anew since this answer").wait_for()


@pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="rapidocr is not installed")
def test_words_of_a_picture_on_a_slide_are_cited_and_marked_in_its_text(visit: Visit) -> None:
    picture, slides = io.BytesIO(), io.BytesIO()
    image = Image.new("RGB", (700, 120), "white")
    ImageDraw.Draw(image).text((20, 40), LEAVE, font=ImageFont.load_default(20), fill="black")
    image.save(picture, "PNG")
    show = pptx.Presentation()
    show.slides.add_slide(show.slide_layouts[6]).shapes.add_picture(picture, 0, 0)
    show.save(slides)
    visit.upload("leave.pptx", slides.getvalue())
    turn = visit.ask("How many unused vacation days carry over?", f"{LEAVE[:-1]} [1].")
    assert turn.locator(".verdict").first.inner_text() == "Supported"
    turn.locator(".cite").first.click()
    mark = visit.page.locator(".source mark")
    mark.wait_for()
    assert mark.inner_text() == LEAVE
    assert re.search(
        r"Words of pictures on it were recognised, \d+ % sure", visit.page.locator(".page-text").inner_text()
    )


def test_a_thread_is_the_same_after_a_reload_and_goes_on(visit: Visit, pdf: Callable[..., bytes]) -> None:
    visit.upload("handbook.pdf", pdf(LEAVE))
    visit.ask("How many unused vacation days carry over?", f"{LEAVE[:-1]} [1].")
    assert "#/threads/" in visit.page.url
    shown = visit.page.locator(".turn .answer").inner_text()
    visit.page.reload()
    visit.page.locator(".turn .outcome").wait_for()
    assert visit.page.locator(".turn .answer").inner_text() == shown
    visit.page.locator(".cite").first.click()
    record = visit.library.catalog.documents.list_documents()[0][0]
    assert visit.marked_words(record.id, 1) == LEAVE.split()
    visit.page.keyboard.press("Escape")

    second = visit.ask("And to which year do they carry over?", f"{LEAVE[:-1]} [1].")
    assert visit.page.locator(".turn").count() == 2
    second.get_by_role("button", name="Wrong citation").click()
    second.locator(".feedback-form textarea").fill("It is in the table.")
    second.get_by_role("button", name="Send").click()
    visit.page.locator(".toast").wait_for()
    kept = visit.library.catalog.threads.rated_turns()
    assert [(one.feedback.rating, one.feedback.comment) for one in kept if one.feedback] == [
        ("wrong citation", "It is in the table.")
    ]
    second.get_by_role("button", name="Copy as Markdown").click()
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("**And to which year do they carry over?**")
    assert f"[1] handbook.pdf, page 1: “{LEAVE}”" in copied

    visit.library.catalog.removals.delete(record.id)
    visit.page.reload()
    visit.page.locator(".cite.lost").first.wait_for()
    assert "Deleted since" in visit.page.locator(".footnote.lost").first.inner_text()
    assert visit.page.locator(".sources .quote").count() == 0, "the words of a deleted document are not shown"

    visit.open("#/threads")
    visit.page.get_by_role("button", name="Rename").click()
    visit.page.get_by_role("textbox", name="Title").fill("Leave of 2026")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_role("link", name="Leave of 2026").first.wait_for()
    with visit.page.expect_download() as saving:
        visit.page.get_by_role("button", name="Save Leave of 2026 as Markdown").click()
    assert saving.value.suggested_filename == "Leave of 2026.md"
    assert saving.value.path().read_text(encoding="utf-8").startswith("# Leave of 2026\n")
    visit.page.get_by_role("button", name="Delete Leave of 2026").click()
    visit.page.get_by_role("button", name="Delete", exact=True).click()
    visit.page.get_by_text("No conversations yet").wait_for()


def test_a_question_without_documents_is_kept_until_there_are_some(visit: Visit) -> None:
    """The documents may come from another program while the page is open."""
    page = visit.page
    visit.open("#/ask")
    expect(page.get_by_label("Collection to search")).to_be_hidden()  # there is one only
    page.fill("#question", "How many days carry over?")
    page.keyboard.press("Enter")
    page.get_by_text("There are no documents to ask yet.").wait_for()
    expect(page.locator("#question")).to_have_value("How many days carry over?")
    assert visit.library.catalog.threads.list_threads() == ([], 0)
    page.get_by_role("button", name="Documents", exact=True).click()
    page.get_by_text("No documents yet").wait_for()
    assert page.get_by_role("searchbox").is_hidden()

    def send(name: str) -> None:
        answer = httpx.post(f"{visit.url}/v1/documents", files={"file": (name, f"# {name}\n\n{LEAVE}".encode())})
        (document,) = answer.json()["documents"]
        wait_for(lambda: httpx.get(f"{visit.url}/v1/documents/{document['id']}").json()["status"] == "ready")

    send("leave.md")
    page.get_by_role("link", name="Ask", exact=True).click()
    visit.ask("How many days carry over?", f"{LEAVE[:-1]} [1].")
    send("rules.md")
    page.get_by_role("link", name="Documents", exact=True).click()
    page.get_by_text("rules.md", exact=True).wait_for()


def test_what_was_left_out_and_why_there_is_no_answer_are_shown(visit: Visit) -> None:
    visit.upload("leave.md", f"# Leave\n\n{LEAVE}".encode())
    turn = visit.ask("How many days carry over?", f"{LEAVE[:-1]} [1]. Otto Zander decided it in 1987 [1].")
    assert "Answered in part" in turn.inner_text()
    turn.locator(".left-out summary").click()
    assert "Otto Zander decided it in 1987." in turn.locator(".left-out").inner_text()
    turn = visit.ask("Who is the mayor of Trondheim?", "Not in the documents.")
    assert "Not in your documents" in turn.inner_text()
    turn.locator(".nearest .footnote").first.click()
    visit.page.locator(".source mark").wait_for()


def test_a_draft_is_marked_as_one_and_can_be_stopped(visit: Visit) -> None:
    visit.upload("leave.md", f"# Leave\n\n{LEAVE}".encode())
    visit.generator.reply, visit.generator.wait_s = f"{LEAVE[:-1]} [1]. " + "And so on. " * 200, 0.05
    visit.open("#/ask")
    visit.page.fill("#question", "How many days carry over?")
    visit.page.keyboard.press("Enter")
    draft = visit.page.locator(".draft")
    draft.wait_for()
    assert "not checked yet" in draft.inner_text()
    visit.page.get_by_role("button", name="Stop").click()
    visit.page.get_by_text("Stopped. Nothing was kept.").wait_for()
    assert draft.count() == 0
    visit.page.wait_for_timeout(300)
    assert visit.library.catalog.threads.list_threads() == ([], 0)
    visit.generator.wait_s = 0
    visit.generator.reply = f"{LEAVE[:-1]} [1]."
    visit.page.get_by_role("button", name="Ask again").click()
    visit.page.locator(".sentences").wait_for()


def test_a_model_that_is_being_loaded_is_said(visit: Visit) -> None:
    visit.upload("leave.md", f"# Leave\n\n{LEAVE}".encode())
    visit.generator.reply, visit.generator.wait_s, visit.generator.loading = f"{LEAVE[:-1]} [1].", 1.0, True
    visit.open("#/ask")
    visit.page.fill("#question", "How many days carry over?")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator(".phase")).to_contain_text("The model is being loaded")
    visit.generator.wait_s = 0
    visit.page.locator(".sentences").wait_for()


@pytest.mark.model
def test_a_language_model_writes_the_draft_and_each_sentence_gets_a_verdict(
    browser: Browser, tmp_path: Path, model_dir: Path, pdf: Callable[..., bytes]
) -> None:
    generation = {"backend": "embedded", "model": TINY_LLM, "context_tokens": 2048, "timeout_s": 120}
    answers = {"mode": "flag", "min_evidence": 0, "min_confidence": 0}  # the judge is the tiny model too
    settings = load_settings({}, data_dir=tmp_path / "store", generation=generation, answers=answers)
    app = build_app(settings, WordHashEmbedder(), make_generator(settings.generation, model_dir), work=True)
    with listening(app) as url:
        context = browser.new_context(reduced_motion="reduce")
        context.set_default_timeout(60_000)
        visit = Visit(context.new_page(), url, app.state.door.runtime().library, SlowGenerator())
        visit.upload("handbook.pdf", pdf(LEAVE))
        visit.open("#/ask")
        visit.page.evaluate(_RECORD_DRAFTS)
        visit.page.fill("#question", "How many unused vacation days carry over?")
        visit.page.keyboard.press("Enter")
        turn = visit.page.locator(".turn")
        turn.locator(".outcome").wait_for(timeout=200_000)
        drafts = visit.page.evaluate("window.drafts")
        kept = httpx.get(f"{url}/v1/threads/{visit.page.url.rpartition('/')[2]}").json()["messages"][0]["answer"]
        assert kept["model"] == f"embedded/{TINY_LLM}"
        assert len(drafts) == len(set(drafts)) > 2
        assert all(later.startswith(earlier) for earlier, later in pairwise(drafts))
        assert visit.page.locator(".draft").count() == 0
        assert [one.inner_text() for one in turn.locator(".sentences .verdict").all()] == [
            VERDICTS[one["verdict"]] for one in kept["sentences"]
        ]
        shown = [one.inner_text() for one in turn.locator(".sentences p:first-child").all()]
        assert shown == [re.sub(r" \[(\d+)\]", r"\1", one["text"]) for one in kept["sentences"]] != []
        assert [one.inner_text() for one in turn.locator(".sources .quote").all()] == [
            one["quote"] for one in kept["citations"]
        ]
        assert visit.violations() == visit.foreign == visit.console == []
        context.close()


def test_verify_marks_each_sentence_with_a_word_and_its_source(visit: Visit, pdf: Callable[..., bytes]) -> None:
    visit.upload("handbook.pdf", pdf(LEAVE))
    visit.open("#/verify")
    visit.page.fill("#text", f"{LEAVE} Otto Zander decided it in 1987 😀. Thanks!")
    visit.page.get_by_role("button", name="Check every sentence").click()
    visit.page.locator(".claim").first.wait_for()
    classes = [one.get_attribute("class") for one in visit.page.locator(".claim").all()]
    assert classes[:2] == ["claim supported", "claim unsupported"]
    assert visit.page.locator(".checked-text").inner_text().replace("\n", "").startswith("Supported:Ten unused")
    visit.page.locator(".claim").first.click(position={"x": 12, "y": 8})
    visit.page.locator(".card .footnote").first.click()
    record = visit.library.catalog.documents.list_documents()[0][0]
    assert visit.marked_words(record.id, 1) == LEAVE.split()
    visit.page.keyboard.press("Escape")
    visit.page.locator(".claim").first.focus()
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.locator(".card .verdict").inner_text() == "Not supported"
    visit.page.locator(".card .nearest").wait_for()  # nothing supports it: what the documents say about it
    assert LEAVE in visit.page.locator(".card .nearest .quote").first.inner_text()


def test_an_unreadable_file_says_why_is_tried_again_and_deleted(visit: Visit) -> None:
    row = visit.upload("broken.pdf", b"%PDF-1.7 nothing", until="failed")
    assert "Not read" in row.inner_text()
    assert "cannot be opened" in row.locator(".failure").inner_text()
    row.get_by_role("button", name="Try broken.pdf again").click()
    row.and_(visit.page.locator("[data-status=failed]")).wait_for()
    row.get_by_role("button", name="Delete broken.pdf").click()
    visit.page.get_by_role("button", name="Delete", exact=True).click()
    visit.page.get_by_text("No documents yet").wait_for()
    assert visit.library.catalog.documents.list_documents() == ([], 0)


def test_a_folder_keeps_its_paths_and_leaves_hidden_files_out(visit: Visit, tmp_path: Path) -> None:
    for name in ("papers/a/notes.md", "papers/b/notes.md", "papers/.git/config", "papers/empty.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if "empty" in name else f"# {name}\n\n{LEAVE}", encoding="utf-8")
    visit.open("#/documents")
    visit.page.get_by_label("into the collection").fill("papers")
    with visit.page.expect_file_chooser() as choosing:
        visit.page.get_by_role("button", name="Choose a folder").click()
    choosing.value.set_files(tmp_path / "papers")
    visit.page.get_by_text("2 hidden or empty files left out: config, empty.md").wait_for()
    for name in ("papers/a/notes.md", "papers/b/notes.md"):
        visit.page.locator(".document.ready").filter(has_text=name).wait_for()
    listed = visit.library.catalog.documents.list_documents()[0]
    assert sorted((one.collection, one.name) for one in listed) == [
        ("papers", "papers/a/notes.md"),
        ("papers", "papers/b/notes.md"),
    ]
    visit.page.get_by_label("Collection", exact=True).select_option("papers")
    visit.page.get_by_role("button", name="Delete the collection papers").click()
    visit.page.get_by_role("button", name="Delete", exact=True).click()
    visit.page.get_by_text("No documents yet").wait_for()
    assert visit.library.catalog.documents.list_documents() == ([], 0)


def test_an_upload_that_takes_long_can_be_stopped(visit: Visit) -> None:
    visit.open("#/documents")
    visit.page.route("**/v1/documents", lambda route: route.continue_() if route.request.method == "GET" else None)
    with visit.page.expect_file_chooser() as choosing:
        visit.page.get_by_role("button", name="Choose files").click()
    choosing.value.set_files([{"name": "leave.md", "mimeType": "text/plain", "buffer": LEAVE.encode()}])
    row = visit.page.locator(".document[data-status=sending]")
    row.get_by_role("progressbar").wait_for()
    row.get_by_role("button", name="Stop leave.md").click()
    visit.page.get_by_text("No documents yet").wait_for()
    assert visit.library.catalog.documents.list_documents() == ([], 0)


def test_markup_in_names_and_texts_is_shown_as_text(visit: Visit, pdf: Callable[..., bytes]) -> None:
    words = "<script>alert(1)</script> <b>The gate code</b> is 4711 &amp; [7] </p>."
    row = visit.upload(EVIL, pdf(words))
    assert EVIL in row.inner_text()
    turn = visit.ask(
        "What is <img src=x onerror=alert(2)> the gate code?", "The gate code is 4711 <img src=x onerror=alert(3)> [1]."
    )
    assert "<img src=x onerror=alert(2)>" in turn.locator(".question").inner_text()
    turn.get_by_role("button").filter(has_text=EVIL).first.click()
    visit.page.locator(".source .verbatim").wait_for()
    assert "<script>alert(1)</script>" in visit.page.locator(".source .verbatim").inner_text()
    assert EVIL in visit.page.locator(".source-title").inner_text()
    visit.page.keyboard.press("Escape")
    visit.open("#/verify")
    visit.page.fill("#text", f"{words} <img src=x onerror=alert(4)>")
    visit.page.get_by_role("button", name="Check every sentence").click()
    visit.page.locator(".claim").first.wait_for()
    assert "<img src=x onerror=alert(4)>" in visit.page.locator(".checked-text").inner_text()
    assert visit.page.locator("main img, main script, main b").count() == 0
    visit.open("#/threads")
    assert "<img" in visit.page.locator(".thread").inner_text()


def test_ten_thousand_documents_are_a_list_of_a_few_rows(visit: Visit) -> None:
    one = {"collection": "default", "status": "ready", "pages": 3, "chunks": 4, "size_bytes": 1000, "error": None,
           "created_at": "2026-11-03T09:12:44.120Z", "progress": 1.0, "notes": []}  # fmt: skip
    documents = [{**one, "id": f"{number:064x}", "name": f"report {number}.pdf"} for number in range(10_000)]
    body = json.dumps({"documents": documents, "total": len(documents)})
    visit.page.route("**/v1/documents", lambda route: route.fulfill(body=body, content_type="application/json"))
    visit.open("#/documents")
    visit.page.locator(".document").first.wait_for()
    assert visit.page.locator(".document").first.inner_text().startswith("PDF\nreport 9999.pdf")
    visit.page.locator(".list").evaluate("(list) => list.scrollTo(0, list.scrollHeight)")
    visit.page.get_by_role("button", name="report 0.pdf", exact=True).wait_for()
    assert visit.page.locator(".document").count() < 60
    visit.page.get_by_role("searchbox").fill("report 4242")
    visit.page.get_by_role("button", name="report 4242.pdf", exact=True).wait_for()
    assert visit.page.locator(".document").count() == 1


def test_a_server_that_goes_away_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    """What is asked or sent meanwhile is neither lost nor repeated by itself."""
    generator = SlowGenerator(f"{LEAVE[:-1]} [1].")
    make = lambda: build_app(_settings(tmp_path / "store"), WordHashEmbedder(), generator, work=True)  # noqa: E731
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(20_000)
    app = make()
    with listening(app) as url:
        visit = Visit(context.new_page(), url, app.state.door.runtime().library, generator)
        visit.upload("leave.md", f"# Leave\n\n{LEAVE}".encode())
        visit.open("#/ask")
    visit.page.fill("#question", "How many days carry over?")
    visit.page.keyboard.press("Enter")
    visit.page.locator("#away").get_by_text("does not answer").wait_for()
    visit.page.locator(".turn .callout.bad").wait_for()
    with listening(make(), int(url.rpartition(":")[2])):
        visit.page.locator("#away").wait_for(state="hidden")
        visit.page.locator(".turn").get_by_role("button", name="Ask again").click()
        visit.page.locator(".sentences .verdict.supported").wait_for()
        assert visit.page.locator(".turn").count() == 1
        assert visit.violations() == []
        context.close()
    assert visit.foreign == []


def test_the_views_follow_each_other_without_a_reload(visit: Visit) -> None:
    visit.upload("leave.md", f"# Leave\n\n{LEAVE}".encode())
    for _ in range(2):
        for name, heading in (
            ("Verify", "Verify"),
            ("Threads", "Threads"),
            ("Status", "Status"),
            ("Documents", "Documents"),
        ):
            visit.page.get_by_role("link", name=name, exact=True).click()
            visit.page.get_by_role("heading", name=heading, level=1).wait_for()
        visit.page.get_by_role("link", name="Ask", exact=True).click()
        visit.page.get_by_text("1 document is ready").wait_for()
        visit.ask("How many days carry over?", f"{LEAVE[:-1]} [1].")
    visit.page.get_by_role("link", name="Ask", exact=True).click()
    visit.page.get_by_text("1 document is ready").wait_for()
    visit.page.go_back()
    visit.page.locator(".turn .outcome").wait_for()


def test_the_page_of_the_api_has_every_call(visit: Visit) -> None:
    visit.open("docs")
    visit.page.locator(".call").first.wait_for()
    shown = [one.inner_text().split() for one in visit.page.locator(".call > .path").all()]
    paths = httpx.get(f"{visit.url}/openapi.json").json()["paths"]
    expected = [[method.upper(), path] for path, methods in paths.items() for method in methods]
    assert sorted(shown) == sorted(expected)


def test_everything_is_done_by_keyboard(visit: Visit, pdf: Callable[..., bytes]) -> None:
    visit.upload("handbook.pdf", pdf(LEAVE))
    visit.open("#/ask")
    page = visit.page
    page.locator(".skip").focus()
    page.keyboard.press("/")
    expect(page.locator("#question")).to_be_focused()
    visit.generator.reply = f"{LEAVE[:-1]} [1]."
    page.keyboard.type("How many days carry over?")
    page.keyboard.press("Enter")
    page.locator(".cite").first.wait_for()
    page.locator(".cite").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".sheet.drawn")
    assert page.locator("#source").evaluate("(panel) => panel === document.activeElement")
    page.keyboard.press("+")
    assert page.locator(".zoom").inner_text() == "125 %"
    page.keyboard.press("Escape")
    assert page.locator(".cite:focus").count() == 1


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_axe_finds_nothing_in_any_view(
    browser: Browser, app: FastAPI, generator: SlowGenerator, pdf: Callable[..., bytes], look: Any, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with listening(app) as url:
        context = browser.new_context(
            color_scheme=look, reduced_motion="reduce", viewport={"width": width, "height": 900}
        )
        context.set_default_timeout(20_000)
        visit = Visit(context.new_page(), url, app.state.door.runtime().library, generator)
        found: dict[str, Any] = {}

        def check(name: str) -> None:
            result = axe.Axe().run(
                visit.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
            )
            problems = [
                (one["id"], [(node["target"], node["failureSummary"]) for node in one["nodes"]])
                for one in result.response["violations"]
            ]
            if problems:
                found[name] = problems

        visit.open("#/ask")
        visit.page.locator(".steps").wait_for()
        check("first visit")
        visit.upload("broken.pdf", b"%PDF-1.7 nothing", until="failed")
        visit.upload("handbook.pdf", pdf(LEAVE, "Nothing else."))
        turn = visit.ask("How many days carry over?", f"{LEAVE[:-1]} [1]. Otto Zander decided it in 1987 [1].")
        turn.locator(".left-out summary").click()
        turn.locator(".made summary").click()
        check("answer")
        turn.locator(".cite").first.click()
        visit.page.wait_for_selector(".sheet.drawn")
        check("source")
        visit.page.keyboard.press("Escape")
        visit.ask("Who is the mayor of Trondheim?", "Not in the documents.")
        check("refusal")
        for place in VIEWS:
            visit.open(place)
            visit.page.wait_for_timeout(200)
            check(place)
        visit.open("#/verify")
        visit.page.fill("#text", f"{LEAVE} Otto Zander decided it in 1987. Thanks!")
        visit.page.get_by_role("button", name="Check every sentence").click()
        visit.page.locator(".claim").first.wait_for()
        check("verified")
        visit.open("#/documents")
        visit.page.get_by_role("button", name="Delete handbook.pdf").click()
        check("dialog")
        context.close()
    assert found == {}


def test_a_server_with_keys_is_asked_with_one_that_the_tab_keeps(
    visit: Visit, pdf: Callable[..., bytes], generator: SlowGenerator
) -> None:
    visit.open()
    visit.upload("leave.pdf", pdf(LEAVE))
    keys = visit.library.catalog.keys
    key, secret = keys.create("a reader", "read")
    page = visit.page
    page.goto("about:blank")
    page.goto(f"{visit.url}/#/documents")
    dialog = page.get_by_role("dialog", name="This server needs a key")
    dialog.wait_for()
    assert page.locator("dialog").count() == 1  # however many calls wait
    for typed in ("wrong", secret):
        page.get_by_label("API key").fill(typed)
        page.keyboard.press("Enter")
    page.get_by_text("leave.pdf", exact=True).wait_for()
    expect(dialog).to_have_count(0)
    page.get_by_text("leave.pdf", exact=True).click()
    page.wait_for_selector(".sheet.drawn")
    assert page.locator(".sheet img").evaluate("(image) => image.naturalWidth") > 300
    with page.expect_download() as saving:
        page.get_by_role("button", name="Download the original").click()
    assert Path(saving.value.path()).read_bytes() == pdf(LEAVE)
    assert visit.ask("How many days carry over?", f"{LEAVE} [1].").locator(".outcome").count() == 1
    page.reload()
    page.wait_for_selector("main h1, main .composer")
    assert page.locator("dialog").count() == 0
    assert secret not in page.evaluate("JSON.stringify({...localStorage}) + document.cookie + location.href")
    keys.revoke(key.id)
    page.reload()
    expect(dialog).to_contain_text("is revoked")
    page.wait_for_load_state("networkidle")  # every refused call has been told to the console
    refused = [line for line in visit.console if "401" in line]
    assert refused
    visit.console[:] = [line for line in visit.console if line not in refused]
