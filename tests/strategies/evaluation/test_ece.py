"""ECE from sums over bins, with and without the excess that noise brings."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from strategies.evaluation.ece import debiased_ece, folded_mean, plug_in_ece

CASES, RIGHT, CONFIDENCE = (np.array(row, dtype=float) for row in ([10, 0, 30], [6, 0, 24], [5.5, 0, 25.5]))


def test_the_plug_in_ece_is_the_mean_distance_of_a_case():
    assert float(plug_in_ece(CASES, RIGHT, CONFIDENCE)) == pytest.approx((0.5 + 1.5) / 40)


def test_the_excess_of_each_bin_is_taken_away():
    excess = 0.0
    for cases, right, confidence in ((10, 6, 5.5), (30, 24, 25.5)):
        share, distance = right / cases, abs(right - confidence) / cases
        spread = (share * (1 - share) / cases) ** 0.5
        low, high = distance - 12 * spread, distance + 12 * spread

        def folded(x: float, distance: float = distance, spread: float = spread) -> float:
            return abs(x) * norm.pdf(x, distance, spread)

        excess += cases * (quad(folded, low, 0)[0] + quad(folded, 0, high)[0] - distance)
    assert excess > 0.5
    assert float(debiased_ece(CASES, RIGHT, CONFIDENCE)) == pytest.approx((0.5 + 1.5 - excess) / 40, abs=1e-9)


def test_a_folded_normal_around_0_has_the_mean_root_of_2_by_pi_and_one_without_noise_its_own_value():
    found = folded_mean(np.array([0.0, -0.3]), np.array([1.0, 0.0]))
    assert found == pytest.approx([0.7978845608, 0.3])


def test_bins_that_are_all_right_or_all_wrong_are_taken_at_their_word_though_they_hold_a_single_case():
    """Off by .2, .3 and .4 in one, three and two cases."""
    cases, right, confidence = np.array([1.0, 3, 2]), np.array([1.0, 3, 0]), np.array([0.8, 2.1, 0.8])
    assert float(debiased_ece(cases, right, confidence)) == pytest.approx((0.2 + 3 * 0.3 + 2 * 0.4) / 6)


def test_many_draws_are_taken_at_once_and_no_cases_have_no_ece():
    both = np.stack([CASES, np.zeros(3)]), np.stack([RIGHT, np.zeros(3)]), np.stack([CONFIDENCE, np.zeros(3)])
    found = debiased_ece(*both)
    assert found[0] == debiased_ece(CASES, RIGHT, CONFIDENCE)
    assert np.isnan(found[1])


def test_a_model_that_is_off_by_five_hundredths_is_found_so_where_the_plug_in_finds_more():
    rng, bins = np.random.default_rng(7), np.eye(10)
    found = []
    for _ in range(300):
        confidence = rng.uniform(0.3, 1, 200)
        right = (rng.random(200) < confidence - 0.05).astype(float)
        held = bins[np.ceil(confidence * 10).astype(int) - 1]
        sums = held.sum(axis=0), right @ held, confidence @ held
        found.append((float(debiased_ece(*sums)), float(plug_in_ece(*sums))))
    debiased, plug_in = np.mean(found, axis=0)
    assert debiased == pytest.approx(0.05, abs=0.008)
    assert plug_in > 0.075
