"""Writes the sample documents: a handbook, a manual, a price list and a policy page of a company that does not exist.

    python data/make_samples.py [FOLDER]          FOLDER defaults to data/sample/documents

Larkmere Hive Instruments and every person, place, product and number here are invented. Rules for different groups are
similar and differ in their numbers on purpose, so that a wrong passage gives a wrong answer. The output is
reproducible: the same library versions write the same bytes, with fixed dates and ids, and the zip entries of DOCX and
XLSX have a fixed time.

The questions in `data/sample/questions.jsonl` are edited by hand; `tests/test_sample_data.py` reports which of their
quotes a change to these texts has broken.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import docx
import openpyxl
from docx.oxml import OxmlElement
from docx.shared import Pt
from openpyxl.styles import Alignment, Font, PatternFill
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    FrameBreak,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)
from reportlab.platypus import Table as PdfTable
from reportlab.platypus.tableofcontents import TableOfContents

COMPANY = "Larkmere Hive Instruments"
WRITTEN = datetime(2026, 1, 5, 9, 0, 0)
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
DEFAULT_FOLDER = Path(__file__).resolve().parent / "sample" / "documents"


# --- What the documents say: blocks of text, in order ---------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """A heading; `level` 1 is a chapter."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list; it is numbered where the order matters."""

    items: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Warn:
    """A warning, set apart from the text."""

    text: str


@dataclass(frozen=True, slots=True)
class SampleGrid:
    """A table. The first row names the columns; `widths` are relative column widths."""

    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NextColumn:
    """A column break."""


Block = Head | Prose | Items | Warn | SampleGrid | NextColumn

