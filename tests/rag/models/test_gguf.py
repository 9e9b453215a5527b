"""The first layers of a GGUF model: what is kept of the file, and what is refused."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rag.errors import DependencyError
from rag.models.gguf import find_first_layers, first_layers
from rag.models.weights import folder_lock


def text(words: str) -> bytes:
    return struct.pack("<Q", len(words)) + words.encode()


def model_file(path: Path, *, block_count: bool = True, alignment: int = 32, fill: int = 0) -> Path:
    """A file of 3 layers, the last one first, each a tensor of 10 bytes that are the layer's number and `fill`."""
    values = [
        text("general.architecture") + struct.pack("<I", 8) + text("qwen2"),
        text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("the"),
        text("scores") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<ff", 1, 2),
        text("general.alignment") + struct.pack("<II", 4, alignment),
    ]
    if block_count:
        values.insert(1, text("qwen2.block_count") + struct.pack("<II", 4, 3))
    named = [("output.weight", 9), ("blk.2.w", 2), ("blk.1.w", 1), ("blk.0.w", 0), ("token_embd.weight", 7)]
    room = 10 + -10 % alignment
    head = b"GGUF" + struct.pack("<IQQ", 3, len(named), len(values)) + b"".join(values)
    for at, (name, _) in enumerate(named):
        head += text(name) + struct.pack("<IQIQ", 1, 10, 24, at * room)
    data = b"".join(bytes([number + fill]) * 10 + bytes(room - 10) for _, number in named)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(head + bytes(-len(head) % alignment) + data)
    return path


@pytest.mark.parametrize("alignment", [32, 64])
def test_the_file_of_the_first_layers_has_their_tensors_and_the_embeddings(tmp_path: Path, alignment: int) -> None:
    written = first_layers(model_file(tmp_path / "m.gguf", alignment=alignment), 2)
    assert written == tmp_path / "m.first-2.gguf"
    # What is kept stands in the order of the data, with the data of each.
    held = written.read_bytes()
    assert struct.unpack_from("<Q", held, 8) == (3,)
    assert held.count(b"blk.2") == held.count(b"output.weight") == 0
    at = held.index(b"block_count") + len(b"block_count")
    assert struct.unpack_from("<II", held, at) == (4, 2)
    room = 10 + -10 % alignment
    data = held[-3 * room :]
    assert [data[n * room : n * room + 10] for n in range(3)] == [bytes([n]) * 10 for n in (1, 0, 7)]
    offsets = [
        struct.unpack_from("<Q", held, held.index(name) + len(name) + 16)[0]
        for name in (b"blk.1.w", b"blk.0.w", b"token_embd.weight")
    ]
    assert offsets == [0, room, 2 * room]
    assert (len(held) - len(data)) % alignment == 0


def test_it_is_written_once_and_nothing_else_is_left(tmp_path: Path) -> None:
    model = model_file(tmp_path / "m.gguf")
    assert find_first_layers(model, 1) is None
    written = first_layers(model, 1)
    assert find_first_layers(model, 1) == written
    inode = written.stat().st_ino
    (tmp_path / ".lock").unlink()
    assert first_layers(model, 1).stat().st_ino == inode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.first-1.gguf", "m.gguf"]  # a folder may be read-only


def test_the_layers_of_another_model_of_that_name_are_written_again(tmp_path: Path) -> None:
    first_layers(model_file(tmp_path / "m.gguf"), 2)
    model = model_file(tmp_path / "m.gguf", fill=10)
    assert find_first_layers(model, 2) is None
    assert bytes([11]) * 10 in first_layers(model, 2).read_bytes()


@pytest.mark.parametrize("kept", [0, 40, -1])
def test_a_torn_file_is_written_again(tmp_path: Path, kept: int) -> None:
    model = model_file(tmp_path / "m.gguf")
    whole = first_layers(model, 2).read_bytes()
    (tmp_path / "m.first-2.gguf").write_bytes(whole[:kept])
    (tmp_path / "m.first-2.gguf.part").write_bytes(whole[:50])  # of a process that was killed
    assert find_first_layers(model, 2) is None
    assert first_layers(model, 2).read_bytes() == whole
    assert not (tmp_path / "m.first-2.gguf.part").exists()


