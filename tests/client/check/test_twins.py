"""One patient under two ids is told from two patients who are alike."""

import pytest

from client.check.twins import Told, twins


def told(rows):
    return Told(tuple(f"c{number}" for number in range(1, len(rows) + 1)), [tuple(row) for row in rows])


def distinct(n, traits):
    """n cases no two of which share a trait."""
    return [[f"{row}.{trait}" for trait in range(traits)] for row in range(n)]


@pytest.mark.parametrize(("n_traits", "is_told"), [(4, False), (5, True)])
def test_agreement_must_outweigh_the_number_of_pairs(n_traits, is_told):
    """Of 32 cases two share a trait: 4 bits each. Of 496 pairs one agrees by chance, 9 bits; 10 more are asked."""
    rows = distinct(32, n_traits)
    rows[20] = rows[3]
    assert bool(twins({"m": told(rows)})) is is_told


def test_two_modalities_are_weighed_together_and_must_both_agree():
    """3 traits each are too few by themselves, 12 and 12 bits; together 24 of the 19 that are asked."""
    first, second = distinct(32, 3), distinct(32, 3)
    first[20], second[20] = first[3], second[3]
    assert twins({"a": told(first)}) == []
    (problem,) = twins({"a": told(first), "b": told(second)})
    assert problem.what.startswith("1 pairs of cases have the very same values (c4 and c21): one patient under")
    second[20] = ["other"] * 3
    assert twins({"a": told(first), "b": told(second)}) == []


def test_the_commonest_trait_tells_nothing():
    """Quiet tumours: 100 traits that most cases share make nobody one patient."""
    rows = [[0] * 100 + [number] for number in range(32)]
    rows[5], rows[9] = [0] * 100 + [None], [0] * 100 + [None]
    assert twins({"m": told(rows)}) == []


def test_what_is_not_known_of_both_tells_nothing():
    rows = distinct(32, 8)
    rows[3] = rows[20] = [None] * 7 + ["same"]
    assert twins({"m": told(rows)}) == []


def test_a_modality_that_one_of_them_lacks_does_not_count():
    rows = distinct(32, 8)
    rows[8] = rows[4]
    (problem,) = twins({"m": told(rows), "n": Told(("c5",), [("only",)])})
    assert problem.what.startswith("1 pairs of cases have the very same values (c5 and c9)")


def test_numbers_at_the_ends_of_their_columns_tell_nothing():
    """Two tumours of whom a program found nothing: 0 of everything, and a purity of 1."""
    rows = [[float(number + 1)] * 9 + [number / 40] for number in range(32)]
    rows[3] = rows[20] = [0.0] * 9 + [1.0]
    assert twins({"m": told(rows)}) == []
    rows[3] = rows[20] = [12.5] * 9 + [1.0]
    assert len(twins({"m": told(rows)})) == 1
