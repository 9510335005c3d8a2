"""The forest plot of every arm and set (the main picture), and the picture of each site alone."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulations.report.words import headline, sets_of
from simulations.scores.results import Json
from strategies.report import forest as drawn
from strategies.report.forest import dot
from strategies.report.look import ARM_LOOKS, WIDTH, draw, plain, short
from strategies.report.words import number, set_label

FOREST_ARMS = ("federated", "centralised", "local", "reference")


def forest(results: Json, title: str = "", arms: str = "arms") -> Figure | None:
    """Macro-AUROC with its interval, one row an arm, one band a SET; None where nothing was measured."""
    axis = "Macro-AUROC with 95 % interval (dashed: chance; small squares: single sites)"
    return drawn.forest(_bands(results[arms], sets_of(results, arms)), axis, title)


def _bands(arms: Json, sets: list[str]) -> list[drawn.Band]:
    """The SETs, and in each the arms that have a macro-AUROC."""
    bands = []
    for name in sets:
        scored = {arm: arms[arm][name] for arm in FOREST_ARMS if name in arms.get(arm, {})}
        measured = {arm: one for arm, one in scored.items() if one["macro_auroc"]["value"] is not None}
        if measured:
            heading = f"{short(set_label(name), 30)} (n = {next(iter(measured.values()))['n']})"
            bands.append(drawn.Band(heading, [_line(arm, one, arms, name) for arm, one in measured.items()]))
    return bands


def _line(arm: str, scored: Json, arms: Json, name: str) -> drawn.Line:
    """An arm; behind the mean of the sites, each of them."""
    single = [sets[name]["macro_auroc"]["value"] for sets in arms[arm].get("sites", {}).values() if name in sets]
    dots = [value for value in single if value is not None] if arm == "local" else []
    return drawn.Line(ARM_LOOKS[arm], scored["macro_auroc"], is_leading=arm == "federated", dots=dots)


def local_sites(results: Json) -> Figure | None:
    """Each site's own model on all test cases, held against the federated and the centralised model."""
    name = headline(results)
    sites = results["arms"].get("local", {}).get("sites", {})
    found = {site: sets[name]["macro_auroc"] for site, sets in sites.items() if name in sets}
    known = sorted(
        ((site, one) for site, one in found.items() if one["value"] is not None), key=lambda p: p[1]["value"]
    )
    if not known:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        counts = results.get("site_by_class", {})
        for y, (_, one) in enumerate(known):
            dot(axes, one, y, ARM_LOOKS["local"])
        labels = [
            f"{short(site, 32)} ({sum(counts[site].values())})" if site in counts else short(site, 32)
            for site, _ in known
        ]
        axes.set_yticks(range(len(known)), labels)
        axes.set_ylim(-0.7, len(known) - 0.3)
        _reference_line(axes, results, "federated", name, "-")
        _reference_line(axes, results, "centralised", name, (0, (4, 3)))
        axes.set_xlabel(f"Macro-AUROC of the site's own model: {set_label(name)} (in brackets: the site's cases)")
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
        plain(axes)

    return draw(WIDTH, 1.15 + 0.27 * len(known), paint)


def _reference_line(axes: Axes, results: Json, arm: str, name: str, style: Any) -> None:
    """An arm as an upright line, its interval as a band."""
    found = results["arms"].get(arm, {}).get(name, {}).get("macro_auroc")
    if not found or found["value"] is None:
        return
    look = ARM_LOOKS[arm]
    axes.axvline(found["value"], color=look.colour, lw=1.8, ls=style, label=f"{look.label}: {number(found['value'])}")
    if arm == "federated" and found["low"] is not None:
        axes.axvspan(found["low"], found["high"], color=look.colour, alpha=0.12, lw=0, zorder=0)
