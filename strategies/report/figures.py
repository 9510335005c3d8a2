"""The pictures that reports have in common: models side by side, by class and by confidence."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from strategies.report.look import WIDTH, ArmLook, draw, short
from strategies.report.panels import matrix_panel, recall_panel, reliability_panels, roc_panel
from strategies.report.words import Json, Number, number

_CLASSES = 4
"""ROC curves in a row."""
CURVES = 3
"""Training curves in a row."""


def panels(figure: Figure, n: int, most: int, shared: bool = False) -> list[Axes]:
    """So many panels, at most `most` in a row; with `shared` axes or each with its own."""
    made = figure.subplots(rows_of_panels(n, most), min(n, most), squeeze=False, sharex=shared, sharey=shared).ravel()
    for axes in made[n:]:
        axes.set_visible(False)
    return list(made[:n])


def rows_of_panels(n: int, most: int) -> int:
    """Rows that so many panels take."""
    return -(-n // most)


def confusion(models: Sequence[tuple[ArmLook, np.ndarray]], classes: Sequence[str]) -> Figure | None:
    """Confusion matrices side by side, shaded by the share of each true class; None without any."""
    if not models:
        return None

    def paint(figure: Figure) -> None:
        for axes, (look, counts) in zip(panels(figure, len(models), len(models)), models, strict=True):
            matrix_panel(axes, counts, classes)
            axes.set_title(look.label)

    return draw(WIDTH * len(models) / 2, 1.3 + 0.62 * len(classes), paint)


def roc(models: Sequence[tuple[str, ArmLook, np.ndarray, np.ndarray]], classes: Sequence[str]) -> Figure | None:
    """ROC curves, a panel a class; None without a model.

    A model is what it is called, its look, the cases' labels and their probabilities.
    """
    if not models:
        return None
    columns = min(len(classes), _CLASSES)

    def paint(figure: Figure) -> None:
        for index, axes in enumerate(panels(figure, len(classes), _CLASSES, shared=True)):
            roc_panel(axes, [(name, look, labels == index, said[:, index]) for name, look, labels, said in models])
            axes.set_title(short(classes[index]))
            if index % columns == 0:
                axes.set_ylabel("True positive rate")

    height = 2.75 * rows_of_panels(len(classes), _CLASSES) + 0.2
    return draw(WIDTH * columns / _CLASSES if columns > 1 else 4, height, paint)


def recall(counts: Mapping[str, int], rows: Sequence[tuple[ArmLook, Mapping[str, Json]]]) -> Figure | None:
    """Share of each class that is found, by model: see `recall_panel`; None without a model."""
    if not rows:
        return None

    def paint(figure: Figure) -> None:
        recall_panel(figure.add_subplot(), counts, rows)
        figure.legend(loc="outside upper center", ncols=len(rows), fontsize=9)

    return draw(WIDTH, 1.1 + 0.72 * len(counts), paint)


def reliability(models: Sequence[tuple[ArmLook, Number, Sequence[Mapping[str, Number]]]]) -> Figure | None:
    """Confidence against truth, side by side; a model is its look, its ECE and its bins. None without any."""
    if not models:
        return None

    def paint(figure: Figure) -> None:
        made = figure.subplots(2, len(models), squeeze=False, sharex=True, height_ratios=[3, 1])
        for column, (look, ece, bins) in enumerate(models):
            reliability_panels(made[0, column], made[1, column], bins, look)
            made[0, column].set_title(f"{look.label}: ECE {number(ece)}")
        made[0, 0].set_ylabel("Share that is right")
        made[1, 0].set_ylabel("Cases")

    return draw(WIDTH * len(models) / 2, 4.2, paint)
