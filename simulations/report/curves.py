"""Held-out loss per round (federated) and per epoch (centralised), with the stopping round."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from simulations.scores.results import Json
from strategies.report.figures import CURVES, panels, rows_of_panels
from strategies.report.look import ARM_LOOKS, MUTED, WIDTH, draw, plain, short

PAIR = ("federated", "centralised")


def curves(results: Json) -> Figure | None:
    """One panel a modality; thin lines are folds, the thick one their mean. None where no curves were kept."""
    known = {name: one for name, one in results.get("curves", {}).items() if any(folds(one.get(arm)) for arm in PAIR)}
    if not known:
        return None

    def paint(figure: Figure) -> None:
        drawn = panels(figure, len(known), CURVES)
        for index, (axes, (name, one)) in enumerate(zip(drawn, known.items(), strict=True)):
            for arm in PAIR:
                _arm(axes, arm, folds(one.get(arm)), results.get("stopping", {}).get(name, {}).get(arm))
            axes.set_title(short(name, 28))
            axes.set_xlabel("Round (federated), epoch (centralised)")
            axes.set_ylabel("Held-out loss" if index % CURVES == 0 else "")
            plain(axes, "both")
        figure.legend(handles=_handles(), loc="outside lower center", ncols=3, fontsize=9)

    height = 2.75 * rows_of_panels(len(known), CURVES) + 0.35
    return draw(WIDTH if len(known) > 1 else WIDTH * 0.62, height, paint)


def folds(losses: Any) -> list[list[float]]:
    """One list of losses a fold, whether one list or one a fold was kept; unmeasured rounds are NaN."""
    if not losses:
        return []
    nested = losses if isinstance(losses[0], Sequence) else [losses]
    return [[float("nan") if loss is None else float(loss) for loss in one] for one in nested if len(one)]


def _arm(axes: Axes, arm: str, lines: list[list[float]], stopped: Any) -> None:
    """One arm's folds, their mean as far as every fold goes, and the round each fold stopped at."""
    if not lines:
        return
    look = ARM_LOOKS[arm]
    rounds = stopped if isinstance(stopped, Sequence) else [stopped] * len(lines)
    for losses, chosen in zip(lines, [*rounds, *[None] * len(lines)], strict=False):
        axes.plot(losses, color=look.colour, lw=0.8, alpha=0.35)
        if chosen is not None:
            place = min(int(chosen), len(losses) - 1)
            axes.plot(place, losses[place], look.marker, color=look.colour, ms=6, mec="white", mew=0.8, zorder=4)
    shortest = min(map(len, lines))
    mean = np.mean([losses[:shortest] for losses in lines], axis=0)
    axes.plot(mean, color=look.colour, lw=2, ls="-" if arm == "federated" else (0, (4, 1.5)))


def _handles() -> list[Line2D]:
    styles = {"federated": "-", "centralised": "--"}
    arms = [
        Line2D([], [], color=ARM_LOOKS[arm].colour, lw=2, ls=styles[arm], label=ARM_LOOKS[arm].label) for arm in PAIR
    ]
    chosen = Line2D([], [], color=MUTED, marker="o", ms=6, mec="white", lw=0, label="Stopping round of a fold")
    return [*arms, chosen]
