"""The forest plot of every arm and set (the main picture), and the picture of each site alone."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import blended_transform_factory

from simulations.report.look import ARM_LOOKS, BAND, MUTED, WIDTH, ArmLook, draw, plain, short, text_width
from simulations.report.words import headline, interval, number, set_label, sets_of
from simulations.scores.results import Json

FOREST_ARMS = ("federated", "centralised", "local", "reference")
GAP = 0.35  # of a line, between bands


def forest(results: Json, title: str = "", arms: str = "arms") -> Figure | None:
    """Macro-AUROC with its interval, one row an arm, one band a SET; None where nothing was measured."""
    bands = _bands(results[arms], sets_of(results, arms))
    if not bands:
        return None
    lines = sum(1 + len(group) for _, group in bands) + GAP * len(bands)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        _paint_bands(axes, bands, results[arms])
        _finish(axes, bands)
        if title:
            figure.suptitle(title, x=0.008, ha="left", fontsize=13, fontweight="bold")

    return draw(WIDTH, 0.75 + 0.225 * lines + (0.4 if title else 0), paint)


def _bands(arms: Json, sets: list[str]) -> list[tuple[str, dict[str, Json]]]:
    """The SETs, and in each the arms that have a macro-AUROC."""
    bands = []
    for name in sets:
        scored = {arm: arms[arm][name] for arm in FOREST_ARMS if name in arms.get(arm, {})}
        measured = {arm: one for arm, one in scored.items() if one["macro_auroc"]["value"] is not None}
        if measured:
            bands.append((name, measured))
    return bands


def _paint_bands(axes: Axes, bands: list[tuple[str, dict[str, Json]]], arms: Json) -> None:
    """A heading line and one line an arm in every band; the numbers stand to the right."""
    y, to_side = 0.0, blended_transform_factory(axes.transAxes, axes.transData)
    for index, (_, group) in enumerate(bands):
        if index % 2 == 0:
            corner, height = (-2, y - (1 + GAP) / 2), 1 + len(group) + GAP
            axes.add_patch(Rectangle(corner, 5, height, transform=to_side, color=BAND, lw=0, zorder=0, clip_on=False))
            axes.patches[-1].set_in_layout(False)
        for arm, one in group.items():
            y += 1
            if arm == "local":
                _site_dots(axes, arms["local"], bands[index][0], y)
            _dot(axes, one["macro_auroc"], y, ARM_LOOKS[arm])
            value = axes.text(1.015, y, number(one["macro_auroc"]["value"]), transform=to_side, va="center", fontsize=9)
            value.set_fontweight("bold" if arm == "federated" else "normal")
            axes.text(1.095, y, interval(one["macro_auroc"]), transform=to_side, va="center", fontsize=9)
        y += 1 + GAP
    axes.set_ylim(y - (1 + GAP) / 2, -(1 + GAP) / 2)


def _finish(axes: Axes, bands: list[tuple[str, dict[str, Json]]]) -> None:
    """Headings and arm names at the left, chance as a dashed line."""
    places, labels, y = [], [], 0.0
    for name, group in bands:
        heading = f"{short(set_label(name), 30)} (n = {next(iter(group.values()))['n']})"
        labels += [heading, *("   " + ARM_LOOKS[arm].label for arm in group)]
        places += [y + line for line in range(1 + len(group))]
        y += 1 + len(group) + GAP
    axes.set_yticks(places, labels, ha="left", fontsize=9.2)
    for text, label in zip(axes.get_yticklabels(), labels, strict=True):
        text.set_fontweight("normal" if label.startswith(" ") else "bold")
    low = min(0.5, axes.dataLim.x0)
    axes.set_xlim(max(0.0, low - 0.015), 1.0)
    axes.axvline(0.5, color=MUTED, lw=1, ls=(0, (4, 3)))
    axes.set_xlabel("Macro-AUROC with 95 % interval (dashed: chance; small squares: single sites)")
    plain(axes)
    axes.tick_params(axis="y", pad=text_width(labels, 9.2) + 4)
    axes.spines["left"].set_visible(False)


def _dot(axes: Axes, found: Json, y: float | int, look: ArmLook) -> None:
    """A value with its interval."""
    if found["low"] is not None:
        axes.plot([found["low"], found["high"]], [y, y], color=look.colour, lw=2, solid_capstyle="butt", zorder=3)
    axes.plot(found["value"], y, look.marker, color=look.colour, ms=7, mec="white", mew=0.9, zorder=4)


def _site_dots(axes: Axes, local: Json, name: str, y: float) -> None:
    """The single sites behind their mean."""
    found = [sets[name]["macro_auroc"]["value"] for sets in local.get("sites", {}).values() if name in sets]
    known = [one for one in found if one is not None]
    look = ARM_LOOKS["local"]
    axes.plot(known, [y] * len(known), look.marker, color=look.colour, ms=3.6, alpha=0.38, mew=0, zorder=2)


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
            _dot(axes, one, y, ARM_LOOKS["local"])
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