def test_a_second_writer_waits_and_takes_what_the_first_has_written(tmp_path: Path) -> None:
    model = model_file(tmp_path / "m.gguf")
    with folder_lock(tmp_path, 0):
        waiting = threading.Thread(target=first_layers, args=(model, 2))
        waiting.start()
        assert not (tmp_path / "m.first-2.gguf").exists()
        whole = first_layers(model_file(tmp_path / "other" / "m.gguf"), 2).read_bytes()
        (tmp_path / "m.first-2.gguf").write_bytes(whole)
        inode = (tmp_path / "m.first-2.gguf").stat().st_ino
    waiting.join(60)
    assert (tmp_path / "m.first-2.gguf").stat().st_ino == inode


OUT_OF_SPACE = """
import resource, sys
from pathlib import Path
from rag.errors import DependencyError
from rag.models.gguf import first_layers
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
try:
    first_layers(Path(sys.argv[1]), 2)
except DependencyError as error:
    print(error.message)
"""


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    model = model_file(tmp_path / "m.gguf")
    run = subprocess.run([sys.executable, "-c", OUT_OF_SPACE, model], capture_output=True, text=True, check=True)
    assert "m.gguf cannot be written beside it: File too large. Free space" in run.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "m.gguf"]


def test_a_disk_without_room_for_it_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_file(tmp_path / "m.gguf")
    monkeypatch.setattr("rag.models.weights.DISK_MARGIN_BYTES", 1 << 60)
    with pytest.raises(DependencyError, match=r"MB free and m\.first-2\.gguf needs .*FOOTNOTE_MODEL_DIR"):
        first_layers(model, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "m.gguf"]


@pytest.mark.parametrize("cut_to", [2, 30, 120, -50])
def test_a_cut_off_file_is_named_and_nothing_is_written(tmp_path: Path, cut_to: int) -> None:
    model = model_file(tmp_path / "m.gguf")
    model.write_bytes(model.read_bytes()[:cut_to])
    for open_layers in (first_layers, find_first_layers):
        with pytest.raises(DependencyError, match=r"m\.gguf is no whole GGUF file.*Fetch it again"):
            open_layers(model, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def changed(model: Path, after: bytes, skip: int, form: str, value: int) -> Path:
    """The file with a number `skip` bytes after a text replaced by another."""
    held = bytearray(model.read_bytes())
    struct.pack_into(form, held, held.index(after) + len(after) + skip, value)
    model.write_bytes(held)
    return model


@pytest.mark.parametrize(
    ("after", "skip", "form", "value"),
    [
        (b"GGUF", 0, "<I", 1),  # version
        (b"GGUF", 4, "<Q", 2**64 - 1),  # number of tensors
        (b"GGUF", 12, "<Q", 2**64 - 1),  # of values
        (b"general.architecture", 0, "<I", 99),  # kind of a value
        (b"general.architecture", 4, "<Q", 2**63),  # length of a string
        (b"tokens", 4, "<I", 9),  # an array of arrays
        (b"tokens", 8, "<Q", 2**62),  # length of an array
        (b"scores", 8, "<Q", 2**61),
        (b"general.alignment", 4, "<I", 0),
        (b"general.alignment", 4, "<I", 2**31),
        (b"qwen2.block_count", 0, "<I", 6),  # a float
        (b"blk.0.w", 0, "<I", 2**32 - 1),  # number of dimensions
        (b"blk.0.w", 16, "<Q", 2**63),  # start of a tensor
    ],
)
def test_a_hostile_file_is_named_and_nothing_is_written(
    tmp_path: Path, after: bytes, skip: int, form: str, value: int
) -> None:
    model = changed(model_file(tmp_path / "m.gguf"), after, skip, form, value)
    with pytest.raises(DependencyError, match=r"m\.gguf is no whole GGUF file.*Fetch it again"):
        first_layers(model, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_a_model_of_fewer_layers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"m\.gguf has 3 layers, not the 18 that are read"):
        first_layers(model_file(tmp_path / "m.gguf"), 18)


def test_a_file_that_tells_no_number_of_layers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="does not tell the number of its layers"):
        first_layers(model_file(tmp_path / "m.gguf", block_count=False), 1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DependencyError,
        match=r"first 2 layers of .*m\.gguf cannot be written beside it: No such file.*FOOTNOTE_MODEL_DIR",
    ):
        first_layers(tmp_path / "gone" / "m.gguf", 2)
