"""Look up the packages of requirements.lock for known vulnerabilities: exit status 1 where there are any.

python .ci/audit.py      needs pip-audit and its database (PyPI's), which may be out of reach: then 0, with a line
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def main() -> int:
    """Run pip-audit on the lock file; returns the exit status."""
    command = ["-m", "pip_audit", "-r", str(LOCK), "--no-deps", "--disable-pip", "--format", "json", "--timeout", "15"]
    reason = "nothing within ten minutes"
    try:
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=600, check=False)
        reason = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print(f"The packages were not looked up, because pip-audit said: {reason}")
        return 0
    found = [(one["name"], one["version"], bad["id"]) for one in packages for bad in one.get("vulns", ())]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    for name, version, vulnerability in found:
        print(f"{name} {version}: {vulnerability}. Raise it in pyproject.toml, then `make lock`.")
    print(f"{len(packages) - len(skipped)} of {len(packages)} packages were looked up, {len(found)} findings.")
    if skipped:
        print(f"Not in the database that was reached: {', '.join(skipped[:5])}{' ...' if len(skipped) > 5 else ''}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
