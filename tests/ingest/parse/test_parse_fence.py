"""The fence around a reader: limits, what it leaves behind, and a result that is checked before it is believed."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse import end_readers, fence, parse_file, wire
from ingest.parse.build import clean_text, clean_verbatim
from ingest.parse.confine import Escapes, find_escapes, try_to_escape
from rag.errors import DependencyError, NotFound, ParseError
from rag.settings import Parsing
from rag.types import Document, Heading, Note, Page, Table, WordBox, WordBoxes


def landlock_version() -> int:
    from landlockpy import abi_version

    return abi_version()


unix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe, which only Unix has")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl, which only Linux has")


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    fence.LAUNCHERS.close()
    _OTHERS.clear()
    _OTHERS.update(children())
    return folder


_OTHERS: set[str] = set()  # children that were there before the test, such as a database


def children() -> list[str]:
    """Process numbers of this process's children, zombies included, but for those of other tests."""
    found: list[str] = []
    for task in Path("/proc/self/task").glob("*/children"):
        found += task.read_text().split()
    return [number for number in found if number not in _OTHERS]


def read(path: Path, limits: Parsing | None = None) -> Document:
    return parse_file(path, document_id="x", name=path.name, limits=limits or Parsing(timeout_s=60))


@unix
def test_reader_that_hangs_is_stopped_and_leaves_nothing(tmp_path: Path, own_temporary_folder: Path) -> None:
    pipe = tmp_path / "hangs.txt"
    os.mkfifo(pipe)  # opening it for reading waits for a writer that never comes
    with pytest.raises(ParseError, match=r"hangs\.txt: reading it took longer than 1 s") as caught:
        read(pipe, Parsing(timeout_s=1))
    assert caught.value.code == "timeout"
    assert list(own_temporary_folder.iterdir()) == []
    if sys.platform == "linux":
        assert children() == []


@linux
def test_memory_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"word " * 20_000_000)
    with pytest.raises(ParseError, match="256 MiB of memory") as caught:
        read(path, Parsing(memory_mb=256, timeout_s=60))
    assert caught.value.code == "out_of_memory"
    assert children() == []