HANDBOOK: tuple[tuple[Block, ...], ...] = (
    (
        Head(1, "1 Welcome"),
        Head(2, "1.1 Who we are"),
        Prose(
            "Larkmere Hive Instruments was founded in 2009 by the beekeeper Orla Tiernan and the metrologist Matthias "
            "Brandt. They wanted to know what a hive weighs without lifting it. Today 84 people build the Combline "
            "hive scale and the Skep gateway, and keep the readings of about 19,000 hives in eleven countries safe."
        ),
        Prose(
            "We work at two places. Offices, workshop and calibration room are at Mill Quay in Ballyrowan. Our field "
            "station at Dunfallow, 23 kilometres inland, keeps 140 hives on which every new product spends at least "
            "one full season before it is sold."
        ),
        Head(2, "1.2 Who this handbook is for"),
        Prose(
            "The handbook applies to all employees, full-time and part-time, and to apprentices. Contractors and "
            "agency workers follow chapters 8 and 9 only; everything else is settled in their contracts. Where a rule "
            "names a group, it means the following:"
        ),
        Items(
            (
                "Office staff: everyone in development, sales, support, finance and the people team.",
                "Workshop staff: assembly, calibration, stores and dispatch.",
                "Field technicians: everyone whose contract names the Dunfallow field station as place of work.",
                "Apprentices: anyone in the first three years of a registered apprenticeship, wherever they work.",
            )
        ),
        Head(2, "1.3 How to read it"),
        Prose(
            "The word must marks a rule that has no exception unless the rule itself names one. The word should marks "
            "a rule from which a team lead may depart for a good reason. Examples are set in brackets and are not "
            "rules."
        ),
        Head(3, "Changes"),
        Prose(
            "The people team announces each change at least 30 days before it takes effect and lists it in the "
            "revision history at the end of chapter 10. If a contract of employment says something else, the version "
            "that is better for the employee applies."
        ),
        Head(3, "Questions"),
        Prose(
            "Ask the people team on extension 204, or leave a note in the blue box beside the canteen. Notes are read "
            "every Monday and answered on the notice board, without names."
        ),
    ),
    (
        Head(1, "2 Working hours"),
        Head(2, "2.1 Office staff"),
        Prose(
            "A full week for office staff has 36 hours. Everyone is reachable during the core hours from 10:00 to "
            "15:00, Monday to Thursday; there are no core hours on Friday. The remaining hours may be worked at any "
            "time between 07:00 and 19:00. A working-time balance may run from minus 12 to plus 30 hours; anything "
            "above is brought down within the following quarter."
        ),
        Head(2, "2.2 Workshop staff"),
        Prose(
            "A full week for workshop staff has 37.5 hours in two shifts. The early shift runs from 06:30 to 14:30, "
            "the late shift from 13:30 to 21:30, each with an unpaid break of 30 minutes. The shared hour is meant for "
            "handing over. Shift plans are published four weeks ahead; a swap needs the consent of both colleagues and "
            "of the shift lead."
        ),
        Head(2, "2.3 Field technicians"),
        Prose(
            "Bees do not keep office hours. Field technicians work 1,720 hours a year, averaged over 16 weeks. In "
            "swarm season, from 15 April to 31 July, a week may have up to 46 hours; outside the season the limit is "
            "40 hours. Between two days of work there must be 11 hours of rest, also in swarm season."
        ),
        Head(2, "2.4 Overtime"),
        Prose("Overtime must be approved by the team lead before it is worked. It is made good as follows:"),
        Items(
            (
                "Office staff take time off in lieu within 8 weeks; overtime is not paid out.",
                "Workshop staff are paid 1.4 times the hourly rate, and 2 times on Sundays and public holidays.",
                "Field technicians choose between time off within 16 weeks and pay at 1.25 times the hourly rate.",
                "Apprentices must not work overtime.",
            )
        ),
        Head(2, "2.5 On-call duty"),
        Prose(
            "Two people from the platform team share on-call duty for the data service, each for one week at a time. "
            "They are paid €180 for a week on call, and €260 if the week contains a public holiday. A call at night "
            "must be answered within 25 minutes. Nobody is on call for more than 10 weeks a year. The field station "
            "has no on-call duty in winter, from 1 November to the end of February."
        ),
    ),
    (
        Head(1, "3 Leave"),
        Head(2, "3.1 Annual leave"),
        Prose(
            "Office staff have 26 days of annual leave, workshop staff 27 days and field technicians 29 days, each for "
            "a five-day week and in addition to public holidays. Apprentices have 25 days. Part-time employees have "
            "the same number of weeks. After every five years of service one day is added, up to three days in all."
        ),
        Head(3, "Asking for leave"),
        Prose(
            "Leave of three days or more is requested at least 14 days ahead, shorter leave at least 2 working days "
            "ahead. The team lead answers within 3 working days; a request that is not answered by then is granted. "
            "Field technicians take no more than 4 consecutive days of leave in swarm season."
        ),
        Head(3, "Carrying leave over"),
        Prose(
            "Office staff and apprentices may carry over up to 6 unused days, which must be taken by 31 March of the "
            "following year. Workshop staff may carry over up to 4 unused days, to be taken by 31 January. Field "
            "technicians may carry over up to 9 unused days, to be taken by 31 October. Days that are not taken by "
            "then lapse, unless illness or parental leave was the reason."
        ),
        Head(2, "3.2 Sickness"),
        Prose(
            "Office staff report sick to their team lead by 09:30. Workshop staff report sick to the shift lead at "
            "least 60 minutes before the shift begins. A medical certificate is needed from the fourth calendar day of "
            "absence. Full pay continues for 9 weeks in any 12 months and half pay for a further 7 weeks. For "
            "apprentices full pay continues for 12 weeks."
        ),
        Head(2, "3.3 Compassionate leave"),
        Prose(
            "On the death of a partner, child, parent or sibling, employees have 5 days of paid leave, and 2 days for "
            "any other relative or a close friend. For the sudden care of a dependant there are up to 3 paid days a "
            "year."
        ),
        Head(2, "3.4 Volunteering and unpaid leave"),
        Prose(
            "Employees may spend 2 paid days a year on volunteer work for a registered charity. Lifeboat and fire "
            "service volunteers have 6 paid days a year. Unpaid leave of up to 3 months is possible after 4 years of "
            "service and is requested at least 5 months ahead."
        ),
    ),
    (
        Head(1, "4 Parental leave"),
        Prose(
            "This chapter applies from the first day of employment unless a section says otherwise. All periods are "
            "counted in calendar weeks, and weeks of leave count as service."
        ),
        Head(2, "4.1 Birth parent"),
        Prose(
            "The birth parent has 26 weeks of leave. After 12 months of service the first 18 weeks are paid in full "
            "and the remaining 8 weeks at 60 per cent. With less than 12 months of service the first 10 weeks are paid "
            "in full; the rest is unpaid, and the statutory benefit is not reduced by what we pay. Leave may begin up "
            "to 6 weeks before the expected date of birth."
        ),
        Head(2, "4.2 Second parent"),
        Prose(
            "The second parent has 7 weeks of leave at full pay, taken in one or two blocks within 10 months of the "
            "birth. A block is at least 2 weeks long. The people team needs to know the dates of the first block 4 "
            "weeks ahead, and those of the second block 6 weeks ahead."
        ),
        Head(2, "4.3 Adoption and fostering"),
        Prose(
            "The primary adopter has 22 weeks of leave from the day the child arrives, of which 16 weeks are paid in "
            "full and the remaining 6 weeks at 60 per cent. The second adopter has the leave of a second parent. "
            "Foster parents have 8 paid days for each child who is placed with them for more than 3 months."
        ),
        Head(2, "4.4 Staying in touch"),
        Prose(
            "During leave an employee may work up to 8 days, paid in addition, without ending the leave. Nobody is "
            "asked to do so. Vacant posts are sent by letter to everyone on parental leave."
        ),
        Head(2, "4.5 Coming back"),
        Prose(
            "For the first 5 weeks after at least 14 weeks of parental leave, employees work 80 per cent of their "
            "hours at full pay. They return to the same post; if the post no longer exists, to one of equal pay at the "
            "same place of work. A quiet room for nursing and expressing milk is on the first floor at Mill Quay, room "
            "1.07. A lockable fridge stands in the same room."
        ),
        Head(3, "Part-time work"),
        Prose(
            "Until the child's eighth birthday parents may ask to reduce their hours to not less than 18 a week. The "
            "request is answered in writing within 20 working days, and a refusal gives its reasons."
        ),
    ),
    (
        Head(1, "5 Remote work"),
        Head(2, "5.1 How often"),
        Prose(
            "After probation office staff may work remotely up to 3 days a week. During the six months of probation it "
            "is one day a week. Tuesday is the common day at Mill Quay: nobody in the office works remotely on a "
            "Tuesday without the consent of the team lead. Workshop staff may work remotely for 2 days a month to "
            "review calibration records. Field technicians and apprentices do not work remotely."
        ),
        Head(2, "5.2 From abroad"),
        Prose(
            "Office staff may work from another country of the European Union, from Iceland, Norway or Switzerland for "
            "up to 20 working days in a calendar year. From any other country remote work needs the written approval "
            "of a director and is limited to 8 working days. The request reaches the people team 21 days ahead, so "
            "that insurance and tax can be settled."
        ),
        Head(2, "5.3 Equipment and costs"),
        Prose(
            "The company lends a laptop, a headset and one screen. Those who work remotely at least 2 days a week "
            "receive €320 once for a desk and chair, and €22 a month for electricity and internet access. Those who "
            "work remotely one day a week receive €9 a month. The allowance for a desk and chair is repaid in half if "
            "the employee leaves within 12 months."
        ),
        Head(2, "5.4 Rules for the day"),
        Items(
            (
                "The core hours of section 2.1 apply at home as well.",
                "Customer data is not worked on in cafés, trains or other public places, even with a privacy screen.",
                "Printed papers with customer data come back to Mill Quay to be shredded.",
                "Prototypes leave the site only with a loan slip signed by the head of development.",
            )
        ),
        Head(2, "5.5 Ending the arrangement"),
        Prose(
            "Either side may end remote work with 4 weeks' notice. For a breach of chapter 8 the team lead may end it "
            "at once. Remote work is no substitute for sick leave: who is ill reports sick, and who looks after a sick "
            "child takes the days of section 3.3."
        ),
    ),
    (
        Head(1, "6 Expenses and travel"),
        Head(2, "6.1 Claiming expenses"),
        Prose(
            "Expenses are claimed within 45 days. A receipt is needed for every item above €15. Claims approved by the "
            "18th of a month are paid with that month's salary. Holders of a company card file their receipts within "
            "10 days of each payment; a card with receipts outstanding for more than 30 days is blocked."
        ),
        Prose(
            "A team lead may approve up to €250 for each claim, a head of department up to €2,000. Anything above "
            "needs a director. Nobody approves their own claim."
        ),
        Head(2, "6.2 Getting there"),
        Prose(
            "Trains are booked in second class, and in first class when the journey takes more than 4 hours. Flights "
            "are booked in economy, and in premium economy when the flight takes more than 7 hours. For journeys under "
            "500 kilometres we do not fly. A private car is paid at €0.41 a kilometre, a motorcycle at €0.24 and a "
            "bicycle at €0.15."
        ),
        Head(2, "6.3 Per-diem rates"),
        Prose(
            "The full rate applies to each day of 24 hours away, the part-day rate to absences of 8 to 24 hours. "
            "Breakfast that is provided reduces the rate by 20 per cent, lunch or dinner by 35 per cent each. For "
            "countries that are not in the table, the finance team sets a rate before the journey."
        ),
        SampleGrid(
            (
                ("Country", "Full day (EUR)", "Part day (EUR)", "Hotel limit (EUR)"),
                ("Denmark", "72", "36", "195"),
                ("France", "56", "28", "165"),
                ("Germany", "52", "26", "150"),
                ("Ireland", "46", "23", "140"),
                ("Netherlands", "58", "29", "175"),
                ("Norway", "79", "40", "210"),
                ("Portugal", "44", "22", "125"),
                ("Slovenia", "41", "21", "115"),
                ("Switzerland", "84", "42", "235"),
                ("United Kingdom", "63", "32", "185"),
            ),
            (2.2, 1.5, 1.5, 1.7),
        ),
        Prose(
            "Hotel limits are for one night with taxes and without breakfast. In the weeks of a trade fair the limit "
            "rises by 40 per cent. Field technicians who sleep at the Dunfallow bunkhouse receive €12 a night and no "
            "per diem."
        ),
    ),
    (
        Head(1, "7 Training"),
        Head(2, "7.1 Budget"),
        Prose(
            "Every employee has €1,350 a year for courses, books and conferences. For contracts of less than 20 hours "
            "a week it is €850. Apprentices have €300 a year for books; their course fees are paid by the company and "
            "do not count. What is not spent by 31 December lapses, but two colleagues of one team may pool their "
            "budgets."
        ),
        Head(2, "7.2 Study days"),
        Prose(
            "There are 5 paid study days a year. Those who sit an examination that is recognised by the state have 3 "
            "more days in the month before it. Study days are not carried over. Travel to a course is paid under "
            "chapter 6 and does not count against the budget."
        ),
        Head(2, "7.3 Repayment"),
        Prose(
            "A course that costs more than €2,400 is covered by a written agreement. Employees who leave of their own "
            "accord within 18 months of its end repay one eighteenth of the price for each month that is missing. "
            "Courses that the company has ordered are never repaid."
        ),
        Head(2, "7.4 The bee course"),
        Prose(
            "In their first season all new employees take part in a two-day beekeeping course at Dunfallow. It is "
            "working time. Those who are allergic to bee venom are exempt on presenting a medical note and spend the "
            "two days in the calibration room instead. Veil, gloves and boots are lent by the field station."
        ),
        Head(2, "7.5 Courses that must be repeated"),
        SampleGrid(
            (
                ("Course", "Who", "Repeated every"),
                ("Fire safety", "everyone", "12 months"),
                ("Data protection", "office staff and field technicians", "24 months"),
                ("Fork-lift truck", "stores and dispatch", "36 months"),
                ("Anaphylaxis first aid", "field technicians", "6 months"),
                ("Soldering and solvents", "assembly", "18 months"),
            ),
            (1.6, 2.4, 1.2),
        ),
        Prose(
            "The people team sends a reminder 40 days before a certificate runs out. Without a valid certificate the "
            "work in question must not be done."
        ),
    ),
    (
        Head(1, "8 Information security"),
        Head(2, "8.1 Passwords and keys"),
        Prose(
            "Passwords for personal accounts have at least 14 characters, those for service accounts at least 24. They "
            "are kept in the company's password manager and nowhere else. Personal passwords are not changed on a "
            "schedule; passwords of service accounts are changed every 180 days. Each employee has two hardware keys "
            "for the second factor: one to carry and one in the safe of the people team."
        ),
        Head(2, "8.2 Devices"),
        Prose(
            "Laptops lock after 5 minutes without input, screens in the workshop after 15 minutes. Security updates "
            "are installed within 7 days, and within 48 hours if the security desk calls them critical. Private phones "
            "may be used for the second factor and the calendar, not for customer data."
        ),
        Head(2, "8.3 Loss and incidents"),
        Prose(
            "A lost or stolen device must be reported to the security desk on extension 313 within 2 hours, at any "
            "time of day. A suspicious e-mail should be forwarded within the same working day. The data protection "
            "officer, Ines Kovalar, decides within 24 hours whether an incident is notified to the authority."
        ),
        Head(2, "8.4 Classes of information"),
        Items(
            (
                "Open: what stands on our website and in our manuals.",
                "Internal: plans, prices under negotiation, this handbook.",
                "Confidential: names of customers, readings of their hives, source code.",
                "Sealed: the exact location of hives and calibration keys. A location tells thieves where to go.",
            )
        ),
        Prose("Sealed information is opened only on company devices and is never sent by e-mail, not even encrypted."),
        Head(2, "8.5 How long we keep data"),
        Prose(
            "Readings of hives are kept for 6 years, because beekeepers compare seasons. Locations of hives are "
            "deleted 60 days after a contract ends. Applications for jobs are deleted after 7 months. Backups are "
            "encrypted, stored in two places and overwritten after 90 days. A trial restore takes place every quarter."
        ),
    ),
    (
        Head(1, "9 Our two sites"),
        Prose(
            "The rules of the house differ between Mill Quay, on the left, and the Dunfallow field station, on the "
            "right. Contractors and visitors must follow them as well."
        ),
        NextColumn(),
        Head(2, "9.1 Mill Quay"),
        Head(3, "Opening hours"),
        Prose(
            "The gate is open from 06:00 to 22:00 from Monday to Friday, and from 08:00 to 13:00 on Saturday. On "
            "Sundays the building is closed; a director can lend a key."
        ),
        Head(3, "Visitors"),
        Prose(
            "Visitors are announced at reception one day ahead and wear a green badge. They are collected at the door "
            "and brought back to it. There is no limit to their number, but the calibration room takes no more than 3 "
            "people, as warmth disturbs the balances."
        ),
        Head(3, "Parking"),
        Prose(
            "There are 38 parking spaces, 6 of them with chargers of 11 kW. Chargers are free of charge until 18:00."
        ),
        Head(3, "First aid"),
        Prose(
            "A defibrillator hangs beside reception. First-aid boxes are on every floor. The first-aiders of the day "
            "are named on the screen in the canteen."
        ),
        Head(3, "Fire"),
        Prose(
            "The assembly point is the old slipway. The alarm is tested on the first Wednesday of the month at 11:00."
        ),
        Head(3, "Dogs"),
        Prose("Dogs are welcome on Fridays, on a lead, and not in the workshop or canteen."),
        NextColumn(),
        Head(2, "9.2 Dunfallow field station"),
        Head(3, "Opening hours"),
        Prose(
            "The gate is open from 07:30 to 20:00 every day in swarm season, and from 08:30 to 16:30 from Monday to "
            "Friday during the rest of the year."
        ),
        Head(3, "Visitors"),
        Prose(
            "Visitors are announced three days ahead and wear an orange badge. No more than 12 visitors may be on the "
            "site at one time. Without a veil everybody keeps a distance of 15 metres from the hives."
        ),
        Head(3, "Parking"),
        Prose("There are 9 parking spaces and no chargers. The lane to the barn stays clear for trailers."),
        Head(3, "First aid"),
        Prose(
            "Two adrenaline auto-injectors lie in the red cabinet at the honey house. They may be used by anyone with "
            "a valid anaphylaxis certificate. After a sting in the mouth or throat call the emergency number first, "
            "then the site lead on extension 377."
        ),
        Head(3, "Fire"),
        Prose(
            "The assembly point is the stone barn. Smokers for the bees are lit on gravel only, with a bucket of water "
            "within reach."
        ),
        Head(3, "Dogs"),
        Prose("Dogs must stay at home. They upset the bees."),
    ),
    (
        Head(1, "10 Conduct and leaving"),
        Head(2, "10.1 Gifts"),
        Prose(
            "Gifts from suppliers and customers may be accepted up to a value of €35. Anything above is declined or, "
            "where that would offend, handed to the people team, who raffle it for the lifeboat. Invitations to a meal "
            "may be worth up to €60. Honey from customers' hives may always be kept."
        ),
        Head(2, "10.2 Grievances"),
        Prose(
            "A grievance is put in writing to the team lead or, if it concerns the team lead, to the people team. It "
            "is answered in writing within 10 working days. An appeal goes to a director within 15 working days of the "
            "answer and is decided within 20 working days. Nobody suffers for a grievance raised in good faith."
        ),
        Head(2, "10.3 Notice periods"),
        SampleGrid(
            (
                ("Length of service", "Employees", "Team leads"),
                ("Up to 6 months", "2 weeks", "4 weeks"),
                ("6 months to 5 years", "6 weeks", "3 months"),
                ("More than 5 years", "10 weeks", "4 months"),
            ),
            (1.8, 1.2, 1.2),
        ),
        Prose(
            "The periods are the same for both sides. Apprentices may leave with 3 weeks' notice at any time. Notice "
            "is given in writing; an e-mail is enough."
        ),
        Head(2, "10.4 The last day"),
        Prose(
            "Laptop, keys, badge and borrowed veils are handed in on the last day. Accounts are closed at 17:00. "
            "Unused leave is paid out with the last salary. A reference is written within 3 weeks of being asked for. "
            "Former employees buy from the price list at 15 per cent off for 2 years."
        ),
        Head(2, "10.5 Revision history"),
        SampleGrid(
            (
                ("Edition", "In force from", "What changed"),
                ("5", "1 February 2024", "Chapter 9 added; hotel limits raised"),
                ("6", "1 March 2025", "Leave of the second parent raised from 5 to 7 weeks"),
                ("7", "1 February 2026", "Remote work from abroad extended from 15 to 20 days"),
            ),
            (0.7, 1.3, 3.2),
        ),
    ),
)

