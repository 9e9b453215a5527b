"""Reader of calendars (ICS, RFC 5545) and of the invitations in messages: what, when, where and who."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.plain import check_text_size, decode_text
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_FOLDED = re.compile(r"\r?\n[ \t]")
_PROPERTY = re.compile(r"([A-Za-z-]+)((?:;[^:;=]+=(?:\"[^\"]*\"|[^:;]*))*):(.*)")
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_DURATION = re.compile(r"\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?")
_ESCAPED = re.compile(r"\\(.)")
_SHOWN = {"SUMMARY": "", "LOCATION": "Where", "ORGANIZER": "Organizer", "ATTENDEE": "Attendees"}
_MOMENTS = {"EXDATE": "Except", "RDATE": "Also", "RECURRENCE-ID": "Instead of"}
_EVENTS = {"VEVENT": "Event", "VTODO": "Task", "VJOURNAL": "Journal"}
_USUAL = frozenset({"", "CONFIRMED", "NEEDS-ACTION", "FINAL"})  # states that a calendar does not show
_DAYS = {
    "MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday",
    "SU": "Sunday",
}  # fmt: skip
_UNITS = {"YEARLY": "year", "MONTHLY": "month", "WEEKLY": "week", "DAILY": "day", "HOURLY": "hour"}
_ORDER = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth", "-1": "last"}


def read_calendar(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the events and tasks of a calendar, each a block of lines; one without them is read as plain text."""
    check_text_size(path, name, limits)
    source = decode_text(path.read_bytes())[0]
    builder = TextBuilder()
    builder.add_paragraph(describe_invitation(source) or clean_text(source))
    named = re.search(r"^X-WR-CALNAME[^:\r\n]*:(.*)$", source, re.MULTILINE)
    return builder.to_document(name=name, media_type=media_type, title=named[1].strip() if named else "")


def describe_invitation(source: str) -> str:
    """The events of a calendar as lines: what, when, where, who; empty if it has none."""
    blocks: list[str] = []
    event: dict[str, list[tuple[str, str]]] | None = None
    within: list[str] = []  # the parts that are open; an alarm in an event has properties of its own
    is_cancelled = False
    for line in _FOLDED.sub("", source).splitlines():
        found = _PROPERTY.fullmatch(line.strip())
        if not found:
            continue
        key, options, value = found[1].upper(), found[2], found[3]
        if key == "BEGIN":
            within.append(value.upper())
            event = {"BEGIN": [("", within[-1])]} if within[-1] in _EVENTS else event
        elif key == "END":
            if event is not None and value.upper() in _EVENTS:
                blocks.append(_event_lines(event, is_cancelled=is_cancelled))
                event = None
            within = within[:-1]
        elif key == "METHOD":
            is_cancelled = value.upper() == "CANCEL"
        elif event is not None and within[-1:] and within[-1] in _EVENTS:
            event.setdefault(key, []).append((options, value))
    return "\n\n".join(block for block in blocks if block)


def _event_lines(event: dict[str, list[tuple[str, str]]], *, is_cancelled: bool) -> str:
    kind = _EVENTS[event["BEGIN"][0][1]]
    lines = [
        f"{shown or kind}: {', '.join(_named(*one) for one in event[key])}"
        for key, shown in _SHOWN.items()
        if key in event
    ]
    if when := _when(event):
        lines.insert(1 if "SUMMARY" in event else 0, f"When: {when}")
    if "RRULE" in event:
        lines.append(f"Repeats: {describe_rule(event['RRULE'][0][1])}")
    for key, shown in _MOMENTS.items():
        moments = [_moment(one, options) for options, value in event.get(key, []) for one in value.split(",")]
        lines += [f"{shown}: {', '.join(moments)}"] if moments else []
    status = "CANCELLED" if is_cancelled else event.get("STATUS", [("", "")])[0][1].upper()
    if status not in _USUAL:
        lines.append(f"Status: {status.lower().replace('-', ' ')}")
    lines += [f"Done: {value}%" for _options, value in event.get("PERCENT-COMPLETE", [])]
    lines += [clean_text(_plain(value)).strip() for _options, value in event.get("DESCRIPTION", [])]
    lines += [f"Link: {value}" for _options, value in event.get("URL", [])]
    return "\n".join(line for line in lines if line)


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _named(options: str, value: str) -> str:
    """A text, or a person with the address."""
    if not value.lower().startswith("mailto:"):
        return clean_line(_plain(value))
    address = value[len("mailto:") :]
    named = re.search(r";CN=\"?([^\";:]+)", options, re.IGNORECASE)
    answer = re.search(r";PARTSTAT=\"?(ACCEPTED|DECLINED|TENTATIVE)", options, re.IGNORECASE)
    shown = f"{named[1]} <{address}>" if named and named[1] != address else address
    return f"{shown} ({answer[1].lower()})" if answer else shown


