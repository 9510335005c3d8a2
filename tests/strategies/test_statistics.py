"""Sums from the sites, added up."""

import numpy as np

from strategies.statistics import add_sums


def sums(*n):
    return {"cases": np.array([7.0]), "n": np.array(n, float)}


def test_sums_of_all_sites_are_added():
    total, refused = add_sums([("north", sums(4, 2)), ("south", sums(20, 0))], "cnv")
    assert {name: array.tolist() for name, array in total.items()} == {"cases": [14], "n": [24, 2]}
    assert refused == []


def test_the_sites_own_arrays_stay_as_they_were():
    first = sums(4, 2)
    add_sums([("north", first), ("south", sums(1, 1))], "cnv")
    assert first["n"].tolist() == [4, 2]


def test_where_only_the_data_know_a_length_the_site_that_differs_from_most_is_refused():
    parts = [("north", sums(1, 1, 1)), ("south", sums(4, 2)), ("west", sums(1, 2))]
    total, refused = add_sums(parts, "wsi_image")
    assert [(one.site, one.part, one.reason) for one in refused] == [
        ("north", "wsi_image", "other lengths than most sites: the features differ")
    ]
    assert total["n"].tolist() == [5, 4]


def test_sums_of_nobody_are_empty():
    assert add_sums([], "cnv") == ({}, [])
