"""The report's pictures."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from server.report.facts import Facts
from server.report.measured import LOOKS, Measured
from server.report.words import by_model
from strategies.evaluation.names import FEDERATED, GAIN, LOCAL, PRIOR
from strategies.report import figures
from strategies.report.forest import Band, Line, forest
from strategies.report.look import WIDTH, draw, plain, short
from strategies.report.many import ends
from strategies.report.section import LONG
from strategies.report.words import Json, set_label


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
    """A line a site that tells its own numbers, and what a random-effects meta-analysis makes of them.

    Of many sites those with the lowest and the highest values.
    """
    sites = [
        Line(LOOKS[FEDERATED], own["results"][what][name]["macro_auroc"], _site_label(site, own))
        for site, own in evaluation["sites"].items()
        if own["results"].get(what, {}).get(name, {}).get("macro_auroc", {}).get("value") is not None
    ]
    if len(sites) > LONG:
        sites.sort(key=lambda line: line.estimate["value"])
    title = "Federated minus the site's own model" if what == GAIN else "Federated model"
    whole, pooled = f"{title}: {set_label(name).lower()}", _pooled(evaluation["meta"].get(what, {}).get(name))
    shown = [(heading or whole, [*lines]) for heading, lines in ends(sites).items()]
    shown[-1][1].extend(pooled)
    bands = [Band(heading, lines) for heading, lines in shown if lines]
    axis = "Difference in macro-AUROC" if what == GAIN else "Macro-AUROC"
    above = whole if len(shown) > 1 else ""
    return forest(bands, f"{axis} with 95 % interval, by site", above, differences=what == GAIN)


def _pooled(own: Json | None) -> list[Line]:
    """What a hospital has on average, and where a new one is expected; nothing where that is not known."""
    if not own or own["macro_auroc"]["value"] is None:
        return []
    lines = [Line(LOOKS[LOCAL], own["macro_auroc"], "A hospital on average", is_leading=True)]
    if own["prediction_low"] is not None:
        expected = {"low": own["prediction_low"], "high": own["prediction_high"]}
        lines.append(Line(LOOKS[PRIOR], {"value": own["macro_auroc"]["value"], **expected}, "A new hospital"))
    return lines


def _site_label(site: str, own: Json) -> str:
    return short(site, 26) + (", external" if own["is_external"] else "")


def confusion(measured: Measured, classes: list[str]) -> Figure | None:
    """Confusion matrices side by side."""
    matrices = [(LOOKS[own], np.array(measured.leading(own)["confusion"], dtype=int)) for own in _trained(measured)]
    return figures.confusion(matrices, classes)


def reliability(measured: Measured) -> Figure | None:
    """Confidence against truth, side by side."""
    scored = {model: measured.leading(model) for model in _trained(measured)}
    return figures.reliability(
        [(LOOKS[model], own["ece"]["value"], own["reliability"]) for model, own in scored.items() if own["reliability"]]
    )


def recall(measured: Measured, classes: list[str]) -> Figure | None:
    """Share of each class that is found, by model."""
    counts = measured.leading().get("n_by_class", {})
    rows = [(LOOKS[model], measured.leading(model)["recall"]) for model in _trained(measured)]
    return figures.recall({name: counts[name] for name in classes if rows}, rows)


def _trained(measured: Measured) -> list[str]:
    """The models on the leading SET, the prior left out."""
    return [model for model in by_model(measured, measured.headline) if model != PRIOR]


def curves(facts: Facts) -> Figure | None:
    """Held-out loss by round, a panel a modality."""
    known = {name: curve for name, curve in facts.curves.items() if len(curve) > 1}
    if not known:
        return None

    def paint(figure: Figure) -> None:
        drawn = figures.panels(figure, len(known), figures.CURVES)
        for axes, (name, curve) in zip(drawn, known.items(), strict=True):
            axes.plot(curve, color=LOOKS[FEDERATED].colour, lw=2)
            chosen = min(facts.rounds.get(name, len(curve) - 1), len(curve) - 1)
            axes.plot(chosen, curve[chosen], "o", color=LOOKS[FEDERATED].colour, ms=7, mec="white")
            axes.set_title(short(name, 28))
            axes.set_xlabel("Round")
            plain(axes, "both")
        drawn[0].set_ylabel("Held-out loss")

    height = 2.75 * figures.rows_of_panels(len(known), figures.CURVES) + 0.1
    return draw(WIDTH if len(known) > 1 else WIDTH * 0.62, height, paint)
