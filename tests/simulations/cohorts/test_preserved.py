"""Folds of whole sites with even classes."""

import numpy as np
import pandas as pd
import pytest

from simulations.cohorts.preserved import deviation, kept_folds, preserved_folds

COUNTS = {"n": (8, 1), "s": (2, 3), "w": (3, 4), "e": (7, 0), "m": (4, 4)}


def cases(counts=COUNTS):
    rows = [
        (site, label) for site, both in counts.items() for label, n in zip("AB", both, strict=True) for _ in range(n)
    ]
    frame = pd.DataFrame(rows, columns=["site", "label"])
    return frame["label"], frame["site"]


def of_sites(fold, sites):
    table = pd.crosstab(sites, fold)
    assert ((table > 0).sum(axis=1) == 1).all()  # each site in one fold
    return fold.groupby(sites).first()


def test_the_optimum_is_that_of_trying_every_way():
    labels, sites = cases()
    fold, how = preserved_folds(labels, sites, 2, seed=3)
    counts = np.array(list(COUNTS.values()), float)
    every = [np.array([(way >> site) & 1 for site in range(5)]) for way in range(1, 31)]
    least = min(deviation(counts, way, 2) for way in every)
    found = of_sites(fold, sites).reindex(list(COUNTS)).to_numpy() - 1
    assert deviation(counts, found, 2) == pytest.approx(least)
    assert how.startswith("least deviation there is")


def test_the_same_seed_gives_the_same_folds_and_every_fold_has_a_site():
    labels, sites = cases()
    fold, _ = preserved_folds(labels, sites, 3, seed=0)
    assert preserved_folds(labels, sites, 3, seed=0)[0].equals(fold)
    assert set(fold) == {1, 2, 3}


def test_out_of_time_it_says_so_and_still_splits_whole_sites():
    labels, sites = cases()
    fold, how = preserved_folds(labels, sites, 3, seed=0, time_limit_s=0.0)
    assert "in 0 s" in how
    assert set(of_sites(fold, sites)) == {1, 2, 3}


def test_folds_once_found_are_kept(tmp_path):
    labels, sites = cases()
    first, how = kept_folds(tmp_path / "folds.json", labels, sites, 2, seed=3)
    text = (tmp_path / "folds.json").read_text()
    (tmp_path / "folds.json").write_text(text.replace("least deviation", "as found before: deviation"))
    again, kept = kept_folds(tmp_path / "folds.json", labels, sites, 2, seed=9)
    assert again.equals(first)
    assert "as found before" in kept
    assert how != kept


def test_more_folds_than_sites_are_refused():
    labels, sites = cases()
    with pytest.raises(ValueError, match="6 folds of whole sites need as many sites, there are 5"):
        preserved_folds(labels, sites, 6, seed=0)
