"""How even folds of whole sites came out."""

from matplotlib.figure import Figure

from simulations.scores.results import Json
from strategies.report.look import MUTED, WIDTH, draw, plain
from strategies.report.section import Picture, Section, Table
from strategies.report.words import number, percent

_WAYS = {"preserved": "Preserved sites (here)", "stratified_group_k_fold": "scikit-learn's StratifiedGroupKFold"}


def fold_balance(results: Json) -> Section | None:
    """None where the folds were not made this way."""
    found = results.get("fold_balance")
    if not found:
        return None
    classes = results["task"]["classes"]
    return Section(
        "fold-balance",
        "Folds of whole sites, classes as even as sites allow",
        "Every site is wholly in one fold, so no model is tested on a site that it learned from. Each bar is the share "
        "of all cases of a class that a fold holds; on the dashed line the folds are even. The deviation is the sum "
        "of all distances from it.",
        (Picture(_figure(found, classes), "share of each class by fold, for both ways"),),
        tuple(_table(title, found[way], classes) for way, title in _WAYS.items()),
        f"How these folds were found: {found['how']}.",
    )


def _figure(found: Json, classes: list[str]) -> Figure:
    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(_WAYS), sharey=True, squeeze=False)[0]
        for axes, (way, title) in zip(panels, _WAYS.items(), strict=True):
            folds = found[way]["folds"]
            totals = {c: sum(one["cases"][c] for one in folds.values()) for c in classes}
            width = 0.8 / len(folds)
            for order, (fold, one) in enumerate(folds.items()):
                shares = [one["cases"][c] / max(totals[c], 1) for c in classes]
                places = [index + width * (order - (len(folds) - 1) / 2) for index in range(len(classes))]
                shade = 0.35 + 0.55 * order / max(len(folds) - 1, 1)
                axes.bar(places, shares, 0.9 * width, color="#0b62b0", alpha=shade, label=f"fold {fold}")
            axes.axhline(1 / len(folds), color=MUTED, lw=1, ls=(0, (4, 3)))
            axes.set_xticks(range(len(classes)), classes)
            axes.set_title(f"{title}: {number(found[way]['deviation'])}")
            plain(axes, "y")
        panels[0].set_ylabel("Share of the class's cases")

    return draw(WIDTH, 3.0, paint)


def _table(title: str, one: Json, classes: list[str]) -> Table:
    rows = []
    for fold, own in one["folds"].items():
        n = sum(own["cases"].values())
        shares = (f"{own['cases'][c]} ({percent(own['cases'][c] / max(n, 1))})" for c in classes)
        rows.append((f"fold {fold}", str(own["sites"]), str(n), *shares))
    return Table(("", "sites", "cases", *classes), tuple(rows), f"{title}: deviation {number(one['deviation'])}")