@linux
def test_a_reader_that_aborts_for_lack_of_memory_is_told_as_such(tmp_path: Path) -> None:
    """pdfium ends its process where an allocation fails, without a word."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(300)) + packer.flush()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
    ]
    path = tmp_path / "bomb.pdf"
    path.write_bytes(
        b"%PDF-1.7\n"
        + b"".join(b"%d 0 obj%s endobj\n" % (number, data) for number, data in enumerate(objects, 1))
        + b"trailer<</Root 1 0 R>>\n"
    )
    with pytest.raises(ParseError, match="512 MiB of memory") as caught:
        read(path, Parsing(memory_mb=512, timeout_s=60))
    assert caught.value.code == "out_of_memory"


def test_text_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("word " * 300_000)
    with pytest.raises(ParseError, match="MAX_OUTPUT_MB") as caught:
        read(path, Parsing(max_output_mb=1))
    assert caught.value.code == "too_large"


def test_nothing_is_left_behind_by_good_and_bad_files(tmp_path: Path, own_temporary_folder: Path) -> None:
    (tmp_path / "good.txt").write_text("Good words.")
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7\n")
    assert read(tmp_path / "good.txt").text == "Good words."
    with pytest.raises(ParseError):
        read(tmp_path / "bad.pdf")
    assert list(own_temporary_folder.iterdir()) == []


@unix
def test_folder_of_a_killed_process_is_removed_by_the_next(tmp_path: Path, own_temporary_folder: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, fresh = (own_temporary_folder / f"footnote-parse-{ended.pid}-{name}" for name in ("left", "fresh"))
    left.mkdir()
    fresh.mkdir()
    os.utime(left, (0, 0))
    (tmp_path / "a.txt").write_text("words")
    read(tmp_path / "a.txt")
    assert [folder.name for folder in own_temporary_folder.iterdir()] == [fresh.name]


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match=r"gone\.txt: it could not be opened"):
        read(tmp_path / "gone.txt")


def test_relative_path_is_taken_from_the_callers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here.txt").write_text("Found.")
    monkeypatch.chdir(tmp_path)
    assert read(Path("here.txt")).text == "Found."


def test_secrets_do_not_enter_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FOOTNOTE_GENERATION__API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hunter2")
    environment = fence._environment(tmp_path)
    assert "hunter2" not in environment.values()
    assert environment["HOME"] == environment["TMPDIR"] == str(tmp_path)


def test_several_threads_read_at_once(tmp_path: Path) -> None:
    texts: dict[int, str] = {}

    def one(number: int) -> None:
        path = tmp_path / f"{number}.txt"
        path.write_text(f"File number {number}.")
        texts[number] = read(path).text

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {number: f"File number {number}." for number in range(4)}


@linux
def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    pipe = tmp_path / "waits.txt"
    os.mkfifo(pipe)
    script = (
        "import sys; from pathlib import Path; from ingest.parse import parse_file; from rag.settings import Parsing; "
        "parse_file(Path(sys.argv[1]), document_id='x', name='x', limits=Parsing())"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(pipe)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    writer = os.open(pipe, os.O_WRONLY)  # returns once the child has opened the other end
    try:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        poller = select.poll()
        poller.register(writer, select.POLLERR)
        assert poller.poll(20_000), "the child still holds the pipe open"
    finally:
        os.close(writer)


def launchers() -> list[int]:
    """Process numbers of the idle launchers."""
    return [launcher._process.pid for launcher in fence.LAUNCHERS._idle]


@unix
def test_a_launcher_is_kept_for_the_next_file_and_reads_none_itself(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(f"File {number}.")
    assert read(tmp_path / "0.txt").text == "File 0."
    kept = launchers()
    assert len(kept) == 1
    with pytest.raises(ParseError):
        read(tmp_path / "gone.txt")  # a failure that the reader itself reports
    assert [read(tmp_path / f"{number}.txt").text for number in (1, 2)] == ["File 1.", "File 2."]
    assert launchers() == kept


@linux
def test_a_child_that_dies_takes_only_its_own_file(tmp_path: Path) -> None:
    """The reader of this file is killed from outside; another file is being read at the same time."""
    pipes = [tmp_path / name for name in ("first.txt", "second.txt")]
    outcomes: dict[str, str] = {}

    def one(path: Path) -> None:
        try:
            outcomes[path.name] = read(path).text
        except ParseError as error:
            outcomes[path.name] = error.code

    for pipe in pipes:
        os.mkfifo(pipe)
    threads = [threading.Thread(target=one, args=(pipe,)) for pipe in pipes]
    for thread in threads:
        thread.start()
    writers = [os.open(pipe, os.O_WRONLY) for pipe in pipes]  # returns once each reader waits for bytes
    number = next(
        int(child)
        for launcher in children()
        for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        if any(str(pipes[0]) == os.readlink(each) for each in Path(f"/proc/{child}/fd").iterdir() if each.is_symlink())
    )
    os.kill(number, signal.SIGSEGV)
    os.close(writers[0])
    threads[0].join()
    os.close(writers[1])
    threads[1].join()
    assert outcomes == {"first.txt": "internal", "second.txt": "empty"}  # the second reader reported what it saw
    assert len(launchers()) <= 1  # that of the dead child is gone


@unix
def test_a_launcher_that_was_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Words.")
    read(tmp_path / "a.txt")
    (number,) = launchers()
    os.kill(number, signal.SIGKILL)
    assert read(tmp_path / "a.txt").text == "Words."
    assert launchers() not in ([], [number])


@linux
def test_readers_that_are_ended_fail_no_file_and_are_started_again(tmp_path: Path) -> None:
    pipe = tmp_path / "waits.txt"
    os.mkfifo(pipe)
    (tmp_path / "a.txt").write_text("Words.")
    outcomes: list[str] = []

    def one() -> None:
        try:
            outcomes.append(read(pipe).text)
        except DependencyError as error:
            outcomes.append(error.code)

    thread = threading.Thread(target=one)
    thread.start()
    writer = os.open(pipe, os.O_WRONLY)  # returns once the reader waits for bytes
    read(tmp_path / "a.txt")
    assert len(launchers()) == 1
    end_readers()
    thread.join()
    os.close(writer)
    assert outcomes == [DependencyError.code]
    assert children() == []
    assert read(tmp_path / "a.txt").text == "Words."


@linux
def test_a_caller_that_is_killed_takes_its_launchers_with_it(tmp_path: Path) -> None:
    """The idle ones too: a worker that is restarted leaves no process."""
    (tmp_path / "a.txt").write_text("Words.")
    script = (
        "import sys; from pathlib import Path; from ingest.parse import fence, parse_file; "
        "from rag.settings import Parsing; "
        "parse_file(Path(sys.argv[1]), document_id='x', name='a.txt', limits=Parsing()); "
        "print(*(launcher._process.pid for launcher in fence.LAUNCHERS._idle), flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "a.txt")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with parent:
        assert parent.stdout is not None
        watch = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    poller = select.poll()
    poller.register(watch, select.POLLIN)
    ended = poller.poll(20_000)
    os.close(watch)
    assert ended, "the launcher outlived its caller"


DOCUMENT = Document(
    id="x",
    name="n",
    media_type="text/plain",
    text="One two.\nDrei wörter.",
    pages=(
        Page(1, 0, 9, 100.0, 200.0, WordBoxes.pack([WordBox(0, 3, 1, 2, 3, 4), WordBox(4, 8, 5, 6, 7, 8)])),
        Page(2, 9, 21, 100.0, 200.0, source="ocr", confidence=0.75),
    ),
    title="t",
    metadata={"author": "a"},
    headings=(Heading(1, "One", 0, 3),),
    tables=(Table(9, 21, "Drei"),),
    notes=(Note("page_unreadable", "Page 3 was not read.", 3), Note("hidden", "Wörter are hidden.")),
)


def test_result_comes_back_whole() -> None:
    result = wire.encode_document(DOCUMENT, ["a.pdf", "b/c.md"])
    assert wire.decode_document(result, document_id="x", name="n") == (DOCUMENT, ["a.pdf", "b/c.md"])


def test_failures_come_back_as_themselves() -> None:
    with pytest.raises(ParseError, match="locked") as caught:
        wire.decode_document(wire.encode_error("encrypted", "locked"), document_id="x", name="n")
    assert caught.value.code == "encrypted"
    with pytest.raises(NotFound):
        wire.decode_picture(wire.encode_error("not_found", "no page 9"), name="n")
    with pytest.raises(ParseError) as unknown:
        wire.decode_document(wire.encode_error("made_up", "?"), document_id="x", name="n")
    assert unknown.value.code == "internal"


@given(st.binary(max_size=200))
def test_any_bytes_become_a_document_or_a_parse_error(data: bytes) -> None:
    for begin in (b"", b"FND1", b"FND1\x02\x00\x00\x00{}", b"FNE1", b"FNP1"):
        with pytest.raises((ParseError, NotFound)):
            wire.decode_document(begin + data, document_id="x", name="n")


@given(st.integers(8, 400), st.integers(0, 255))
def test_damaged_result_is_refused_or_still_holds_together(place: int, value: int) -> None:
    data = bytearray(wire.encode_document(DOCUMENT))
    data[place % len(data)] = value
    try:
        document, _ = wire.decode_document(bytes(data), document_id="x", name="n")
    except (ParseError, NotFound):
        return
    wire.check_places(document)


@pytest.mark.parametrize(
    "pages",
    [
        (Page(1, 0, 9), Page(2, 10, 21)),
        (Page(1, 0, 9), Page(2, 8, 21)),
        (Page(1, 0, 20),),
        (Page(1, 0, 21, source="guessed"),),  # type: ignore[arg-type]
        (Page(1, 0, 21, source="ocr", confidence=1.5),),
        (Page(0, 0, 21),),
        (Page(1, 0, 21, 10, 10, WordBoxes.pack([WordBox(20, 25, 0, 0, 1, 1)])),),
        (Page(1, 0, 21, 10, 10, WordBoxes.pack([WordBox(5, 6, 0, 0, 1, 1), WordBox(1, 2, 0, 0, 1, 1)])),),
    ],
)
def test_pages_that_do_not_tile_the_text_are_refused(pages: tuple[Page, ...]) -> None:
    broken = Document(id="x", name="n", media_type="text/plain", text=DOCUMENT.text, pages=pages)
    with pytest.raises(ParseError) as caught:
        wire.decode_document(wire.encode_document(broken), document_id="x", name="n")
    assert caught.value.code == "internal"


ANY_TEXT = st.text(alphabet=st.characters(codec=None, categories=("L", "N", "P", "Z", "C")))


@given(ANY_TEXT)
def test_clean_text_holds_nothing_that_nobody_sees(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode("utf-8")
    assert all(character in "\n\t" or not (character < " " or "\x7f" <= character < "\xa0") for character in cleaned)
    assert not set(cleaned) & set("\u00ad\u200b\ufeff\u202e\ufffe")
    assert clean_text(cleaned) == cleaned


@given(ANY_TEXT)
def test_verbatim_text_keeps_every_place(text: str) -> None:
    cleaned = clean_verbatim(text)
    cleaned.encode("utf-8")
    assert len(cleaned) == len(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    assert all(character in "\n\t" or not (character < " " or "\x7f" <= character < "\xa0") for character in cleaned)


def test_ligatures_are_spelt_out_and_accents_composed() -> None:
    assert clean_text("e\ufb03cient so\u00adlution, an\u0303o\x00") == "efficient solution, año"


needs_landlock = pytest.mark.skipif(
    sys.platform != "linux" or not landlock_version(), reason="this kernel has no Landlock"
)


@needs_landlock
def test_a_reader_opens_no_file_but_its_own_and_reaches_nobody() -> None:
    assert find_escapes(Parsing()) == Escapes(reads=False, writes=False, connects=False)


@needs_landlock
def test_data_below_a_folder_of_programs_is_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert find_escapes(Parsing(), tmp_path) == Escapes(reads=False, writes=False, connects=False)


@needs_landlock
def test_packages_of_any_folder_of_the_path_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of `pip install --target`: the reader of reStructuredText imports this one when it is needed."""
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "docutils.py").write_text("raise ValueError('the one of the path')")
    monkeypatch.setattr(sys, "path", [str(packages), *sys.path])
    path = tmp_path / "a.rst"
    path.write_text("Title\n=====\n\nWords.\n")
    assert "=====" in read(path).text, "docutils was found elsewhere: it fails here, so that the text is plain"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root reads the files of others")
