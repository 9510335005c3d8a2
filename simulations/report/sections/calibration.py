"""Confidence against truth, before the temperature and after it."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulations.scores.predictions import COMPLETE, FUSED
from simulations.scores.results import Json
from strategies.report.look import ARM_LOOKS, MUTED, WIDTH, draw, plain
from strategies.report.panels import wilson
from strategies.report.section import Picture, Section, Table
from strategies.report.words import number, set_label


def calibration(results: Json) -> Section | None:
    """None where no model was calibrated."""
    found = results.get("calibration") or {}
    arms = {arm: one for arm, one in found.items() if one["sets"].get(FUSED)}
    if not arms:
        return None
    return Section(
        "calibration",
        "Calibration: does 80 % sure mean 80 % right?",
        "On the dashed line a confidence is exactly how often the model is right; above it the model is too modest, "
        "below it too sure. ECE is the mean distance from that line, 0 at best. The temperature is one number, found "
        "from sums over the sites' held-out cases; cases with one modality, and the branches, keep their own output.",
        (Picture(_figure(arms), "share right by confidence, before and after calibration"),),
        (_table(arms), _temperatures(arms)),
    )


def _figure(arms: Json) -> Figure:
    name = COMPLETE if all(COMPLETE in one["sets"] for one in arms.values()) else FUSED

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 2 * len(arms), squeeze=False, sharey=True)[0]
        for column, (arm, one) in enumerate(arms.items()):
            for offset, side in enumerate(("before", "after")):
                axes, scored = panels[2 * column + offset], one["sets"][name][side]
                _panel(axes, scored["bins"], arm)
                axes.set_title(f"{arm}, {side}\nECE {number(scored['ece'])}")
        panels[0].set_ylabel(f"Share that is right ({set_label(name).lower()})")

    return draw(WIDTH * len(arms) / 2, 3.1, paint)


def _panel(axes: Axes, bins: list[Json], arm: str) -> None:
    look, most = ARM_LOOKS[arm], max(one["n"] for one in bins)
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 3)))
    for one in bins:
        axes.plot([one["confidence"]] * 2, wilson(one["right"], one["n"]), color=look.colour, lw=1.2, alpha=0.55)
    axes.plot([one["confidence"] for one in bins], [one["right"] for one in bins], "-", color=look.colour, lw=1.2)
    axes.scatter(
        [one["confidence"] for one in bins],
        [one["right"] for one in bins],
        s=[15 + 85 * one["n"] / most for one in bins],
        marker=look.marker,
        color=look.colour,
        edgecolor="white",
        zorder=3,
    )
    axes.set(xlim=(0.2, 1.02), ylim=(0, 1.02))
    axes.set_xlabel("Confidence (size: cases)")
    plain(axes, "both")


def _table(arms: Json) -> Table:
    rows = [
        (
            f"{arm}: {set_label(name)}",
            str(one["n"]),
            number(one["before"]["ece"]),
            number(one["after"]["ece"]),
            number(one["before"]["log_loss"]),
            number(one["after"]["log_loss"]),
        )
        for arm, scored in arms.items()
        for name, one in scored["sets"].items()
    ]
    header = ("test cases", "n", "ECE before", "ECE after", "log loss before", "log loss after")
    return Table(header, tuple(rows), "Before and after", own=(0, 1))


def _temperatures(arms: Json) -> Table:
    most = max(len(one["temperatures"]) for one in arms.values())
    rows = [(arm, *(number(value, 2) for value in one["temperatures"])) for arm, one in arms.items()]
    header = ("temperature", *(f"fold {fold}" for fold in range(1, most + 1)))
    return Table(header, tuple(rows), "Below 1 the fused model was too modest, above 1 too sure")
