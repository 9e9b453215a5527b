"""The first layers of a language model as a model of their own, for what is read off their states.

    model.gguf ─ first_layers ─> model.first-18.gguf, beside it

What a model knows of a text's meaning is plainer in the middle of its layers than behind the last ones, which turn to
the next word; and the layers that are not there take no time. Format: GGUF version 2 or 3, little-endian,
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import IO

from rag.errors import DependencyError
from rag.models.weights import GGUF_MAGIC

_STRING, _ARRAY = 8, 9
_BYTES_OF_A_TYPE = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_ALIGNMENT = 32  # of the tensors, where the file states none
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class _Tensor:
    """`shape` is how the file states the dimensions and the type; `start` and `end` are bytes of the tensor data."""

    name: bytes
    shape: bytes
    start: int
    end: int = 0

    @property
    def layer(self) -> int | None:
        """The layer it belongs to, from 0; None for the embeddings and the last norm."""
        head, _, rest = self.name.partition(b".")
        return int(rest.split(b".")[0]) if head == b"blk" else None


def first_layers(model: Path, layers: int) -> Path:
    """A GGUF file of the model's first `layers` layers, its embeddings and its last norm, beside the model.

    It is written once, as a whole or not at all. Raises DependencyError where it cannot be.
    """
    target = model.with_name(f"{model.stem}.first-{layers}.gguf")
    if target.is_file():
        return target
    part: Path | None = None
    try:
        with model.open("rb") as source, tempfile.NamedTemporaryFile(dir=model.parent, delete=False) as out:
            part = Path(out.name)
            _write_first(source, layers, out)
            out.flush()
            os.fsync(out.fileno())
        part.chmod(model.stat().st_mode & 0o666)
        part.replace(target)
    except OSError as error:
        raise DependencyError(
            f"The first {layers} layers of {model.name} cannot be written to {model.parent}: "
            f"{error.strerror or error}. Free space or correct the folder's permissions, or set FOOTNOTE_MODEL_DIR."
        ) from error
    except (struct.error, KeyError, ValueError, IndexError, MemoryError, OverflowError) as error:
        raise DependencyError(
            f"{model} is no whole GGUF file: {type(error).__name__}: {error}. Fetch it again."
        ) from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return target


def _write_first(source: IO[bytes], layers: int, out: IO[bytes]) -> None:
    if source.read(len(GGUF_MAGIC)) != GGUF_MAGIC:
        raise ValueError("it does not begin with GGUF")
    version, n_tensors, n_values = _unpack(source, "<IQQ")
    begin = source.tell()
    alignment, block_count = _ALIGNMENT, None
    for _ in range(n_values):
        key, (kind,) = _string(source), _unpack(source, "<I")
        if key == b"general.alignment":
            (alignment,) = _unpack(source, "<I")
        elif key.endswith(b".block_count"):
            block_count = source.tell() - begin
            _skip(source, kind)
        else:
            _skip(source, kind)
    if block_count is None:
        raise ValueError("it does not tell the number of its layers")
    end = source.tell()
    source.seek(begin)
    values = bytearray(source.read(end - begin))
    struct.pack_into("<I", values, block_count, layers)
    told = [_read_tensor(source) for _ in range(n_tensors)]
    data = source.tell() + -source.tell() % alignment
    kept = [one for one in _with_ends(told, source.seek(0, os.SEEK_END) - data) if _is_kept(one, layers)]

    out.write(GGUF_MAGIC + struct.pack("<IQQ", version, len(kept), n_values) + values)
    at = 0
    for one in kept:
        out.write(struct.pack("<Q", len(one.name)) + one.name + one.shape + struct.pack("<Q", at))
        at += (one.end - one.start) + (one.start - one.end) % alignment
    out.write(bytes(-out.tell() % alignment))
    for one in kept:
        source.seek(data + one.start)
        left = one.end - one.start
        while block := source.read(min(left, _BLOCK_BYTES)):
            left -= out.write(block)
        if left:
            raise ValueError(f"it ends within {one.name.decode(errors='replace')}")
        out.write(bytes((one.start - one.end) % alignment))


def _is_kept(tensor: _Tensor, layers: int) -> bool:
    """What the first layers need. Without a matrix of its own the output uses that of the embeddings."""
    return tensor.name != b"output.weight" and (tensor.layer is None or tensor.layer < layers)


def _read_tensor(source: IO[bytes]) -> _Tensor:
    name, (n_dimensions,) = _string(source), _unpack(source, "<I")
    shape = struct.pack("<I", n_dimensions) + source.read(8 * n_dimensions + 4)
    return _Tensor(name, shape, *_unpack(source, "<Q"))


def _with_ends(tensors: list[_Tensor], size: int) -> Iterator[_Tensor]:
    """The tensors in their order in the file, each with its end, where the next one starts."""
    ordered = sorted(tensors, key=lambda one: one.start)
    for one, following in pairwise([*ordered, _Tensor(b"", b"", size)]):
        yield replace(one, end=following.start)


def _skip(source: IO[bytes], kind: int) -> None:
    if kind == _STRING:
        _string(source)
    elif kind == _ARRAY:
        of, count = _unpack(source, "<IQ")
        if of in _BYTES_OF_A_TYPE:
            source.seek(_BYTES_OF_A_TYPE[of] * count, os.SEEK_CUR)
        else:
            for _ in range(count):
                _skip(source, of)
    else:
        source.seek(_BYTES_OF_A_TYPE[kind], os.SEEK_CUR)


def _string(source: IO[bytes]) -> bytes:
    (length,) = _unpack(source, "<Q")
    return source.read(length)


def _unpack(source: IO[bytes], form: str) -> tuple[int, ...]:
    found: tuple[int, ...] = struct.unpack(form, source.read(struct.calcsize(form)))
    return found
