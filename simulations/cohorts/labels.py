"""The label and the site of every case of a data folder; the task says which column is the label."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from modalities.core.fields import settings
from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import listing, refuse_repeated, rows_of
from modalities.core.problems import Problem, problems_of, unusable
from modalities.core.settings.task import Task


@settings
class Labels:
    """Where the label and the site of each case stand."""

    path: str = "labels/pam50.csv"
    case_id: str = "case_id"
    label: str = "pam50"
    """The label of a task that names no column of its own."""
    site: str = "site_code"
    site_name: str = "site_name"
    """What the report calls the site; the list of cases need not have it."""


def read_labels(
    folder: Path, columns: Labels, tables: Sequence[Path], task: Task, problems: list[Problem]
) -> pd.DataFrame:
    """The cases by case_id: `label` as it is written, `site` and `site_name`; problems are added to the list.

    The column that `task.label` names is looked for in the list of cases, and then in the clinical tables.
    """
    path = folder / columns.path
    try:
        header, *rows = rows_of(path)
        wanted = columns.label if task.label == Task().label else task.label
        if lacking := [name for name in (columns.case_id, columns.site) if name not in header]:
            raise unusable(
                f"no column {listing(lacking)}", "name the columns in dataset.yaml under labels", file=path.name
            )
        frame = pd.DataFrame(rows, columns=pd.Index(header))
        refuse_repeated(path, frame[columns.case_id], "cases", "keep one row a case")
        case_ids = frame[columns.case_id]
        if wanted in header:
            labels, origin = frame[wanted].str.strip(), path.name
        else:
            found, origin = _in_tables(path, tables, wanted, set(case_ids))
            labels = case_ids.map(found).fillna("")
        if problem := task.problem_of(labels):
            problems.append(replace(problem, file=origin, where=""))
    except ValueError as error:
        problems += problems_of(error)
        return pd.DataFrame()
    names = frame[columns.site_name].str.strip() if columns.site_name in header else pd.Series("", frame.index)
    known = {"label": labels, "site": frame[columns.site], "site_name": names}
    index = pd.Index(case_ids, name="case_id")
    return pd.DataFrame({name: column.to_numpy() for name, column in known.items()}, index=index)


def _in_tables(
    path: Path, tables: Sequence[Path], wanted: str, cases: Collection[str]
) -> tuple[Mapping[str, str], str]:
    """Case -> label from the clinical tables that have the column, and the names of those tables."""
    found = {table.name: rows for table in tables if wanted in (rows := rows_of(table))[0]}
    if not found:
        others = f", nor has {listing([table.name for table in tables])}" if tables else ""
        raise unusable(
            f"no column {wanted}{others}",
            "name the columns in dataset.yaml under labels, or the label's under task.label in federation.yaml",
            file=path.name,
        )
    labels: dict[str, str] = {}
    differ: set[str] = set()
    for rows in found.values():
        for case_id, label in _labels_in(rows, wanted, cases):
            differ |= {case_id} if labels.setdefault(case_id, label) != label else set()
    if differ:
        raise unusable(
            f"{wanted} of {len(differ)} cases is not the same in every row ({listing(sorted(differ))})",
            f"put one column of labels into {path.name}",
            file=", ".join(found),
        )
    return labels, ", ".join(found)


def _labels_in(rows: Sequence[Sequence[str]], wanted: str, cases: Collection[str]) -> list[tuple[str, str]]:
    """(case, label) of each row of a primary tumour; header rows and other people's rows name none of the cases."""
    header, *body = rows
    owners = [[case_of(cell) for cell in row] for row in body]
    hits = [sum(row[column] in cases for row in owners) for column in range(len(header))]
    ids = [column for column, count in enumerate(hits) if count and 2 * count >= max(hits)]
    at = header.index(wanted)
    named = [({own[column] for column in ids}, row[at].strip()) for own, row in zip(owners, body, strict=True)]
    return [(str(case_id), label) for held, label in named if None not in held for case_id in held if case_id in cases]
