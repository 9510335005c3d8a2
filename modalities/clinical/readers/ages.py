"""What is worked out from a table's columns of dates: age at diagnosis, and the days from the index date."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace

from modalities.clinical.dates import Day, age_on, read_dates
from modalities.clinical.harmonise import File
from modalities.clinical.readers.layout import DAYS
from modalities.clinical.values import is_missing
from modalities.core.contract import Source
from modalities.core.problems import Problem

BIRTH, DIAGNOSIS = "birth_date", "diagnosis_date"
"""What a site may map beside the dictionary's fields."""
_DATE = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}(?:[T ].*)?")
_AGE = "age, worked out from birth_date and diagnosis_date"


def with_dates(file: File, source: Source, problems: list[Problem]) -> File:
    """The file with a column more for each of the two that its columns of dates allow."""
    file = _without_dates_as_ages(file, source, problems)
    birth, diagnosis = (source.columns.get(name, "") for name in (BIRTH, DIAGNOSIS))
    if birth in file.header and diagnosis in file.header:
        births, days = (_dates(file, column, source.dates, problems) for column in (birth, diagnosis))
        columns = {**file.layout.columns, "age": (*file.layout.columns.get("age", ()), _AGE)}
        file = _wider(
            replace(file, layout=replace(file.layout, columns=columns)), _AGE, _ages(file, births, days, problems)
        )
    index = source.index
    if index.measured in file.header:
        start = diagnosis if index.date == "diagnosis" else index.date
        if start not in file.header:
            where = "sources.clinical.index.date"
            problems.append(
                Problem(f"no column {start!r}", "name the column of the index date", file=file.path.name, where=where)
            )
            return file
        starts, days = (_dates(file, column, source.dates, problems) for column in (start, index.measured))
        known = [
            str((day.date - begin.date).days) if begin and day else "" for begin, day in zip(starts, days, strict=True)
        ]
        file = _wider(replace(file, layout=replace(file.layout, days=DAYS), index=index), DAYS, known)
    return file


def _without_dates_as_ages(file: File, source: Source, problems: list[Problem]) -> File:
    """The file, without a column that site.yaml calls the age and that holds dates: said once, not cell by cell."""
    column = source.columns.get("age", "")
    cells = [row[column] for _, row in file.lines() if not is_missing(row[column])] if column in file.header else []
    if not cells or not all(_DATE.fullmatch(cell.strip()) for cell in cells):
        return file
    remedy = f"map {BIRTH} and {DIAGNOSIS} in the place of age: the age is worked out from them"
    problems.append(Problem("dates, where an age is wanted", remedy, file=file.path.name, where=f"column {column!r}"))
    columns = {field: names for field, names in file.layout.columns.items() if field != "age"}
    return replace(file, layout=replace(file.layout, columns=columns))


def _dates(file: File, column: str, order: str, problems: list[Problem]) -> list[Day | None]:
    at = list(file.header).index(column)
    first = file.n_comments + file.layout.header_rows + 1
    lines = range(first, first + len(file.body))
    return read_dates([row[at] for row in file.body], lines, order, problems, file=file.path.name, column=column)


def _ages(file: File, births: Sequence[Day | None], days: Sequence[Day | None], problems: list[Problem]) -> list[str]:
    today = dt.date.today()
    ahead = sum(day is not None and day.date > today for day in days)
    if ahead:
        what = f"{ahead} diagnoses lie in the future"
        problems.append(Problem(what, "correct the dates, or `dates` in site.yaml", file=file.path.name))
    ages = [age_on(birth, day) if birth and day else None for birth, day in zip(births, days, strict=True)]
    first = file.n_comments + file.layout.header_rows + 1
    wrong = [line for line, age in enumerate(ages, start=first) if age is not None and age < 0]
    if wrong:
        where = f"line {wrong[0]}{f' and {len(wrong) - 1} more' * (len(wrong) > 1)}"
        problems.append(Problem("diagnosed before birth", "correct one of the dates", file=file.path.name, where=where))
    return ["" if age is None or age < 0 else str(age) for age in ages]


def _wider(file: File, name: str, cells: Sequence[str]) -> File:
    """The file with one column more, named in the last row of its header alone."""
    extra = [*("" for _ in range(len(file.rows) - len(file.body))), *cells]
    extra[file.n_comments] = name
    rows = [
        [*row, cell] if at >= file.n_comments else row
        for at, (row, cell) in enumerate(zip(file.rows, extra, strict=True))
    ]
    return replace(file, rows=rows)