def test_root_reads_the_files_of_others(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    (folder / "a.txt").write_text("Words.")
    os.chmod(folder / "a.txt", 0o600)
    for place in (folder / "a.txt", folder):
        os.chown(place, 1_001, 1_001)
    assert read(folder / "a.txt").text == "Words."


def test_what_is_not_kept_from_a_reader_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The attempts succeed in a process that nothing keeps from them."""
    for name in ("own", "other"):
        (tmp_path / name).write_text("words")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tried = json.loads(try_to_escape(tmp_path / "own", listener.getsockname()[1]))
    assert tried == {"reads": True, "writes": True, "connects": True}


@needs_landlock
@pytest.mark.parametrize(
    "attempt",
    [
        "open('{beside}').read()",
        "open('{folder}/../new', 'w')",
        "os.rename('{beside}', '{beside}-2')",
        "os.unlink('{beside}')",
        "os.truncate('{own}', 1)",
        "os.symlink('/etc', '{beside}-3')",
        "os.link('{beside}', '{folder}/link')",
        "os.chdir('/'); os.listdir(os.path.dirname('{beside}'))",
        "os.kill({parent}, 0)",
        "socket.create_connection(('127.0.0.1', {port}), 5)",
    ],
)
def test_what_a_confined_process_starts_is_confined_too(tmp_path: Path, attempt: str) -> None:
    own, beside, folder = tmp_path / "own", tmp_path / "beside", tmp_path / "folder"
    folder.mkdir()
    for place in (own, beside):
        place.write_text("words")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tried = attempt.format(
            own=own, beside=beside, folder=folder, parent=os.getpid(), port=listener.getsockname()[1]
        )
        inner = f"import os, socket\ntry:\n    {tried}\nexcept OSError:\n    print('refused')\nelse:\n    print('done')"
        script = (
            "import subprocess, sys; from pathlib import Path; "
            "from ingest.parse.confine import confine_files, leave_network; "
            "leave_network(); assert confine_files(Path(sys.argv[1]), Path(sys.argv[2])); "
            "assert Path(sys.argv[1]).read_text() == 'words'; (Path(sys.argv[2]) / 'result').write_text('x'); "
            "sys.exit(subprocess.run([sys.executable, '-c', sys.argv[3]]).returncode)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(own), str(folder), inner],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    assert (done.stdout, done.returncode) == ("refused\n", 0), done.stderr


@linux
@pytest.mark.parametrize("number", [os.getpid(), os.getppid()])
def test_a_confined_process_reads_no_environment_of_another(number: int, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ingest.parse.confine import confine_files, leave_network; "
        "print(leave_network() and confine_files(Path(sys.argv[1]), Path(sys.argv[1])), flush=True); "
        "Path(f'/proc/{sys.argv[2]}/environ').read_bytes()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(number)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.stdout == "False\n":
        pytest.skip("this system allows no user namespaces, or has no Landlock")
    assert "PermissionError" in done.stderr
