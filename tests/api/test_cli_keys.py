"""`footnote keys`, and commands beside a server that needs a key."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import build_app, listening

from api.cli import main
from api.client import Client
from rag.errors import FootnoteError
from rag.settings import load_settings
from rag.store.catalog import Catalog
from rag.store.lock import OWNER_FILE

Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command and returns its status and the JSON that it prints."""

    def run(*words: str) -> tuple[int, Any]:
        status = main([*words, "--json", "--data-dir", str(tmp_path / "store")])
        return status, json.loads(capsys.readouterr().out)

    return run


def test_keys_are_created_listed_and_revoked(call: Call) -> None:
    assert call("keys", "list") == (0, {"keys": []})
    status, made = call("keys", "create", "intranet", "--collection", "b", "--collection", "a", "--days", "30")
    assert status == 0
    assert made["secret"].startswith("fn_")
    assert (made["key"]["scope"], made["key"]["collections"], made["key"]["state"]) == ("read", ["a", "b"], "valid")
    assert call("keys", "list") == (0, {"keys": [made["key"]]})
    status, revoked = call("keys", "revoke", made["key"]["id"])
    assert (status, revoked["key"]["state"]) == (0, "revoked")
    status, refused = call("keys", "revoke", "nothing")
    assert (status, refused["error"]["code"]) == (1, "not_found")
    status, refused = call("keys", "create", "one", "--scope", "admin", "--collection", "a")
    assert (status, refused["error"]["code"]) == (1, "invalid_input")


def test_a_key_is_printed_once_and_alone_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--data-dir", str(tmp_path / "store")]
    assert main(["keys", "create", "my laptop", *where]) == 0
    said = capsys.readouterr()
    secret = said.out.strip()
    assert secret.startswith("fn_")
    assert "first key" in said.err
    assert secret not in said.err
    assert main(["keys", "create", "another", *where]) == 0
    assert "first key" not in capsys.readouterr().err
    assert main(["keys", "list", *where]) == 0
    shown = capsys.readouterr().out
    assert "my laptop" in shown
    assert secret not in shown


def test_commands_on_this_machine_need_no_key_of_their_own(call: Call, tmp_path: Path) -> None:
    settings = load_settings({}, data_dir=tmp_path / "store")
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator(), local_key="fn_local")
    with listening(app) as url:
        app.state.door.runtime().library.announce("serve", url, "fn_local")
        _, made = call("keys", "create", "a reader")
        assert httpx.get(f"{url}/v1/documents", trust_env=False).status_code == 401
        assert call("docs", "list") == (0, {"documents": [], "total": 0})
        owner = settings.data_dir / OWNER_FILE
        assert stat.S_IMODE(owner.stat().st_mode) == 0o600
        with Client(url, made["secret"]) as client:
            assert client.documents().total == 0
        call("keys", "revoke", made["key"]["id"])
        with Client(url, made["secret"]) as client, pytest.raises(FootnoteError, match="is revoked"):
            client.documents()
    assert not owner.exists()


def test_serve_refuses_to_listen_for_other_machines_without_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    words = ["serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(store)]
    monkeypatch.setattr("api.commands.serve._fetch_models", lambda context: None)
    started: list[bool] = []
    monkeypatch.setattr("api.commands.serve._run", lambda context, *_: started.append(context.settings.server.insecure))
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "0.0.0.0" in said
    assert "footnote keys create" in said
    assert "--insecure" in said
    catalog = Catalog(store)
    catalog.keys.create("old", "read", days=-1)
    assert main(words) == 2
    catalog.keys.create("new", "read")
    catalog.close()
    assert main(words) == 0
    assert main([*words, "--insecure"]) == 0
    assert started == [False, True]
    assert "answers everyone" in capsys.readouterr().err
