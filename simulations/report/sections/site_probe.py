"""Can the site be told from what a branch makes of a case?"""

from matplotlib.figure import Figure

from simulations.scores.results import Json
from strategies.report.look import MUTED, WIDTH, draw, plain, short
from strategies.report.section import Picture, Section, Table
from strategies.report.words import number

_VIEWS = {
    "raw": ("raw features", "#d55e00", "s"),
    "embedding": ("embedding", "#0b62b0", "o"),
    "outputs": ("branch outputs", "#009e73", "^"),
    "class": ("true class alone", "#8a949e", "D"),
    "permuted": ("sites permuted", "#8a949e", "X"),
}


def site_probe(results: Json) -> Section | None:
    """None where no probe was made: whole sites were held out, or none is large enough."""
    found = results.get("site_probe") or {}
    if not found:
        return None
    return Section(
        "site-signature",
        "Site signature: can a case's site be told?",
        "A linear probe guesses each test case's site: at 0.5 it cannot, at 1 always. A modality whose raw features "
        "give the site away may teach a model the site instead of the disease; an embedding or output below its raw "
        "features has lost some of that. Sites differ in their classes, so read the column within classes beside it.",
        (Picture(_figure(found), "macro-AUROC of the site by modality and view"),),
        (_table(found), _by_site(found)),
        "A linear branch's embedding is its scaled features. Only the simulation looks at embeddings: none leaves a "
        "real site. Federated branches; sites with 20 test cases of the modality or more.",
    )


def _figure(found: Json) -> Figure:
    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for order, (view, (label, colour, marker)) in enumerate(_VIEWS.items()):
            known = [(row, one[view]) for row, one in enumerate(found.values()) if view in one]
            offset = 0.15 * (order - 2)
            for row, one in known:
                sites = [site["auroc"] for site in one["sites"].values() if site["auroc"] is not None]
                axes.plot(sites, [row + offset] * len(sites), "|", color=colour, ms=7, alpha=0.45)
            axes.plot(
                [one["auroc"] for _, one in known],
                [row + offset for row, _ in known],
                marker,
                color=colour,
                ms=7,
                mec="white",
                label=label,
            )
        axes.axvline(0.5, color=MUTED, lw=1, ls=(0, (4, 3)))
        axes.set_yticks(range(len(found)), [short(name) for name in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("Macro-AUROC over sites (strokes: single sites; dashed: chance)")
        figure.legend(loc="outside upper center", ncols=len(_VIEWS), fontsize=9)
        plain(axes)

    return draw(WIDTH, 1.2 + 0.8 * len(found), paint)


def _table(found: Json) -> Table:
    rows = [
        (f"{name}: {_VIEWS[view][0]}", str(one["n"]), number(one["auroc"]), number(one["within_class"]))
        for name, views in found.items()
        for view, one in views.items()
    ]
    return Table(("what the probe sees", "test cases", "macro-AUROC", "within classes"), tuple(rows), "Mean over sites")


def _by_site(found: Json) -> Table:
    sites = sorted({site for views in found.values() for site in views["embedding"]["sites"]})
    rows = [
        (site, *(number(views["embedding"]["sites"].get(site, {}).get("auroc")) for views in found.values()))
        for site in sites
    ]
    return Table(("embedding", *found), tuple(rows), "By site, AUROC")
