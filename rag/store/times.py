"""Moments as the catalog writes them: UTC, to the millisecond, in ISO 8601; later ones sort after earlier ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now_text(later_s: float = 0.0) -> str:
    """The present moment, or one `later_s` seconds from now: `2026-11-03T09:12:44.120Z`."""
    moment = datetime.now(UTC) + timedelta(seconds=later_s)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_since(moment: str) -> float:
    """The seconds from a moment, as `now_text` writes it, to the present; negative for a later one."""
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