MANUAL: tuple[Block, ...] = (
    Head(1, "1 Safety"),
    Prose(
        "The Combline 4 weighs a beehive where it stands and sends the weight, the temperature and the sound of the "
        "colony to a Skep gateway by radio. Read this chapter before you lift a hive onto the scale."
    ),
    Warn("A full hive can weigh more than 80 kg. Lift it with two people or a hive barrow, never alone."),
    Warn("Use only the lithium cells named in chapter 7. Do not charge them, open them or throw them into a fire."),
    Items(
        (
            "Do not stand on the scale. The load cells are damaged by shocks even below the rated load.",
            "Keep the scale away from children and from grazing animals.",
            "Do not clean the scale with a pressure washer.",
            "Wear a veil when you work at an occupied hive.",
        )
    ),
    Head(1, "2 What is in the box"),
    Items(
        (
            "1 Combline 4 hive scale",
            "4 levelling feet with lock nuts",
            "2 lithium cells, size D",
            "1 brood temperature probe with 1.8 m of cable",
            "1 hex key, 5 mm",
            "1 calibration certificate with the serial number of the scale",
        )
    ),
    Prose("The Skep gateway and the reference weight are sold separately."),
    Head(1, "3 Installation"),
    Head(2, "3.1 Choosing a place"),
    Prose(
        "Choose firm ground that slopes by no more than 3 degrees. The gateway may be up to 900 m away in open country "
        "and up to 250 m away in woodland. Leave 40 cm free behind the hive so that the battery drawer can be opened."
    ),
    Head(2, "3.2 Mounting the scale"),
    Items(
        (
            "Screw the four levelling feet into the corners of the frame, by hand.",
            "Set the scale on the ground with the battery drawer facing away from the flight entrance.",
            "Turn the feet until the bubble stands inside the inner ring of the spirit level.",
            "Tighten the lock nuts with the 5 mm hex key.",
            "Push the brood probe between the third and fourth frame, two thirds of the way down.",
            "Put both lithium cells into the drawer and close it until it clicks. The lamp blinks white three times.",
            "Lift the hive onto the scale and centre it; it must not touch the ground, a wall or another hive.",
        ),
        numbered=True,
    ),
    Head(2, "3.3 Pairing with the gateway"),
    Items(
        (
            "Hold the pairing button of the Skep gateway for 4 seconds until its ring turns blue.",
            "Within 90 seconds press the button of the scale twice.",
            "Wait until both lamps shine green. Pairing takes up to 2 minutes.",
            "Enter the serial number of the scale in the Larkmere app and give the hive a name.",
        ),
        numbered=True,
    ),
    Prose(
        "One Skep gateway serves up to 24 scales. A Skep Mini serves up to 8. A scale can be paired with one gateway "
        "only; pairing it with another removes it from the first."
    ),
    Head(1, "4 Calibration"),
    Prose(
        "The scale leaves the workshop calibrated. Calibrate it again every 12 months, after each move to another "
        "apiary, and whenever the empty scale shows more than 150 g. You need the reference weight of 20 kg (RW-20)."
    ),
    Items(
        (
            "Take the hive off the scale and wait 10 minutes, so that the load cells come to rest.",
            "Hold the button of the scale for 8 seconds until the lamp turns amber. The scale sets its zero.",
            "Put the reference weight in the middle of the frame and wait until the lamp blinks amber.",
            "Press the button once. The lamp turns green after about 30 seconds.",
            "Take the weight off. The app must show a weight between -40 g and +40 g.",
        ),
        numbered=True,
    ),
    Warn("Do not calibrate below 5 °C or in wind stronger than 6 m/s; the result would be wrong without any message."),
    Head(1, "5 Daily use"),
    Head(2, "5.1 Readings"),
    Prose(
        "The scale measures every 10 minutes and sends its readings once an hour. In swarm mode it measures every 2 "
        "minutes and sends every 6 minutes; the cells then last 5 months instead of 30. If the gateway cannot be "
        "reached, the scale keeps the readings of the last 21 days."
    ),
    Head(2, "5.2 What the lamp means"),
    SampleGrid(
        (
            ("Lamp", "Meaning"),
            ("Green, once a minute", "All is well"),
            ("Amber, once a minute", "Cells below 15 per cent"),
            ("Red, once a minute", "No contact with the gateway for 24 hours"),
            ("Red, twice a second", "Overload: take the hive off"),
            ("Blue, steady", "Software update; do not remove the cells"),
        ),
        (1.0, 2.0),
    ),
    Head(2, "5.3 Swarm alarm"),
    Prose(
        "The app raises a swarm alarm when the hive loses more than 1.2 kg within 15 minutes between 09:00 and 18:00. "
        "A theft alarm is raised when the weight falls below 4 kg, at any time of day."
    ),
    Head(1, "6 Maintenance"),
    Head(2, "6.1 Changing the cells"),
    Items(
        (
            "Press the button once and open the drawer within 30 seconds, or unsent readings are lost.",
            "Replace both cells at the same time.",
            "Wipe the seal of the drawer with silicone grease (SG-5).",
            "Close the drawer until it clicks and check that the lamp blinks white three times.",
        ),
        numbered=True,
    ),
    Head(2, "6.2 Cleaning"),
    Prose(
        "Scrape off wax and propolis with a wooden tool. Wash the frame with water of at most 40 °C and washing soda. "
        "After foulbrood, disinfect the frame with a gas flame for no more than 5 seconds at any spot, and replace the "
        "brood probe; it cannot be disinfected."
    ),
    Head(2, "6.3 Winter"),
    Prose("The scale may stay outside in winter. Clear snow from the frame, since 10 cm of wet snow weigh about 9 kg."),
    Head(1, "7 Technical data"),
    SampleGrid(
        (
            ("Property", "Combline 4", "Combline 4 XL"),
            ("Rated load", "150 kg", "250 kg"),
            ("Resolution", "10 g", "20 g"),
            ("Accuracy at 20 °C", "± 50 g", "± 120 g"),
            ("Frame", "420 x 420 mm", "520 x 600 mm"),
            ("Weight without cells", "5.6 kg", "8.9 kg"),
            ("Operating temperature", "-25 to +50 °C", "-25 to +50 °C"),
            ("Protection", "IP65", "IP67"),
            ("Power", "2 lithium cells, size D, 3.6 V", "4 lithium cells, size D, 3.6 V"),
            ("Life of the cells", "30 months", "36 months"),
            ("Radio", "868 MHz, 25 mW", "868 MHz, 25 mW"),
        ),
        (1.2, 1.4, 1.4),
    ),
    Head(1, "8 Troubleshooting"),
    SampleGrid(
        (
            ("What you see", "Likely cause", "What to do"),
            (
                "Weight drifts by more than 300 g a day",
                "The hive touches the ground or a plant",
                "Clear 5 cm around the frame",
            ),
            (
                "Error E12 in the app",
                "One load cell does not answer",
                "Dry the plug of the cell; if E12 stays, send the scale in",
            ),
            (
                "Error E17 in the app",
                "Brood probe not connected",
                "Push the plug in until it clicks, or replace the probe",
            ),
            (
                "Error E21 in the app",
                "Clock is off by more than 5 minutes",
                "Take the cells out for 60 seconds",
            ),
            (
                "No readings after a storm",
                "Gateway without power",
                "Check the gateway's fuse (1.6 A, slow)",
            ),
        ),
        (1.2, 1.2, 1.4),
    ),
    Prose(
        "If nothing helps, write to the support desk with the serial number and a picture of the scale from the side."
    ),
    Head(1, "9 Warranty and disposal"),
    Prose(
        "The warranty is 4 years for the scale and 2 years for the gateway, from the date of the invoice. It does not "
        "cover lithium cells, damage by animals, or a scale whose seal has been broken. Send old scales back to us "
        "free of charge; the load cells are used again for training apprentices."
    ),
)

