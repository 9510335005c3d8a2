"""What a promise to patients costs: the federated arm under differential privacy, beside the arm without."""

from collections.abc import Mapping
from typing import Any

from simulations.scores.predictions import FUSED
from simulations.scores.results import Json
from strategies.report.section import Section, Table
from strategies.report.words import interval, number, set_label, signed

_READING = (
    "Every row is the federated arm; below the first, sites added noise so that the model, and everything the "
    "coordinator saw on the way, would be almost as likely had any one patient not been there: at most e^epsilon times "
    "more or less likely, but for a chance of delta. Further down the promise is stronger or weaker as its epsilon is "
    "smaller or larger; what the noise costs is the difference to the first row. No row makes a patient anonymous."
)
_NOTE = (
    "The noise of a simulation is drawn from the study's seed, so that the run repeats; such noise protects nobody. "
    "The patients of these runs were not protected: how the method and its settings were chosen looked at their data."
)


def privacy(results: Json) -> Section | None:
    """None where no epsilon was asked for."""
    if one := results.get("privacy"):
        tables = _tables_of_run(one)
    elif repeats := (results.get("repeats") or {}).get("privacy"):
        tables = (_table_of_seeds(repeats, results["repeats"]["seeds"]),)
    else:
        return None
    return Section("privacy", "Differential privacy for patients", _READING, (), tables, _NOTE)


def _tables_of_run(found: Json) -> tuple[Table, ...]:
    names, epsilons = list(found["without"]), found["epsilons"]
    rows = [("none", *(_cell(found["without"], name) for name in names), "")]
    rows += [
        (name, *(_cell(own["sets"], each) for each in names), _gap(own["differences"].get(FUSED)))
        for name, own in epsilons.items()
    ]
    header = ("epsilon", *map(set_label, names), "fused, to none")
    asked = [
        (
            name,
            f"{own['delta']:g}",
            number(own["epsilon_by_pld"]),
            str(own["releases"]),
            number(own["noise_multiplier"], 2),
            number(own["noise_of_all_sites"], 2),
            ", ".join(f"{modality} {n}" for modality, n in own["inputs"].items()),
        )
        for name, own in epsilons.items()
    ]
    columns = ("epsilon", "delta", "by PLD", "releases", "noise asked for", "noise of all sites", "inputs")
    return (
        Table(header, tuple(rows), "macro-AUROC (95 %)"),
        Table(columns, tuple(asked), "What was asked for; noise in the most that a patient can change"),
    )


def _table_of_seeds(found: Mapping[str, Json], seeds: list[int]) -> Table:
    rows = [
        (
            f"{'none' if name == '0' else name}: {set_label(one)}",
            *(number(value) for value in own["macro_auroc"]["values"]),
            number(own["macro_auroc"]["mean"]),
            number(own["macro_auroc"]["sd"], 4),
        )
        for name, sets in found.items()
        for one, own in sets.items()
    ]
    return Table(("epsilon", *(f"seed {seed}" for seed in seeds), "mean", "sd"), tuple(rows), "macro-AUROC")


def _cell(sets: Json, name: str) -> str:
    own = sets.get(name, {}).get("macro_auroc")
    return f"{number(own['value'])} ({interval(own)})" if own else "n/a"


def _gap(found: Mapping[str, Any] | None) -> str:
    own = (found or {}).get("macro_auroc")
    return f"{signed(own['value'])} ({interval(own, signed)})" if own else "n/a"
