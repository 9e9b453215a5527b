"""Copy requirements.lock from stdin to stdout without torch and what only its CUDA build needs: for an image that
takes another build of torch.
"""

from __future__ import annotations

import re
import sys

_LEFT_OUT = re.compile(r"(?:torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")


def without_torch(lock: str) -> str:
    """The lock without those packages and their hashes."""
    packages = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)  # what belongs to a package is indented
    return "".join(package for package in packages if not _LEFT_OUT.match(package))


if __name__ == "__main__":
    sys.stdout.write(without_torch(sys.stdin.read()))
