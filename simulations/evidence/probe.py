"""Can a case's site be told from its embedding? A linear probe learns it, in the simulation only.

Embeddings never leave a real site. The probe learns from a fold's training cases and is scored on its test cases, which
neither it nor the branch has seen; the same on raw features says what was there before, and permuted sites what chance
gives. Sites differ in their classes, so a branch that knows the class knows something of the site: the class alone is
another baseline, and AUROC within classes compares only cases of the same class.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from modalities.core.contract import Cases
from modalities.core.model.predict import FittedModel
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import Federation
from modalities.core.site.cases import NO_LABEL
from modalities.core.site.store import SiteData
from server.state.release import fitted_model, read_release
from simulations.arms.arms import RELEASE, Fold
from simulations.arms.reference import as_vectors, quiet
from simulations.scores.metrics import number, weighted_auroc

MIN_SITE = 20
_COMPONENTS = 50
Views = Mapping[str, np.ndarray]


def site_probe(folds: Sequence[Fold], federation: Federation) -> dict[str, Any]:
    """By modality and view (raw, embedding, outputs, class, permuted): AUROC of the site, plain and within classes.

    Empty where whole sites are held out: no probe can name a site that it never saw.
    """
    tested = Counter(name for fold in folds for name in _tested_at(fold.training(federation), federation))
    asked = {name for (name, _), n in tested.items() if n >= MIN_SITE}
    scored: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for number_of_fold, fold in enumerate(folds, start=1):
        model = fitted_model(read_release(fold.folder / "federated" / RELEASE)[0])
        sites = fold.training(federation)
        for name in [name for name in model.branches if name in asked]:
            for view, table in _probed(model, sites, name, seed_of(federation.seed, "probe", name, number_of_fold)):
                scored.setdefault((name, view), []).append(table.assign(fold=number_of_fold))
    found: dict[str, Any] = {}
    for (name, view), tables in scored.items():
        one = _summary(pd.concat(tables, ignore_index=True).fillna(0.0))
        if one["sites"]:
            found.setdefault(name, {})[view] = one
    return found


def _tested_at(sites: Sequence[SiteData], federation: Federation) -> Iterator[tuple[str, str]]:
    """Modality and site of each test case: without a site that is large enough there is nothing to show."""
    for site in sites:
        for name in federation.modalities:
            if name in site.modalities:
                yield from [(name, site.config.name)] * len(site.tests(name).case_ids)


def _probed(model: FittedModel, sites: Sequence[SiteData], name: str, seed: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each view's site probabilities of one fold's test cases, with their site and label."""
    train, test = (_cases(sites, name, split) for split in ("train", "test"))
    known = set(train[1]["site"])
    if len(known) < 2 or not set(test[1]["site"]) & known:
        return
    views = [_views(model, name, *each) for each in (train, test)]
    target = train[1]["site"].to_numpy()
    for view in views[0]:
        yield view, _fit(views[0][view], target, views[1][view], test[1], seed)
    shuffled = np.random.default_rng(seed).permutation(target)
    yield "permuted", _fit(views[0]["embedding"], shuffled, views[1]["embedding"], test[1], seed)


def _cases(sites: Sequence[SiteData], name: str, split: str) -> tuple[Cases, pd.DataFrame]:
    """The labelled cases of a split at the sites that train on the modality, and their site and label."""
    parts, frames = [], []
    for site in sites:
        if name in site.modalities:
            own, found = site.site.cases, site.cases(name)
            listed = own[(own["split"] == split) & (own["label"] != NO_LABEL)]
            parts.append(found.select([case_id for case_id in found.case_ids if case_id in listed.index]))
            labels = listed.loc[list(parts[-1].case_ids), "label"].to_numpy(int)
            frames.append(pd.DataFrame({"site": site.site.name, "label": labels}))
    return Cases.join(parts), pd.concat(frames, ignore_index=True)


def _views(model: FittedModel, name: str, cases: Cases, owners: pd.DataFrame) -> Views:
    outputs = model.outputs({name: cases}, cases.case_ids)
    is_table, config = isinstance(cases.values, np.ndarray), model.federation.modalities[name]
    raw = {"raw": np.asarray(as_vectors(cases, config).values, dtype=np.float64)} if is_table else {}
    classes = np.eye(model.federation.n_classes)[owners["label"].to_numpy(int)]
    return {
        **raw,
        "embedding": outputs.embeddings[name].numpy(),
        "outputs": outputs.logits[name].numpy(),
        "class": classes,
    }


def _fit(
    train: Float[np.ndarray, "train feature"],
    target: np.ndarray,
    test: Float[np.ndarray, "test feature"],
    owners: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    """Logistic regression on the first principal components of the scaled features; a column a site."""
    steps: list[Any] = [SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True)]
    steps += [StandardScaler(), PCA(min(_COMPONENTS, *train.shape), svd_solver="randomized", random_state=seed % 2**32)]
    probe: Pipeline = make_pipeline(*steps, LogisticRegression())
    with quiet():
        found = probe.fit(train, target).predict_proba(test)
    return pd.concat([owners, pd.DataFrame(found, columns=[f"p:{site}" for site in probe.classes_])], axis=1)


def _summary(table: pd.DataFrame) -> dict[str, Any]:
    """AUROC by site with MIN_SITE test cases or more, and their means; cases are compared within their fold only.

    Between folds, a probe's chances shift against what is tested: a site with more test cases has fewer to learn from.
    """
    sizes = table["site"].value_counts()
    large = [site for site in sorted(sizes.index) if sizes[site] >= MIN_SITE and f"p:{site}" in table]
    folds, sites = table["fold"].to_numpy(int), table["site"].to_numpy()
    within = folds * (1 + int(table["label"].max())) + table["label"].to_numpy(int)
    by_site = {
        str(site): {
            "n": int(sizes[site]),
            "auroc": number(auroc(table[f"p:{site}"].to_numpy(), sites == site, folds)),
            "within_class": number(auroc(table[f"p:{site}"].to_numpy(), sites == site, within)),
        }
        for site in large
    }
    means = {key: _mean([one[key] for one in by_site.values()]) for key in ("auroc", "within_class")}
    return {"n": len(table), **means, "sites": by_site}


def auroc(
    scores: Float[np.ndarray, " case"], positive: Bool[np.ndarray, " case"], strata: Int[np.ndarray, " case"]
) -> float:
    """P(score of a positive > score of a negative) + half the ties, over all pairs of the same stratum."""
    won, pairs = 0.0, 0
    for stratum in np.unique(strata):
        own = strata == stratum
        here = int(positive[own].sum()) * int((~positive[own]).sum())
        if here:
            won += here * float(weighted_auroc(scores[own], positive[own], np.ones((1, int(own.sum()))))[0])
            pairs += here
    return won / pairs if pairs else float("nan")


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