def _when(event: dict[str, list[tuple[str, str]]]) -> str:
    """The first and the last moment of an event. The end of whole days is the day after the last one (3.6.1)."""
    moments = [(key, *event[key][0]) for key in ("DTSTART", "DTEND", "DUE") if key in event]
    if "DURATION" in event and moments and moments[0][0] == "DTSTART" and len(moments) == 1:
        _key, options, start = moments[0]
        length = _DURATION.fullmatch(event["DURATION"][0][1].strip())
        found = _MOMENT.match(start)
        if length and found:
            weeks, days, hours, minutes, seconds = (int(part or 0) for part in length.groups())
            step = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
            moments.append(("DTEND", options, _later(start, step)))
    shown = []
    for key, options, value in moments:
        whole = key == "DTEND" and "T" not in value
        shown.append(_moment(_later(value, timedelta(days=-1)) if whole else value, options))
    if len(shown) > 1 and (shown[1] == shown[0] or ("T" not in moments[1][2] and shown[1] < shown[0])):
        shown.pop()
    return " to ".join(shown)


def _later(value: str, step: timedelta) -> str:
    form = "%Y%m%dT%H%M%S" if "T" in value else "%Y%m%d"
    try:
        moved = datetime.strptime(value.removesuffix("Z"), form) + step
    except (ValueError, OverflowError):
        return value
    return moved.strftime(form) + ("Z" if value.endswith("Z") else "")


def _moment(value: str, options: str = "") -> str:
    zone = re.search(r";TZID=\"?([^\";:]+)", options, re.IGNORECASE)
    found = _MOMENT.match(value)
    if not found:
        return value
    day = f"{found[1]}-{found[2]}-{found[3]}"
    shown = f"{day} {found[4]}:{found[5]}{' UTC' if found[7] else ''}" if found[4] else day
    return f"{shown} ({zone[1]})" if zone else shown


def describe_rule(rule: str) -> str:
    """A rule of recurrence in words: `every 2 weeks on Monday, 10 times`; parts that are not known stay as written."""
    parts = dict(part.upper().split("=", 1) for part in rule.split(";") if "=" in part)
    unit = _UNITS.get(parts.pop("FREQ", ""), "")
    if not unit:
        return rule
    every = parts.pop("INTERVAL", "1")
    words = f"every {unit}" if every == "1" else f"every {every} {unit}s"
    days = []
    for day in filter(None, parts.pop("BYDAY", "").split(",")):
        place = _ORDER.get(day[:-2].removeprefix("+"), day[:-2])
        days.append(f"{place} {_DAYS.get(day[-2:], day[-2:])}".strip())
    words += f" on {', '.join(days)}" if days else ""
    if "BYMONTHDAY" in parts:
        words += f" on day {parts.pop('BYMONTHDAY')}"
    count, until = parts.pop("COUNT", ""), parts.pop("UNTIL", "")
    words += f", {count} times" if count else ""
    words += f", until {_moment(until)}" if until else ""
    parts.pop("WKST", "")
    return "; ".join((words, *(f"{key}={value}" for key, value in parts.items())))
