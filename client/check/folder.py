"""Checks a whole site folder for one study: every problem at once, whatever else is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from client.check.case_list import check_cases, scored_cases, spelling, training_cases
from client.check.values import check_values
from modalities.core.contract import Cases, Checks, Source
from modalities.core.files.delimited import listing
from modalities.core.problems import Problem, gathering, note, problems_of, warning, worst_first
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import SiteConfig, site_config, sources_of
from modalities.core.site.cases import label_leaks

VERSION = 1
_MANY_UNLISTED = 0.5


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


@dataclass(frozen=True)
class SiteReport:
    """What a check found."""

    site: str
    modalities: Mapping[str, ModalityReport]
    problems: Sequence[Problem]

    @property
    def ok(self) -> bool:
        """No error; warnings do not count."""
        return all(problem.level != "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """As plain values: docs/site-folder.md describes them."""
        modalities = {name: asdict(report) for name, report in self.modalities.items()}
        problems = [problem.to_dict() for problem in self.problems]
        return {"version": VERSION, "site": self.site, "ok": self.ok, "modalities": modalities, "problems": problems}


def check_site(folder: Path, federation: Federation) -> SiteReport:
    """Everything that can be told of the folder without another site, worst first."""
    problems: list[Problem] = []
    config = None
    with gathering(problems):
        config = site_config(folder / "site.yaml", problems)
    if config is None:
        return SiteReport("", {}, problems)
    sources = sources_of(folder, config, problems)
    cases, of_cases = check_cases(folder / config.cases, federation.task, config.policy, config.only_evaluates)
    problems += of_cases + _unused_sources(sources, federation)
    reports = {}
    for name in federation.modalities:
        reports[name], of_modality = _check_modality(folder, name, sources, config, federation, cases)
        problems += of_modality
    if cases is not None and not any(report.takes_part for report in reports.values()):
        what = f"the site takes part with none of the study's modalities ({', '.join(reports)})"
        remedy = "see the problems of each, and sources and policy in site.yaml"
        problems.append(Problem(what, remedy, file="site.yaml"))
    return SiteReport(config.name, reports, worst_first(problems))


def check_site_alone(folder: Path) -> list[Problem]:
    """What can be told of site.yaml without a study."""
    problems: list[Problem] = []
    with gathering(problems):
        sources_of(folder, site_config(folder / "site.yaml", problems), problems)
    return problems


def _unused_sources(sources: Mapping[str, Source], federation: Federation) -> list[Problem]:
    unused = [name for name in sources if name not in federation.modalities]
    if not unused:
        return []
    what = f"sources that this study does not ask for: {', '.join(unused)}; they are not read"
    return [note(what, f"the study has {', '.join(federation.modalities)}", file="site.yaml", where="sources")]


def _check_modality(
    folder: Path,
    name: str,
    sources: Mapping[str, Source],
    config: SiteConfig,
    federation: Federation,
    cases: pd.DataFrame | None,
) -> tuple[ModalityReport, list[Problem]]:
    allowed = config.policy.modalities or list(sources)
    if name not in sources or name not in allowed:
        return ModalityReport(offered=False), []
    source, settings = sources[name], federation.modalities[name]
    if not source.paths or not all(path.exists() for path in source.paths):
        return ModalityReport(offered=True), []  # said of site.yaml
    file = _files(folder, source)
    try:
        module = plugin(settings.kind)
        read = module.read(source, settings)
        beside = module.unreadable(source, settings) if isinstance(module, Checks) else []
    except ValueError as error:
        return ModalityReport(offered=True), problems_of(error, file=file)
    found = [replace(problem, file=problem.file or file) for problem in beside] + check_values(file, read, settings)
    read = read.with_a_known_value()
    if cases is None:
        return ModalityReport(True, False, None, None, _counted(read.notes)), found
    found += _leaks(file, read, cases, federation)
    report = _report(read, cases, config)
    return report, found + _membership(file, name, read, cases) + _cohort(file, name, report, config)


def _leaks(file: str, read: Cases, cases: pd.DataFrame, federation: Federation) -> list[Problem]:
    """Inputs that state the label: a study refuses them."""
    if not read.features or not isinstance(read.values, np.ndarray):
        return []
    listed = read.select(_held(read, cases.index))
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
    n_cases = f"{report.training_cases} labelled cases for training"
    what = f"{'too few labelled cases' if config.only_evaluates else n_cases}, {least}"
    return [warning(f"{what}: {name} takes no part", "add cases, or lower policy.min_cohort", file=file)]


def _files(folder: Path, source: Source) -> str:
    """The source as site.yaml names it, from the folder on; one folder for many files of it."""
    root = folder.resolve()
    names = [str(path.relative_to(root)) if path.is_relative_to(root) else path.name for path in source.paths]
    folders = {str(Path(name).parent) for name in names}
    return f"{folders.pop()}/" if len(names) > 1 and len(folders) == 1 else listing(names)


def _counted(notes: Mapping[str, int]) -> dict[str, int]:
    return {what: count for what, count in notes.items() if count}
