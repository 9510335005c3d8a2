"""Checks of a site's cases.csv beyond what stops a study: splits, labels by class, and who the ids point at."""

from collections import Counter
from pathlib import Path

import pandas as pd

from client.check.findings import Finding, findings_of
from client.check.identifiers import check_identifiers
from modalities.core.files.delimited import listing, rows_of
from modalities.core.settings.federation import Task
from modalities.core.settings.site import Policy
from modalities.core.site.cases import NO_LABEL, read_cases

_COLUMN_OF = {"labels outside": "{label}", "split must": "split", "cases listed": "case_id", "no case_id": "case_id"}


def check_cases(path: Path, task: Task, policy: Policy) -> tuple[pd.DataFrame | None, list[Finding]]:
    """The case list, one row a case even where some are listed twice, and what is to say about it; None: unreadable."""
    problems: list[str] = []
    cases, dropped = read_cases(path, task, problems)
    found = [_with_column(finding, task) for problem in problems for finding in findings_of(problem, path.name)]
    if cases.empty:
        return None, found
    found += check_identifiers(path.name, list(cases.index))
    found += _same_but_for_spelling(path.name, list(cases.index))
    cases = cases[~cases.index.duplicated() & (cases.index != "")]
    found += _split_findings(path, cases) + _label_findings(path.name, cases, dropped, task, policy)
    return cases, found


def spelling(case_id: str) -> str:
    """What is left of an id without case, signs and leading zeros."""
    return "".join(character for character in case_id.casefold() if character.isalnum()).lstrip("0")


def training_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """The labelled cases of the training split."""
    return cases[(cases["split"] == "train") & (cases["label"] != NO_LABEL)]


def _with_column(finding: Finding, task: Task) -> Finding:
    column = next((name for start, name in _COLUMN_OF.items() if finding.what.startswith(start)), "")
    where = finding.where or (f"column {column.format(label=task.label)}" if column else "")
    return Finding(finding.level, finding.what, finding.remedy, finding.file, where)


def _same_but_for_spelling(file: str, case_ids: list[str]) -> list[Finding]:
    spelled: dict[str, set[str]] = {}
    for case_id in case_ids:
        spelled.setdefault(spelling(case_id), set()).add(case_id)
    alike = [" and ".join(sorted(own)) for key, own in spelled.items() if key and len(own) > 1]
    if not alike:
        return []
    what = f"case ids that differ in spelling only: {listing(alike)}"
    return [Finding("warning", what, "if they are one patient, keep one row", file, "column case_id")]


def _split_findings(path: Path, cases: pd.DataFrame) -> list[Finding]:
    header, *rows = rows_of(path, ",")
    where, remedy = "column split", "write train or test, so that every study tests on the same cases"
    if "split" not in header:
        return [Finding("warning", "no column split: every case is used for training", remedy, path.name, where)]
    blank = sum(not row[header.index("split")].strip() for row in rows)
    found = []
    if blank:
        what = f"{blank} of {len(rows)} cases have no split: they are used for training"
        found.append(Finding("warning", what, remedy, path.name, where))
    if not (cases["split"] == "test").any():
        what = "no case is kept for testing: the study is not scored at this site"
        found.append(Finding("note", what, "", path.name, where))
    return found


def _label_findings(
    file: str, cases: pd.DataFrame, dropped: dict[str, int], task: Task, policy: Policy
) -> list[Finding]:
    where = f"column {task.label}"
    found = [
        Finding("note", f"{count} cases {_why(label)}: they are left out of training", "", file, where)
        for label, count in dropped.items()
    ]
    counts = Counter(training_cases(cases)["label"])
    absent = [name for index, name in enumerate(task.classes) if not counts[index]]
    if not counts:
        return [*found, Finding("error", "no labelled case for training", "fill in the labels", file, where)]
    if absent:
        what = f"no case for training of class {', '.join(absent)}"
        found.append(Finding("warning", what, "check that it is so; the others' cases teach that class", file, where))
    small = [
        f"{name} {counts[index]}" for index, name in enumerate(task.classes) if 0 < counts[index] < policy.min_cell
    ]
    if small:
        what = f"fewer than min_cell = {policy.min_cell} cases for training: {', '.join(small)}"
        found.append(
            Finding("note", what, f"each of these counts leaves the site as {policy.min_cell / 2:g}", file, where)
        )
    return found


def _why(label: str) -> str:
    return f"have the label {label}, which the task drops" if label else "have no label"
