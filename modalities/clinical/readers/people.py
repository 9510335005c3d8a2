"""Whose case a person of a record is: by a list that the site brings, or by what the record itself says."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import rows_of
from modalities.core.problems import Problem, listing, unusable

PERSON, CASE_ID = "person_id", "case_id"


def is_list(header: Sequence[str]) -> bool:
    """Whether a table says which person is which case; cases.csv may be it."""
    return {PERSON, CASE_ID} <= set(header)


def cases_in(paths: Sequence[Path]) -> dict[str, str]:
    """Person -> case, of all lists.

    Raises:
        ValueError: a person is two cases.
    """
    cases: dict[str, str] = {}
    for path in paths:
        header, *body = rows_of(path)
        if not is_list(header):
            raise unusable(f"no column {PERSON} or {CASE_ID}", "export it again", file=path.name)
        person, case = header.index(PERSON), header.index(CASE_ID)
        for line, row in enumerate(body, start=2):
            if row[person] and cases.setdefault(row[person].strip(), row[case].strip()) != row[case].strip():
                what = f"person_id {row[person]} stands for two cases"
                raise unusable(what, "keep one of them", file=path.name, where=f"line {line}")
    return cases


def case_id_of(person: str, own: str, listed: Mapping[str, str], has_list: bool) -> str:
    """The case of a person whose record names it `own`; "" where a list is there and does not have it."""
    return listed.get(person, "") if has_list else case_of(own) or ""


def merged(cases: Mapping[str, str], file: str) -> list[Problem]:
    """What is wrong where several persons are one case: the records of different people would be mixed."""
    persons = Counter(case_id for case_id in cases.values() if case_id)
    shared = [case_id for case_id, n_persons in persons.items() if n_persons > 1]
    if not shared:
        return []
    what = f"{len(shared)} cases are several persons each: {listing(shared)}"
    return [Problem(what, "keep one person a case, or give each a case id of its own", file=file)]
