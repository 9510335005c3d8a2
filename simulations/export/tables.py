"""Every table of a comparison, from results.json."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from simulations.export.table import PaperTable, with_interval
from simulations.report.build import METRICS
from simulations.report.words import external_headline, headline, sets_of, tested
from simulations.scores.results import Json
from strategies.report.look import ARM_LOOKS
from strategies.report.words import chance, number, set_label, signed

_ENDS = ("value", "low", "high")
_PAIRED = ("macro_auroc", "balanced_accuracy", "accuracy")
_LEARNED = ("federated", "centralised", "reference")


def tables_of(results: Json) -> list[PaperTable]:
    """Those that the results have numbers for; sites by the names that they are given here."""
    tables = _of_cohort(results, "arms", "differences", headline(results), "")
    tables += [_counts(results, f"site_by_{what}", what) for what in ("class", "modality")]
    tables += [_single_sites(results), _subsets(results), _traffic(results)]
    if results.get("external"):
        tables += _of_cohort(results, "external", "external_differences", external_headline(results), "external_")
        tables.append(_external_sites(results))
    return [table for table in tables if len(table.rows)]


def _of_cohort(results: Json, arms: str, differences: str, shown: str, before: str) -> list[PaperTable]:
    """Scores, differences, equivalence, recall and confusion of the study's cases, or of the external ones."""
    sets, where = sets_of(results, arms), ", external cases" if before else ""
    scored, gaps = results[arms], results.get(differences) or {}
    return [
        _scores(scored, sets, f"{before}performance", where),
        _differences(gaps, sets, f"{before}differences", where),
        _equivalence(gaps, sets, f"{before}equivalence", where),
        _by_class(scored, shown, results["task"]["classes"], f"{before}by_class", where),
        _confusion(scored, shown, results["task"]["classes"], f"{before}confusion", where),
    ]


def _made(name: str, caption: str, header: Sequence[str], rows: Sequence[Any], numbers: Sequence[Any]) -> PaperTable:
    return PaperTable(name, caption, tuple(header), tuple(map(tuple, rows)), pd.DataFrame(list(numbers)))


def _scores(scored: Json, sets: Sequence[str], name: str, where: str) -> PaperTable:
    rows, numbers = [], []
    for one in sets:
        for arm in [arm for arm in ARM_LOOKS if one in scored.get(arm, {})]:
            own = scored[arm][one]
            group = f"{set_label(one)} (n = {own['n']})"
            rows.append((group, ARM_LOOKS[arm].label, *(with_interval(own.get(metric)) for metric in METRICS)))
            for metric in METRICS:
                numbers.append({"set": one, "n": own["n"], "arm": arm, "metric": metric, **_ends(own.get(metric))})
            numbers += [
                {"set": one, "n": own["n"], "arm": arm, "metric": metric, "value": own.get(metric)}
                for metric in ("plain_ece", "log_loss")
            ]
    return _made(name, f"Scores with 95 % intervals{where}", ("Cases", "Arm", *METRICS.values()), rows, numbers)


def _differences(gaps: Json, sets: Sequence[str], name: str, where: str) -> PaperTable:
    rows, numbers = [], []
    for pair, by_set in gaps.items():
        first, second = pair.split("-")
        for one in [one for one in sets if one in by_set]:
            own = by_set[one]
            group = f"{first} {_MINUS} {second.replace('_', ' ')}"
            rows.append((group, set_label(one), *(with_interval(own[metric], signed) for metric in _PAIRED)))
            about = {"first": first, "second": second, "site": own.get("site", ""), "set": one}
            numbers += [{**about, "metric": metric, **_ends(own[metric])} for metric in _PAIRED]
    header = ("Pair", "Cases", *(METRICS[metric] for metric in _PAIRED))
    return _made(name, f"Paired differences with 95 % intervals{where}", header, rows, numbers)


def _equivalence(gaps: Json, sets: Sequence[str], name: str, where: str) -> PaperTable:
    rows, numbers = [], []
    for pair, by_set in gaps.items():
        for one in sets:
            if found := tested(by_set.get(one, {})):
                value = by_set[one]["macro_auroc"]["value"]
                ends = f"{signed(found['low'])} to {signed(found['high'])}"
                group, p = pair.replace("-", f" {_MINUS} "), chance(found["p"]).removeprefix("p ").removeprefix("= ")
                rows.append((group, set_label(one), signed(value), ends, f"{found['margin']:g}", p, found["verdict"]))
                numbers.append({"pair": pair, "set": one, "difference": value, **found})
    header = ("Pair", "Cases", "Difference", "90 % interval", "Margin", "p", "Verdict")
    return _made(name, f"Two one-sided tests of macro-AUROC{where}", header, rows, numbers)


