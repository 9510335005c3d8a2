"""One hostile site: what it does to the fused prediction, with a mean and with a robust rule."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from strategies.report.look import MUTED, WIDTH, draw, plain
from strategies.report.section import Picture, Section, Table
from strategies.report.words import interval, number, signed

_COLOURS = ("#0b62b0", "#d55e00", "#009e73", "#cc79a7", "#e69f00")


def robustness_section(results: Mapping[str, Any]) -> Section | None:
    """The study of `tessera-simulate robustness`."""
    found = results.get("robustness")
    if not found:
        return None
    plan, rules = found["plan"], found["rules"]
    figure = draw(WIDTH, 3.6, lambda figure: _paint(figure, rules))
    alt = "Fused macro-AUROC under each rule, a bar for no attack and one for each attack"
    n_sites, cases = len(found["sites"]), found["sites"][found["hostile"]]
    broken = "; ".join(f"{what}: {why}" for what, why in found["notes"].items())
    return Section(
        id="robustness",
        title="One hostile site",
        reading=(
            f"One of {n_sites} sites ({cases} of {sum(found['sites'].values())} training cases) sends poisoned weights "
            "in every round. A rule withstands it where its bars are level: the fall, without attack minus with, "
            f"should be at most {plan['allowed_fall']:g}. The first bar says what the rule costs while nobody attacks."
        ),
        pictures=(Picture(figure, alt),),
        tables=(_table(rules, plan),),
        note=(
            "Fused macro-AUROC of the test cases, with 95 % intervals over cases. Only training replies are attacked: "
            "the shared statistics and the fusion head's summed gradients have no robust rule. " + broken
        ).strip(),
    )


def _paint(figure: Figure, rules: Mapping[str, Any]) -> None:
    axes = figure.subplots()
    attacks = list(next(iter(rules.values()))["macro_auroc"])
    width, places = 0.8 / len(attacks), np.arange(len(rules))
    for position, attack in enumerate(attacks):
        heights = [own["macro_auroc"][attack]["value"] for own in rules.values()]
        label = "no attack" if attack == "none" else attack
        axes.bar(places + position * width, heights, 0.9 * width, label=label, color=_COLOURS[position % len(_COLOURS)])
    axes.axhline(0.5, color=MUTED, linestyle=":", linewidth=1)
    axes.set_xticks(places + 0.4 - width / 2, list(rules))
    axes.set_ylim(0.3, 1)
    axes.set_ylabel("fused macro-AUROC")
    plain(axes, "y")
    figure.legend(loc="outside lower center", ncols=len(attacks))


def _table(rules: Mapping[str, Any], plan: Mapping[str, Any]) -> Table:
    attacks = plan["attacks"]
    header = ("rule", "no attack", *(f"{attack}: fall" for attack in attacks))
    rows = tuple(
        (rule, number(own["macro_auroc"]["none"]["value"]), *(_fall(own["fall"][attack]) for attack in attacks))
        for rule, own in rules.items()
    )
    safe = tuple(
        position
        for position, own in enumerate(rules.values())
        if all(own["fall"][attack]["value"] <= plan["allowed_fall"] for attack in attacks)
    )
    return Table(header, rows, "Fused macro-AUROC; set off: no attack costs more than is allowed", safe)


def _fall(estimate: Mapping[str, Any]) -> str:
    return f"{signed(estimate['value'])} ({interval(estimate, signed)})"
