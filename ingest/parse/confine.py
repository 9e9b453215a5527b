"""What the kernel keeps from a reader, beyond the limits of `child.py`: the network, and every file but its own. Linux.

    launcher ─ leave_network ─> a network namespace without addresses, which its children share
    child    ─ confine_files ─> Landlock: the file of its order, its own folder, programs and libraries

Each holds where the kernel offers it. `find_escapes` tries what must fail, and tells what did not; `footnote doctor`
prints it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.settings import Parsing

_NEW_USER, _NEW_NETWORK = 0x1000_0000, 0x4000_0000  # CLONE_NEWUSER and CLONE_NEWNET of sched.h
_CAPABILITIES_3 = 0x2008_0522  # the version of capset's structures
_OPENS_FILES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: root reads the files of others
_PACKAGES = ("rag", "ingest")
_OF_PYTHON = ("bin", "lib", "lib64", "libexec", "share")
_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store", "/snap")
_ETC = ("alternatives", "fonts", "group", "ld.so.cache", "libreoffice", "locale.alias", "localtime", "mime.types")
_SYSTEM = (
    *(f"/etc/{name}" for name in (*_ETC, "nsswitch.conf", "passwd", "ssl/openssl.cnf", "timezone")),
    *("/proc", "/sys/devices/system", "/sys/fs/cgroup", "/var/lib/libreoffice", "/var/spool/libreoffice"),
)
"""What programs and libraries read of the system. Landlock alone keeps a reader from `/proc/N/environ` of others."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def leave_network() -> bool:
    """Move this process, which must have a single thread, and all that it starts out of the network; whether it did.

    Root keeps none of its powers but that of opening the files of others, which it may be asked to read.
    """
    if sys.platform != "linux":
        return False
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    user, group = os.geteuid(), os.getegid()
    left = unshare(_NEW_NETWORK) == 0
    if left:
        _drop_powers()
    elif left := unshare(_NEW_USER | _NEW_NETWORK) == 0:
        with contextlib.suppress(OSError):  # without a map this process owns its files all the same
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return bool(left)


def _drop_powers() -> None:
    """Give up all capabilities but _OPENS_FILES; programs started later get none back, once Landlock is set."""
    kept = (ctypes.c_uint32 * 6)(_OPENS_FILES, _OPENS_FILES, 0, 0, 0, 0)  # effective, permitted, inheritable, twice
    ctypes.CDLL(None, use_errno=True).capset((ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0), kept)


def prepare_rules() -> None:
    """Look up what all children need, once, in the process that they are forked from."""
    if sys.platform == "linux":
        import landlockpy

        with contextlib.suppress(
            landlockpy.LandlockError
        ):  # some containers forbid to ask; `confine_files` sees it too
            landlockpy.abi_version()  # looks for the C library
        _readable_places()


def confine_files(path: Path, folder: Path, *, office: bool = False) -> bool:
    """Take from this process, and all that it starts, every file but `path`, to read, and what is in `folder`.

    Programs and libraries stay readable; TCP, and signals to other processes, are taken too. `office` leaves what
    LibreOffice needs besides: to make a socket in /tmp, and to remove it. A second call takes that as well. Returns
    whether it did.
    """
    if sys.platform != "linux":
        return False
    from landlockpy import AccessFS, LandlockError, Ruleset, Scope

    read, run = AccessFS.READ_FILE, AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE
    around = {os.fspath(parent) for parent in Path(os.path.realpath(path)).parents}
    try:
        with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
            granted = [(os.fspath(path), read), (os.fspath(folder), rules.handled_fs)]
            for place, is_folder in (*_readable_places(), *_programs()):
                if place not in around:  # beside the file that is read lie others
                    # the kernel refuses rights of folders for what is none
                    granted.append((place, run if is_folder else run & ~AccessFS.READ_DIR))
            granted += [(device, read | AccessFS.WRITE_FILE) for device in _DEVICES]
            granted += [("/tmp", AccessFS.MAKE_SOCK | AccessFS.REMOVE_FILE)] if office else []
            for place, access in granted:
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    rules.allow_path(place, access)
            rules.restrict()
    except LandlockError:
        return False
    return True


@cache
def _readable_places() -> list[tuple[str, bool]]:
    """Libraries, programs and this package, without what lies beside it, such as the data; which are folders."""
    root = Path(__file__).resolve().parents[2]
    places = [os.fspath(root / package) for package in _PACKAGES]
    places += [os.path.join(prefix, part) for prefix in (sys.prefix, sys.base_prefix) for part in _OF_PYTHON]
    places += [os.path.join(sys.prefix, "pyvenv.cfg"), *_PROGRAMS, "/opt/libreoffice", *_SYSTEM]
    places += [entry for entry in sys.path if entry and os.path.realpath(entry) != os.fspath(root)]
    return _existing(places)


def _programs() -> list[tuple[str, bool]]:
    return _existing(os.environ.get("PATH", "").split(os.pathsep))


def _existing(places: Iterable[str]) -> list[tuple[str, bool]]:
    found = dict.fromkeys(os.path.realpath(place) for place in places if place)
    return [(place, os.path.isdir(place)) for place in found if os.path.exists(place)]


@dataclass(frozen=True, slots=True)
class Escapes:
    """What a reader can do that it must not: read or write files beside its own, reach other programs by network."""

    reads: bool
    writes: bool
    connects: bool


def try_to_escape(path: Path, port: int) -> bytes:
    """Try it in this process, for the caller of `find_escapes`: its answer as JSON.

    Beside `path` is a file `other`; a socket listens for TCP and UDP on 127.0.0.1 at `port`.
    """
    reads = writes = connects = False
    with contextlib.suppress(OSError):
        reads = bool((path.parent / "other").read_bytes())
    with contextlib.suppress(OSError):
        (path.parent / "written").write_bytes(b"x")
        writes = True
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        connects = True
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        connects |= datagrams.sendto(b"x", ("127.0.0.1", port)) > 0
    return json.dumps(asdict(Escapes(reads, writes, connects))).encode("ascii")


def find_escapes(limits: Parsing, data_dir: Path | None = None) -> Escapes:
    """What a reader of a file in `data_dir`, or in the folder for temporary files, can do that it must not: one tries.

    Raises ParseError or OSError where no reader can be started.
    """
    from ingest.parse.fence import run_fenced

    beside = data_dir if data_dir is not None and os.access(data_dir, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix=".fence-", dir=beside) as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        path = Path(folder) / "own"
        for place in (path, path.with_name("other")):
            place.write_bytes(b"words")
        port = listener.getsockname()[1]
        return Escapes(**json.loads(run_fenced("escape", path, name=path.name, limits=limits, details={"port": port})))
