"""`footnote serve` over TLS, with certificate files, and the commands beside it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ScriptedGenerator, WordHashEmbedder

from api.cli import main
from api.client import Client
from api.commands.context import Models
from rag.errors import DependencyError
from rag.store.lock import running_server

ENVIRONMENT = {"certificate": "FOOTNOTE_SERVER__TLS_CERTIFICATE", "key": "FOOTNOTE_SERVER__TLS_KEY"}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A self-signed certificate for another name than the address, and its key, as settings."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = {name: tmp_path / f"{name}.pem" for name in ENVIRONMENT}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=documents.example", "-keyout", made["key"], "-out", made["certificate"]],
        check=True, capture_output=True,
    )  # fmt: skip
    for name, variable in ENVIRONMENT.items():
        monkeypatch.setenv(variable, str(made[name]))
    return made


def test_the_server_speaks_tls_and_the_commands_pin_its_certificate(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import httpx
    import uvicorn

    store = tmp_path / "store"
    seen: list[int] = []

    def look(server: uvicorn.Server) -> None:
        """What is done while the server runs, in a thread of its own."""
        found = running_server(store)
        assert found is not None
        assert (found.url[:8], found.certificate) == ("https://", str(files["certificate"]))
        seen.append(main(["docs", "list", "--json", "--data-dir", str(store)]))
        seen.append(main(["doctor", "--json", "--data-dir", str(store)]))
        with Client(found.url, certificate=found.certificate) as client:
            seen.append(client.documents().total)
        with Client(found.url) as client, pytest.raises(DependencyError, match="certificate"):
            client.documents()
        with httpx.Client(verify=False, trust_env=False) as client:
            answer = client.get(f"{found.url}/livez")
            assert answer.headers["strict-transport-security"].startswith("max-age=")
            seen.append(answer.status_code)
        server.should_exit = True

    run_when_ready(monkeypatch, look)
    models = Models(WordHashEmbedder(), ScriptedGenerator())
    assert main(["serve", "--port", "0", "--data-dir", str(store)], models=models) == 0
    assert (seen[0], seen[2:]) == (0, [0, 200])
    assert "Footnote is ready at https://127.0.0.1:" in capsys.readouterr().err


def run_when_ready(monkeypatch: pytest.MonkeyPatch, look: Callable[[object], None]) -> None:
    """Call `look` in a thread with the server, once it is open."""
    import threading

    import uvicorn

    from api.http import app as application

    servers: list[uvicorn.Server] = []
    create, make = application.create_app, uvicorn.Server

    def create_app(factory: Callable[[], object], settings: object, **options: object) -> object:
        told = options["on_opened"]

        def on_opened(runtime: object) -> None:
            told(runtime)  # type: ignore[operator]
            threading.Thread(target=look_and_stop).start()

        return create(factory, settings, **{**options, "on_opened": on_opened})  # type: ignore[arg-type]

    def look_and_stop() -> None:
        try:
            look(servers[0])
        finally:
            servers[0].should_exit = True

    def server_of(config: uvicorn.Config) -> uvicorn.Server:
        servers.append(make(config))
        return servers[0]

    monkeypatch.setattr(application, "create_app", create_app)
    monkeypatch.setattr(uvicorn, "Server", server_of)


def test_files_that_cannot_be_used_are_named(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["serve", "--port", "0", "--data-dir", str(tmp_path / "store")]
    monkeypatch.setenv(ENVIRONMENT["key"], str(tmp_path / "absent.pem"))
    assert main(words) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "absent.pem") in said
    assert ENVIRONMENT["key"] in said
    monkeypatch.delenv(ENVIRONMENT["key"])
    assert main(words) == 2
    assert "TLS needs a certificate and its key" in capsys.readouterr().err
    with pytest.raises(DependencyError, match=r"absent\.pem cannot be read"):
        Client("https://127.0.0.1:1", certificate=str(tmp_path / "absent.pem"))
