"""The report's pictures."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from server.report.facts import Facts
from server.report.measured import LOOKS, Measured
from server.report.words import by_model
from strategies.evaluation.names import FEDERATED, GAIN, LOCAL, PRIOR
from strategies.report.forest import Band, Line, forest
from strategies.report.look import WIDTH, draw, plain, short
from strategies.report.panels import matrix_panel, recall_panel, reliability_panels
from strategies.report.words import Json, number, set_label


def models(measured: Measured) -> Figure | None:
    """Macro-AUROC of every model, a band a SET."""
    bands = []
    for name in measured.sets():
        scored = {model: measured.models[model][name] for model in by_model(measured, name) if model != PRIOR}
        lines = [
            Line(LOOKS[model], own["macro_auroc"], is_leading=model == FEDERATED)
            for model, own in scored.items()
            if own["macro_auroc"]["value"] is not None
        ]
        if lines:
            bands.append(Band(f"{short(set_label(name), 30)} (n = {scored[FEDERATED]['n']})", lines))
    return forest(bands, "Macro-AUROC with 95 % interval (dashed: chance)")


def gains(gain: Mapping[str, Json]) -> Figure | None:
    """Federated minus local, a line a SET."""
    lines = [
        Line(LOOKS[FEDERATED], own["macro_auroc"], short(set_label(name), 30))
        for name, own in gain.items()
        if own["macro_auroc"]["value"] is not None
    ]
    title = "Federated minus the sites' own models"
    axis = "Difference in macro-AUROC within sites, with 95 % interval (dashed: none)"
    return forest([Band(title, lines)] if lines else [], axis, differences=True)


def by_site(evaluation: Json, name: str, what: str) -> Figure | None:
    """A line a site that tells its own numbers, and what a random-effects meta-analysis makes of them."""
    lines = [
        Line(LOOKS[FEDERATED], own["results"][what][name]["macro_auroc"], _site_label(site, own))
        for site, own in evaluation["sites"].items()
        if own["results"].get(what, {}).get(name, {}).get("macro_auroc", {}).get("value") is not None
    ]
    pooled = evaluation["meta"].get(what, {}).get(name)
    if pooled and pooled["macro_auroc"]["value"] is not None:
        lines.append(Line(LOOKS[LOCAL], pooled["macro_auroc"], "A hospital on average", is_leading=True))
        predicted = {"value": pooled["macro_auroc"]["value"], "low": pooled["prediction_low"]}
        if predicted["low"] is not None:
            estimate = {**predicted, "high": pooled["prediction_high"]}
            lines.append(Line(LOOKS[PRIOR], estimate, "A new hospital"))
    title = "Federated minus the site's own model" if what == GAIN else "Federated model"
    axis = "Difference in macro-AUROC" if what == GAIN else "Macro-AUROC"
    bands = [Band(f"{title}: {set_label(name).lower()}", lines)] if lines else []
    return forest(bands, f"{axis} with 95 % interval, by site", differences=what == GAIN)


def _site_label(site: str, own: Json) -> str:
    return short(site, 26) + (", external" if own["is_external"] else "")


def confusion(measured: Measured, classes: list[str]) -> Figure | None:
    """Confusion matrices side by side."""
    shown = [model for model in by_model(measured, measured.headline) if model != PRIOR]
    if not shown:
        return None

    def paint(figure: Figure) -> None:
        for axes, model in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            matrix_panel(axes, np.array(measured.leading(model)["confusion"], dtype=int), classes)
            axes.set_title(LOOKS[model].label)

    return draw(WIDTH * len(shown) / 2, 1.3 + 0.62 * len(classes), paint)


def reliability(measured: Measured) -> Figure | None:
    """Confidence against truth, side by side."""
    shown = [model for model in by_model(measured, measured.headline) if measured.leading(model)["reliability"]]
    shown = [model for model in shown if model != PRIOR]
    if not shown:
        return None

    def paint(figure: Figure) -> None:
        panels = figure.subplots(2, len(shown), squeeze=False, sharex=True, height_ratios=[3, 1])
        for column, model in enumerate(shown):
            found = measured.leading(model)
            reliability_panels(panels[0, column], panels[1, column], found["reliability"], LOOKS[model])
            panels[0, column].set_title(f"{LOOKS[model].label}: ECE {number(found['ece']['value'])}")
        panels[0, 0].set_ylabel("Share that is right")
        panels[1, 0].set_ylabel("Cases")

    return draw(WIDTH * len(shown) / 2, 4.2, paint)


def recall(measured: Measured, classes: list[str]) -> Figure | None:
    """Share of each class that is found, by model."""
    shown = [model for model in by_model(measured, measured.headline) if model != PRIOR]
    if not shown:
        return None
    counts = measured.leading()["n_by_class"]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        rows = [(LOOKS[model], measured.leading(model)["recall"]) for model in shown]
        recall_panel(axes, {name: counts[name] for name in classes}, rows)
        figure.legend(loc="outside upper center", ncols=len(rows), fontsize=9)

    return draw(WIDTH, 1.1 + 0.72 * len(classes), paint)


def curves(facts: Facts) -> Figure | None:
    """Held-out loss by round, a panel a modality."""
    known = {name: curve for name, curve in facts.curves.items() if len(curve) > 1}
    if not known:
        return None
    columns = min(len(known), 3)
    lines = -(-len(known) // columns)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes in panels[len(known) :]:
            axes.set_visible(False)
        for axes, (name, curve) in zip(panels, known.items(), strict=False):
            axes.plot(curve, color=LOOKS[FEDERATED].colour, lw=2)
            chosen = min(facts.rounds.get(name, len(curve) - 1), len(curve) - 1)
            axes.plot(chosen, curve[chosen], "o", color=LOOKS[FEDERATED].colour, ms=7, mec="white")
            axes.set_title(short(name, 28))
            axes.set_xlabel("Round")
            plain(axes, "both")
        panels[0].set_ylabel("Held-out loss")

    return draw(WIDTH if columns > 1 else WIDTH * 0.62, 2.75 * lines + 0.1, paint)
