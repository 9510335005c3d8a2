"""The sections that name sites: their own numbers where they tell them, their cases, and what was noted of them."""

from server.report import pictures
from server.report.facts import Facts
from server.report.measured import Measured
from server.report.words import counted
from server.state.missing import said
from strategies.evaluation.names import FEDERATED, GAIN, LOCAL
from strategies.report.section import Picture, Section, Table
from strategies.report.words import Json, number, percent, set_label, shown, signed

_ON_ITS_OWN = {"sums": "in sums only", "full": "its own too", "none": "nothing"}


def by_site(facts: Facts, measured: Measured) -> Section | None:
    """Each site that tells its own numbers, and the meta-analysis."""
    evaluation, name = facts.evaluation, measured.headline
    told = {site: own for site, own in evaluation["sites"].items() if own["results"]}
    if not told:
        return None
    header = ("site", "n", "macro-AUROC, federated", "the site's own model", "difference")
    rows = tuple((_called(site, own), *_numbers(own, name)) for site, own in told.items())
    meta = meta_analysis(evaluation)
    drawn = (
        (pictures.by_site(evaluation, name, FEDERATED), "Macro-AUROC of the federated model by site, with intervals."),
        (pictures.by_site(evaluation, name, GAIN), "Federated minus the site's own model by site, with intervals."),
    )
    return Section(
        "by-site",
        "Site by site",
        f"{set_label(name)}, test cases of the sites whose policy lets their own numbers out (evaluation: full). "
        "External: trained on nothing of this study. From three sites on, a random-effects meta-analysis says what a "
        "hospital has on average, and where 95 % of new hospitals lie.",
        tuple(Picture(figure, alt) for figure, alt in drawn if figure),
        (Table(header, rows), *((meta,) if meta.rows else ())),
        _silent(evaluation),
    )


def meta_analysis(evaluation: Json) -> Table:
    """What the sites' numbers come to by model and SET; without a row where there is none."""
    rows = tuple(
        (f"{_WHAT[what]}: {set_label(of)}", *_pooled(own, signed if what == GAIN else number))
        for what, sets in evaluation["meta"].items()
        if what in _WHAT
        for of, own in sets.items()
        if own["macro_auroc"]["value"] is not None
    )
    return Table(("what", "sites", "a hospital on average", "95 % of new hospitals", "I²"), rows, "Meta-analysis")


_WHAT = {FEDERATED: "federated", LOCAL: "own models", GAIN: "difference"}


def _numbers(own: Json, name: str) -> tuple[str, ...]:
    scored = {what: own["results"].get(what, {}).get(name) or {} for what in _WHAT}
    n = scored[FEDERATED].get("n")
    return (
        "n/a" if n is None else str(n),
        shown(scored[FEDERATED].get("macro_auroc")),
        shown(scored[LOCAL].get("macro_auroc")),
        shown(scored[GAIN].get("macro_auroc"), signed),
    )


def _pooled(own: Json, form) -> tuple[str, ...]:  # noqa: ANN001
    ends = (own["prediction_low"], own["prediction_high"])
    predicted = "n/a" if None in ends else f"{form(ends[0])} to {form(ends[1])}"
    return str(own["sites"]), shown(own["macro_auroc"], form), predicted, percent(own["i2"])


def _silent(evaluation: Json) -> str:
    policies = evaluation.get("sites_by_policy") or {}
    others = [f"{counted(n, 'site')} with evaluation: {name}" for name, n in policies.items() if name != "full"]
    return f"Not in this table: {', '.join(others)}." if others else ""


def _called(site: str, own: Json) -> str:
    return f"{site}, external" if own["is_external"] else site


def cases(facts: Facts, measured: Measured) -> Section | None:
    """Training cases by site and modality."""
    del measured
    modalities = list(facts.federation.modalities)
    sites = {**{site: {} for site in facts.external}, **facts.sites}
    if not sites:
        return None
    rows = tuple(
        (
            site + (", external" if site in facts.external else ""),
            *(str(own.get(name, 0)) for name in modalities),
            _ON_ITS_OWN.get(facts.policies.get(site, ""), "not asked"),
        )
        for site, own in sorted(sites.items())
    )
    total = ("all", *(str(facts.cases.get(name, 0)) for name in modalities), "")
    header = ("site", *modalities, "lets numbers out")
    counts = ", ".join(f"{name} {n:g}" for name, n in facts.class_counts.items())
    return Section(
        "cases",
        "Sites and training cases",
        "How many training cases of each site hold each kind of data, and what its policy lets out of an evaluation.",
        (),
        (Table(header, (*rows, total), own=(len(rows),)),),
        f"Training cases by class: {counts}." if counts else "",
    )


def missing(facts: Facts, measured: Measured) -> Section | None:
    """Which sums lack which sites."""
    del measured
    if not facts.missing:
        return None
    rows = tuple(said(facts.missing).items())
    reading = (
        "Sums and rounds that a site's answer is not in, though the study knew the site. Of the branches such a round "
        "is one of the others alone; the fusion head's fit goes on without a site once it was waited for."
    )
    return Section("missing", "Who was missing", reading, (), (Table(("site", "not in"), rows),))


def notes(facts: Facts, measured: Measured) -> Section | None:
    """What the study noted: sites that were missing, messages that were not used."""
    del measured
    if not facts.notes:
        return None
    rows = tuple((note["site"], note["part"], note["level"], note["text"]) for note in facts.notes)
    reading = "Sites that were missing, and what they sent that was not used; * is the study as a whole."
    return Section("notes", "What went otherwise", reading, (), (Table(("site", "part", "", "note"), rows),))
