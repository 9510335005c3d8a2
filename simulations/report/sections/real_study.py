"""What a study between hospitals would have known of its model, beside what only a comparison can know."""

from server.report import pictures
from server.report.site_sections import meta_analysis
from simulations.scores.beside_exact import BesideExact, beside_exact
from simulations.scores.by_site import SiteRow, rows_by_site
from simulations.scores.results import Json
from strategies.evaluation.names import FEDERATED, FUSED, GAIN, LOCAL, TEST
from strategies.report.many import spread
from strategies.report.section import Picture, Section, Table
from strategies.report.words import VERDICTS, interval, number, set_label, shown, signed


def real_study(results: Json) -> Section | None:
    """None where the run was not evaluated; sites by the names that they have in `results`."""
    evaluation = results.get("evaluation") or {}
    if not evaluation:
        return None
    beside, rows = beside_exact(results), rows_by_site(evaluation, FUSED)  # few sites have complete cases
    over = _over_sites(evaluation)
    tables = (_sums(beside), *([over] if over else []), _sites(rows), meta_analysis(evaluation))
    return Section(
        "real-study",
        "What a real study would have known",
        "Between hospitals nobody holds all predictions: each site scores its own test cases, and sums of tallies give "
        "the numbers. From sums: the exact macro-AUROC lies within the bound of the value, and the interval needs no "
        "prediction either, while the bootstrap over cases needs them all. By site: a site gains where the whole "
        "interval of the difference lies above 0, and “not shown” is no proof that it does not. Meta-analysis: what a "
        "hospital has on average, and the interval in which 95 % of new hospitals are expected.",
        _picture(evaluation),
        tuple(table for table in tables if table.rows),
        " ".join(filter(None, [_outside(beside), _all_sites(evaluation) if rows else _NO_OWN])),
    )


_NO_OWN = (
    "No site has a model of its own for these cases, as where whole sites are held out: who gains is then told beside "
    "a run of the same cases with random folds, by python -m simulations.studies.by_site RUN OTHER_RUN."
)


def _picture(evaluation: Json) -> tuple[Picture, ...]:
    """The gain by site; without any, the federated model by site."""
    drawn = {
        "federated minus the site's own model by site, with 95 % intervals": GAIN,
        "macro-AUROC of the federated model by site, with 95 % intervals": FEDERATED,
    }
    figures = ((alt, pictures.by_site(evaluation, FUSED, what)) for alt, what in drawn.items())
    return tuple(Picture(figure, alt) for alt, figure in figures if figure)[:1]


def _sums(beside: list[BesideExact]) -> Table:
    rows = [
        (
            set_label(row.name),
            str(row.n) if row.n == row.n_exact else f"{row.n} of {row.n_exact}",
            number(row.exact["value"], 5),
            number(row.from_sums["value"], 5),
            number(row.from_sums["bound"], 5),
            interval(row.from_sums) or "n/a",
            interval(row.exact) or "n/a",
        )
        for row in beside
    ]
    header = ("test cases", "n", "exact", "from sums", "bound", "interval from sums", "bootstrap interval")
    return Table(header, tuple(rows), "Macro-AUROC of the federated model")


def _outside(beside: list[BesideExact]) -> str:
    """The SETs whose numbers differ by more than they may, which is a mistake in one of the two."""
    names = [set_label(row.name) for row in beside if row.n == row.n_exact and not row.is_within]
    return f"Further from the exact value than the bound allows: {', '.join(names)}." if names else ""


def _over_sites(evaluation: Json) -> Table | None:
    """The federated model, sites' own and the gain over many sites, in place of reading a row for each."""
    models = {FEDERATED: "federated", LOCAL: "its own model", GAIN: "difference"}
    each = {
        label: [own["results"].get(model, {}).get(FUSED, {}).get("macro_auroc", {}).get("value") for own in told]
        for told in [evaluation["sites"].values()]
        for model, label in models.items()
    }
    return spread(each, f"Macro-AUROC on each site's own cases, over sites: {set_label(FUSED).lower()}")


def _sites(rows: list[SiteRow]) -> Table:
    lines = [
        (row.site, str(row.n), shown(row.federated), shown(row.local), shown(row.gain, signed), row.verdict)
        for row in rows
    ]
    header = ("site", "n", "federated", "its own model", "difference", "")
    return Table(header, tuple(lines), f"Macro-AUROC on each site's own cases: {set_label(FUSED).lower()}")


def _all_sites(evaluation: Json) -> str:
    """The gain over all pairs within sites; blank where no site has both models."""
    gain = evaluation["gain"][TEST].get(FUSED)
    if not gain or not gain["verdict"]:
        return ""
    return (
        f"Over all pairs of cases within sites the difference is {shown(gain['macro_auroc'], signed)}: "
        f"{VERDICTS[gain['verdict']].format(margin=gain['margin'])}; higher at {gain['sites_that_gain']} of "
        f"{gain['sites']} sites."
    )
