"""Checks a whole site folder for one study: every problem at once, whatever else is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from client.check.case_list import check_cases
from client.check.facts import CaseFacts, of_cases
from client.check.modality import Checked, ModalityReport, check_modality
from client.check.twins import twins
from modalities.core.contract import Source
from modalities.core.files.remarks import remarked
from modalities.core.hooks import Plausibility
from modalities.core.problems import Problem, gathering, note, worst_first
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import site_config
from modalities.core.settings.sources import pseudonyms_of, sources_of

VERSION = 1


@dataclass(frozen=True)
class SiteReport:
    """What a check found."""

    site: str
    modalities: Mapping[str, ModalityReport]
    problems: Sequence[Problem]
    cases: Sequence[CaseFacts] = ()
    """What cases.csv lists, and what each of them holds."""
    said: Mapping[str, Plausibility] = field(default_factory=dict)
    """Values and pictures behind the facts, by modality: for the page."""

    @property
    def ok(self) -> bool:
        """No error; warnings do not count."""
        return all(problem.level != "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """As plain values: docs/site-folder.md describes them."""
        return {
            "version": VERSION,
            "site": self.site,
            "ok": self.ok,
            "modalities": {name: asdict(report) for name, report in self.modalities.items()},
            "cases": [asdict(case) for case in self.cases],
            "problems": [problem.to_dict() for problem in self.problems],
        }


def check_site(folder: Path, federation: Federation) -> SiteReport:
    """Everything that can be told of the folder without another site, worst first."""
    with remarked() as heard:
        report = _checked(folder, federation)
    return replace(report, problems=worst_first([*report.problems, *heard]))


def _checked(folder: Path, federation: Federation) -> SiteReport:
    problems: list[Problem] = []
    config = None
    with gathering(problems):
        config = site_config(folder / "site.yaml", problems)
    if config is None:
        return SiteReport("", {}, problems)
    sources = sources_of(folder, config, problems)
    cases, about_list = check_cases(
        *(folder / config.cases, federation.task, config.policy, config.only_evaluates, config.labels),
        pseudonyms_of(folder, config, []),
    )
    problems += about_list + _unused_sources(sources, federation)
    checked: dict[str, Checked] = {}
    for name in federation.modalities:
        checked[name] = check_modality(folder, name, sources, config, federation, cases)
        problems += checked[name].problems
    problems += twins({name: one.told for name, one in checked.items() if one.told.case_ids})
    reports = {name: one.report for name, one in checked.items()}
    if cases is not None and not any(report.takes_part for report in reports.values()):
        what = f"the site takes part with none of the study's modalities ({', '.join(reports)})"
        remedy = "see the problems of each, and sources and policy in site.yaml"
        problems.append(Problem(what, remedy, file="site.yaml"))
    distinct = dict.fromkeys(problems)  # two modalities of the same slides say the same of them
    facts = (
        []
        if cases is None
        else of_cases(cases, {name: one.told.case_ids for name, one in checked.items()}, federation.task)
    )
    return SiteReport(config.name, reports, list(distinct), facts, {name: one.said for name, one in checked.items()})


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
