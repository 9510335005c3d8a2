"""A site folder begun from a hospital's exports: what site.yaml says of them, and the case list."""

import csv
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from client.exports.case_ids import case_ids, id_columns, ids_read
from client.exports.found import Export
from modalities.core.contract import Source
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, note, unusable, warning
from modalities.core.settings.federation import Federation

_CASE_ID = "case_id"
_MOST_CLASSES = 12


@dataclass(frozen=True)
class Begun:
    """What is written, and what is to be said of it."""

    sources: str
    """The section `sources` of site.yaml."""
    cases: str
    """cases.csv."""
    problems: Sequence[Problem] = ()


def begin(site: Path, exports: Sequence[Export], federation: Federation, label: str, test_share: float) -> Begun:
    """Sources of all modalities that the exports hold, and the case list.

    Its cases are those of the tables that have to be mapped, or, where there are none, of what can be read as it is.

    `label` is the exports' column of labels, which the case list has in the exports' own words. Of the cases of each
    label, `test_share` are kept for testing; 0 leaves the split open.

    Raises:
        ValueError: no export holds a modality, or none or several have such a column of labels.
    """
    if not 0 <= test_share < 1:  # not a number is neither
        raise unusable(f"--test-share {test_share}", "a share from 0 to 0.9")
    ids = id_columns(exports)
    sources = _sources(site, exports, ids)
    if not sources:
        raise unusable(
            f"nothing that a modality reads in {listing([export.path.name for export in exports])}",
            "docs/sources says which exports can be read",
        )
    listed = case_ids(exports, ids) or ids_read(_as_sources(site, sources), federation.modalities)
    labels = _labels(exports, ids, label) if label else {}
    said = yaml.safe_dump({"sources": sources}, sort_keys=False, allow_unicode=True, width=110)
    problems = [*_unread(exports), *_without_ids(exports, ids), *_label_candidates(exports, label)]
    return Begun(said, _case_list(listed, labels, federation.task.label, test_share), problems)


def _sources(site: Path, exports: Sequence[Export], ids: Mapping[Path, str]) -> dict[str, dict]:
    by_modality: dict[str, list[Export]] = {}
    for export in exports:
        for name in export.modalities:
            by_modality.setdefault(name, []).append(export)
    found = {}
    for name, own in by_modality.items():
        paths = [os.path.relpath(path.resolve(), site.resolve()) for path in _places(own, exports)]
        named = list(dict.fromkeys(ids[export.path] for export in own if export.is_to_map and export.path in ids))
        found[name] = {"paths": paths, "columns": {_CASE_ID: named[0]} if named else {}, "case_ids": named[1:]}
        found[name] = {setting: value for setting, value in found[name].items() if value}
    return found


def _as_sources(site: Path, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, Source]:
    return {name: Source(tuple((site / path).resolve() for path in own["paths"])) for name, own in sources.items()}


def _places(own: Sequence[Export], exports: Sequence[Export]) -> list[Path]:
    """The files, or the folder where they are the only ones in it."""
    paths = [export.path for export in own]
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    below = [export.path for export in exports if folder in export.path.parents]
    return [folder] if len(paths) > 1 and below == paths and not any(export.is_to_map for export in own) else paths


def _labels(exports: Sequence[Export], ids: Mapping[Path, str], label: str) -> dict[str, str]:
    """Case -> its label as the export writes it."""
    having = [export for export in exports if label in export.columns and export.path in ids]
    if len(having) != 1:
        held = listing([export.path.name for export in having]) or "no table that lists cases"
        raise unusable(f"column {label!r} of labels: {held} has it", "name a column that one table has: --label")
    columns = having[0].columns
    return dict(zip(columns[ids[having[0].path]], columns[label], strict=True))


def _case_list(listed: Sequence[str], labels: Mapping[str, str], label_column: str, test_share: float) -> str:
    tested = _tested(listed, labels, test_share)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([_CASE_ID, label_column, "split"])
    for case_id in listed:
        split = "" if not test_share else "test" if case_id in tested else "train"
        rows.writerow([case_id, labels.get(case_id, ""), split])
    return text.getvalue()


def _tested(listed: Sequence[str], labels: Mapping[str, str], share: float) -> set[str]:
    """Of the cases of each label this share, drawn by a hash of the id: the same cases whenever it is drawn."""
    by_label: dict[str, list[str]] = {}
    for case_id in sorted(listed, key=lambda case_id: hashlib.sha256(case_id.encode()).digest()):
        by_label.setdefault(labels.get(case_id, ""), []).append(case_id)
    return {case_id for own in by_label.values() for case_id in own[: round(share * len(own))]}


def _unread(exports: Sequence[Export]) -> list[Problem]:
    left = [export.path.name for export in exports if not export.modalities]
    if not left:
        return []
    return [note(f"{len(left)} files that no modality reads: {listing(left)}", "docs/sources says what can be read")]


def _without_ids(exports: Sequence[Export], ids: Mapping[Path, str]) -> list[Problem]:
    remedy = "name the column of case ids in site.yaml as columns.case_id"
    return [
        warning("no column that holds another id in every row", remedy, file=export.path.name)
        for export in exports
        if export.is_to_map and export.path not in ids
    ]


def _label_candidates(exports: Sequence[Export], label: str) -> list[Problem]:
    """Where no column of labels was named: those that could be one."""
    if label:
        return []
    columns = {
        name: sorted({*cells} - {""})
        for export in exports
        if export.is_to_map
        for name, cells in export.columns.items()
        if 1 < len({*cells} - {""}) <= _MOST_CLASSES
    }
    few = [
        f"{name!r} ({', '.join(words)})" for name, words in columns.items() if any(c.isalpha() for c in "".join(words))
    ]
    what = "the case list has no labels: fill them in, or begin anew with --label COLUMN"
    return [note(what + f"; columns of few words are {listing(few)}" * bool(few))]
