"""An experiment: a cohort, its outer folds, every arm on each, and the comparison in results.json and report.html."""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd
from rich.console import Console
from rich.markup import escape

from client.study.session import site_folders
from modalities.core.fields import AUTO, Device
from modalities.core.files.atomic import write_atomically, write_json
from modalities.core.settings.federation import Federation
from server.state.card import encoders_of
from simulations.arms.arms import Fold
from simulations.arms.heads import compare_heads
from simulations.arms.sweep import gather, gather_heads, sweep
from simulations.cohorts.cohort import FEDERATION, NAMES, Cohort, modalities_to_remove, write_fold
from simulations.cohorts.external import Lack
from simulations.cohorts.preserved import FOLDS, kept_folds
from simulations.cohorts.splits import outer_folds
from simulations.evidence.balance import fold_balance
from simulations.evidence.gather import evidence
from simulations.report import words, write_report
from simulations.scores.compare import compare
from simulations.scores.named import named
from simulations.scores.results import Results
from simulations.studies.lacks import external_left_out, refuse_leaks, refuse_modalities_of_one_class
from simulations.studies.made import made_now
from simulations.studies.private import NOISE, arm_of, compare_private, write_private
from strategies.settings import load_federation

PLAN, CVS = "plan.json", ("random", "sites", "preserved", "file")


