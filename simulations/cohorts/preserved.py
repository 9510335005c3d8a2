"""Folds of whole sites whose class shares are as equal as whole sites allow, by integer optimisation.

Source: Howard et al. 2021, doi 10.1038/s41467-021-24698-1: models learn which site a slide is from, so a site must not
be on both sides of a split. They minimise squared deviations with a commercial solver; absolute ones make the problem
linear, which HiGHS, a part of SciPy, solves.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, identity, kron, vstack

from modalities.core.files.atomic import write_json
from modalities.core.seeds import seed_of
from simulations.cohorts.splits import check_folds, outer_folds

FOLDS = "folds.json"
TIME_LIMIT_S = 60.0
CLOSE_ENOUGH = 0.01
"""Stop once the sum of deviations is proven to be within this share of the least there is."""
Counts = Float[np.ndarray, "site class"]
FoldOfSite = Int[np.ndarray, " site"]


def preserved_folds(
    labels: pd.Series, sites: pd.Series, n_folds: int, seed: int, time_limit_s: float = TIME_LIMIT_S
) -> tuple[pd.Series, str]:
    """The fold, 1 to n_folds, of each case, and how it was found; every site is wholly in one fold."""
    check_folds(labels, sites, n_folds, whole_sites=True)
    table = pd.crosstab(sites, labels)
    order = np.random.default_rng(seed_of(seed, "preserved folds")).permutation(len(table))
    table = table.iloc[order].sort_values(list(table.columns), ascending=False, kind="stable")
    counts = table.to_numpy(np.float64)
    found, how = _optimum(counts, n_folds, time_limit_s)
    if found is None:
        found = _greedy(counts, n_folds)
        how = f"{how}; each site, the largest first, went to the fold where it does least harm instead"
    fold_of = dict(zip(table.index, (found + 1).tolist(), strict=True))
    return sites.map(fold_of).astype(int), how


def kept_folds(path: Path, labels: pd.Series, sites: pd.Series, n_folds: int, seed: int) -> tuple[pd.Series, str]:
    """The same, found once: a search that ran out of time need not end at the same folds when it is resumed.

    Scikit-learn's folds of whole sites are kept beside them, for comparison.
    """
    if not path.is_file():
        fold, how = preserved_folds(labels, sites, n_folds, seed)
        grouped = outer_folds(labels, sites, "sites", n_folds, seed)
        found = {"how": how, "sites": _by_site(fold, sites), "grouped": _by_site(grouped, sites)}
        write_json(path, found)
    kept = json.loads(path.read_text(encoding="utf-8"))
    return sites.map(kept["sites"]).astype(int), kept["how"]


def _by_site(fold: pd.Series, sites: pd.Series) -> dict[str, int]:
    return {str(site): int(own.iloc[0]) for site, own in fold.groupby(sites)}


def deviation(counts: Counts, fold_of: FoldOfSite, n_folds: int) -> float:
    """What is minimised: the sum over folds and classes of |share of the class's cases in the fold - 1 / n_folds|."""
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    by_fold = np.stack([shares[fold_of == fold].sum(axis=0) for fold in range(n_folds)])
    return float(np.abs(by_fold - (counts.sum(axis=0) > 0) / n_folds).sum())


def _optimum(counts: Counts, n_folds: int, time_limit_s: float) -> tuple[FoldOfSite | None, str]:
    """x[site, fold] in {0, 1} and a deviation e[fold, class] >= |share - 1 / F|, of least sum of e.

    Folds are interchangeable, so the s-th site may only be in one of the first s: far less to search.
    """
    n_sites, n_classes = counts.shape
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    target = np.tile((counts.sum(axis=0) > 0) / n_folds, n_folds)
    in_fold = kron(identity(n_folds), csr_array(shares.T))  # x is fold by fold
    slack = identity(n_folds * n_classes)
    once = hstack([kron(np.ones((1, n_folds)), identity(n_sites)), csr_array((n_sites, n_folds * n_classes))])
    filled = hstack([kron(identity(n_folds), np.ones((1, n_sites))), csr_array((n_folds, n_folds * n_classes))])
    constraints = [
        LinearConstraint(
            vstack([hstack([in_fold, -slack]), hstack([-in_fold, -slack])]).tocsc(),
            -np.inf,
            np.concatenate([target, -target]),  # pyright: ignore[reportArgumentType]  # SciPy takes arrays
        ),
        LinearConstraint(once.tocsc(), 1, 1),
        LinearConstraint(filled.tocsc(), 1, np.inf),
    ]
    allowed = np.array([[float(fold <= site) for site in range(n_sites)] for fold in range(n_folds)]).ravel()
    n_x, n_e = n_sites * n_folds, n_folds * n_classes
    found = milp(
        np.concatenate([np.zeros(n_x), np.ones(n_e)]),
        integrality=np.concatenate([np.ones(n_x), np.zeros(n_e)]),
        bounds=Bounds(0.0, np.concatenate([allowed, np.ones(n_e)])),  # pyright: ignore[reportArgumentType]
        constraints=constraints,
        options={"time_limit": time_limit_s, "mip_rel_gap": CLOSE_ENOUGH},
    )
    if found.x is None:
        return None, f"no folds were found in {time_limit_s:g} s"
    fold_of = found.x[:n_x].reshape(n_folds, n_sites).argmax(axis=0)
    proven = "least deviation there is, to 1 %" if found.status == 0 else f"the best found in {time_limit_s:g} s"
    return fold_of, f"{proven}: {deviation(counts, fold_of, n_folds):.3f}"


def _greedy(counts: Counts, n_folds: int) -> FoldOfSite:
    """Each site, the largest first, to the fold where the squared class shares grow least; no fold stays empty."""
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    held, found = np.zeros((n_folds, counts.shape[1])), np.zeros(len(counts), dtype=np.int64)
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    for turn, site in enumerate(order):
        costs = np.square(held + shares[site]).sum(axis=1) - np.square(held).sum(axis=1)
        empty = np.flatnonzero(held.sum(axis=1) == 0)
        must_fill = len(empty) and len(order) - turn <= len(empty)
        found[site] = empty[0] if must_fill else int(costs.argmin())
        held[found[site]] += shares[site]
    return found
