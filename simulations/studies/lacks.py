"""What the sites of an experiment lack: said once, by the sites' names, and refused before round 1 where it must be."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.markup import escape

from client.check.values import absent_features
from client.study.session import site_folders
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, check
from modalities.core.settings.federation import Federation
from modalities.core.site.cases import LabelLeakError
from modalities.core.site.store import SiteData
from simulations.arms.arms import Fold


def say_what_sites_lack(fold: Fold, federation: Federation, console: Console) -> None:
    """Every note that a site would log of its own data, once, with the names of the sites that it is true of."""
    sites, notes = [*fold.opened(federation), *fold.opened_outside(federation)], {}
    for site in sites:
        unusable = [f"not taking part with {name}: {reason}" for name, reason in site.unusable.items()]
        for note in [*unusable, *absent_features(site)]:
            notes.setdefault(note, []).append(site.site.name)
    for note, names in notes.items():
        who = f"all {len(sites)} sites" if len(names) == len(sites) else listing(names)
        console.print(escape(f"{who}: {note}"), soft_wrap=True, highlight=False)


def external_left_out(fold: Fold, federation: Federation) -> dict[str, Any]:
    """The external cases that no arm can score, by site: those that hold none of the modalities, and those unlabelled.

    Empty where every case is scored.
    """
    sites, tested = fold.opened_outside(federation), fold.tested(federation)
    nothing = tested.frame["site"][~tested.holds.any(axis=1).to_numpy()].value_counts()
    unlabelled = {site.site.name: sum(site.site.dropped.values()) for site in sites}
    left_out = {
        "no_modality": {str(site): int(count) for site, count in sorted(nothing.items())},
        "no_class": {site: count for site, count in unlabelled.items() if count},
    }
    return {why: by_site for why, by_site in left_out.items() if by_site}


def refuse_modalities_of_one_class(folds: Sequence[Fold], federation: Federation) -> None:
    """Refuse a modality whose training cases are all of one class: that a case has it would tell its class.

    Raises:
        ValueError: with every such modality, its class and its cases.
    """
    classes: dict[str, dict[int, list[int]]] = {}
    for number, site in _by_site(folds, federation):
        for name in site.modalities:
            labels = site.site.labels(site.training_cases(name)).tolist()
            classes.setdefault(name, {}).setdefault(number, []).extend(labels)
    problems = []
    for name, by_fold in classes.items():
        alike = {number: labels for number, labels in by_fold.items() if len(set(labels)) == 1}
        if alike:
            number, labels = next(iter(alike.items()))
            where = "" if len(alike) == len(by_fold) else f" of fold {number}"
            problems.append(
                f"{name}: all {len(labels)} training cases{where} that hold it are {federation.task.classes[labels[0]]}"
                f", so that having it tells the class; leave {name} out, or add cases of other classes that hold it"
            )
    check(problems)


def refuse_leaks(folds: Sequence[Fold], federation: Federation) -> None:
    """Refuse inputs that state the label, found by any one site: a site without all classes would train on them.

    Raises:
        ValueError: with every such modality, the sites that see it and the inputs.
    """
    seen: dict[tuple[str, Problem], list[str]] = {}
    for _, site in _by_site(folds[:1], federation):
        for name in site.unusable:
            try:
                site.cases(name)
            except LabelLeakError as error:
                for problem in error.problems:
                    seen.setdefault((name, replace(problem, file="")), []).append(site.site.name)
            except ValueError:
                continue  # a site that cannot read its files goes without them, and says so
    check(replace(problem, file=f"{name} at {listing(sites)}") for (name, problem), sites in seen.items())


def _by_site(folds: Sequence[Fold], federation: Federation) -> Iterator[tuple[int, SiteData]]:
    """Every site in every fold that has it, site by site: the raw files of a site are then read once."""
    for name in sorted({folder.name for fold in folds for folder in site_folders(fold.sites)}):
        for number, fold in enumerate(folds, start=1):
            if (fold.sites / name).is_dir():
                yield number, SiteData(fold.sites / name, federation)
