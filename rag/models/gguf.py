"""The first layers of a language model as a model of their own, for what is read off their states.

    model.gguf ─ first_layers ─> model.first-18.gguf, beside it

What a model knows of a text's meaning is plainer in the middle of its layers than behind the last ones, which turn to
the next word; and the layers that are not there take no time. Format: GGUF version 2 or 3, little-endian,
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from rag.errors import DependencyError
from rag.models.weights import GGUF_MAGIC, folder_lock, require_space

_VERSIONS = (2, 3)
_UINT32, _STRING, _ARRAY = 4, 8, 9
_BYTES_OF_A_TYPE = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_ALIGNMENT, _MOST_ALIGNMENT = 32, 1 << 16  # of the tensors, where the file states none, and at most
_MOST_DIMENSIONS = 4
_BLOCK_BYTES = 1 << 24
_COMPARED_BYTES = 1 << 12  # of each tensor: other weights differ in them
_WAIT_S = 60.0  # for another process that writes the file


@dataclass(frozen=True, slots=True)
class _Tensor:
    """`shape` is how the file states the dimensions and the type; `start` is its first byte of the tensor data."""

    name: bytes
    shape: bytes
    start: int

    def is_kept(self, layers: int) -> bool:
        """Whether the first layers need it. Without a matrix of its own the output uses that of the embeddings."""
        head, _, rest = self.name.partition(b".")
        return self.name != b"output.weight" and (head != b"blk" or int(rest.split(b".")[0]) < layers)


@dataclass(frozen=True, slots=True)
class _Copied:
    """Bytes of the model, `length` of them from `start`, and their `place` in the file of the first layers."""

    start: int
    length: int
    place: int


@dataclass(frozen=True, slots=True)
class _Cut:
    """What the file of the first layers is: its `size`, its bytes before the tensors, and the tensors."""

    head: bytes
    tensors: tuple[_Copied, ...]
    size: int


def first_layers(model: Path, layers: int) -> Path:
    """A GGUF file of the model's first `layers` layers, its embeddings and its last norm, beside the model.

    It is written once, as a whole or not at all, and again where it is not of this model; processes take turns. Raises
    DependencyError where it cannot be.
    """
    target = _beside(model, layers)
    try:
        with model.open("rb") as source:
            cut = _read_cut(source, model, layers)
            if not _is_written(target, cut, source):
                with folder_lock(model.parent, _WAIT_S):
                    if not _is_written(target, cut, source):
                        _write(target, cut, source)
    except OSError as error:
        raise DependencyError(
            f"The first {layers} layers of {model} cannot be written beside it: {error.strerror or error}. Free space "
            "or correct the folder's permissions, or set FOOTNOTE_MODEL_DIR to another folder."
        ) from error
    return target


def find_first_layers(model: Path, layers: int) -> Path | None:
    """The file that `first_layers` has written; None where it has not. Raises DependencyError for a damaged model."""
    target = _beside(model, layers)
    try:
        with model.open("rb") as source:
            return target if _is_written(target, _read_cut(source, model, layers), source) else None
    except OSError as error:
        raise DependencyError(f"{model} cannot be read: {error.strerror or error}. Correct its permissions.") from error


def _beside(model: Path, layers: int) -> Path:
    return model.with_name(f"{model.stem}.first-{layers}.gguf")


def _is_written(target: Path, cut: _Cut, source: IO[bytes]) -> bool:
    """Whether it is all there and of this model, by its size, its head and the beginning of each tensor."""
    with suppress(OSError), target.open("rb") as written:
        if os.fstat(written.fileno()).st_size != cut.size or written.read(len(cut.head)) != cut.head:
            return False
        for one in cut.tensors:
            n = min(one.length, _COMPARED_BYTES)
            source.seek(one.start)
            written.seek(one.place)
            if source.read(n) != written.read(n):
                return False
        return True
    return False


def _write(target: Path, cut: _Cut, source: IO[bytes]) -> None:
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    require_space(target.parent, cut.size, target.name)
    try:
        with part.open("wb") as out:
            out.write(cut.head)
            for one in cut.tensors:
                out.write(bytes(one.place - out.tell()))
                source.seek(one.start)
                left = one.length
                while left and (block := source.read(min(left, _BLOCK_BYTES))):
                    left -= out.write(block)
                if left:
                    raise OSError(f"the model ended {left:,} bytes too soon")
            out.write(bytes(cut.size - out.tell()))
            out.flush()
            os.fsync(out.fileno())  # a power cut may lose the rename below, never half of the file
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _read_cut(source: IO[bytes], model: Path, layers: int) -> _Cut:
    """What `first_layers` writes, by the model's head. Raises DependencyError for a damaged or a smaller model."""
    size = os.fstat(source.fileno()).st_size
    try:
        told = _read_head(_Reader(source, size))
        if told.n_layers < layers:
            raise DependencyError(f"{model} has {told.n_layers} layers, not the {layers} that are read. Use another.")
        return _cut(told, layers, size)
    except (struct.error, KeyError, ValueError) as error:
        raise DependencyError(
            f"{model} is no whole GGUF file: {type(error).__name__}: {error}. Fetch it again."
        ) from error


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands before the tensors: `values` are the bytes of all metadata, `n_layers` stands at `layers_at` of them.

    `data` is where the tensors start in the file, each at a multiple of `alignment` bytes.
    """

    version: int
    n_values: int
    values: bytes
    layers_at: int
    alignment: int
    tensors: tuple[_Tensor, ...]
    data: int

    @property
    def n_layers(self) -> int:
        (told,) = struct.unpack_from("<I", self.values, self.layers_at)
        return int(told)


class _Reader:
    """Reads a file of `size` bytes from its beginning. Raises ValueError for more bytes than it has."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source, self._size, self.at = source, size, 0

    def skip(self, n: int) -> None:
        if n > self._size - self.at:
            raise ValueError(f"it ends after {self._size:,} bytes, {n:,} are to follow the first {self.at:,}")
        self.at += n
        self._source.seek(self.at)

    def read(self, n: int) -> bytes:
        if n > self._size - self.at:
            self.skip(n)
        self.at += n
        return self._source.read(n)

    def numbers(self, form: str) -> tuple[int, ...]:
        found: tuple[int, ...] = struct.unpack(form, self.read(struct.calcsize(form)))
        return found

    def string(self) -> bytes:
        (length,) = self.numbers("<Q")
        return self.read(length)

    def back_to(self, at: int) -> bytes:
        """The bytes from there up to here, after which it goes on."""
        self._source.seek(at)
        return self._source.read(self.at - at)


