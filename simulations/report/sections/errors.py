"""How the branches err together."""

from matplotlib.figure import Figure

from simulations.scores.results import Json
from strategies.report.look import INK, WIDTH, draw, short
from strategies.report.section import Picture, Section, Table
from strategies.report.words import number, percent


def error_correlation(results: Json) -> Section | None:
    """None where there are fewer than two branches, or no complete cases."""
    found = results.get("error_correlation") or {}
    if not found:
        return None
    return Section(
        "error-correlation",
        "Why fusing helps: branches err on different cases",
        "Each cell is the correlation (phi) of two branches being wrong on the same complete case: at 0 their errors "
        "have nothing to do with each other and fusion has the most to gain, at 1 they are the same errors and it has "
        "nothing. Where at least one branch is right and one wrong, fusion can choose; where all are wrong it seldom "
        "helps.",
        (Picture(_figure(found), "matrices of phi by pair of branches, an arm each"),),
        (_pairs(found), _shares(found)),
    )


def _figure(found: Json) -> Figure:
    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(found), squeeze=False)[0]
        for axes, (arm, one) in zip(panels, found.items(), strict=True):
            names = [short(name, 12) for name in one["modalities"]]
            values = [[0.0 if value is None else value for value in row] for row in one["phi"]]
            axes.imshow(values, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
            for i, row in enumerate(one["phi"]):
                for j, value in enumerate(row):
                    colour = "white" if (value or 0) > 0.6 else INK
                    axes.text(j, i, number(value, 2), ha="center", va="center", color=colour, fontweight="bold")
            axes.set_xticks(range(len(names)), [name.replace("_", "_\n") for name in names])
            axes.set_yticks(range(len(names)), names)
            axes.set_title(f"{arm} (n = {one['n']})")
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)

    n = max(len(one["modalities"]) for one in found.values())
    return draw(WIDTH, 0.9 + 0.55 * n, paint)


def _pairs(found: Json) -> Table:
    rows = []
    for arm, one in found.items():
        names, wrong = one["modalities"], one["wrong"]
        rows += [
            (
                f"{arm}: {names[a]} and {names[b]}",
                number(one["phi"][a][b], 2),
                percent(one["both_wrong"][a][b], 1),
                percent(wrong[a] * wrong[b], 1),
            )
            for a in range(len(names))
            for b in range(a + 1, len(names))
        ]
    return Table(("branches", "phi", "both wrong", "if independent"), tuple(rows), "Two by two")


def _shares(found: Json) -> Table:
    names = next(iter(found.values()))["modalities"]
    rows = [
        (
            arm,
            *(percent(value, 1) for value in one["wrong"]),
            percent(one["fused_wrong"], 1),
            percent(one["all_wrong"], 1),
            percent(one["split"], 1),
            percent(one["split_fused_right"], 1),
        )
        for arm, one in found.items()
    ]
    header = ("wrong", *names, "fused", "every branch", "some, not all", "of these, fused right")
    return Table(header, tuple(rows), "How often each is wrong")
