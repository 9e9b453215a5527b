"""Measure the page in a real Chromium on a real server: `python -m tests.page [--loads N] [--documents N]`.

Prints the first contentful paint of loads with an empty cache, by the browser's own PerformancePaintTiming, and the
frames while a long list of documents is scrolled. The server answers over loopback from an empty data directory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from tests.chromium import launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

JUMPS = 200
_PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => {
const paint = list.getEntriesByName("first-contentful-paint")[0];
if (paint) done(paint.startTime); }).observe({type: "paint", buffered: true}))"""
_SCROLL = """(jumps) => new Promise((done) => {
const list = document.querySelector(".list"), frames = [];
let last = 0;
const step = (now) => { if (last) frames.push(now - last); last = now;
if (frames.length === jumps) return done(frames);
list.scrollTop = Math.random() * list.scrollHeight;
return requestAnimationFrame(step); };
requestAnimationFrame(step); })"""


@contextmanager
def served() -> Iterator[str]:
    """The address of `footnote serve` over an empty data directory, without a language model."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--data-dir", folder]
        environment = {**os.environ, "FOOTNOTE_GENERATION__BACKEND": "extractive"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            said = ""
            for line in server.stderr:
                said += line
                if ready := re.search(r"ready at (\S+)", line):
                    yield ready[1]
                    break
            else:
                sys.exit(f"the server did not start:\n{said}")
            server.terminate()


def first_paints(browser: Browser, url: str, loads: int) -> list[float]:
    """Milliseconds from the navigation to the first contentful paint, each in a context of its own."""
    times = []
    for _ in range(loads):
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        times.append(float(page.evaluate(_PAINTED)))
        context.close()
    return times


def frames_of_a_long_list(browser: Browser, url: str, documents: int) -> list[float]:
    """Milliseconds of each frame while a list of so many documents is scrolled to a random place in every frame."""
    one = {"collection": "default", "status": "ready", "pages": 3, "chunks": 4, "size_bytes": 1000, "error": None,
           "created_at": "2026-11-03T09:12:44.120Z", "progress": 1.0, "notes": []}  # fmt: skip
    listed = [{**one, "id": f"{number:064x}", "name": f"report {number}.pdf"} for number in range(documents)]
    body = json.dumps({"documents": listed, "total": documents})
    page = browser.new_page()
    page.route("**/v1/documents", lambda route: route.fulfill(body=body, content_type="application/json"))
    page.goto(f"{url}/#/documents")
    page.locator(".document").first.wait_for()
    page.wait_for_load_state("networkidle")
    frames = [float(one) for one in page.evaluate(_SCROLL, JUMPS)]
    page.close()
    return frames


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print both."""
    parser = argparse.ArgumentParser(prog="python -m tests.page", description=__doc__)
    parser.add_argument("--loads", type=int, default=8, metavar="N", help="loads of the page (default 8)")
    parser.add_argument("--documents", type=int, default=10_000, metavar="N", help="documents in the list (10000)")
    asked = parser.parse_args(argv)
    with served() as url, sync_playwright() as playwright:
        browser = launch(playwright)
        paints = first_paints(browser, url, asked.loads)
        frames = frames_of_a_long_list(browser, url, asked.documents)
        browser.close()
    print(  # noqa: T201
        f"first contentful paint, {asked.loads} loads: {min(paints):.0f} to {max(paints):.0f} ms, "
        f"median {median(paints):.0f} ms"
    )
    print(  # noqa: T201
        f"list of {asked.documents:,} documents, {JUMPS} jumps: median frame {median(frames):.0f} ms, "
        f"longest {max(frames):.0f} ms, {sum(frame > 100 for frame in frames)} above 100 ms"
    )


if __name__ == "__main__":
    main()
