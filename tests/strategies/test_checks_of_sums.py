"""Sums that no cases can have are refused."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

from strategies.checks import (
    MOST_CASES,
    each_part,
    sums_part,
)
from strategies.wire import to_record
from tests.strategies.test_checks import judged

SUMS = {"cases": np.zeros(1), "n": np.zeros(2), "sum": np.zeros(2), "square": np.zeros(2)}


def sums(n=(4.0, 2.0), total=(8.0, 1.0), square=(20.0, 3.0), cases=(17,)):
    named = {"cases": cases, "n": n, "sum": total, "square": square}
    return {name: np.array(values, float) for name, values in named.items()}


def of_sums(arrays, template=SUMS):
    """The reason of the refusal of these arrays; empty if they are used. 17 cases are announced."""
    reader = each_part(sums_part({"cnv": template, "hif": {"w": np.zeros(5)}}))
    record = arrays if isinstance(arrays, ConfigRecord) else to_record(arrays)
    content = RecordDict({"arrays.cnv": record, "arrays.hif": to_record({"w": np.ones(5)})})
    good, refused = judged(content, reader=reader)
    assert "hif" in good
    assert [refusal.part for refusal in refused] == ["cnv"] * ("cnv" not in good)
    return "".join(refusal.reason for refusal in refused)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (sums(n=(4, 18)), "n outside 0 to the 17 cases announced"),
        (sums(n=(-1, 2)), "n outside 0 to the 17 cases announced"),
        (sums(cases=(1e15,)), "cases outside 0 to the 17 cases announced"),
        (sums(square=(15.9, 3)), "a negative variance"),  # 15.9 / 4 < (8 / 4)^2
        (sums(total=(np.nan, 1)), "sum is not finite"),
        (sums(square=(np.inf, 3)), "square is not finite"),
        (sums(square=(1e101, 3)), "square is beyond 1e+100"),
        (sums(total=(-1e101, 3)), "sum is beyond 1e+100"),
        (sums(square=(20, 3, 5)), "square is float64[3], expected float64[2]"),
        (sums(total=8.0), "sum is float64[], expected float64[2]"),
        ({name: own.astype(np.float32) for name, own in sums().items()}, "cases is float32[1], expected float64[1]"),
        ({"n": np.ones(2), "sum": np.ones(2)}, "arrays named ['cases', 'square'] are missing or unknown"),
        ({}, "arrays named ['cases', 'n', 'square'] and 1 more are missing or unknown"),
        (ConfigRecord({"a": 1}), "no arrays"),
    ],
)
def test_sums_that_no_cases_can_have_are_refused(wrong, reason):
    assert of_sums(wrong) == reason


def test_sums_like_those_agreed_are_used():
    assert of_sums(sums()) == ""


def test_a_variance_of_zero_is_right_despite_rounding():
    value = 0.1 * 7
    assert of_sums(sums((7, 7), (7 * value, 0), (7 * value * value * (1 - 1e-15), 0))) == ""


def test_a_length_that_only_the_data_know_may_be_any_but_not_of_another_rank():
    ragged = {name: np.zeros(0) if name != "cases" else own for name, own in SUMS.items()}
    assert of_sums(sums((1, 1, 1), (1, 1, 1), (1, 1, 1)), ragged) == ""
    assert of_sums(sums(square=((1, 2), (3, 4))), ragged) == "square is float64[2, 2], expected float64[0]"
    assert of_sums(sums(square=(20, 3, 5)), ragged) == "it cannot be read"  # its n and sum have two


def test_class_counts_are_no_less_than_nothing_and_no_more_than_a_site_may_announce():
    template = {"class-counts": np.zeros(2)}
    assert of_sums({"class-counts": np.array([5.0, -1.0])}, template) == "class-counts outside 0 to 1e+06"
    assert of_sums({"class-counts": np.array([5.0, MOST_CASES + 1.0])}, template) == "class-counts outside 0 to 1e+06"
    assert of_sums({"class-counts": np.array([5.0, 2.5])}, template) == ""