Cell = str | int | float
SHEETS: tuple[tuple[str, tuple[tuple[Cell, ...], ...]], ...] = (
    (
        "Products",
        (
            ("SKU", "Product", "Price", "Currency", "Minimum quantity", "Lead time"),
            ("CL4-150", "Combline 4 hive scale, 150 kg", 289.95, "EUR", 1, "5 working days"),
            ("CL4-150-UK", "Combline 4 hive scale, 150 kg, UK set", 254.95, "GBP", 1, "8 working days"),
            ("CL4-250", "Combline 4 XL hive scale, 250 kg", 415.95, "EUR", 1, "12 working days"),
            ("CL4-250-UK", "Combline 4 XL hive scale, 250 kg, UK set", 364.95, "GBP", 1, "15 working days"),
            ("CL3-120", "Combline 3 hive scale, 120 kg, last stock", 198.95, "EUR", 1, "3 working days"),
            ("SK-24", "Skep gateway for 24 scales, mobile network", 348.95, "EUR", 1, "5 working days"),
            ("SK-24-S", "Skep gateway for 24 scales, solar panel", 437.95, "EUR", 1, "10 working days"),
            ("SK-08", "Skep Mini gateway for 8 scales, Wi-Fi", 128.95, "EUR", 1, "5 working days"),
            ("BP-18", "Brood temperature probe, 1.8 m cable", 24.55, "EUR", 2, "3 working days"),
            ("BP-30", "Brood temperature probe, 3.0 m cable", 31.95, "EUR", 2, "6 working days"),
            ("LC-D2", "Lithium cells, size D, pack of 2", 18.75, "EUR", 4, "3 working days"),
            ("RW-20", "Reference weight, 20 kg, with certificate", 171.95, "EUR", 1, "20 working days"),
            ("RW-10", "Reference weight, 10 kg, with certificate", 117.95, "EUR", 1, "20 working days"),
            ("LF-4", "Levelling feet, set of 4", 16.45, "EUR", 5, "3 working days"),
            ("SG-5", "Silicone grease, tube of 5 g", 3.95, "EUR", 10, "3 working days"),
            ("WC-1", "Winter cover for Combline 4", 36.95, "EUR", 3, "7 working days"),
        ),
    ),
    (
        "Discounts",
        (
            ("Discount", "Condition", "Per cent off", "Applies to"),
            ("Quantity A", "10 to 24 scales in one order", 6, "scales and gateways"),
            ("Quantity B", "25 to 99 scales in one order", 11, "scales and gateways"),
            ("Quantity C", "100 scales or more in one order", 17, "scales and gateways"),
            ("Beekeeping association", "proof of membership, up to 5 scales a year", 8, "scales only"),
            ("School or university", "order on official paper", 20, "all products, not service plans"),
            ("Early order", "ordered from 1 November to 15 January", 5, "all products"),
            ("Note", "Discounts are not added together; the highest one applies.", "", ""),
        ),
    ),
    (
        "Service plans",
        (
            ("Plan", "Price per hive and month", "Currency", "Readings kept", "Support answers within", "Alarms by"),
            ("Clover", 1.25, "EUR", "13 months", "3 working days", "app"),
            ("Heather", 2.15, "EUR", "6 years", "1 working day", "app and e-mail"),
            ("Linden", 3.45, "EUR", "6 years", "4 hours", "app, e-mail and text message"),
            ("Note", "The smallest contract is 12 months; Clover may be cancelled monthly.", "", "", "", ""),
        ),
    ),
)

