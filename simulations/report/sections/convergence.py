"""Convergence: how fast each strategy gets there, and what stopping it is worth."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from strategies.report.look import MUTED, WIDTH, draw, plain
from strategies.report.section import Picture, Section, Table
from strategies.report.words import bytes_text, number, signed

_COLOURS = ("#0b62b0", "#d55e00", "#009e73", "#cc79a7", "#1b2733", "#e69f00", "#56b4e9", "#8a949e")
_DASHES = ("-", "--", ":")


def convergence_section(results: Mapping[str, Any]) -> Section | None:
    """The study of `tessera-simulate convergence`."""
    found = results.get("convergence")
    if not found:
        return None
    plan, modalities = found["plan"], found["modalities"]
    figure = draw(WIDTH, 6.2, lambda figure: _paint(figure, modalities, plan))
    alt = "By modality: held-out loss and test macro-AUROC by round, a line a strategy, a mark at its stopping round"
    return Section(
        id="convergence",
        title="Convergence by strategy",
        reading=(
            "A good strategy's held-out loss (above) falls fast and stays down; the mark is the round that the "
            f"stopping rule keeps ({plan['patience']} rounds without a lower loss end the training). Below, what that "
            "round is worth on test cases that had no say in it: the closer to pooled training (dotted), the less is "
            "lost by not moving data. The row set off reaches it in the fewest rounds."
        ),
        pictures=(Picture(figure, alt),),
        tables=tuple(_table(name, own, plan) for name, own in modalities.items()),
        note=(
            f"Branches only, {plan['folds']} outer fold(s), a held-out part of each site's training cases; every "
            "strategy is tuned over three values of one setting, by held-out loss. A stopping round marked + was still "
            f"falling after {plan['rounds']} rounds. With few test cases an AUROC moves by .01 from round to round by "
            "chance."
        ),
    )


def _paint(figure: Figure, modalities: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    axes = figure.subplots(2, len(modalities), squeeze=False, sharex=True)
    for column, (name, found) in enumerate(modalities.items()):
        loss, auroc = axes[0][column], axes[1][column]
        for position, (strategy, own) in enumerate(found["strategies"].items()):
            colour, dashes = _COLOURS[position % len(_COLOURS)], _DASHES[position // len(_COLOURS) % len(_DASHES)]
            rounds, stop = range(len(own["held_out"])), own["stop"]
            look = {"color": colour, "linestyle": dashes, "linewidth": 1.4}
            loss.plot(rounds, own["held_out"], label=strategy, **look)
            loss.plot([stop], [own["held_out"][stop]], "o", color=colour, markersize=4)
            auroc.plot(rounds[1:], own["auroc"][1:], **look)
            if stop:
                auroc.plot([stop], [own["auroc"][stop]], "o", color=colour, markersize=4)
        auroc.axhline(found["centralised"], color=MUTED, linestyle=":", linewidth=1.2)
        lowest = min(min(own["held_out"]) for own in found["strategies"].values())
        loss.set_ylim(lowest - 0.03, lowest + 0.65)
        auroc.set_ylim(found["centralised"] - 0.16, found["centralised"] + 0.04)
        loss.set_title(name)
        auroc.set_xlabel("round")
        for one in (loss, auroc):
            plain(one, "both")
    axes[0][0].set_ylabel("held-out loss a case")
    axes[1][0].set_ylabel("test macro-AUROC")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5)


def _table(name: str, found: Mapping[str, Any], plan: Mapping[str, Any]) -> Table:
    header = (
        "strategy",
        "tuned setting",
        "stops at round",
        "AUROC there",
        "minus pooled",
        "first near",
        "stays near",
        "bytes by then",
    )
    rows = tuple(
        (
            strategy,
            f"{own['tuned']} {own['value']:g}",
            f"{own['stop']}{'' if own['stopped'] else '+'}",
            number(own["auroc_at_stop"]),
            signed(own["gap_at_stop"]),
            *("never" if own[key] is None else str(own[key]) for key in ("first_near", "stays_near")),
            bytes_text(own["bytes_to_stop"]),
        )
        for strategy, own in found["strategies"].items()
    )
    fastest = tuple(number for number, key in enumerate(found["strategies"]) if key == found["fastest"])
    caption = f"{name}: pooled {number(found['centralised'])}; near: within {plan['gap']:g} of it"
    return Table(header, rows, caption, fastest)
