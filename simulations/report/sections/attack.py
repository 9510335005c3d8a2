"""How much updates, sums and a release tell of single patients, and of a site's classes."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from simulations.scores.results import Json
from strategies.report.look import INK, MUTED, WIDTH, draw, plain
from strategies.report.section import Picture, Section, Table
from strategies.report.words import interval, number, percent, set_label

_COLOURS = ("#d55e00", "#e69f00", "#009e73", "#0b62b0", "#cc79a7", "#56b4e9")
_DASHES = ("-", "--", "-.")
_READING = (
    "An AUC of .5 means that whoever looks cannot tell patients who were learned from from patients who were not, and "
    "1 that every one is told apart; but read the share found at 1 % false alarms too, since an attacker who is sure "
    "of a few patients harms those, and by chance that share is 1 %."
)


def attack(results: Json) -> Section | None:
    """None where no attack was run."""
    found = results.get("attack")
    if not found:
        return None
    alt = "By modality, on log axes: the share of members found against the share of others accused, a line a view"
    pictures = (Picture(_figure(found), alt),) if found["membership"] else ()
    return Section(
        "attack", "How much does a model tell?", _READING, pictures, (_membership(found), _counts(found)), _note(found)
    )


def view_label(view: str) -> str:
    """`sum-3@1` -> `sum of 3 sites, round 1`."""
    kind, _, rest = view.partition("-")
    if kind == "release":
        return f"release, epsilon {rest}" if rest else "release"
    size, _, server_round = rest.partition("@")
    return f"{'one site' if size == '1' else f'sum of {size} sites'}, round {server_round}"


def _figure(found: Json) -> Figure:
    membership, rates = found["membership"], found["false_positives"]
    columns = min(4, len(membership))
    n_rows = -(-len(membership) // columns)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(n_rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        lines = {}
        for axes, (name, own) in zip(panels, membership.items(), strict=False):
            for view, one in own.items():
                curve = [max(value, rates[0]) for value in one["likelihood_ratio"]["curve"]]
                (lines[view],) = axes.loglog(rates, curve, lw=1.5, **_look(view, found["plan"]))
            axes.loglog(rates, rates, color=MUTED, lw=1, ls=":")
            axes.set(title=set_label(name), xlabel="others accused", xlim=(rates[0], 1), ylim=(rates[0], 1.05))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
                axis.set_minor_formatter(NullFormatter())
            plain(axes, "both")
        for axes in panels[len(membership) :]:
            axes.set_visible(False)
        panels[0].set_ylabel("members found")
        labels = [view_label(view) for view in lines]
        figure.legend(list(lines.values()), labels, loc="outside lower center", ncols=4)

    return draw(WIDTH, 0.9 + 2.7 * n_rows, paint)


def _look(view: str, plan: Json) -> dict[str, Any]:
    """A colour for each size of a group, dashes for a later round; releases in ink."""
    kind, _, rest = view.partition("-")
    if kind == "release":
        places = [f"{epsilon:g}" for epsilon in plan["epsilons"]]
        return {"color": INK, "ls": _DASHES[1 + places.index(rest) % 2] if rest else "-"}
    size, _, server_round = rest.partition("@")
    colour = _COLOURS[list(plan["sums"]).index(int(size)) % len(_COLOURS)]
    return {"color": colour, "ls": _DASHES[list(plan["rounds"]).index(int(server_round)) % len(_DASHES)]}


def _membership(found: Json) -> Table:
    header = ("what is seen", "AUC, one threshold", "AUC, likelihood ratio", "found at 1 %", "at 0.1 %", "by chance")
    rows = tuple(
        (f"{set_label(name)}: {view_label(view)}", *_row(one))
        for name, own in found["membership"].items()
        for view, one in own.items()
    )
    caption = "Who was learned from: AUC and share of members found at that share of false alarms (95 %)"
    return Table(header, rows, caption)


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    ratio = one["likelihood_ratio"]
    shares = [f"{percent(own['value'], 1)} ({interval(own, percent)})" for own in ratio["found"].values()]
    return _value(one["threshold"]["auc"]), _value(ratio["auc"]), *shares, _value(one["control"])


def _counts(found: Json) -> Table:
    header = (
        "what is seen",
        "a site's classes, off by",
        "every class right",
        "the group's, off by",
        "knowing only size",
    )
    rows = tuple(
        (
            f"{name}: {view_label(view)}",
            number(one["site"], 2),
            percent(one["exact"]),
            number(one["group"], 2),
            number(one["prior"], 2),
        )
        for name, own in found["class_counts"].items()
        for view, one in own.items()
    )
    return Table(header, rows, "How many cases of each class a site has: cases off, a class, on average")


def _note(found: Json) -> str:
    plan = found["plan"]
    lacking = "; ".join(
        f"{name}: no sum of {', '.join(map(str, sizes))} of its {found['holders'][name]} sites"
        for name, sizes in found["left_out"].items()
    )
    inputs = ", ".join(f"{name} {n}" for name, n in found["inputs"].items())
    private = "" if plan["epsilons"] else "No release under differential privacy was attacked. "
    return (
        f"{plan['studies']} studies, each on a random half of each class at every site, so that members and others "
        f"differ in nothing else; {plan['targets']} of them attacked, the others as shadow models (likelihood ratio of "
        "Carlini et al. 2022, online). The attacker knows the patient's data and label and all settings, and trains "
        "shadow models on the other patients. One threshold: on the loss under a release, on how much an update raises "
        "the true class. By chance: AUC of the same scores held against members drawn anew, mean and middle 95 % of "
        "draws. Fused is the mean of the branches. One round is judged at a time: who sees every round sees more. "
        f"Inputs: {inputs}. {private}{lacking}"
    ).strip()


def _value(estimate: Json) -> str:
    return f"{number(estimate['value'])} ({interval(estimate)})"