POLICY_HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Returns and refunds | Larkmere Hive Instruments</title>
<meta name="description" content="How to send something back to Larkmere Hive Instruments.">
<style>
body { font-family: sans-serif; max-width: 46rem; margin: auto; }
.banner { background: #f6c445; }
</style>
<script>
  window.basket = { items: 0, currency: "EUR" };
  function trackVisit() { console.log("visit counted, basket expires in 77 minutes"); }
  trackVisit();
</script>
</head>
<body>
<header>
  <nav aria-label="Main">
    <ul>
      <li><a href="/">Home</a></li>
      <li><a href="/scales">Hive scales</a></li>
      <li><a href="/gateways">Gateways</a></li>
      <li><a href="/support">Support</a></li>
      <li><a href="/basket">Basket (0)</a></li>
    </ul>
  </nav>
</header>
<main>
<h1>Returns and refunds</h1>
<p>Valid for orders placed from 1 February 2026. Orders made through a dealer are returned to that dealer.</p>

<h2>How long you have</h2>
<h3>Private customers</h3>
<p>Private customers may return unused goods within 45 days of delivery, without giving a reason. We refund the full
price and the cost of standard delivery.</p>
<h3>Trade customers</h3>
<p>Trade customers may return unused goods within 21 days of delivery, in the original packaging. A restocking fee of
12&nbsp;per cent of the net price is kept back; for orders above &euro;5,000 the fee is 8&nbsp;per cent.</p>

<h2>What cannot be returned</h2>
<ul>
  <li>Goods that have been on or in an occupied hive, unless they are faulty. This keeps foulbrood from spreading.</li>
  <li>Scales with an engraved name or logo.</li>
  <li>Opened packs of lithium cells.</li>
  <li>Service plans that have run for more than 14 days.</li>
</ul>

<h2>How to send something back</h2>
<ol>
  <li>Ask for a return number in the app or by telephone. It is valid for 20 days.</li>
  <li>Unpair the scale from its gateway, so that the location of your hives is deleted from it.</li>
  <li>Take the lithium cells out of the scale and keep them; they must not travel with it.</li>
  <li>Write the return number on the outside of the parcel.</li>
  <li>Hand the parcel in at any post office and keep the receipt until you have been refunded.</li>
</ol>

<h2>Who pays for the return</h2>
<table>
  <caption>Cost of the return journey</caption>
  <thead>
    <tr><th>Reason</th><th>Private customers</th><th>Trade customers</th></tr>
  </thead>
  <tbody>
    <tr><td>Change of mind, order above &euro;200</td><td>free label from us</td><td>customer pays</td></tr>
    <tr><td>Change of mind, order up to &euro;200</td><td>&euro;7.90 is kept back</td><td>customer pays</td></tr>
    <tr><td>Faulty within the warranty</td><td>free label from us</td><td>free label from us</td></tr>
    <tr><td>Wrong item sent</td><td>collected at the door</td><td>collected at the door</td></tr>
  </tbody>
</table>

<h2>Damage in transit</h2>
<p>Please report damage within 6 days of delivery and send two photographs: one of the parcel and one of the goods. For
pallets the damage must be noted on the delivery slip at once.</p>

<h2>Refunds and exchanges</h2>
<p>Refunds are paid within 9 working days of the parcel's arrival, by the means of payment that was used for the order.
An exchange leaves our stores within 4 working days. For goods returned without a return number it takes 15 working days
longer.</p>
<p>Faulty scales are repaired first. If a repair takes more than 28 days, you receive a new scale of the same model, and
its warranty starts again.</p>
</main>
<aside class="banner">
  <p>Spring sale! Sign up for our newsletter.</p>
</aside>
<footer>
  <p>Larkmere Hive Instruments, Mill Quay, Ballyrowan. <a href="/imprint">Imprint</a> <a href="/privacy">Privacy</a></p>
</footer>
<script>document.querySelector(".banner").hidden = window.basket.items > 0;</script>
</body>
</html>
"""


# --- The handbook: PDF ----------------------------------------------------------------------------

MARGIN = 64.0
WIDTH, HEIGHT = A4
INK = colors.HexColor("#3a2c0f")
AMBER = colors.HexColor("#c98a12")

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10.5, leading=15, spaceAfter=8, spaceShrinkage=0)
BULLET = ParagraphStyle("bullet", parent=BODY, leftIndent=14, bulletIndent=3, spaceAfter=4)
CELL = ParagraphStyle("cell", parent=BODY, fontSize=9.5, leading=12, spaceAfter=0)
CELL_HEAD = ParagraphStyle("cell-head", parent=CELL, fontName="Helvetica-Bold", textColor=colors.white)
HEADINGS = {
    1: ParagraphStyle("h1", fontName="Helvetica-Bold", fontSize=20, leading=25, spaceAfter=10, textColor=INK),
    2: ParagraphStyle(
        "h2", fontName="Helvetica-Bold", fontSize=13, leading=17, spaceBefore=8, spaceAfter=4, textColor=INK
    ),
    3: ParagraphStyle("h3", fontName="Helvetica-BoldOblique", fontSize=10.5, leading=14, spaceBefore=3, spaceAfter=2),
}


class Handbook(BaseDocTemplate):  # type: ignore[misc]  # reportlab ships no types
    """An A4 document whose headings become bookmarks and entries of its table of contents."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            str(path),
            pagesize=A4,
            title="Employee handbook",
            author=COMPANY,
            subject="Edition 7, in force from 1 February 2026",
            lang="en-GB",
            invariant=1,
            initialFontName="Helvetica",
        )
        inner, foot = WIDTH - 2 * MARGIN, MARGIN + 4
        body_height = HEIGHT - MARGIN - foot
        top_height, gutter = 92.0, 24.0
        column = (inner - gutter) / 2
        self.addPageTemplates(
            [
                PageTemplate(
                    "title",
                    [_frame("only", MARGIN, foot, inner, body_height)],
                    onPage=_draw_cover,
                    onPageEnd=_draw_footer,
                ),
                PageTemplate("plain", [_frame("only", MARGIN, foot, inner, body_height)], onPageEnd=_draw_footer),
                PageTemplate(
                    "columns",
                    [
                        _frame("top", MARGIN, foot + body_height - top_height, inner, top_height),
                        _frame("left", MARGIN, foot, column, body_height - top_height),
                        _frame("right", MARGIN + column + gutter, foot, column, body_height - top_height),
                    ],
                    onPageEnd=_draw_footer,
                ),
            ]
        )

    def beforeDocument(self) -> None:
        """Reset the bookmark number: the document is built twice, to get the page numbers of the contents."""
        self.bookmarks = 0

    def afterFlowable(self, flowable: Flowable) -> None:
        """Add a bookmark for each heading, and an entry in the contents for the first two levels."""
        levels = {style.name: level for level, style in HEADINGS.items()}
        level = levels.get(flowable.style.name) if isinstance(flowable, Paragraph) else None
        if level is None:
            return
        self.bookmarks += 1
        key, text = f"heading-{self.bookmarks}", flowable.getPlainText()
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, level=level - 1, closed=level > 1)
        if level < 3:
            self.notify("TOCEntry", (level - 1, escape(text), self.page, key))


