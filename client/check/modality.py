"""Checks one modality of a site folder: whether it can be read, whose it is, and whether it can be true."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from client.check.case_list import scored_cases, spelling, training_cases
from client.check.facts import FileFacts, QuantityFacts, of_files, of_quantities
from client.check.twins import Told
from client.check.values import absent_values, plausibility, told
from modalities.core.contract import Cases, Source
from modalities.core.files.tables.delimited import listing
from modalities.core.hooks import Checks, Plausibility, Words
from modalities.core.problems import Problem, gathering, note, once, warning
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import SiteConfig
from modalities.core.settings.training import BranchConfig
from modalities.core.site.cases import label_leaks, read_source

_MANY_UNLISTED = 0.5
_NOTHING = Cases((), [])


@dataclass(frozen=True)
class ModalityReport:
    """What one modality of the study comes to at this site."""

    offered: bool
    """Named by site.yaml, and allowed by its policy."""
    takes_part: bool = False
    """Offered, readable, and with a large enough cohort."""
    cases: int | None = None
    """Cases that cases.csv lists and the files hold; None: unknown."""
    training_cases: int | None = None
    """Those of them that are labelled and in the training split."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What the reader left out, imputed or resolved, counted."""
    quantities: Sequence[QuantityFacts] = ()
    """How its numbers lie, of the cases that cases.csv lists."""
    files: Sequence[FileFacts] = ()
    """What became of each of its raw files, where it has one a slide."""


@dataclass(frozen=True)
class Checked:
    """A modality, looked at."""

    report: ModalityReport
    problems: Sequence[Problem] = ()
    said: Plausibility = field(default_factory=Plausibility)
    """Of the cases that cases.csv lists, where it can be read."""
    told: Told = field(default_factory=Told)
    """The same cases, to be compared with each other."""


def check_modality(
    folder: Path,
    name: str,
    sources: Mapping[str, Source],
    config: SiteConfig,
    federation: Federation,
    cases: pd.DataFrame | None,
) -> Checked:
    """All that can be told of it without another site; `cases` is the case list, None where it cannot be read."""
    if not config.offers([name]):
        return Checked(ModalityReport(offered=False))
    source, settings = sources[name], federation.modalities[name]
    if not source.paths or not all(map(os.path.exists, source.paths)):
        return Checked(ModalityReport(offered=True))  # said of site.yaml
    file, problems = _files(folder, source), []
    read = _read(source, settings, file, problems)
    if read is None:
        said = plausibility(file, source, _NOTHING, settings)
        return Checked(ModalityReport(offered=True, files=of_files(said.files)), problems, said)
    problems += absent_values(file, read, settings)
    read = read.with_a_known_value()
    listed = read if cases is None else read.select(_held(read, cases.index))
    said = plausibility(file, source, listed, settings)
    problems += said.problems
    if cases is None:
        report = ModalityReport(True, False, None, None, _counted(read.notes))
    else:
        report = _report(read, cases, config)
        problems += _leaks(file, listed, cases, federation) + _membership(file, name, read, cases)
        problems += _cohort(file, name, report, config)
    report = replace(report, quantities=of_quantities(said.quantities), files=of_files(said.files))
    return Checked(report, problems, said, told(listed, said))


def _read(source: Source, settings: BranchConfig, file: str, problems: list[Problem]) -> Cases | None:
    """The cases, None where they cannot be read; files that are gone on without are problems too."""
    module, read = plugin(settings.kind), None
    said: list[Problem] = []
    beside: Sequence[Problem] = ()
    with gathering(said, file=file):
        read = read_source(source, settings)
    if isinstance(module, Checks):
        with gathering([]):  # what `read` said already
            beside = once(replace(one, file=one.file or file) for one in module.unreadable(source, settings))
    problems += [one for one in said if not any(each.what in one.what for each in beside)]  # those name themselves
    problems += beside
    if source.values and not isinstance(module, Words):
        what = "nothing of this kind of data is read through `values`: these lines do nothing"
        problems.append(Problem(what, "delete them from site.yaml", file=file, where="values"))
    return read


def _leaks(file: str, listed: Cases, cases: pd.DataFrame, federation: Federation) -> list[Problem]:
    """Inputs that state the label: a study refuses them."""
    if not listed.features or not isinstance(listed.values, np.ndarray):
        return []
    labels = cases.loc[list(listed.case_ids), "label"].to_numpy(dtype=np.int64)
    return label_leaks(listed, labels, federation.task, file=file)


def _report(read: Cases, cases: pd.DataFrame, config: SiteConfig) -> ModalityReport:
    listed, train = _held(read, cases.index), _held(read, training_cases(cases).index)
    notes = {**read.notes, "cases not in cases.csv": len(read.case_ids) - len(listed)}
    used = _held(read, scored_cases(cases).index) if config.only_evaluates else train
    takes_part = len(used) >= max(1, config.policy.min_cohort)
    return ModalityReport(True, takes_part, len(listed), len(train), _counted(notes))


def _held(read: Cases, case_ids: pd.Index) -> list[str]:
    """Those of the cases that were read."""
    wanted = set(case_ids)
    return [case_id for case_id in read.case_ids if case_id in wanted]


def _membership(file: str, name: str, read: Cases, cases: pd.DataFrame) -> list[Problem]:
    """Cases on one side only: in the file, or in cases.csv."""
    unlisted = sorted(set(read.case_ids) - set(cases.index))
    lacking = sorted(set(cases.index) - set(read.case_ids))
    found = []
    if unlisted:
        share = len(unlisted) / len(read.case_ids)
        level = "error" if share == 1 else "warning" if share >= _MANY_UNLISTED else "note"
        what = f"{len(unlisted)} of the {len(read.case_ids)} cases in it are not in cases.csv ({listing(unlisted)})"
        found.append(Problem(what, "list them, or leave it so: they are not used", file=file, level=level))
        found += _misspelled(file, unlisted, lacking)
    if lacking and len(lacking) < len(cases):
        what = f"{len(lacking)} of the {len(cases)} cases in cases.csv have no {name}: a case may lack a modality"
        found.append(note(what, file=file))
    return found


def _misspelled(file: str, unlisted: Sequence[str], lacking: Sequence[str]) -> list[Problem]:
    known = {spelling(case_id): case_id for case_id in lacking}
    pairs = [f"{own} for {known[spelling(own)]}" for own in unlisted if spelling(own) in known]
    if not pairs:
        return []
    what = f"{len(pairs)} cases are in cases.csv in another spelling: {listing(pairs)}"
    return [warning(what, "write each case's id the same everywhere", file=file)]


def _cohort(file: str, name: str, report: ModalityReport, config: SiteConfig) -> list[Problem]:
    if report.takes_part:
        return []
    least = f"fewer than min_cohort = {config.policy.min_cohort}"
    n_cases = f"{report.training_cases} labelled case{'s' * (report.training_cases != 1)} for training"
    what = f"{'too few labelled cases' if config.only_evaluates else n_cases}, {least}"
    return [warning(f"{what}: {name} takes no part", "add cases, or lower policy.min_cohort", file=file)]


def _files(folder: Path, source: Source) -> str:
    """The source as site.yaml names it, from the folder on; one folder for many files of it."""
    root = folder.resolve()
    names = [str(path.relative_to(root)) if path.is_relative_to(root) else path.name for path in source.paths]
    folders = {str(Path(name).parent) for name in names}
    return f"{folders.pop()}/" if len(names) > 1 and len(folders - {"."}) == 1 else listing(names)


def _counted(notes: Mapping[str, int]) -> dict[str, int]:
    return {what: count for what, count in notes.items() if count}
