"""Checks of a site's cases.csv beyond what stops a study: splits, labels by class, and who the ids point at."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from client.check.identifiers import check_identifiers
from modalities.core.files.spelling import cleaned
from modalities.core.files.tables.delimited import listing, rows_of
from modalities.core.problems import Problem, note, warning
from modalities.core.pseudonyms import Pseudonyms
from modalities.core.settings.federation import Task
from modalities.core.settings.site import SITE_FILE, Policy
from modalities.core.site.cases import NO_LABEL, ids_in, read_cases


def check_cases(
    path: Path,
    task: Task,
    policy: Policy,
    only_evaluates: bool = False,
    own_labels: Mapping[str, str] | None = None,
    pseudonyms: Pseudonyms | None = None,
) -> tuple[pd.DataFrame | None, list[Problem]]:
    """The case list, one row a case even where some are listed twice, and what is to say about it; None: unreadable.

    Of a site that only evaluates, every case is a test case. `own_labels` is the section `labels` of its site.yaml.
    """
    problems: list[Problem] = []
    cases, dropped = read_cases(path, task, problems, own_labels or {}, pseudonyms)
    if cases.empty:
        return None, problems
    are_known = not any(problem.where == f"column {task.label}" for problem in problems)
    problems += _unmet_labels(path, task, own_labels or {})
    problems += check_identifiers(path.name, list(cases.index))
    problems += _same_but_for_spelling(path.name, ids_in(path))
    cases = cases[~cases.index.duplicated() & (cases.index != "")]
    if only_evaluates:
        cases = cases.assign(split="test")
        return cases, problems + _left_out(path.name, dropped, task, "") + _nothing_to_score(path.name, cases, task)
    problems += _split_problems(path, cases) + _label_problems(path.name, cases, dropped, task, policy, are_known)
    return cases, problems


def spelling(case_id: str) -> str:
    """What is left of an id without case, signs and leading zeros."""
    return "".join(character for character in case_id.casefold() if character.isalnum()).lstrip("0")


def training_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """The labelled cases of the training split."""
    return cases[(cases["split"] == "train") & (cases["label"] != NO_LABEL)]


def scored_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """The labelled cases of the other one."""
    return cases[(cases["split"] == "test") & (cases["label"] != NO_LABEL)]


def _same_but_for_spelling(file: str, case_ids: list[str]) -> list[Problem]:
    spelled: dict[str, set[str]] = {}
    for case_id in case_ids:
        spelled.setdefault(spelling(case_id), set()).add(case_id)
    alike = [" and ".join(sorted(own)) for key, own in spelled.items() if key and len(own) > 1]
    if not alike:
        return []
    what = f"case ids that differ in spelling only: {listing(alike)}"
    return [warning(what, "if they are one patient, keep one row", file=file, where="column case_id")]


def _unmet_labels(path: Path, task: Task, own_labels: Mapping[str, str]) -> list[Problem]:
    """Labels that site.yaml maps and no case has: misspelled, or left from another list."""
    header, *rows = rows_of(path)
    held = {cleaned(row[header.index(task.label)]): row[header.index(task.label)].strip() for row in rows}
    gone = [repr(label) for label in own_labels if cleaned(label) not in held]
    if not gone:
        return []
    what = f"mapped, but no case in {path.name} has it: {listing(gone)}"
    remedy = f"correct or delete these lines; there is {listing(sorted(filter(None, held.values())))}"
    return [Problem(what, remedy, file=SITE_FILE, where="labels")]


def _split_problems(path: Path, cases: pd.DataFrame) -> list[Problem]:
    header, *rows = rows_of(path)
    where, remedy = "column split", "write train or test, so that every study tests on the same cases"
    if "split" not in header:
        return [warning("no column split: every case is used for training", remedy, file=path.name, where=where)]
    blank = sum(not row[header.index("split")].strip() for row in rows)
    found = []
    if blank:
        what = f"{blank} of {len(rows)} cases have no split: they are used for training"
        found.append(warning(what, remedy, file=path.name, where=where))
    if not (cases["split"] == "test").any():
        what = "no case is kept for testing: the study is not scored at this site"
        found.append(note(what, file=path.name, where=where))
    return found


def _label_problems(
    file: str, cases: pd.DataFrame, dropped: dict[str, int], task: Task, policy: Policy, are_known: bool
) -> list[Problem]:
    """`are_known`: whether every label is one of the task's; else how many there are of each class is not known yet."""
    where, found = f"column {task.label}", _left_out(file, dropped, task, " of training")
    counts = Counter(training_cases(cases)["label"])
    absent = [name for index, name in enumerate(task.classes) if not counts[index]]
    if not counts:
        none = Problem("no labelled case for training", "fill in the labels", file=file, where=where)
        return [*found, *[none] * are_known]
    if absent:
        what = f"no case for training of class {', '.join(absent)}"
        found.append(warning(what, "check that it is so; the others' cases teach that class", file=file, where=where))
    small = [
        f"{name} {counts[index]}" for index, name in enumerate(task.classes) if 0 < counts[index] < policy.min_cell
    ]
    if small:
        what = f"fewer than min_cell = {policy.min_cell} cases for training: {', '.join(small)}"
        found.append(
            note(what, f"each of these counts leaves the site as {policy.min_cell / 2:g}", file=file, where=where)
        )
    return found


def _left_out(file: str, dropped: dict[str, int], task: Task, of: str) -> list[Problem]:
    where = f"column {task.label}"
    return [
        note(f"{count} cases {_why(label)}: they are left out{of}", file=file, where=where)
        for label, count in dropped.items()
    ]


def _nothing_to_score(file: str, cases: pd.DataFrame, task: Task) -> list[Problem]:
    """Of a site that only evaluates."""
    if len(scored_cases(cases)):
        return []
    return [Problem("no labelled case to evaluate with", "fill in the labels", file=file, where=f"column {task.label}")]


def _why(label: str) -> str:
    return f"have the label {label}, which the task drops" if label else "have no label"
