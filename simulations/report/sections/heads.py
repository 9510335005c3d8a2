"""Fusion heads side by side: which is best, and what it costs."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from simulations.scores.predictions import COMPLETE, FUSED
from strategies.report.look import ARM_LOOKS, WIDTH, draw, plain
from strategies.report.section import Picture, Section, Table

_READING = (
    "Every head was fitted on what the same branches say of training cases they had not seen. The chosen head is the "
    "one of least out-of-fold loss: its own loss on cases that neither it nor the branch copy behind them was fitted "
    "on. AUROC says how well cases are ranked, ECE how far from the truth the probabilities are; both of test cases."
)
_NOTE = (
    "The bytes are those of all messages of the fit, both ways; a network's includes the folds that say when to stop. "
    "Differences are paired: an interval that holds 0 says that the two heads cannot be told apart here."
)
_HEADER = (
    "head",
    "macro-AUROC",
    "balanced accuracy",
    "accuracy",
    "ECE",
    "out-of-fold loss",
    "parameters",
    "MB",
    "− mean",
)


def section(results: Mapping[str, Any]) -> Section | None:
    """The section, where `--fusion` was asked for."""
    heads = results.get("heads")
    if not heads:
        return None
    arms = list(next(iter(heads.values()))["arms"])
    names = sorted(heads, key=lambda name: heads[name]["arms"][arms[-1]]["out_of_fold_loss"])
    tables = [_table(heads, names, arm, one) for arm in arms for one in (COMPLETE, FUSED)]
    picture = Picture(_figure(heads, names, arms), "Macro-AUROC of every fusion head with its 95 % interval, by arm.")
    return Section("heads", "Fusion heads", _READING, (picture,), tuple(tables), _NOTE)


def _table(heads: Mapping[str, Any], names: list[str], arm: str, one: str) -> Table:
    rows = [_row(name, heads[name], arm, one) for name in names]
    least = tuple(row for row, name in enumerate(names) if heads[name]["arms"][arm]["least_loss"])
    n = heads[names[0]]["arms"][arm][one]["n"]
    return Table(
        _HEADER, tuple(rows), f"{ARM_LOOKS[arm].label}, {one} (n = {n}); set off: least out-of-fold loss", least
    )


def _row(name: str, head: Mapping[str, Any], arm: str, one: str) -> tuple[str, ...]:
    own = head["arms"][arm]
    scores, other = own[one], own["differences"].get(f"{name}-mean", {}).get(one, {}).get("macro_auroc")
    n_bytes = f"{own['bytes'] / 1e6:.1f}" if own["bytes"] else "-"
    return (
        name,
        _with_interval(scores["macro_auroc"], ".3f"),
        *(_value(scores[metric]) for metric in ("balanced_accuracy", "accuracy", "ece")),
        f"{own['out_of_fold_loss']:.4f}",
        f"{head['parameters']:,}",
        n_bytes,
        _with_interval(other, "+.3f") if other else "-",
    )


def _value(found: Mapping[str, Any]) -> str:
    return "n/a" if found["value"] is None else f"{found['value']:.3f}"


def _with_interval(found: Mapping[str, Any], form: str) -> str:
    if found["value"] is None or found["low"] is None:
        return "n/a" if found["value"] is None else format(found["value"], form)
    return f"{found['value']:{form}} ({found['low']:{form}} to {found['high']:{form}})"


def _figure(heads: Mapping[str, Any], names: list[str], arms: list[str]) -> Figure:
    """Dots with intervals, a row a head, the least out-of-fold loss on top."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for shift, arm in enumerate(arms):
            look = ARM_LOOKS[arm]
            for row, name in enumerate(names):
                found = heads[name]["arms"][arm][COMPLETE]["macro_auroc"]
                if found["value"] is not None and found["low"] is not None:
                    at = row + 0.22 * (shift - (len(arms) - 1) / 2)
                    axes.plot([found["low"], found["high"]], [at, at], color=look.colour, linewidth=1.4)
                    label = look.label if row == 0 else None
                    axes.plot(found["value"], at, look.marker, color=look.colour, markersize=5, label=label)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel("macro-AUROC, test cases with every modality")
        plain(axes)
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)

    return draw(WIDTH, 1.2 + 0.36 * len(names), paint)
