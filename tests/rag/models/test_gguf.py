"""The first layers of a GGUF model: what is kept of the file, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rag.errors import DependencyError
from rag.models.gguf import first_layers


def text(words: str) -> bytes:
    return struct.pack("<Q", len(words)) + words.encode()


def model_file(path: Path, *, block_count: bool = True, alignment: int = 32) -> Path:
    """A file of 3 layers, the last one first, each a tensor of 10 bytes that are the layer's number."""
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
    data = b"".join(bytes([number]) * 10 + bytes(room - 10) for _, number in named)
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
    first_layers(model, 1).write_bytes(b"kept")
    assert first_layers(model, 1).read_bytes() == b"kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.first-1.gguf", "m.gguf"]


@pytest.mark.parametrize("cut_to", [2, 30, 120, -50])
def test_a_cut_off_file_is_named_and_nothing_is_written(tmp_path: Path, cut_to: int) -> None:
    model = model_file(tmp_path / "m.gguf")
    model.write_bytes(model.read_bytes()[:cut_to])
    with pytest.raises(DependencyError, match=r"m\.gguf is no whole GGUF file.*Fetch it again"):
        first_layers(model, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_a_file_that_tells_no_number_of_layers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="does not tell the number of its layers"):
        first_layers(model_file(tmp_path / "m.gguf", block_count=False), 1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"first 2 layers of m\.gguf cannot be written.*FOOTNOTE_MODEL_DIR"):
        first_layers(tmp_path / "gone" / "m.gguf", 2)
