"""Outer folds from a file: the layouts of Patho-Bench, PreservedSiteCV and HistoFL, and a plain list of cases.

Sources: huggingface.co/datasets/MahmoodLab/Patho-Bench (case_id, slide_id, fold_0, fold_1, ... of train and test);
github.com/fmhoward/PreservedSiteCV (a column such as CV3 with the fold of each patient, one row a slide);
github.com/mahmoodlab/HistoFL (train, val and test side by side, a list of ids each: one split a file).
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import listing, rows_of
from modalities.core.problems import Problem, check, unusable

_CASES = ("case_id", "submitter_id", "patient", "patient_id", "case")
_TESTED = ("test",)
_TRAINED = ("train", "training", "val", "valid", "validation")
_SPLIT_COLUMN = re.compile(r"(fold|split)_\d+")
TRAINED = 0
"""The fold of a case that is never tested."""


def given_folds(path: Path, column: str, usable: pd.Index, known: pd.Index) -> pd.Series:
    """The fold, 1 to n, in which each usable case is tested; TRAINED for one that is only ever trained on.

    Args:
        path: .csv or .tsv, gzip or not.
        column: which column says the fold; without it, the only one that can.
        usable: the cases of the experiment.
        known: these, and those whose label is no class of the task.

    Raises:
        ValueError: the layout is none of those above, or a case leaks over folds, is unknown or missing: all at once.
    """
    header, *rows = rows_of(path)
    if "train" in header and "test" in header:
        said = _side_by_side(header, rows)
    else:
        said = _by_row(path, header, rows, column)
    told: dict[str, set[str]] = {}
    for case_id, fold in said:
        told.setdefault(case_id, set()).add(fold)
    leaking = sorted(case_id for case_id, folds in told.items() if len(folds) > 1)
    unknown = sorted(set(told) - set(known))
    missing = [str(case_id) for case_id in usable if case_id not in told]
    problems = {
        f"cases in more than one fold: {listing(leaking)}": "each may be tested once; give one of several splits alone"
        if leaking
        else "",
        f"cases that the data folder does not have: {listing(unknown)}": "take them out" if unknown else "",
        f"cases of the data folder that have no fold: {listing(missing)}": "add them" if missing else "",
    }
    check(Problem(what, remedy=remedy, file=path.name) for what, remedy in problems.items() if remedy)
    names = sorted({fold for folds in told.values() for fold in folds} - {""}, key=lambda name: (len(name), name))
    if not names:
        raise unusable("no case is tested", "mark the test cases", file=path.name)
    numbers = {"": TRAINED, **{name: number for number, name in enumerate(names, start=1)}}
    return pd.Series([numbers[next(iter(told[case_id]))] for case_id in usable], index=usable)


def digest_of_file(path: Path) -> str:
    """Its name and the beginning of its SHA-256: what a plan says of it."""
    return f"{path.name}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def _side_by_side(header: list[str], rows: list[list[str]]) -> Iterator[tuple[str, str]]:
    """HistoFL: a column a part of the one split."""
    for row in rows:
        for name, cell in zip(header, row, strict=True):
            if cell.strip() and name in (*_TESTED, *_TRAINED):
                yield _case(cell), "1" if name in _TESTED else ""


def _by_row(path: Path, header: list[str], rows: list[list[str]], column: str) -> list[tuple[str, str]]:
    """A row a case or slide, with its fold in a column, or train and test in one or several."""
    ids = next((name for name in _CASES if name in header), None)
    if ids is None:
        raise unusable(f"no column of cases, one of {', '.join(_CASES)}", "name it so", file=path.name)
    columns = [column] if column else _columns(header)
    if not columns or not set(columns) <= set(header) or (len(columns) > 1 and not _are_splits(columns)):
        others = [name for name in header if name != ids]
        what = f"which column says the fold? {f'no column {column}; ' if column else ''}there are {listing(others)}"
        raise unusable(what, "give its name: folds_column=NAME", file=path.name)
    said = []
    for row in rows:
        cells = {name: row[header.index(name)].strip() for name in columns}
        if any(cells.values()):
            said += [(_case(row[header.index(ids)]), fold) for fold in _folds_of(cells)]
    return said


def _columns(header: list[str]) -> list[str]:
    splits = [name for name in header if _SPLIT_COLUMN.fullmatch(name)]
    return splits or [name for name in header if name in ("fold", "split") or re.match(r"CV\d", name)]


def _are_splits(columns: list[str]) -> bool:
    return all(_SPLIT_COLUMN.fullmatch(name) for name in columns)


def _folds_of(cells: dict[str, str]) -> list[str]:
    """The folds that test the case; one blank where none does."""
    tested = []
    for name, cell in cells.items():
        if cell.lower() in _TESTED:
            tested.append(name if len(cells) > 1 else "1")
        elif cell and cell.lower() not in _TRAINED:
            tested.append(cell.removesuffix(".0"))
    return tested or [""]


def _case(cell: str) -> str:
    """The case of a case's or a TCGA slide's name."""
    name = cell.strip()
    return case_of(name.partition(".")[0]) or name if name.startswith("TCGA-") else name
