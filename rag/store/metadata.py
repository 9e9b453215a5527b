"""What is known of a document beside its text, and filters over it. Pure.

A document's metadata are those of its file with what the client gave at upload in front, and the `year` of its date. A
filter is a JSON object: `{"author": "Ann Lee", "year": {"gte": 2024}}`. All of its conditions must hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt

from rag.errors import InputError

Value = str | int | float | bool
Values = Value | list[Value]
Metadata = Mapping[str, Values]

_LETTERS = r"A-Za-z_\u00c0-\u024f\u0370-\u04ff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3"
KEY_PATTERN = rf"^[{_LETTERS}][{_LETTERS}0-9.-]{{0,63}}$"
"""A key in Latin, Greek, Cyrillic, Japanese, Chinese or Korean letters, with digits, dots, dashes and underscores."""
_YEAR = re.compile(r"(?<!\d)(1[5-9]|20|21)\d\d(?!\d)")
_DATED = ("date", "created", "modified", "sent", "published")
MOST_KEYS, MOST_CHARACTERS, MOST_VALUES = 50, 1_000, 100
_ORDERS: dict[str, Callable[[float | str, float | str], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
OPERATORS = ("eq", "ne", "in", "contains", "exists", *_ORDERS)


@dataclass(frozen=True, slots=True)
class Condition:
    """A key, one of OPERATORS, and what it compares with: several values for `in`, otherwise one."""

    key: str
    operator: str
    values: tuple[Value, ...]


Filter = tuple[Condition, ...]


VALUE_SCHEMA = {"anyOf": [{"type": "string", "maxLength": MOST_CHARACTERS}, {"type": "number"}, {"type": "boolean"}]}
_LIST_SCHEMA = {"type": "array", "items": VALUE_SCHEMA, "maxItems": MOST_VALUES}
_OBJECT_SCHEMA = {"type": "object", "maxProperties": MOST_KEYS, "propertyNames": {"pattern": KEY_PATTERN}}
METADATA_SCHEMA = {**_OBJECT_SCHEMA, "additionalProperties": {"anyOf": [VALUE_SCHEMA, _LIST_SCHEMA]}}
"""What `check_metadata` takes, as JSON Schema."""
_VALUES_SCHEMA = {**_LIST_SCHEMA, "minItems": 1}
_RULES_SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(OPERATORS, VALUE_SCHEMA),
        "in": _VALUES_SCHEMA,
        "exists": {"type": "boolean"},
    },
}
FILTER_SCHEMA = {**_OBJECT_SCHEMA, "additionalProperties": {"anyOf": [VALUE_SCHEMA, _VALUES_SCHEMA, _RULES_SCHEMA]}}
"""What `read_filter` takes, as JSON Schema."""


def check_metadata(given: object) -> dict[str, Values]:
    """What a client gave, as a dict of text, numbers, booleans and lists of these. Raises InputError."""
    if not isinstance(given, Mapping):
        raise InputError(f'`metadata` is {_shown(given)}; it must be a JSON object, such as {{"author": "Ann Lee"}}.')
    if len(given) > MOST_KEYS:
        raise InputError(f"`metadata` has {len(given)} keys; {MOST_KEYS} are allowed. Leave some out.")
    for key, value in given.items():
        _check_key(key, "metadata")
        for one in value if isinstance(value, list) else [value]:
            _check_value(one, f"metadata.{key}")
        if isinstance(value, list) and len(value) > MOST_VALUES:
            raise InputError(f"`metadata.{key}` has {len(value)} values; {MOST_VALUES} are allowed.")
    return dict(given)


def describe(stated: Metadata, given: Metadata) -> dict[str, Values]:
    """A document's metadata: the file's own, those given in front of them, and the year of the first date."""
    known = {**stated, **given}
    dates = [str(known[key]) for key in _DATED if key in known]
    year = next((found[0] for date in dates if (found := _YEAR.search(date))), None)
    return known if year is None or "year" in known else {**known, "year": int(year)}


def read_filter(stated: object) -> Filter:
    """The conditions of a filter. Raises InputError, which names the key, the value seen and what may be written."""
    if not isinstance(stated, Mapping):
        raise InputError(
            f'`filter` is {_shown(stated)}; it must be a JSON object, such as {{"year": {{"gte": 2024}}}}.'
        )
    if len(stated) > MOST_KEYS:
        raise InputError(f"`filter` has {len(stated)} keys; {MOST_KEYS} are allowed. Leave some out.")
    conditions: list[Condition] = []
    for key, wanted in stated.items():
        _check_key(key, "filter")
        rules = wanted if isinstance(wanted, Mapping) else {"in" if isinstance(wanted, list) else "eq": wanted}
        if not rules:
            raise InputError(f"`filter.{key}` is empty; write a value or one of {', '.join(OPERATORS)}.")
        for operator, value in rules.items():
            if operator not in OPERATORS:
                raise InputError(f"`filter.{key}.{operator}` is no operator; there are {', '.join(OPERATORS)}.")
            values = value if isinstance(value, list) else [value]
            if isinstance(value, list) is not (operator == "in") or not values or len(values) > MOST_VALUES:
                what = f"a list of up to {MOST_VALUES} values" if operator == "in" else "one value"
                raise InputError(f"`filter.{key}.{operator}` is {_shown(value)}; it must be {what}.")
            for one in values:
                _check_value(one, f"filter.{key}.{operator}")
            if operator == "exists" and not isinstance(value, bool):
                raise InputError(f"`filter.{key}.exists` is {_shown(value)}; it must be true or false.")
            conditions.append(Condition(str(key), operator, tuple(values)))
    return tuple(conditions)


def matches(conditions: Filter, known: Metadata) -> bool:
    """Whether all conditions hold. Text is compared without case; numbers, and dates as they are written, by order."""
    return all(_holds(condition, known.get(condition.key)) for condition in conditions)


def join(known: Metadata, around: Metadata) -> dict[str, Values]:
    """What is known of a document, or of the one that it is inside of: all values of each key."""
    return {key: [*_listed(known.get(key)), *_listed(around.get(key))] for key in (*known, *around)}


def _listed(known: Values | None) -> Sequence[Value]:
    return [] if known is None else known if isinstance(known, list) else [known]


def _holds(condition: Condition, known: Values | None) -> bool:
    operator, wanted = condition.operator, condition.values[0]
    if operator == "exists":
        return (known is not None) is bool(wanted)
    held = _listed(known)
    if operator == "ne":
        return not any(_same(one, wanted) for one in held)
    if operator in ("eq", "in"):
        return any(_same(one, value) for one in held for value in condition.values)
    if operator == "contains":
        return any(_plain(wanted) in _plain(one) for one in held)
    return any(_in_order(one, wanted, _ORDERS[operator]) for one in held)


def _same(one: Value, other: Value) -> bool:
    numbers = _number(one), _number(other)
    return numbers[0] == numbers[1] if None not in numbers else _plain(one) == _plain(other)


def _in_order(one: Value, other: Value, order: Callable[[float | str, float | str], bool]) -> bool:
    first, second = _number(one), _number(other)
    if first is not None and second is not None:
        return order(first, second)
    if isinstance(one, str) and (isinstance(other, str) or second is not None):  # dates: 2024-05-01 and 2024
        return one[:1].isdigit() and str(other)[:1].isdigit() and order(one, str(other))
    return False


def _number(value: Value) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _plain(value: Value) -> str:
    return " ".join(str(value).casefold().split())


def _check_key(key: object, where: str) -> None:
    if not isinstance(key, str) or not re.fullmatch(KEY_PATTERN, key):
        raise InputError(
            f"`{where}` has the key {_shown(key)}; a key is a word of at most 64 letters, digits, _ . and -."
        )


def _check_value(value: object, where: str) -> None:
    if not isinstance(value, str | int | float | bool) or value != value or value in (float("inf"), float("-inf")):
        raise InputError(f"`{where}` is {_shown(value)}; it must be text, a number, or true or false.")
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        raise InputError(f"`{where}` has half of a surrogate pair. Send it as UTF-8.")
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        raise InputError(f"`{where}` has {len(value)} characters; {MOST_CHARACTERS} are allowed.")


def _shown(value: object) -> str:
    return repr(value)[:80]
