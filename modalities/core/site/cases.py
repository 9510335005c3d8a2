"""A site folder: site.yaml, cases.csv and the raw files that site.yaml names."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from modalities.core.contract import Cases, Source
from modalities.core.files.leakage import columns_that_tell
from modalities.core.files.spelling import cleaned
from modalities.core.files.tables.delimited import listing, rows_of
from modalities.core.problems import Problem, ProblemsError, check, gathering, unusable
from modalities.core.pseudonyms import Pseudonyms
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of
from modalities.core.settings.site import SITE_FILE, SiteConfig, read_site_config
from modalities.core.settings.sources import pseudonyms_of, sources_of
from modalities.core.settings.task import Task
from modalities.core.settings.training import BranchConfig

SPLITS = ("train", "test")
NO_LABEL = -1
MISSING = "missing"
"""What `labels` of site.yaml says of a label that is none."""


@dataclass(frozen=True)
class Site:
    """A site folder, opened and checked for one task."""

    name: str
    cases: pd.DataFrame
    """Indexed by case_id: `label` (class index, or NO_LABEL) and `split` (train or test; test at a site that only
    evaluates)."""
    sources: Mapping[str, Source]
    dropped: Mapping[str, int]
    """Labels left out, counted; a blank one under ''."""
    task: Task

    def read(self, modality: str, config: BranchConfig) -> Cases:
        """The modality of the cases that cases.csv lists and of whom a value is known; the others are counted.

        Raises:
            ValueError: what the reader says; no value is known of any listed case; an input is the label itself.
        """
        found = read_source(self.sources[modality], config)
        listed = [case_id for case_id in found.case_ids if case_id in self.cases.index]
        unlisted = {"cases not in cases.csv": len(found.case_ids) - len(listed)}
        kept = held(replace(found.select(listed), notes={**found.notes, **unlisted}), self.sources[modality])
        self._refuse_the_label(modality, kept)
        return kept

    def labels(self, case_ids: Sequence[str]) -> np.ndarray:
        """Class index of each case."""
        return self.cases.loc[list(case_ids), "label"].to_numpy(dtype=np.int64)

    def _refuse_the_label(self, modality: str, found: Cases) -> None:
        """Refuse inputs that are the label itself, by name or by values.

        Raises:
            LabelLeakError: some are.
        """
        if not found.features or not isinstance(found.values, np.ndarray):
            return
        leaks = label_leaks(found, self.labels(found.case_ids), self.task, file=f"site {self.name}: {modality}")
        if leaks:
            raise LabelLeakError(*leaks)


def read_source(source: Source, config: BranchConfig) -> Cases:
    """What the modality's reader finds, under the pseudonyms of a site that has them.

    Raises:
        ValueError: what the reader says.
    """
    found = plugin(config.kind).read(source, config)
    return replace(found, case_ids=tuple(map(source.called, found.case_ids)))


class LabelLeakError(ProblemsError):
    """An input is the label itself: a site goes without the modality, a simulation does not begin."""


def held(found: Cases, source: Source) -> Cases:
    """The cases of whom the modality knows at least one value.

    Raises:
        ValueError: there are cases, but none of the agreed features has a value in any of them.
    """
    kept = found.with_a_known_value()
    if found.case_ids and not kept.case_ids:
        raise unusable(
            f"none of the {len(found.features)} agreed features has a value here",
            f"compare their spelling with the file's ({listing(found.features)}), or name the file's columns under "
            "sources.<modality>.columns in site.yaml",
            file=listing([path.name for path in source.paths]),
        )
    return kept


def label_leaks(found: Cases, labels: np.ndarray, task: Task, *, file: str) -> list[Problem]:
    """Which inputs of a file are the label itself, by name or by values; none or one problem."""
    known = labels != NO_LABEL
    telling = columns_that_tell(found.values[known], labels[known], len(task.classes))
    leaks = [*task.leaks_among(found.features), *(found.features[column] for column in telling)]
    if not leaks:
        return []
    what = (
        f"{listing(list(dict.fromkeys(leaks)))} must not be inputs: task.leaks names them, or they tell a class from "
        "all others without one exception"
    )
    remedy = "leave them out (in federation.yaml, `exclude` in a clinical section, `features` in others)"
    return [Problem(what, f"{remedy} and name them under task.leaks", file=file)]


def blurred(counts: np.ndarray, min_cell: int) -> np.ndarray:
    """Counts as they may leave the site: one from 1 to below `min_cell` as half of that."""
    return np.where((counts > 0) & (counts < min_cell), min_cell / 2, counts)


def open_site(folder: Path, task: Task, config: SiteConfig | None = None) -> Site:
    """The site folder at this path; `config` is its site.yaml, where that was read before.

    Raises:
        ValueError: every problem of site.yaml and cases.csv at once.
    """
    config = config or read_site_config(folder / "site.yaml")
    problems: list[Problem] = []
    sources = sources_of(folder, config, problems)
    pseudonyms = pseudonyms_of(folder, config, [])  # what is wrong with their file is said of the sources
    cases, dropped = read_cases(folder / config.cases, task, problems, config.labels, pseudonyms)
    check(of_site(config.name, problems))
    if config.only_evaluates:
        cases = cases.assign(split="test")
    return Site(config.name, cases, sources, dropped, task)


def of_site(name: str, problems: Sequence[Problem]) -> list[Problem]:
    """The problems with the site's name, for where many sites are read."""
    return [replace(problem, file=f"site {name}: {problem.file}") for problem in problems]


def open_sources(folder: Path) -> tuple[SiteConfig, dict[str, Source]]:
    """site.yaml and the sources it names, of a site whose task nobody has said yet.

    Raises:
        ValueError: every problem of site.yaml at once.
    """
    config = read_site_config(folder / "site.yaml")
    return config, checked_sources(folder, config)


