"""The pictures of a site's own report: the released model and the site's own side by side."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from client.report.scores import Here
from strategies.evaluation.names import FEDERATED, LOCAL
from strategies.report import figures
from strategies.report.look import ARM_LOOKS

LOOKS = {
    FEDERATED: replace(ARM_LOOKS["federated"], label="Federated model"),
    LOCAL: replace(ARM_LOOKS["local"], label="This site's own model"),
}
CALLED = {FEDERATED: "federated", LOCAL: "own model"}
"""In few letters."""


def confusion(here: Here, of: str) -> Figure | None:
    """A confusion matrix each."""
    matrices = [(LOOKS[model], np.array(here.numbers(model, of)["confusion"], dtype=int)) for model in here.models]
    return figures.confusion(matrices, list(here.federation.task.classes))


def roc(here: Here, of: str) -> Figure | None:
    """ROC curves, a panel a class."""
    models = []
    for model in here.models:
        known = here.rows(of, model)
        models.append((CALLED[model], LOOKS[model], here.labels[known], here.said[model][of][known]))
    return figures.roc(models, list(here.federation.task.classes))
