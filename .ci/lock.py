"""Write requirements.lock: the packages of pyproject.toml with the extras that a server uses, and their hashes.

python .ci/lock.py       needs uv and a package index
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADER = """\
# The releases that Footnote was tested with, for Linux (x86-64, arm64) and macOS, with the hashes of their files.
# Made by `make lock`; to install exactly these:
# pip install --require-hashes -r requirements.lock && pip install --no-deps .
"""
CONSTRAINTS = "torch==2.13.0\n"  # the release that the tests run on (Makefile)


def main() -> int:
    """Run uv; returns its exit status."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes"]
    command += ["--no-header", "--quiet"]
    command += [
        word for extra in ("mcp", "langchain", "postgres", "qdrant", "s3", "ray", "otel") for word in ("--extra", extra)
    ]
    command += ["--python-version", "3.11", "--constraints", "-"]
    done = subprocess.run(command, cwd=ROOT, input=CONSTRAINTS, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        (ROOT / "requirements.lock").write_text(HEADER + done.stdout, encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