def _read_head(reader: _Reader) -> _Head:
    if reader.read(len(GGUF_MAGIC)) != GGUF_MAGIC:
        raise ValueError("it does not begin with GGUF")
    version, n_tensors, n_values = reader.numbers("<IQQ")
    if version not in _VERSIONS:
        raise ValueError(f"its version is {version}, not one of {_VERSIONS}")
    begin, alignment, layers_at = reader.at, _ALIGNMENT, None
    for _ in range(n_values):
        key, (kind,) = reader.string(), reader.numbers("<I")
        if key == b"general.alignment" and kind == _UINT32:
            (alignment,) = reader.numbers("<I")
        else:
            if key.endswith(b".block_count") and kind == _UINT32:
                layers_at = reader.at - begin
            _skip_value(reader, kind)
    if layers_at is None:
        raise ValueError("it does not tell the number of its layers")
    if alignment not in {1 << n for n in range(_MOST_ALIGNMENT.bit_length())}:
        raise ValueError(f"its tensors are aligned to {alignment} bytes")
    values = reader.back_to(begin)
    tensors = tuple(_read_tensor(reader) for _ in range(n_tensors))
    return _Head(version, n_values, values, layers_at, alignment, tensors, reader.at + -reader.at % alignment)


def _skip_value(reader: _Reader, kind: int) -> None:
    of, count = reader.numbers("<IQ") if kind == _ARRAY else (kind, 1)
    if of == _STRING:
        for _ in range(count):
            reader.string()
    else:
        reader.skip(_BYTES_OF_A_TYPE[of] * count)


def _read_tensor(reader: _Reader) -> _Tensor:
    name, (n_dimensions,) = reader.string(), reader.numbers("<I")
    if n_dimensions > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor has {n_dimensions} dimensions")
    shape = struct.pack("<I", n_dimensions) + reader.read(8 * n_dimensions + 4)
    return _Tensor(name, shape, *reader.numbers("<Q"))


def _cut(told: _Head, layers: int, size: int) -> _Cut:
    kept = [(one, length) for one, length in _with_lengths(told, size) if one.is_kept(layers)]
    head = bytearray(GGUF_MAGIC + struct.pack("<IQQ", told.version, len(kept), told.n_values) + told.values)
    struct.pack_into("<I", head, len(head) - len(told.values) + told.layers_at, layers)
    offsets = [0]
    for one, length in kept:
        head += struct.pack("<Q", len(one.name)) + one.name + one.shape + struct.pack("<Q", offsets[-1])
        offsets.append(offsets[-1] + length + -length % told.alignment)
    head += bytes(-len(head) % told.alignment)
    tensors = [
        _Copied(told.data + one.start, length, len(head) + offset)
        for (one, length), offset in zip(kept, offsets, strict=False)
    ]
    return _Cut(bytes(head), tuple(tensors), len(head) + offsets[-1])


def _with_lengths(told: _Head, size: int) -> Iterator[tuple[_Tensor, int]]:
    """The tensors in their order in the file, each with its bytes up to the next one."""
    ordered = sorted(told.tensors, key=lambda one: one.start)
    for one, end in pairwise([*ordered, _Tensor(b"", b"", size - told.data)]):
        if end.start < one.start:
            raise ValueError(f"it ends before {one.name.decode(errors='replace')}")
        yield one, end.start - one.start
