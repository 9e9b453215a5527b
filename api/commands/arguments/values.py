"""The kinds of values that arguments take. Each raises argparse.ArgumentTypeError for another word, which names it."""

from __future__ import annotations

import argparse
import json


def port(word: str) -> int:
    """A TCP port, from 0 to 65535."""
    if not word.isdecimal() or int(word) > 65_535:
        raise argparse.ArgumentTypeError(f"{word!r} is not a TCP port; write a number from 0 to 65535")
    return int(word)


def address(word: str) -> tuple[str, int]:
    """HOST:PORT, as both; an IPv6 address in brackets."""
    host, _, number = word.rpartition(":")
    if not host:
        raise argparse.ArgumentTypeError(f"{word!r} is not HOST:PORT; write 127.0.0.1:9100, for example")
    return host.strip("[]"), port(number)


def positive(word: str) -> int:
    """A whole number of at least 1."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of at least 1")
    return int(word)


def natural(word: str) -> int:
    """A whole number of at least 0."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of at least 0")
    return int(word)


def json_object(word: str) -> dict[str, object]:
    """A JSON object."""
    try:
        value = json.loads(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word!r} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{word!r} is not a JSON object")
    return value
