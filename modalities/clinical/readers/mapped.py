"""Any other table, read through `sources.<modality>.columns` of site.yaml: the dictionary's field -> its column."""

import difflib
from collections.abc import Mapping, Sequence

from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.readers.ages import BIRTH, DIAGNOSIS
from modalities.clinical.readers.layout import Layout, Row
from modalities.core.contract import Source
from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import listing
from modalities.core.hooks import MAPPED
from modalities.core.problems import Problem

NAME = MAPPED
CASE_ID = "case_id"
FIELDS = (CASE_ID, BIRTH, DIAGNOSIS, *BY_NAME)
"""What columns may be mapped to."""
_PLACE = "sources.clinical.columns"


def layout(columns: Mapping[str, str]) -> Layout:
    """The layout of a table with these columns; its case ids stand in `case_id` unless that is mapped too."""
    id_column = columns.get(CASE_ID, CASE_ID)

    def case_of_row(row: Row) -> str | None:
        return case_of(row[id_column])

    return Layout(NAME, frozenset({id_column}), fields_of(columns), case_of_row)


def columns_for(header: Sequence[str], source: Source) -> Mapping[str, str]:
    """The mapping for a table with this header: of several columns of case ids, the one that it has."""
    known = (source.columns.get(CASE_ID, CASE_ID), *source.case_ids)
    named = next((name for name in known if name in header), known[0])
    return {**source.columns, CASE_ID: named} if source.columns or source.case_ids else {}


def fields_of(columns: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The mapped fields of the dictionary."""
    return {field: (column,) for field, column in columns.items() if field in BY_NAME}


def problems_of(columns: Mapping[str, str], headers: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Mapped fields that the dictionary lacks, and mapped columns that none of the files (name -> header) has."""
    known, held = FIELDS, {name for header in headers.values() for name in header}
    problems = [
        Problem(f"the dictionary has no field {field!r}", nearest(field, known), where=_PLACE)
        for field in columns
        if field not in known
    ]
    dates = {columns.get(name, "") for name in (BIRTH, DIAGNOSIS)}
    if BIRTH in columns and not any(dates <= {*header} for header in headers.values()):
        what = "no table has both birth_date and diagnosis_date, so no age can be worked out"
        remedy = "map diagnosis_date to a column of the same table, or take birth_date out"
        problems.append(Problem(what, remedy, where=f"{_PLACE}.{BIRTH}"))
    for field, column in columns.items():
        if column not in held:
            what = f"no column {column!r} in {listing(list(headers))}"
            problems.append(Problem(what, nearest(column, held), where=f"{_PLACE}.{field}"))
    return problems


def nearest(name: str, known: Sequence[str] | set[str]) -> str:
    """What to do about an unknown name: the one that is like it, or all there are."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"it has {listing(sorted(known))}"
