"""The completion scripts, run by the shells themselves."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from api.cli import main

CASES = [
    ("se", {"search", "serve"}),
    ("docs ", {"list", "rm", "show"}),
    ("docs l", {"list"}),
    ("completion ", {"bash", "fish", "zsh"}),
    ("ask --st", {"--style"}),
    ("ask --style ", {"full", "brief"}),
    ("eval --pipeline t", {"textbook"}),
    ("eval r", {"report"}),
    ("docs list --coll", {"--collection"}),
    ("eval questions --se", {"--seed"}),
    ("ingest lea", {"leave.md"}),
    ("ask --collection lea", set()),
    ("restore --data-dir lea", {"leave.md"}),
]

# What each shell would offer for the line: zsh's own functions are replaced by ones that print.
_BASH = """source {script}
line={line}; COMP_WORDS=($line); [[ $line == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _footnote; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
_ZSH = """compdef() {{ }}
_describe() {{ local one; for one in "${{(@P)2}}"; do print -r -- "${{one%%:*}}"; done }}
compadd() {{ [[ $1 == -- ]] && shift; (( $# )) && print -rl -- "$@" }}
_files() {{ print -rl -- *(N) }}
source {script}
line={line}; words=(${{=line}}); [[ $line == *" " ]] && words+=("")
CURRENT=$#words; _footnote | grep -- "^${{words[CURRENT]}}"
"""
_FISH = "source {script}; complete -C {line} | string replace -r '\\t.*' ''"
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@pytest.mark.parametrize(("typed", "offered"), CASES)
@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_a_shell_offers_what_can_follow(
    shell: str, typed: str, offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert main(["completion", shell]) == 0
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out, encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "leave.md").write_text("Leave.")
    code = SCRIPTS[shell].format(script=shlex.quote(str(script)), line=shlex.quote(f"footnote {typed}"))
    done = subprocess.run([shell, "-c", code], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    assert set(done.stdout.split()) == offered