def _frame(name: str, x: float, y: float, width: float, height: float) -> Frame:
    return Frame(x, y, width, height, id=name, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)


def _draw_footer(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setStrokeColor(AMBER)
    canvas.line(MARGIN, 50, WIDTH - MARGIN, 50)
    canvas.setFont("Helvetica", 8)
    canvas.drawString(MARGIN, 38, f"{COMPANY} · Employee handbook · Edition 7")
    canvas.drawRightString(WIDTH - MARGIN, 38, f"Page {document.page}")
    canvas.restoreState()


def _draw_cover(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFillColor(AMBER)
    canvas.rect(0, HEIGHT - 150, WIDTH, 150, stroke=0, fill=1)
    canvas.restoreState()


def _pdf_table(grid: SampleGrid) -> PdfTable:
    head, *rows = grid.rows
    share = (WIDTH - 2 * MARGIN) / sum(grid.widths)
    cells = [[Paragraph(escape(text), CELL_HEAD) for text in head]]
    cells += [[Paragraph(escape(text), CELL) for text in row] for row in rows]
    table = PdfTable(
        cells, colWidths=[width * share for width in grid.widths], repeatRows=1, spaceAfter=9, spaceBefore=2
    )
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), INK),
                ("ROWBACKGROUNDS", (0, 1), (-1, -1), [colors.white, colors.HexColor("#fbf3e0")]),
                ("GRID", (0, 0), (-1, -1), 0.5, colors.HexColor("#b7a98a")),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("TOPPADDING", (0, 0), (-1, -1), 3),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return table