def _by_class(scored: Json, shown: str, classes: Sequence[str], name: str, where: str) -> PaperTable:
    arms = [arm for arm in ARM_LOOKS if shown in scored.get(arm, {})]
    rows, numbers = [], []
    for what in ("auroc", "recall"):
        for kind in classes:
            own = [_of_class(scored[arm][shown], what, kind) for arm in arms]
            n = scored[arms[0]][shown]["recall"][kind]["n"]
            rows.append(({"auroc": "AUROC", "recall": "Recall"}[what], kind, str(n), *map(number, own)))
            numbers += [
                {"metric": what, "class": kind, "n": n, "arm": arm, "value": value}
                for arm, value in zip(arms, own, strict=True)
            ]
    header = ("Metric", "Class", "n", *(ARM_LOOKS[arm].label for arm in arms))
    return _made(name, f"By class: {set_label(shown).lower()}{where}", header, rows if arms else [], numbers)


def _of_class(scored: Json, what: str, kind: str) -> float | None:
    own = scored[what][kind]
    return own["value"] if isinstance(own, Mapping) else own


def _confusion(scored: Json, shown: str, classes: Sequence[str], name: str, where: str) -> PaperTable:
    rows, numbers = [], []
    for arm in _LEARNED:
        for true, counts in zip(classes, scored.get(arm, {}).get(shown, {}).get("confusion", ()), strict=False):
            rows.append((ARM_LOOKS[arm].label, true, *map(str, counts)))
            numbers += [
                {"arm": arm, "true": true, "predicted": predicted, "cases": count}
                for predicted, count in zip(classes, counts, strict=True)
            ]
    caption = f"Confusion matrices (rows: true class, columns: predicted): {set_label(shown).lower()}{where}"
    return _made(name, caption, ("Arm", "True class", *classes), rows, numbers)


def _counts(results: Json, part: str, what: str) -> PaperTable:
    counts = results.get(part) or {}
    columns = list(next(iter(counts.values()), {}))
    rows = [("", site, *(str(own[column]) for column in columns)) for site, own in counts.items()]
    numbers = [{"site": site, what: column, "cases": n} for site, own in counts.items() for column, n in own.items()]
    return _made(part, f"Cases by site and {what}", ("", "Site", *columns), rows, numbers)


def _single_sites(results: Json) -> PaperTable:
    """Each site's own model, on all test cases."""
    rows, numbers = [], []
    shown = headline(results)
    for site, sets in results["arms"].get("local", {}).get("sites", {}).items():
        for one, own in sets.items():
            numbers += [{"site": site, "set": one, "n": own["n"], "metric": m, **_ends(own[m])} for m in METRICS]
        if shown in sets:
            rows.append(("", site, *(with_interval(sets[shown][metric]) for metric in METRICS)))
    caption = f"Each site's own model on all test cases: {set_label(shown).lower()}"
    return _made("sites_alone", caption, ("", "Site", *METRICS.values()), rows, numbers)


def _subsets(results: Json) -> PaperTable:
    rows, numbers = [], []
    for one in (results.get("subsets") or {}).values():
        for arm in [arm for arm in ARM_LOOKS if arm in one]:
            own, best = one[arm], one[arm]["best_branch"]
            branch = f"{best['name']} {number(best['macro_auroc'])}"
            gap = with_interval(own["difference"], signed)
            rows.append((" + ".join(one["modalities"]), ARM_LOOKS[arm].label, with_interval(own["fused"]), branch, gap))
            about = {"modalities": "+".join(one["modalities"]), "arm": arm}
            numbers.append({**about, "output": "fused", **_ends(own["fused"])})
            numbers.append({**about, "output": best["name"], "value": best["macro_auroc"]})
            numbers.append({**about, "output": "difference", **_ends(own["difference"])})
    header = ("Modalities shown", "Arm", "Fused", "Best branch", "Difference")
    return _made("subsets", "Macro-AUROC with modalities hidden, complete cases", header, rows, numbers)


def _traffic(results: Json) -> PaperTable:
    by_site = results.get("bytes") or {}
    numbers = [
        {"site": site, "owner": owner, "up": own["up"], "down": own["down"]}
        for site, owners in by_site.items()
        for owner, own in owners.items()
    ]
    rows = [
        ("", site, *(f"{sum(own[way] for own in owners.values()) / 1e6:.2f}" for way in ("up", "down")))
        for site, owners in by_site.items()
    ]
    return _made("bytes", "Traffic of one fold's study, MB", ("", "Site", "Up", "Down"), rows, numbers)


def _external_sites(results: Json) -> PaperTable:
    shown = external_headline(results)
    rows, numbers = [], []
    for site, scored in (results.get("external_by_site") or {}).items():
        arms = [arm for arm in _LEARNED if shown in scored.get(arm, {})]
        for arm in arms:
            own = scored[arm][shown]
            rows.append((f"{site} (n = {own['n']})", ARM_LOOKS[arm].label, *(with_interval(own[m]) for m in METRICS)))
            numbers += [{"site": site, "n": own["n"], "arm": arm, "metric": m, **_ends(own[m])} for m in METRICS]
    caption = f"By external site: {set_label(shown).lower()}"
    return _made("external_by_site", caption, ("Site", "Arm", *METRICS.values()), rows, numbers)


def _ends(estimate: Json | None) -> dict[str, Any]:
    return {end: (estimate or {}).get(end) for end in _ENDS}


_MINUS = "\N{MINUS SIGN}"
