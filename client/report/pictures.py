"""The pictures of a site's own report: the released model and the site's own side by side."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from client.report.scores import Here
from strategies.evaluation.names import FEDERATED, LOCAL
from strategies.report.look import ARM_LOOKS, WIDTH, draw, short
from strategies.report.panels import matrix_panel, roc_panel

LOOKS = {
    FEDERATED: replace(ARM_LOOKS["federated"], label="Federated model"),
    LOCAL: replace(ARM_LOOKS["local"], label="This site's own model"),
}
_PANELS = 4
"""ROC curves in a row."""


def confusion(here: Here, of: str) -> Figure:
    """A confusion matrix each."""
    classes = list(here.federation.task.classes)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(here.models), squeeze=False)[0]
        for axes, model in zip(panels, here.models, strict=True):
            matrix_panel(axes, np.array(here.numbers(model, of).confusion, dtype=int), classes)
            axes.set_title(LOOKS[model].label)

    return draw(WIDTH * len(here.models) / 2, 1.3 + 0.62 * len(classes), paint)


def roc(here: Here, of: str) -> Figure:
    """ROC curves, a panel a class."""
    classes = list(here.federation.task.classes)
    columns = min(len(classes), _PANELS)
    lines = -(-len(classes) // columns)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes in panels[len(classes) :]:
            axes.set_visible(False)
        for place, (name, axes) in enumerate(zip(classes, panels, strict=False)):
            curves = []
            for model in here.models:
                known = here.rows(of, model)
                is_class, probability = here.labels[known] == place, here.said[model][of][known, place]
                curves.append(("own" if model == LOCAL else model, LOOKS[model], is_class, probability))
            roc_panel(axes, curves)
            axes.set_title(short(name))
            if place % columns == 0:
                axes.set_ylabel("True positive rate")

    return draw(WIDTH * columns / _PANELS if columns > 1 else 4, 2.75 * lines + 0.2, paint)
