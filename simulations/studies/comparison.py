"""A comparison of every arm as one call, for the commands and for notebooks, and what came of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape

from modalities.core.added import HEAD, MODALITY, RULE, added
from modalities.core.problems import unusable
from modalities.core.settings.federation import Federation
from simulations.cohorts.cohort import Cohort, with_features_of_data
from simulations.cohorts.external import compare_external, notes_of_lacks
from simulations.scores.results import RESULTS, Results
from simulations.studies.experiment import Protocol, prepare_folds, run_experiment
from simulations.studies.lacks import say_what_sites_lack

RESULTS_FILE = "results.json"


@dataclass(frozen=True)
class Comparison:
    """What a comparison left in its folder."""

    folder: Path
    results: Results
    """results.json: docs/for-researchers.md says what is in it."""

    @property
    def report(self) -> Path:
        """The page for a browser."""
        return self.folder / "report.html"

    def release(self, fold: int = 1) -> Path:
        """The release of an outer fold's federated study."""
        return self.folder / "folds" / str(fold) / "federated" / "release"

    def scores(self, metric: str = "macro_auroc") -> pd.DataFrame:
        """A row for each arm and set: n, value, and the ends of its 95 % interval."""
        return _rows("arm", self.results.get("arms", {}), metric)

    def differences(self, metric: str = "macro_auroc") -> pd.DataFrame:
        """A row for each pair of arms and set: the paired difference, and the ends of its 95 % interval."""
        return _rows("difference", self.results.get("differences", {}), metric)

    def predictions(self) -> pd.DataFrame:
        """A row for each arm, set and test case: site, label and predicted class, fold, and a probability a class."""
        return pd.read_csv(self.folder / "predictions.csv.gz", dtype={"case_id": str, "site": str})


def run_comparison(
    cohort: Cohort,
    federation: Federation,
    protocol: Protocol,
    out: Path,
    workers: int | str = 1,
    external: Cohort | None = None,
    console: Console | None = None,
    given: pd.Series | None = None,
) -> Comparison:
    """Run every arm on every fold, and write report, results and predictions; goes on where an earlier call stopped.

    With more than one of the `workers`, arms and folds run in processes of their own; with `ray` or `ray:HOST:PORT` on
    the machines of a Ray cluster, which share the disk of this folder and of `out`. `external` is a cohort that is
    only scored. Progress goes to `console`, or nowhere. `given` is the outer fold of each usable case, with 0 for those
    that are never tested.

    Raises:
        ValueError: `out` holds another experiment, the data do not fit the settings, or settings name what this process
            alone knows and other processes would need.
    """
    console = console or Console(quiet=True)
    _refuse_what_others_lack(federation, protocol, workers)
    federation = with_features_of_data(federation, cohort, out)
    lacks = compare_external(cohort, external, federation) if external else None
    for note in notes_of_lacks(lacks or {}):
        console.print(escape(note), soft_wrap=True, highlight=False)
    usable = cohort.usable(federation)
    console.print(
        f"{len(usable)} cases of {len(federation.task.classes)} classes at {usable['site'].nunique()} sites, "
        f"modalities {', '.join(federation.modalities)}, {protocol.folds} {protocol.cv} folds, engine {protocol.engine}"
    )
    folds = prepare_folds(cohort, federation, protocol, out, external, given)
    say_what_sites_lack(folds[-1], federation, console)
    workers = 1 if protocol.engine == "flower" else workers
    return Comparison(out, run_experiment(folds, protocol, out, workers, console, lacks))


def read_comparison(folder: Path) -> Comparison:
    """One that was run before, by a command or by a program.

    Raises:
        ValueError: the folder holds none, or one of another version.
    """
    path = folder / RESULTS_FILE
    try:
        return Comparison(folder, RESULTS.validate_python(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        remedy = "give the folder that tessera-simulate or run_comparison wrote"
        raise unusable(f"no results that this version reads: {error}", remedy, file=str(path)) from error


def _rows(what: str, found: Mapping[str, Any], metric: str) -> pd.DataFrame:
    rows = [
        {what: name, "set": own, "n": scored.get("n"), **{end: scored[metric][end] for end in ("value", "low", "high")}}
        for name, sets in found.items()
        for own, scored in sets.items()
        if isinstance(scored, Mapping) and metric in scored
    ]
    return pd.DataFrame(rows, columns=pd.Index([what, "set", "n", "value", "low", "high"])).dropna(axis=1, how="all")


def _refuse_what_others_lack(federation: Federation, protocol: Protocol, workers: int | str) -> None:
    """Other processes import files, and know nothing of what this one registered."""
    branches = federation.modalities.values()
    used = {
        HEAD: {federation.fusion.head, *protocol.heads, *federation.fusion.candidates},
        RULE: {name for own in branches for name in (own.federated.strategy, own.federated.robust)},
        MODALITY: {own.kind for own in branches},
    }
    only_here = [f"{what} {name}" for what, names in used.items() for name in sorted(names & {*added(what)})]
    if only_here and (workers != 1 or protocol.engine != "inline"):
        what = f"{', '.join(only_here)}: known to this process alone"
        raise unusable(what, "give workers=1 and engine='inline', or make a file of it (docs/python.md)")