def checked_sources(folder: Path, config: SiteConfig) -> dict[str, Source]:
    """The raw files that site.yaml names.

    Raises:
        ValueError: every file that is not there, at once.
    """
    problems: list[Problem] = []
    sources = sources_of(folder, config, problems)
    check(of_site(config.name, problems))
    return sources


def case_ids_of(folder: Path, config: SiteConfig) -> list[str]:
    """The cases that the site lists, whatever else the list says.

    Raises:
        ValueError: there is no such file, or it has no column case_id; the pseudonyms cannot be read.
    """
    problems: list[Problem] = []
    pseudonyms = pseudonyms_of(folder, config, problems)
    check(problems)
    case_ids = ids_in(folder / config.cases)
    return [pseudonyms.of(case_id) for case_id in case_ids] if pseudonyms else case_ids


def ids_in(case_list: Path) -> list[str]:
    """The ids as the list has them.

    Raises:
        ValueError: there is no such file, or it has no column case_id.
    """
    header, *rows = rows_of(case_list)
    if "case_id" not in header:
        raise unusable("no column case_id", file=case_list.name)
    return [row[header.index("case_id")].strip() for row in rows]


def folds_of(site: Site, seed: int, n_folds: int, min_cell: int = 0) -> pd.Series:
    """A fold, 1 to n_folds, for every labelled training case: stratified by class, from (seed, site name).

    A site with few cases draws fewer folds, so that none is of fewer than `min_cell`: what is said of a fold is said of
    its cases.
    """
    train = site.cases[(site.cases["split"] == "train") & (site.cases["label"] != NO_LABEL)]
    n_folds = min(n_folds, max(1, len(train) // min_cell)) if min_cell else n_folds
    order = np.random.default_rng(seed_of(seed, site.name, "folds")).permutation(len(train))
    shuffled = train.iloc[order].sort_values("label", kind="stable")
    return pd.Series(np.arange(len(shuffled)) % n_folds + 1, index=shuffled.index).reindex(train.index)


def read_cases(
    path: Path,
    task: Task,
    problems: list[Problem],
    own_labels: Mapping[str, str] = MappingProxyType({}),
    pseudonyms: Pseudonyms | None = None,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The case list with class indices, by pseudonym where the site has them; problems are added to the list.

    `own_labels` is the section `labels` of site.yaml: the site's label -> the study's.
    """
    header, rows = [], []
    with gathering(problems, file=path.name):
        header, *rows = rows_of(path)
        lacking = [name for name in ("case_id", task.label) if name not in header]
        check([f"no column {listing(lacking)}"] if lacking else ["lists no case"] * (not rows))
    if not rows or "case_id" not in header or task.label not in header:
        return pd.DataFrame({"label": [], "split": []}), {}
    frame = pd.DataFrame(rows, columns=pd.Index(header)).apply(lambda column: column.str.strip())
    frame = frame.set_index("case_id")
    meanings = label_meanings(own_labels, task, problems)
    labels = frame[task.label].map(lambda label: meanings.get(cleaned(str(label)), str(label)))
    splits = (frame["split"] if "split" in header else pd.Series("", index=frame.index)).replace("", "train")
    problems += _problems_of(path, frame.index, labels, splits, task)
    position = {name: number for number, name in enumerate(task.classes)}
    index = {label: position[name] for label, name in task.class_by_label.items()}
    left_out = sorted({"", *task.drop})
    dropped = {name: int((labels == name).sum()) for name in left_out if (labels == name).any()}
    cases = pd.DataFrame({"label": [index.get(label, NO_LABEL) for label in labels], "split": splits})
    return cases.rename(index=pseudonyms.of) if pseudonyms else cases, dropped


def label_meanings(own_labels: Mapping[str, str], task: Task, problems: list[Problem]) -> dict[str, str]:
    """The site's labels, cleaned -> the study's, "" for missing; what is wrong is added to the problems."""
    known = {**{label: label for label in (*task.class_by_label, *task.drop)}, MISSING: ""}
    meanings: dict[str, str] = {}
    for label, means in own_labels.items():
        if means not in known:
            what, remedy = f"mapped to {means!r}, which is no label of the study", f"write {', '.join(known)}"
            problems.append(Problem(what, remedy, file=SITE_FILE, where=f"labels.{label}"))
        elif meanings.setdefault(cleaned(label), known[means]) != known[means]:
            what = "mapped twice, to different labels"
            problems.append(Problem(what, "keep one of the lines", file=SITE_FILE, where=f"labels.{label}"))
    return meanings


def _problems_of(path: Path, case_ids: pd.Index, labels: pd.Series, splits: pd.Series, task: Task) -> list[Problem]:
    """Blank and repeated cases, and labels and splits that nobody knows."""
    blank = [f"line {line}" for line, case_id in enumerate(case_ids, start=2) if not case_id]
    repeated = sorted(case_id for case_id, count in Counter(case_ids).items() if case_id and count > 1)
    wrong_split = sorted(set(splits) - set(SPLITS))
    id_column = {"file": path.name, "where": "column case_id"}
    problems: list[Problem] = []
    if blank:
        problems.append(Problem(f"no case_id in {listing(blank)}", "fill it in or take the row out", **id_column))
    if repeated:
        what = f"cases listed more than once: {listing(repeated)}"
        problems.append(Problem(what, "keep one row a case", **id_column))
    if wrong_label := task.problem_of(labels, "map them under `labels` in site.yaml (`tessera-client map`), "):
        problems.append(replace(wrong_label, file=path.name))
    if wrong_split:
        what = f"split must be train, test or blank, got {listing(wrong_split)}"
        problems.append(Problem(what, file=path.name, where="column split"))
    return problems
