"""Sets of classes that hold the true one as often as promised."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulations.scores.results import Json
from strategies.report.look import ARM_LOOKS, MUTED, WIDTH, draw, plain, short
from strategies.report.many import spread
from strategies.report.panels import wilson
from strategies.report.section import LONG, Picture, Section, Table
from strategies.report.words import number, percent

_SIDES = ("shared", "own")
_LEAST = 0.3  # the axis does not go further down: few cases, wide intervals


def conformal(results: Json) -> Section | None:
    """None where no model has conformal thresholds."""
    found = results.get("conformal") or {}
    if not found:
        return None
    target = next(iter(found.values()))["target"]
    return Section(
        "conformal-sets",
        "Conformal sets: which classes are still possible?",
        f"Instead of one class the fused model names every class that it cannot rule out, so that the true one is "
        f"among them in {percent(target)} of cases of each class (dashed line). Dots on the line keep the promise; "
        "small sets are useful ones. “Shared” thresholds come from histograms summed over sites; “own” ones were "
        "drawn from there towards the site's cases and never leave it.",
        (Picture(_figure(found), "coverage by class and by site, with 95 % intervals"),),
        (_by_class(found), *_over_sites(found), _sizes(found), *_by_site(found)),
        "A group with fewer than 5 test cases is n/a. An empty set is a case unlike any that was learned from.",
    )


def _figure(found: Json) -> Figure:
    arm = "federated" if "federated" in found else next(iter(found))
    by_class, by_site = found[arm]["by_class"], found[arm]["by_site"]
    lined = {"By class": by_class, **({"By site": by_site} if len(by_site) <= LONG else {})}

    def paint(figure: Figure) -> None:
        longest = max(map(len, lined.values()))
        panels = figure.subplots(1, 2, squeeze=False, width_ratios=[1, 1])[0]
        for axes, (title, group) in zip(panels[: len(lined)], lined.items(), strict=True):
            _paint_lines(axes, group, arm)
            axes.set(xlim=(_LEAST, 1.01), ylim=(longest - 0.5, -0.5))
            axes.set_title(f"{title}, {arm}")
            axes.set_xlabel("Coverage (dots: shared thresholds; squares: own)")
        if len(lined) == 1:
            _paint_sites(panels[1], by_site, arm)
        for axes in panels:
            axes.axvline(found[arm]["target"], color=MUTED, lw=1, ls=(0, (4, 3)))
            plain(axes)

    return draw(WIDTH, max(2.6, 1.1 + 0.27 * max(map(len, lined.values()))), paint)


def _paint_lines(axes: Axes, group: Json, arm: str) -> None:
    """Each with its interval."""
    for row, one in enumerate(group.values()):
        for side, offset, colour in (("shared", -0.13, ARM_LOOKS[arm].colour), ("own", 0.13, MUTED)):
            value = one[side]["coverage"]
            if value is not None:
                axes.plot(wilson(value, one["n"]), [row + offset] * 2, color=colour, lw=1.4, alpha=0.7)
                axes.plot(value, row + offset, "o" if side == "shared" else "s", color=colour, ms=5.5)
    labels = [f"{short(name, 18)} (n = {one['n']})" for name, one in group.items()]
    axes.set_yticks(range(len(group)), labels)


def _paint_sites(axes: Axes, by_site: Json, arm: str) -> None:
    """How many of many sites have which coverage."""
    known = [one["shared"]["coverage"] for one in by_site.values() if one["shared"]["coverage"] is not None]
    axes.hist(known, bins=20, range=(0, 1), color=ARM_LOOKS[arm].colour, alpha=0.75)
    axes.set_title(f"{len(known):,} sites with 5 test cases or more")
    axes.set(xlabel="Coverage, shared thresholds", ylabel="Sites")


def _by_class(found: Json) -> Table:
    rows = [
        (f"{arm}: {name}", str(one["n"]), *_numbers(one))
        for arm, scored in found.items()
        for name, one in {"every case": scored["overall"], **scored["by_class"]}.items()
    ]
    own = tuple(place for place, row in enumerate(rows) if row[0].endswith(": every case"))
    return Table(_header("test cases"), tuple(rows), "By class", own=own)


def _by_site(found: Json) -> list[Table]:
    arms = [arm for arm in ("federated",) if arm in found]
    each = {arm: [(name, str(one["n"]), *_numbers(one)) for name, one in found[arm]["by_site"].items()] for arm in arms}
    return [Table(_header("site"), tuple(rows), f"By site, {arm}") for arm, rows in each.items()]


def _over_sites(found: Json) -> list[Table]:
    """Coverage over many sites; nothing where each stands in the picture."""
    tables = [
        spread(
            {
                f"{side} thresholds": [one[side]["coverage"] for one in found[arm]["by_site"].values()]
                for side in _SIDES
            },
            f"Coverage over sites, {arm}",
        )
        for arm in ("federated",)
        if arm in found
    ]
    return [table for table in tables if table]


def _sizes(found: Json) -> Table:
    most = max(len(scored["sizes"]) for scored in found.values())
    rows = [(arm, *map(str, one["sizes"]), percent(one["right_alone"], 1)) for arm, one in found.items()]
    header = ("sets with", *(f"{size} classes" if size != 1 else "1 class" for size in range(most)), "right if 1")
    return Table(header, tuple(rows), "How many classes a set holds (shared thresholds), in cases")


def _header(first: str) -> tuple[str, ...]:
    return (first, "n", "coverage, shared", "set size, shared", "coverage, own", "set size, own")


def _numbers(one: Json) -> tuple[str, ...]:
    return tuple(
        text for side in ("shared", "own") for text in (percent(one[side]["coverage"], 1), number(one[side]["size"], 2))
    )
