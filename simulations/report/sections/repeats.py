"""The same comparison with other folds."""

from typing import Any

from matplotlib.figure import Figure

from simulations.scores.results import Json
from strategies.report.look import ARM_LOOKS, MUTED, WIDTH, draw, plain, short
from strategies.report.section import Picture, Section, Table
from strategies.report.words import number, set_label, signed

_PAIR = "federated-centralised"
_METRICS = {"macro_auroc": "Macro-AUROC", "balanced_accuracy": "Balanced accuracy"}


def repeats(results: Json) -> Section | None:
    """None where the folds were drawn once."""
    found = results.get("repeats")
    if not found:
        return None
    return Section(
        "repeats",
        "Repeated folds",
        "Each dot is a whole cross-validation with its own seed, folds and initial weights. Their spread is how far a "
        "number moves by the luck of the draw; a difference between arms that is not larger than it means little. "
        "(All repeats test the same cases, so the spread is not the uncertainty about new patients.)",
        (Picture(_figure(found), "macro-AUROC of every repeat by set and arm, and of federated minus centralised"),),
        tuple(_table(found, metric, title) for metric, title in _METRICS.items()),
    )


def _figure(found: Json) -> Figure:
    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, squeeze=False, width_ratios=[3, 2])[0]
        names = list(next(iter(found["arms"].values())))
        for order, (arm, sets) in enumerate(found["arms"].items()):
            look, offset = ARM_LOOKS[arm], 0.22 * (order - (len(found["arms"]) - 1) / 2)
            for row, name in enumerate(names):
                values = [value for value in sets.get(name, {}).get("macro_auroc", {}).get("values", ()) if value]
                label = look.label if row == 0 else None
                left.plot(values, [row + offset] * len(values), look.marker, color=look.colour, alpha=0.6, label=label)
        gaps = found["differences"][_PAIR]
        for row, name in enumerate(names):
            values = [
                value for value in gaps.get(name, {}).get("macro_auroc", {}).get("values", ()) if value is not None
            ]
            right.plot(values, [row] * len(values), "o", color=ARM_LOOKS["federated"].colour, alpha=0.6)
        right.axvline(0, color=MUTED, lw=1, ls=(0, (4, 3)))
        for axes, title in ((left, "Macro-AUROC"), (right, "Federated minus centralised")):
            axes.set_yticks(range(len(names)), [short(set_label(name)) for name in names])
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.set_title(title)
            plain(axes)
        right.set_yticklabels([])
        figure.legend(loc="outside upper center", ncols=len(found["arms"]), fontsize=9)

    return draw(WIDTH, 1.4 + 0.5 * len(next(iter(found["arms"].values()))), paint)


def _table(found: Json, metric: str, title: str) -> Table:
    rows = [
        (f"{arm}: {set_label(name)}", *_cells(one[metric], number))
        for arm, sets in found["arms"].items()
        for name, one in sets.items()
    ]
    rows += [
        (f"federated − centralised: {set_label(name)}", *_cells(one[metric], signed))
        for name, one in found["differences"][_PAIR].items()
    ]
    header = ("", *(f"seed {seed}" for seed in found["seeds"]), "mean", "sd")
    return Table(header, tuple(rows), title)


def _cells(one: Json, form: Any) -> tuple[str, ...]:
    return (*(form(value) for value in one["values"]), form(one["mean"]), number(one["sd"], 4))