def _pdf_flowables(block: Block) -> list[Flowable]:
    match block:
        case Head(level, text):
            return [Paragraph(escape(text), HEADINGS[level])]
        case Prose(text):
            return [Paragraph(escape(text), BODY)]
        case Warn(text):
            return [Paragraph(f"<b>Warning:</b> {escape(text)}", BODY)]
        case Items(items, numbered):
            marks = [f"{number}." if numbered else "•" for number in range(1, len(items) + 1)]
            return [Paragraph(escape(text), BULLET, bulletText=mark) for text, mark in zip(items, marks, strict=True)]
        case SampleGrid():
            return [_pdf_table(block)]
        case NextColumn():
            return [FrameBreak()]


def write_handbook(path: Path) -> None:
    """Write the handbook: title page, contents, then each chapter on a page of its own, chapter 9 in two columns."""
    title = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=34, leading=42, textColor=INK)
    subtitle = ParagraphStyle("subtitle", parent=BODY, fontSize=13, leading=20)
    contents = ParagraphStyle(
        "contents", fontName="Helvetica-Bold", fontSize=20, leading=25, spaceAfter=12, textColor=INK
    )
    toc = TableOfContents()
    toc.dotsMinLevel = 0
    sides = ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")
    toc.tableStyle = TableStyle([(side, (0, 0), (-1, -1), 0) for side in sides])
    toc.levelStyles = [
        ParagraphStyle("toc1", fontName="Helvetica-Bold", fontSize=10, leading=13, spaceBefore=4),
        ParagraphStyle("toc2", fontName="Helvetica", fontSize=9, leading=11.5, leftIndent=16),
    ]
    story: list[Flowable] = [
        Spacer(1, 190),
        Paragraph("Employee handbook", title),
        Spacer(1, 18),
        Paragraph(COMPANY, subtitle),
        Paragraph("Edition 7, in force from 1 February 2026", subtitle),
        Spacer(1, 230),
        Paragraph("Issued by the people team, Mill Quay, Ballyrowan.", BODY),
        Paragraph("Larkmere Hive Instruments is invented; this handbook is a sample document.", BODY),
        NextPageTemplate("plain"),
        PageBreak(),
        Paragraph("Contents", contents),
        toc,
    ]
    for chapter in HANDBOOK:
        story.append(NextPageTemplate("columns" if NextColumn() in chapter else "plain"))
        story.append(PageBreak())
        story += [flowable for block in chapter for flowable in _pdf_flowables(block)]
    Handbook(path).multiBuild(story)


