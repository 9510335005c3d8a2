"""How much do updates and a model tell of a patient? Studies on halves of the cases, each kept as it is done."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from modalities.core.console import progress_of
from modalities.core.files.atomic import replacing, write_atomically, write_json
from modalities.core.settings.federation import Federation
from simulations.attack.cases import halves_anew, read_cases
from simulations.attack.judge import counted, judged, left_out
from simulations.attack.measure import CURVE
from simulations.attack.plan import AttackPlan, refuse_other_steps
from simulations.attack.views import Arrays, Attacked, look
from simulations.cohorts.cohort import Cohort, with_features_of_data, write_fold
from simulations.engines.machine import side_by_side
from simulations.report import write_study
from simulations.studies.experiment import PLAN, without_features
from simulations.studies.private import private_federation

_PARTS, _FOLDER = "attack", "cases"


def attack_study(
    cohort: Cohort, asked: Federation, plan: AttackPlan, over: Mapping[str, Any], out: Path, console: Console
) -> dict[str, Any]:
    """Train what is not done yet, attack, and write results.json and report.html.

    Raises:
        ValueError: the settings are not for this, or the folder holds another experiment.
    """
    federation = with_features_of_data(asked, cohort, out)
    refuse_other_steps(federation, plan.rounds)
    private = {epsilon: private_federation(federation, epsilon, over) for epsilon in plan.epsilons}
    _claim(out, federation, private, plan, cohort)
    folder = write_fold(cohort, federation, [], {}, out / _FOLDER)
    with side_by_side():
        cases = read_cases(folder, federation)
        under = {epsilon: (read_cases(folder, own), own) for epsilon, own in private.items()}
        attacked = Attacked(cases, federation, plan.sums, plan.rounds, under)
        with progress_of(console) as progress:
            bar = progress.add_task("studies", total=plan.studies)
            studies = observed(attacked, plan, out, lambda: progress.update(bar, advance=1))
    settings = {"seed": federation.seed, "engine": "pooled steps", "federation": without_features(federation)}
    results = {"attack": results_of(attacked, studies, plan), "protocol": {"name": "attack", **settings}}
    write_json(out / "results.json", results)
    lead = (
        f"{', '.join(federation.modalities)}: {len(cases.labels)} cases at {len(cases.sites)} sites, {plan.studies} "
        f"studies on random halves of them, seed {federation.seed}."
    )
    write_study(results, "How much does a model tell?", lead, out)
    return results


def observed(attacked: Attacked, plan: AttackPlan, out: Path, advance: Callable[[], None]) -> list[Arrays]:
    """What is seen of every study, from its file where it has one."""
    found = []
    for number in range(plan.studies):
        path = out / _PARTS / f"{number}.npz"
        if not path.is_file():
            with replacing(path) as beside, beside.open("wb") as file:
                np.savez(file, **look(attacked, number))  # pyright: ignore[reportArgumentType]  # names are ours
        with np.load(path, allow_pickle=False) as kept:
            found.append({name: kept[name] for name in kept.files})
        advance()
    return found


def results_of(attacked: Attacked, studies: list[Arrays], plan: AttackPlan) -> dict[str, Any]:
    """The key `attack` of results.json."""
    cases, federation = attacked.cases, attacked.federation
    anew = halves_anew(cases, federation.seed, plan.studies, plan.targets)
    holders = {name: len(cases.holders(name)) for name in federation.modalities}
    return {
        "plan": {**asdict(plan), "variant": "online, leave one out"},
        "cases": len(cases.labels),
        "sites": len(cases.sites),
        "holders": holders,
        "classes": list(federation.task.classes),
        "inputs": {name: int(studies[0][f"inputs/{name}"]) for name in federation.modalities},
        "false_positives": list(CURVE),
        "membership": judged(studies, anew, federation.seed),
        "class_counts": counted(studies),
        "left_out": left_out(plan.sums, holders),
    }


def _claim(
    out: Path, federation: Federation, private: Mapping[float, Federation], plan: AttackPlan, cohort: Cohort
) -> None:
    """Write what this experiment is, or refuse the folder of another one; more studies go on in the same folder."""
    sites = {site: sorted(sources) for site, sources in sorted(cohort.sources.items())}
    digests = {f"{epsilon:g}": own.digest for epsilon, own in private.items()}
    kept = asdict(replace(plan, studies=0, targets=0))
    what = {"digest": federation.digest, "private": digests, "plan": kept, "n_cases": len(cohort.cases), "sites": sites}
    path, text = out / PLAN, json.dumps(what, indent=2, sort_keys=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise ValueError(f"{out} holds an experiment with other settings; choose another --out, or remove the folder")
    write_atomically(path, text.encode())
