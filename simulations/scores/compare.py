"""From out-of-fold predictions to results.json: every arm on the same cases, with the same resamples."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd

from simulations.scores.metrics import (
    INTERVALS,
    N_DRAWS,
    Draws,
    difference,
    equivalence,
    estimate,
    mean_defined,
    number,
    summarise,
)
from simulations.scores.predictions import ARMS, COMPLETE, LOCAL, MASKED, Predictions
from simulations.scores.results import Results
from strategies.evaluation.equivalence import MARGIN

DIFFERENCES = (
    ("federated", "centralised"),
    ("federated", "local"),
    ("federated", "best_local"),
    ("federated", "reference"),
    ("centralised", "reference"),
    ("federated", "majority"),
)
EQUIVALENCE = ("federated", "centralised")
"""The pair of which equality is claimed, so that it is tested."""
PASSED_ON = ("bytes", "seconds", "curves", "stopping")


def compare(
    predictions: pd.DataFrame,
    holds: pd.DataFrame,
    task: Mapping[str, Any],
    protocol: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
    n_draws: int = N_DRAWS,
) -> Results:
    """The results that every arm's predictions come to.

    Args:
        predictions: out-of-fold, long; its columns are those of `simulations.scores.predictions.Predictions`.
        holds: case_id x modality -> bool.
        task: name, classes, dropped ({label: number of cases left out}).
        protocol: whatever says how the run was made; its `seed` also seeds the resamples, and its `margin` is that of
            the equivalence tests.
        extra: bytes, seconds, curves and stopping are passed on as they are; external and external_holds are tables
            like the first two, predicted by models that never saw those cases.
        n_draws: bootstrap resamples.

    Raises:
        ValueError: the tables are not what they should be; every problem is listed.
    """
    extra = dict(extra or {})
    if unknown := sorted(extra.keys() - {*PASSED_ON, "external", "external_holds"}):
        raise ValueError(f"compare: unknown extra {', '.join(unknown)}")
    classes, seed = [str(name) for name in task["classes"]], int(protocol.get("seed", 0))
    known, margin = Predictions(predictions, holds, classes, n_draws, seed), float(protocol.get("margin", MARGIN))
    results: dict[str, Any] = {
        "task": {**task, "classes": classes, "modalities": known.modalities},
        "protocol": dict(protocol),
    }
    results |= {"arms": arms(known), "differences": differences(known, margin), "subsets": subsets(known)}
    results |= {"site_by_class": site_by_class(known), "site_by_modality": site_by_modality(known)}
    if extra.get("external") is not None:
        outside = Predictions(extra["external"], extra["external_holds"], classes, n_draws, seed)
        results |= {
            "external_by_site": by_site(outside),
            "external": arms(outside),
            "external_differences": differences(outside, margin),
        }
    return cast(Results, results | {name: extra.get(name, {}) for name in PASSED_ON})


def arms(known: Predictions) -> dict[str, Any]:
    """Every metric of every arm by SET; `local` is the mean over sites, with each site and the best one beside it."""
    present = [arm for arm in ARMS if any(known.source(arm, name) for name in known.sets)]
    result: dict[str, Any] = {arm: _sets_of(known, arm) for arm in present}
    if known.sites:
        sites = {site: _sets_of(known, LOCAL + site) for site in known.sites}
        means = {name: _mean_of_sites(known, sites, name) for name in known.sets if _sites_with(known, name)}
        best = {
            name: {"site": site, "macro_auroc": sites[site][name]["macro_auroc"]["value"]}
            for name in means
            if (site := best_site(known, name)) is not None
        }
        result["local"] = {**means, "sites": sites, "best_site": best}
    return result


def by_site(known: Predictions) -> dict[str, Any]:
    """Every metric of the arms that learned from all sites, by the site of the cases and SET that has any."""
    found: dict[str, Any] = {}
    table = known.table[known.table["arm"].isin(ARMS)]
    for site, own in table.groupby("site"):
        here = Predictions(own, known.holds, known.classes, known.n_draws, known.seed)
        scored = {arm: _sets_of(here, arm) for arm in ARMS if any(here.source(arm, name) for name in here.sets)}
        found[str(site)] = {arm: {name: one for name, one in sets.items() if one["n"]} for arm, sets in scored.items()}
    return found


def _sets_of(known: Predictions, arm: str) -> dict[str, Any]:
    """Every metric of one arm, by SET."""
    result = {}
    for name in known.sets:
        if source := known.source(arm, name):
            scores, cases = known.scores(arm, source, name), known.cases(name)
            labels, weights = cases.labels[scores.covered], cases.weights[:, scores.covered]
            draws = known.draws(arm, source, name)
            result[name] = summarise(scores.probabilities, labels, weights, known.classes, draws)
    return result


def _sites_with(known: Predictions, name: str) -> dict[str, str]:
    """The local arms with predictions for a SET: {arm: the table's set they stand in}."""
    sources = {LOCAL + site: known.source(LOCAL + site, name) for site in known.sites}
    return {arm: source for arm, source in sources.items() if source}


def _mean_of_sites(known: Predictions, sites: dict[str, Any], name: str) -> dict[str, Any]:
    """The mean over sites of every metric; its interval resamples cases, the same for all sites."""
    draws = [known.draws(arm, source, name) for arm, source in _sites_with(known, name).items()]
    each = [sets[name] for sets in sites.values() if name in sets]
    result: dict[str, Any] = {"n": len(known.cases(name).labels), "n_sites": len(each)}
    result |= {metric: estimate(mean_defined(np.stack([one[metric] for one in draws]))) for metric in INTERVALS}
    result |= {metric: _mean([one[metric] for one in each]) for metric in ("plain_ece", "log_loss")}
    result["auroc"] = {c: _mean([one["auroc"][c] for one in each]) for c in known.classes}
    result["recall"] = {
        c: {
            "value": _mean([one["recall"][c]["value"] for one in each]),
            "n": max(one["recall"][c]["n"] for one in each),
        }
        for c in known.classes
    }
    return result


def _mean(values: list[float | None]) -> float | None:
    """Of those that are not n/a."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def best_site(known: Predictions, name: str) -> str | None:
    """The site whose own model has the highest macro-AUROC on a SET (picked on the test cases: a hard opponent)."""
    values = {arm: known.draws(arm, source, name)["macro_auroc"][0] for arm, source in _sites_with(known, name).items()}
    defined = {arm: value for arm, value in values.items() if not np.isnan(value)}
    return max(defined, key=lambda arm: defined[arm]).removeprefix(LOCAL) if defined else None


def differences(known: Predictions, margin: float) -> dict[str, Any]:
    """Paired differences by "a-b" and SET, for the DIFFERENCES whose two arms both have the SET."""
    result: dict[str, Any] = {}
    for a, b in DIFFERENCES:
        found = {name: one for name in known.sets if (one := _difference(known, a, b, name, margin))}
        if found:
            result[f"{a}-{b}"] = found
    return result


def _difference(known: Predictions, a: str, b: str, name: str, margin: float) -> dict[str, Any] | None:
    """One arm minus another on a SET: case by case the same cases, also where a site covers only part of them."""
    others = _sites_with(known, name) if b in ("local", "best_local") else {b: known.source(b, name)}
    site = best_site(known, name) if b == "best_local" else None
    if site is not None:
        others = {LOCAL + site: others[LOCAL + site]}
    source = known.source(a, name)
    pairs = [
        (known.draws(a, source, name, known.scores(arm, other, name).covered), known.draws(arm, other, name))
        for arm, other in others.items()
        if source and other
    ]
    if not pairs or (b == "best_local" and site is None):
        return None
    tested = equivalence(pairs, margin) if (a, b) == EQUIVALENCE else None
    return {**difference(pairs), **({"equivalence": tested} if tested else {}), **({"site": site} if site else {})}


def subsets(known: Predictions) -> dict[str, Any]:
    """The complete cases masked to every subset found: the fused output against the subset's best branch, by arm."""
    masks = {name for _, name in known.rows if name.startswith(MASKED)}
    found = [sorted(name.removeprefix(MASKED).split("+"), key=known.modalities.index) for name in masks]
    if found and known.modalities not in found:
        found.append(known.modalities)
    result = {}
    for names in sorted(found, key=lambda names: (len(names), [known.modalities.index(n) for n in names])):
        by_arm = {arm: one for arm in ARMS if (one := _subset(known, arm, names))}
        result["+".join(names)] = {"modalities": names, **by_arm}
    return result


def _subset(known: Predictions, arm: str, names: list[str]) -> dict[str, Any] | None:
    """One arm's fused output and best branch on the complete cases, when they hold no more than these modalities."""
    written = {name for _, name in known.rows if set(name.removeprefix(MASKED).split("+")) == set(names)}
    options = [name for name in written if name.startswith(MASKED) and (arm, name) in known.rows]
    fused = options[0] if options else known.source(arm, COMPLETE) if names == known.modalities else None
    if fused is None or any((arm, name) not in known.rows for name in names):
        return None
    branches: dict[str, dict[str, Draws]] = {name: known.draws(arm, name, COMPLETE) for name in names}
    best = max(names, key=lambda name: np.nan_to_num(branches[name]["macro_auroc"][0]))
    draws = known.draws(arm, fused, COMPLETE)
    result: dict[str, Any] = {
        "fused": estimate(draws["macro_auroc"]),
        "best_branch": {"name": best, "macro_auroc": number(branches[best]["macro_auroc"][0])},
        "difference": difference([(draws, branches[best])])["macro_auroc"],
    }
    if len(names) == 1:
        same = known.scores(arm, fused, COMPLETE).probabilities == known.scores(arm, names[0], COMPLETE).probabilities
        result["identical"] = bool(same.all())
    return result


def site_by_class(known: Predictions) -> dict[str, dict[str, int]]:
    """Test cases by site and class."""
    counts = pd.crosstab(known.people["site"], known.people["label"])
    counts = counts.reindex(columns=range(len(known.classes)), fill_value=0)
    return {str(site): dict(zip(known.classes, map(int, row), strict=True)) for site, row in counts.iterrows()}


def site_by_modality(known: Predictions) -> dict[str, dict[str, int]]:
    """Test cases by site and modality held."""
    held = known.holds.loc[known.people.index].astype(int).groupby(known.people["site"]).sum()
    return {str(site): {str(name): int(n) for name, n in row.items()} for site, row in held.iterrows()}