@dataclass(frozen=True)
class Protocol:
    """How the comparison is made; stands in results.json."""

    name: str
    seed: int = 0
    cv: str = "random"
    folds: int = 5
    missing_rate: float = 0.0
    engine: str = "inline"
    labels_permuted: bool = False
    heads: tuple[str, ...] = ()
    """Fusion heads that are compared, beside the one that the settings name."""
    notes: str = ""
    """In the report's protocol: for example which clinical inputs were used."""
    epsilons: tuple[float, ...] = ()
    """Differential privacy under which the federated arm is run again."""
    private: Mapping[str, Any] = field(default_factory=dict)
    """Settings of those runs alone."""
    folds_file: str = ""
    """The file that says the folds, and its digest, where cv is `file`."""
    device: Device = AUTO
    """Where sites and pooled arms compute, as `resources.device` of site.yaml; another may go on with the folder."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        problems = [f"cv must be random, sites, preserved or file, got {self.cv!r}"] * (self.cv not in CVS)
        problems += [f"folds must be at least 2, got {self.folds}"] * (self.folds < 2 and self.cv != "file")
        problems += [f"missing rate must be in [0, 1), got {self.missing_rate}"] * (not 0 <= self.missing_rate < 1)
        problems += [f"engine must be inline or flower, got {self.engine!r}"] * (
            self.engine not in ("inline", "flower")
        )
        if problems:
            raise ValueError("; ".join(problems))


def prepare_folds(
    cohort: Cohort,
    federation: Federation,
    protocol: Protocol,
    out: Path,
    external: Cohort | None = None,
    given: pd.Series | None = None,
) -> list[Fold]:
    """Site folders of every outer fold, and of the external test where there is one (the last).

    `given` is the fold of each usable case, where a file says it.

    Raises:
        ValueError: `out` holds an experiment with other settings, or a modality has cases of one class only.
    """
    _claim(out, federation, protocol, cohort)
    write_private(federation, protocol.epsilons, protocol.private, out)
    write_json(out / NAMES, {**cohort.names, **(external.names if external else {})})
    usable = cohort.usable(federation)
    if given is not None:
        fold_of = given
    elif protocol.cv == "preserved":
        fold_of, _ = kept_folds(out / FOLDS, usable["label"], usable["site"], protocol.folds, protocol.seed)
    else:
        fold_of = outer_folds(usable["label"], usable["site"], protocol.cv, protocol.folds, protocol.seed)
    removed = modalities_to_remove(cohort, protocol.missing_rate, protocol.seed)
    folds = []
    for number in range(1, protocol.folds + 1):
        fold = Fold(out, out / "folds" / str(number), protocol.engine, protocol.heads, protocol.device)
        tested = [str(case_id) for case_id in fold_of.index[fold_of == number]]
        write_fold(cohort, federation, tested, removed, fold.sites, protocol.device)
        folds.append(fold)
    if external is not None:
        fold, every = Fold(out, out / "folds" / "external", protocol.engine, (), protocol.device), external.cases.index
        write_fold(cohort, federation, [], removed, fold.sites, protocol.device)
        write_fold(external, federation, [str(case_id) for case_id in every], {}, fold.outside, protocol.device)
        folds.append(fold)
    refuse_leaks(folds, federation)
    refuse_modalities_of_one_class(folds, federation)
    return folds


def _claim(out: Path, federation: Federation, protocol: Protocol, cohort: Cohort) -> None:
    """Write what this experiment is, or refuse the folder of another one."""
    sites = {site: sorted(sources) for site, sources in sorted(cohort.sources.items())}
    fixed = {name: value for name, value in asdict(protocol).items() if name != "device"}
    plan = {"digest": federation.digest, "protocol": fixed, "n_cases": len(cohort.cases), "sites": sites}
    path, text = out / PLAN, json.dumps(plan, indent=2, sort_keys=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise ValueError(f"{out} holds an experiment with other settings; choose another --out, or remove the folder")
    write_atomically(path, text.encode())


def run_experiment(
    folds: Sequence[Fold],
    protocol: Protocol,
    out: Path,
    workers: int | str,
    console: Console,
    lacks: Mapping[str, Lack] | None = None,
) -> Results:
    """Run what is not done, compare, and write results.json, predictions.csv.gz and report.html.

    `lacks` is what an external cohort lacks; None where there is no such cohort.
    """
    federation = load_federation(out / FEDERATION)
    outside = folds[-1:] if lacks is not None else []
    left_out = external_left_out(folds[-1], federation) if outside else {}
    for sentence in words.left_out(left_out):
        console.print(escape(sentence), soft_wrap=True, highlight=False)
    sweep(folds, workers, console)
    inner = folds[: len(folds) - len(outside)]
    predictions, details = gather(inner)
    external = gather(outside)[0] if outside else None
    extra = _extra(federation, details)
    extra |= {"external": external, "external_holds": _holds(outside, federation)} if outside else {}
    holds = _holds(inner, federation)
    task = _task(federation, inner[0])
    results: dict[str, Any] = {**compare(predictions, holds, task, _settings(protocol, federation), extra)}
    results |= _heads(inner, details, holds, task, protocol)
    results |= evidence(predictions, details, inner, federation)
    if protocol.epsilons:
        results["privacy"] = _private(inner, protocol, out, workers, console, predictions, holds)
    if protocol.cv == "preserved":
        results["fold_balance"] = fold_balance(predictions, task["classes"], protocol.folds, out / FOLDS)
    results |= {"external_left_out": left_out} if left_out else {}
    results |= {"external_lacks": {name: lack.plain for name, lack in lacks.items()}} if lacks else {}
    results |= {"site_names": json.loads((out / NAMES).read_text(encoding="utf-8")), "made": made_now()}
    write_json(out / "results.json", results)
    named(predictions, federation.task.classes, external).to_csv(out / "predictions.csv.gz", index=False)
    typed = cast(Results, results)
    write_report(typed, predictions, out)
    return typed


def _task(federation: Federation, fold: Fold) -> dict[str, Any]:
    classes = list(federation.task.classes)
    return {"name": federation.task.name, "classes": classes, "dropped": _dropped(fold, federation)}


def _settings(protocol: Protocol, federation: Federation) -> dict[str, Any]:
    """The protocol in results.json: what was asked, and with what."""
    agreed = {"masking": federation.privacy.masking, "margin": federation.evaluation.margin}
    with_what = {"versions": _versions(), "federation": without_features(federation)}
    with_what["encoders"] = encoders_of(federation, federation.modalities)
    return {**asdict(protocol), **agreed, **with_what, **({"noise": NOISE} if protocol.epsilons else {})}


def _heads(
    folds: Sequence[Fold],
    details: Mapping[str, list[dict[str, Any]]],
    holds: pd.DataFrame,
    task: Mapping[str, Any],
    protocol: Protocol,
) -> dict[str, Any]:
    """The fusion head of each fold; with heads to compare, all of them."""
    found: dict[str, Any] = {
        "head": {arm: [fold["head"] for fold in details[arm]] for arm in ("federated", "centralised")}
    }
    if protocol.heads:
        by_arm = {arm: [fold["heads"] for fold in own] for arm, own in details.items() if "heads" in own[0]}
        found["heads"] = compare_heads(gather_heads(folds), by_arm, holds, task["classes"], protocol.seed)
    return found


def _private(
    folds: Sequence[Fold],
    protocol: Protocol,
    out: Path,
    workers: int | str,
    console: Console,
    predictions: pd.DataFrame,
    holds: pd.DataFrame,
) -> dict[str, Any]:
    """The arms under an epsilon, run and held against the one without."""
    names = [arm_of(epsilon) for epsilon in protocol.epsilons]
    sweep(folds, workers, console, names)
    federations = {epsilon: load_federation(out / f"{arm_of(epsilon)}.yaml") for epsilon in protocol.epsilons}
    tables = {epsilon: gather(folds, [arm_of(epsilon)])[0] for epsilon in protocol.epsilons}
    held = {epsilon: _holds(folds, one) for epsilon, one in federations.items()}
    n_sites = len(site_folders(folds[0].sites))
    return compare_private(tables, predictions, held, holds, federations, n_sites)


def _extra(federation: Federation, details: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Curves and stopping rounds by fold, one study's bytes, and seconds by arm."""
    both = ("federated", "centralised")
    names = list(federation.modalities)
    return {
        "curves": {
            name: {arm: [fold["curves"].get(name, []) for fold in details[arm]] for arm in both} for name in names
        },
        "stopping": {
            name: {arm: [fold["stopped"].get(name) for fold in details[arm]] for arm in both} for name in names
        },
        "bytes": details["federated"][0]["bytes"],
        "seconds": {arm: sum(fold["seconds"] for fold in folds) for arm, folds in details.items()},
    }


def _holds(folds: Sequence[Fold], federation: Federation) -> pd.DataFrame:
    """Which modalities each test case has."""
    return pd.concat([fold.tested(federation).holds for fold in folds])


def _dropped(fold: Fold, federation: Federation) -> dict[str, int]:
    total: dict[str, int] = {}
    for site in fold.opened(federation):
        for label, count in site.site.dropped.items():
            total[label or "(blank)"] = total.get(label or "(blank)", 0) + count
    return total


def without_features(federation: Federation) -> dict[str, Any]:
    """The settings as plain values, long feature lists as their lengths."""
    plain = federation.to_dict()
    for section in plain["modalities"].values():
        section["features"] = len(section["features"])
    return plain


def _versions() -> dict[str, str]:
    names = ("tessera", "flwr", "torch", "scikit-learn", "numpy")
    return {name: importlib.metadata.version(name) for name in names}
