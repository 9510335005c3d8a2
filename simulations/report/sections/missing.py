"""What is left as sites lack more and more modalities."""

from matplotlib.figure import Figure

from simulations.scores.predictions import COMPLETE, FUSED
from simulations.scores.results import Json
from strategies.report.look import ARM_LOOKS, WIDTH, draw, plain
from strategies.report.section import Picture, Section, Table
from strategies.report.words import interval, number, percent, set_label, signed


def missing(results: Json) -> Section | None:
    """None where one rate was run."""
    found = results.get("missing_rates")
    if not found:
        return None
    return Section(
        "missing-rates",
        "When sites lack modalities",
        "Further right, more (site, modality) pairs take no part in training; test cases keep all that they have. A "
        "line that stays level says that the sites which still hold a modality make up for those that do not; every "
        "site keeps one modality and every modality one site. Bands are 95 % intervals.",
        (Picture(_figure(found), "macro-AUROC by share of missing modalities, an arm each"),),
        tuple(_table(found, name) for name in (FUSED, COMPLETE)),
    )


def _figure(found: Json) -> Figure:
    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 2, sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, (FUSED, COMPLETE), strict=True):
            for arm, sets in found["arms"].items():
                look = ARM_LOOKS[arm]
                known = [
                    (rate, one) for rate, one in zip(found["rates"], sets[name], strict=True) if one["low"] is not None
                ]
                rates = [rate for rate, _ in known]
                lows, highs = [one["low"] for _, one in known], [one["high"] for _, one in known]
                axes.fill_between(rates, lows, highs, color=look.colour, alpha=0.12, lw=0)
                values = [one["value"] for _, one in known]
                label = look.label if name == FUSED else None
                axes.plot(rates, values, "-", marker=look.marker, color=look.colour, ms=6, mec="white", label=label)
            axes.set_title(set_label(name))
            axes.set_xticks(found["rates"], [percent(rate) for rate in found["rates"]])
            axes.set_xlabel("(site, modality) pairs hidden from training")
            plain(axes, "both")
        panels[0].set_ylabel("Macro-AUROC")
        figure.legend(loc="outside upper center", ncols=len(found["arms"]), fontsize=9)

    return draw(WIDTH, 3.6, paint)


def _table(found: Json, name: str) -> Table:
    rows = [
        (arm, *(f"{number(one['value'])} ({interval(one)})" for one in sets[name]))
        for arm, sets in found["arms"].items()
    ]
    gaps = [f"{signed(gap['value'])} ({interval(gap, signed)})" if gap else "n/a" for gap in found["differences"][name]]
    rows.append(("federated − centralised", *gaps))
    header = ("macro-AUROC (95 %)", *(percent(rate) for rate in found["rates"]))
    return Table(header, tuple(rows), set_label(name))
