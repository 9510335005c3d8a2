"""Dates as sites write them: ISO, or day and month in an order that the whole column leaves no doubt about."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from modalities.clinical.values import is_missing
from modalities.core.problems import Problem

DAY_FIRST, MONTH_FIRST = "day first", "month first"
PLACE = "sources.clinical.dates"
_TIME = r"(?:[T ].*)?"
_ISO = re.compile(rf"(\d{{4}})(?:([-/.]?)(\d{{2}})(?:\2(\d{{2}}){_TIME})?)?")
_NUMERIC = re.compile(rf"(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}}){_TIME}")
_NAMED = re.compile(rf"(\d{{1,2}})[- ]([A-Za-z]{{3}})[- ](\d{{4}}){_TIME}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Day:
    """A date; of a year or a month alone, its middle."""

    date: dt.date
    is_exact: bool = True


def read_dates(
    texts: Sequence[str], lines: Sequence[int], order: str, problems: list[Problem], *, file: str, column: str
) -> list[Day | None]:
    """The dates of one column, None where missing; what is none, and an order left open, is added to the problems."""
    readings = {said: [_day(text, said) for text in texts] for said in (DAY_FIRST, MONTH_FIRST)}
    known = [not is_missing(text) for text in texts]
    fits = {said for said, days in readings.items() if not _wrong(days, known)}
    where = f"column {column!r}"
    if not order and len(fits) == 2 and readings[DAY_FIRST] != readings[MONTH_FIRST]:
        at = next(n for n in range(len(texts)) if readings[DAY_FIRST][n] != readings[MONTH_FIRST][n])
        what = f"dates such as {texts[at].strip()!r} may have the day or the month first, and no date in it tells which"
        remedy = f"say it in site.yaml as {PLACE}: {DAY_FIRST} or {MONTH_FIRST}"
        problems.append(Problem(what, remedy, file=file, where=f"line {lines[at]}, {where}"))
        return [None] * len(texts)
    said = order or next(iter(sorted(fits)), min(readings, key=lambda name: len(_wrong(readings[name], known))))
    wrong = _wrong(readings[said], known)
    if wrong:
        place = f"line {lines[wrong[0]]}{f' and {len(wrong) - 1} more' * (len(wrong) > 1)}, {where}"
        what = f"{texts[wrong[0]].strip()!r} is no date" + f" with the {said}" * bool(
            _NUMERIC.fullmatch(texts[wrong[0]])
        )
        remedy = "write dates as year-month-day, such as 1960-04-03, or leave them empty where unknown"
        problems.append(Problem(what, remedy, file=file, where=place))
    return readings[said]


def age_on(birth: Day, day: Day) -> int:
    """Whole years; negative where the day lies before birth."""
    if birth.is_exact and day.is_exact:
        had_birthday = (day.date.month, day.date.day) >= (birth.date.month, birth.date.day)
        return day.date.year - birth.date.year - (not had_birthday)
    return int((day.date - birth.date).days // _DAYS_A_YEAR)


def iso_day(text: str) -> Day | None:
    """The day of a date that its format fixes: year first, perhaps without day or month; None if it is none."""
    return _iso(text.strip())


def _wrong(days: Sequence[Day | None], known: Sequence[bool]) -> list[int]:
    return [n for n, (day, is_known) in enumerate(zip(days, known, strict=True)) if is_known and day is None]


def _day(text: str, order: str) -> Day | None:
    cleaned = text.strip()
    if match := _NUMERIC.fullmatch(cleaned):
        first, _, second, year = match.groups()
        day, month = (first, second) if order == DAY_FIRST else (second, first)
        return _exact(int(year), int(month), int(day))
    if (match := _NAMED.fullmatch(cleaned)) and match[2].lower() in _MONTHS:
        return _exact(int(match[3]), _MONTHS.index(match[2].lower()) + 1, int(match[1]))
    return _iso(cleaned)


def _iso(text: str) -> Day | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, _, month, day = match.groups()
    if day:
        return _exact(int(year), int(month), int(day))
    middle = _exact(int(year), int(month), 15) if month else _exact(int(year), 7, 1)
    return Day(middle.date, is_exact=False) if middle else None


def _exact(year: int, month: int, day: int) -> Day | None:
    try:
        return Day(dt.date(year, month, day))
    except ValueError:
        return None
