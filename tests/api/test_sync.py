"""ingest --sync and --watch: a collection that mirrors a folder, with the real parser, catalog and indexes."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from api.commands.context import CommandContext, Models
from api.commands.watching import watch
from rag.settings import load_settings
from rag.store.catalog import Catalog
from rag.types import Embedder, Generator


@dataclass(frozen=True)
class Run:
    status: int
    json: Any
    err: str

    @property
    def outcomes(self) -> dict[str, str]:
        return {one["name"]: one["outcome"] for one in self.json["documents"]}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "below").mkdir(parents=True)
    for name in ("leave.md", "rent.md", "below/bikes.txt"):
        (folder / name).write_text(f"Words of {name}.", encoding="utf-8")
    return folder


@pytest.fixture
def sync(
    store: Path, folder: Path, embedder: Embedder, generator: Generator, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    def call(*words: object) -> Run:
        arguments = ["ingest", str(folder), "--json", "--sync", "--data-dir", str(store), *map(str, words)]
        status = main(arguments, models=Models(embedder, generator))
        said = capsys.readouterr()
        return Run(status, json.loads(said.out), said.err)

    return call


def names(store: Path) -> set[str]:
    catalog = Catalog(store)
    try:
        return {record.name for record in catalog.documents.list_documents()[0] if record.visible}
    finally:
        catalog.close()


def test_a_folder_is_mirrored_new_changed_moved_and_removed(
    sync: Callable[..., Run], folder: Path, store: Path
) -> None:
    first = sync()
    assert first.outcomes == {"below/bikes.txt": "new", "leave.md": "new", "rent.md": "new"}
    moved_id = next(one["id"] for one in first.json["documents"] if one["name"] == "leave.md")
    (folder / "rent.md").unlink()
    (folder / "leave.md").rename(folder / "below" / "vacation.md")
    (folder / "below" / "bikes.txt").write_text("Other words.", encoding="utf-8")
    (folder / "new.md").write_text("New words.", encoding="utf-8")
    run = sync()
    assert run.status == 0
    assert run.outcomes == {
        "below/bikes.txt": "changed", "below/vacation.md": "moved", "new.md": "new", "rent.md": "pruned"
    }  # fmt: skip
    assert names(store) == {"below/bikes.txt", "below/vacation.md", "new.md"}
    assert {one["id"] for one in run.json["documents"] if one["outcome"] == "moved"} == {moved_id}
    assert run.json["totals"]["embedded_chunks"] == 2
    assert set(sync().outcomes.values()) == {"unchanged"}


def test_a_copy_whose_first_file_is_removed_keeps_its_document(
    sync: Callable[..., Run], folder: Path, store: Path
) -> None:
    (folder / "copy.md").write_text("Words of leave.md.", encoding="utf-8")
    sync()
    before = names(store)
    (folder / "leave.md").unlink()
    assert sync().status == 0
    assert len(names(store)) == len(before) == 3
    assert {"copy.md", "rent.md"} < names(store)


@pytest.mark.parametrize("how", ["gone", "empty", "ignored"])
def test_a_folder_that_is_away_empties_no_collection(
    sync: Callable[..., Run], folder: Path, store: Path, how: str
) -> None:
    sync()
    everything = names(store)
    if how == "ignored":
        (folder / ".footnoteignore").write_text("*\n", encoding="utf-8")
    else:
        shutil.move(folder, folder.with_name("away"))
        if how == "empty":
            folder.mkdir()
    run = sync()
    assert run.status == 1
    assert names(store) == everything
    (error,) = [one["error"] for one in run.json["documents"] if one["error"]]
    assert str(folder) in error["message"]


def test_ignored_files_are_left_out_and_removed(sync: Callable[..., Run], folder: Path, store: Path) -> None:
    sync()
    (folder / ".footnoteignore").write_text("rent.md\nbelow/\n", encoding="utf-8")
    assert sync().outcomes == {"leave.md": "unchanged", "rent.md": "pruned", "below/bikes.txt": "pruned"}
    assert names(store) == {"leave.md"}


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_links_out_of_the_folder_are_not_followed(
    sync: Callable[..., Run], folder: Path, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "pay.md").write_text("Nobody should read this.", encoding="utf-8")
    (folder / "out").symlink_to(tmp_path / "secret", target_is_directory=True)
    (folder / "pay.md").symlink_to(tmp_path / "secret" / "pay.md")
    (folder / "zlink.md").symlink_to(folder / "leave.md")
    run = sync()
    assert run.status == 0
    assert names(store) == {"below/bikes.txt", "leave.md", "rent.md"}


def test_events_are_json_lines_on_stderr_and_one_document_is_on_stdout(sync: Callable[..., Run]) -> None:
    run = sync()
    events = [json.loads(line) for line in run.err.splitlines() if line.startswith("{")]
    steps = {(event["name"], event["step"]) for event in events if event["event"] == "step"}
    assert {("leave.md", "reading"), ("rent.md", "reading"), ("below/bikes.txt", "reading")} <= steps
    progress = [event for event in events if event["event"] == "progress"]
    assert [event["done"] for event in progress] == sorted(event["done"] for event in progress)
    assert (progress[-1]["done"], progress[-1]["total"], progress[-1]["seconds_left"]) == (3, 3, 0.0)
    assert progress[-1]["pages_per_second"] > 0


# --watch --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def passes(
    store: Path, folder: Path, embedder: Embedder, generator: Generator, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[dict[str, str]]]:
    """Watches the folder; between two passes one of the given changes is made. Returns what each pass printed."""
    context = CommandContext(load_settings({}, data_dir=store), "ingest", True, Models(embedder, generator))

    def call(*changes: Callable[[], object]) -> list[dict[str, str]]:
        printed: list[dict[str, str]] = []
        left: Iterator[Callable[[], object]] = iter(changes)

        def wait(seconds: float) -> bool:
            lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            printed.append({one["name"]: one["outcome"] for each in lines for one in each["documents"]})
            change = next(left, None)
            if change is None:
                return True
            change()
            for path in folder.rglob("*"):  # as if written long ago
                os.utime(path, ns=(10**18, 10**18 + path.stat().st_size))
            return False

        for path in folder.rglob("*"):
            os.utime(path, ns=(10**18, 10**18 + path.stat().st_size))
        assert watch(context, [folder], collection="default", wait=wait) == 0
        return printed

    return call


def nothing() -> None:
    return


def test_a_watched_folder_is_followed(passes: Callable[..., list[dict[str, str]]], folder: Path, store: Path) -> None:
    printed = passes(
        nothing,
        lambda: (folder / "leave.md").write_text("Much longer words than before.", encoding="utf-8"),
        lambda: (folder / "rent.md").rename(folder / "lease.md"),
        nothing,
        lambda: (folder / "lease.md").unlink(),
        nothing,
    )
    everything = {"below/bikes.txt": "new", "leave.md": "new", "rent.md": "new"}
    assert printed == [everything, {}, {"leave.md": "changed"}, {}, {"lease.md": "moved"}, {}, {"lease.md": "pruned"}]
    assert names(store) == {"below/bikes.txt", "leave.md"}


def test_a_file_that_comes_back_before_the_next_pass_is_not_removed(
    passes: Callable[..., list[dict[str, str]]], folder: Path, store: Path
) -> None:
    text = (folder / "leave.md").read_text(encoding="utf-8")
    printed = passes(
        lambda: (folder / "leave.md").unlink(),
        lambda: (folder / "leave.md").write_text(text, encoding="utf-8"),
        nothing,
    )
    assert printed[1:] == [{}, {}, {}]
    assert "leave.md" in names(store)


def test_a_file_that_failed_is_named_once_and_tried_again_when_it_changes(
    passes: Callable[..., list[dict[str, str]]], folder: Path, store: Path
) -> None:
    bad = folder / "bad.md"
    bad.write_bytes(b"")
    printed = passes(nothing, nothing, lambda: bad.write_text("Good words now.", encoding="utf-8"))
    assert printed[0]["bad.md"] == "failed"
    assert printed[1:3] == [{}, {}]
    assert printed[3] == {"bad.md": "changed"}


def test_a_file_that_is_being_written_waits(
    passes: Callable[..., list[dict[str, str]]], folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.commands.watching.time.time_ns", lambda: 10**18 + 500_000_000)
    assert passes(nothing) == [{}, {}]
    monkeypatch.setattr("api.commands.watching.time.time_ns", lambda: 10**18 + 5_000_000_000)
    assert len(passes()[0]) == 3


def test_a_folder_mirrors_an_archive_and_not_what_is_inside(
    sync: Callable[..., Run], folder: Path, store: Path
) -> None:
    def write(**files: str) -> None:
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            for name, text in files.items():
                archive.writestr(f"{name}.txt", text)

    def names() -> list[str]:
        with closing(Catalog(store)) as catalog:
            records, _ = catalog.documents.list_documents(status=("ready",))
            return [record.name for record in records if record.name.startswith("all")]

    write(dog="The dog sleeps.", boat="The boat is hired.")
    assert sync().outcomes["all.zip"] == "new"
    assert names() == ["all.zip", "all.zip/dog.txt", "all.zip/boat.txt"]
    assert sync().outcomes["all.zip"] == "unchanged"
    write(dog="The dog runs.")
    assert sync().outcomes["all.zip"] == "changed"
    assert names() == ["all.zip", "all.zip/dog.txt"]
    (folder / "below" / "all.zip").write_bytes((folder / "all.zip").read_bytes())
    (folder / "all.zip").unlink()
    assert sync().outcomes["below/all.zip"] == "moved"
    with closing(Catalog(store)) as catalog:
        assert "below/all.zip/dog.txt" in [record.name for record in catalog.documents.list_documents()[0]]
    (folder / "below" / "all.zip").unlink()
    assert sync().outcomes["below/all.zip"] == "pruned"
    assert names() == []
