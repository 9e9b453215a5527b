"""Calendars: whole days, durations, alarms, rules of recurrence."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import put, read_here

from ingest.parse.invitations import describe_invitation, describe_rule


def event(*lines: str, kind: str = "VEVENT") -> str:
    return "\r\n".join(("BEGIN:VCALENDAR", f"BEGIN:{kind}", *lines, f"END:{kind}", "END:VCALENDAR", ""))


@pytest.mark.parametrize(
    ("lines", "when"),
    [
        (("DTSTART;VALUE=DATE:20240105", "DTEND;VALUE=DATE:20240106"), "2024-01-05"),
        (("DTSTART;VALUE=DATE:20240105", "DTEND;VALUE=DATE:20240108"), "2024-01-05 to 2024-01-07"),
        (("DTSTART;VALUE=DATE:20240105", "DURATION:P1D"), "2024-01-05"),
        (("DTSTART:20240105T230000Z", "DURATION:PT1H30M"), "2024-01-05 23:00 UTC to 2024-01-06 00:30 UTC"),
        (("DTSTART;TZID=Asia/Tokyo:20240105T180000", "DTEND;TZID=US/Pacific:20240105T110000"),
         "2024-01-05 18:00 (Asia/Tokyo) to 2024-01-05 11:00 (US/Pacific)"),
    ],
)  # fmt: skip
def test_the_days_that_are_named_are_those_of_the_event(lines: tuple[str, ...], when: str) -> None:
    assert describe_invitation(event("SUMMARY:Boat day", *lines)) == f"Event: Boat day\nWhen: {when}"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=WEEKLY;BYDAY=FR;COUNT=10", "every week on Friday, 10 times"),
        ("FREQ=MONTHLY;INTERVAL=2;BYDAY=-1MO;UNTIL=20240601T000000Z",
         "every 2 months on last Monday, until 2024-06-01 00:00 UTC"),
        ("FREQ=MONTHLY;BYMONTHDAY=15;BYMONTH=3", "every month on day 15; BYMONTH=3"),
        ("BYDAY=FR", "BYDAY=FR"),
    ],
)  # fmt: skip
def test_rules_are_read_in_words(rule: str, words: str) -> None:
    assert describe_rule(rule) == words


def test_a_file_of_events_is_read_without_their_alarms(tmp_path: Path) -> None:
    alarm = ("BEGIN:VALARM", "DESCRIPTION:Reminder", "TRIGGER:-PT15M", "END:VALARM")
    board = event(
        "SUMMARY:Board",
        *alarm,
        "LOCATION:Quay\\, pier 2",
        "EXDATE:20240119T090000",
        "DESCRIPTION:Bring\\na rope and",
        " .",
    )
    source = board + event("SUMMARY:Pay", "DUE:20240201T120000", "STATUS:CANCELLED", kind="VTODO")
    document = read_here(put(tmp_path / "a.ics", source))
    assert document.media_type == "text/calendar"
    assert document.text == (
        "Event: Board\nWhere: Quay, pier 2\nExcept: 2024-01-19 09:00\nBring\na rope and.\n\n"
        "Task: Pay\nWhen: 2024-02-01 12:00\nStatus: cancelled"
    )


def test_what_people_have_answered_and_done_is_read() -> None:
    answered = 'ATTENDEE;CN="Ann";PARTSTAT=DECLINED:mailto:a@b.c', "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:d@e.f"
    shown = describe_invitation(event("SUMMARY:Board", "STATUS:CONFIRMED", *answered))
    assert shown == "Event: Board\nAttendees: Ann <a@b.c> (declined), d@e.f"
    task = event("SUMMARY:Pay", "STATUS:IN-PROCESS", "PERCENT-COMPLETE:50", kind="VTODO")
    assert describe_invitation(task) == "Task: Pay\nStatus: in process\nDone: 50%"