# --- The manual: DOCX -----------------------------------------------------------------------------


def _restart_numbering(document: Any) -> int:
    """A new list in the style `List Number` that starts at 1; otherwise Word continues the previous list's numbers."""
    numbering = document.part.numbering_part.element
    style_list = document.styles["List Number"].element.pPr.numPr.numId.val
    number = numbering.add_num(numbering.num_having_numId(style_list).abstractNumId.val)
    number.add_lvlOverride(ilvl=0).add_startOverride(1)
    return int(number.numId)


def _add_to_manual(document: Any, block: Block) -> None:
    match block:
        case Head(level, text):
            document.add_heading(text, level)
        case Prose(text):
            document.add_paragraph(text)
        case Warn(text):
            paragraph = document.add_paragraph(style="Intense Quote")
            paragraph.add_run("Warning: ").bold = True
            paragraph.add_run(text)
        case Items(items, numbered):
            list_id = _restart_numbering(document) if numbered else None
            for text in items:
                paragraph = document.add_paragraph(text, style="List Number" if numbered else "List Bullet")
                if list_id is not None:
                    properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()
                    properties.get_or_add_numId().val = list_id
                    properties.get_or_add_ilvl().val = 0
        case SampleGrid(rows, _):
            table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Light Grid Accent 1")
            for cells, texts in zip(table.rows, rows, strict=True):
                for cell, text in zip(cells.cells, texts, strict=True):
                    cell.text = text
            table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
            document.add_paragraph()
        case NextColumn():
            raise ValueError("the manual has no columns: remove NextColumn from MANUAL")


def write_manual(path: Path) -> None:
    """Write the manual, with heading styles, numbered lists that each start at 1, and tables."""
    document: Any = docx.Document()
    properties = document.core_properties
    properties.title, properties.author = "Combline 4 hive scale: user manual", COMPANY
    properties.comments, properties.language = "", "en-GB"
    properties.created = properties.modified = WRITTEN
    properties.last_modified_by, properties.revision = COMPANY, 1
    document.styles["Normal"].font.size = Pt(11)
    document.add_heading("Combline 4 hive scale: user manual", 0)
    document.add_paragraph("For Combline 4 and Combline 4 XL, from software 4.2. Manual edition C, January 2026.")
    for block in MANUAL:
        _add_to_manual(document, block)
    document.save(str(path))
    _fix_zip(path)


# --- The price list: XLSX -------------------------------------------------------------------------


def write_price_list(path: Path) -> None:
    """Write the price list: one sheet each for products, discounts and service plans."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    workbook.properties.title, workbook.properties.creator = "Price list, spring 2026", COMPANY
    workbook.properties.created = WRITTEN
    for name, rows in SHEETS:
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append([None if value == "" else value for value in row])
        for column, heading in enumerate(rows[0], start=1):
            cell = sheet.cell(row=1, column=column)
            cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="3A2C0F")
            widest = max(len(str(row[column - 1])) for row in rows if row[0] != "Note")
            sheet.column_dimensions[cell.column_letter].width = widest + 3
            if "Price" in str(heading):
                for number in range(2, len(rows) + 1):
                    price = sheet.cell(row=number, column=column)
                    price.number_format, price.alignment = "#,##0.00", Alignment(horizontal="right")
        sheet.freeze_panes = "A2"
    workbook.save(path)
    _fix_zip(path)


def _fix_zip(path: Path) -> None:
    """Rewrite an Office file without the time of saving, which openpyxl stores and zipfile adds to each entry."""
    with zipfile.ZipFile(path) as package:
        entries = [(name, package.read(name)) for name in package.namelist()]
    stamp = rb"\g<1>" + WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode() + rb"\g<2>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in entries:
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)", stamp, content)
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            package.writestr(entry, content)


# --- The command ----------------------------------------------------------------------------------


def write_documents(folder: Path) -> list[Path]:
    """Write all four documents into the folder, which is created where missing, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    handbook, manual = folder / "handbook.pdf", folder / "product_manual.docx"
    prices, policy = folder / "price_list.xlsx", folder / "returns_policy.html"
    write_handbook(handbook)
    write_manual(manual)
    write_price_list(prices)
    policy.write_bytes(POLICY_HTML.encode())
    return [handbook, manual, prices, policy]


def main(arguments: Sequence[str]) -> int:
    """Write the documents and print their paths. Returns 2 for a wrong command line."""
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        sys.stderr.write("usage: python data/make_samples.py [FOLDER]\n")
        return 2
    for path in write_documents(Path(arguments[0]) if arguments else DEFAULT_FOLDER):
        sys.stdout.write(f"{path} {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
