"""Two one-sided tests of a paired difference."""

import numpy as np
import pytest
from scipy.stats import norm

from strategies.evaluation.equivalence import Equivalence, Verdict, equivalence_of_draws, equivalence_of_estimate


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (-0.004, 0.006, Verdict.EQUIVALENT),
        (-0.004, 0.013, Verdict.NOT_INFERIOR),
        (0.011, 0.02, Verdict.SUPERIOR),
        (-0.03, -0.012, Verdict.INFERIOR),
        (-0.02, -0.005, Verdict.OPEN),
        (-0.02, 0.02, Verdict.OPEN),
        (-0.01, 0.004, Verdict.OPEN),  # an end on the margin is not inside it
    ],
)
def test_the_verdict_is_what_the_90_percent_interval_shows_beside_a_margin_of_a_hundredth(low, high, says):
    assert Equivalence(0.01, low, high, 0.5).verdict == says


def test_resamples_give_their_5th_and_95th_percentile_and_the_share_on_the_wrong_side():
    draws = np.append(np.arange(-6, 14) / 1000, np.nan)  # -.006 to .013 in steps of .001; one without a value
    found = equivalence_of_draws(draws)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((-0.00505, 0.01205))  # 19 steps, a twentieth in from each end
    assert found.p == pytest.approx((1 + 4) / 21)  # .010 to .013 are at the margin or above it
    assert found.verdict == Verdict.NOT_INFERIOR
    assert equivalence_of_draws(np.array([np.nan])) is None


def test_p_is_below_a_twentieth_just_where_the_90_percent_interval_is_inside_the_margin():
    for error, verdict in ((0.0030, Verdict.EQUIVALENT), (0.0070, Verdict.OPEN)):
        found = equivalence_of_estimate(0.001, error)
        assert found.verdict == verdict
        assert (found.p < 0.05) == (verdict is Verdict.EQUIVALENT)


def test_a_normal_difference_has_the_p_of_the_textbook():
    found = equivalence_of_estimate(0.004, 0.003, margin=0.01)
    assert found.p == pytest.approx(0.0227501, abs=1e-6)  # (.01 - .004) / .003 = 2 standard errors below the margin
    assert (found.low, found.high) == pytest.approx((0.004 - 1.6448536 * 0.003, 0.004 + 1.6448536 * 0.003))


def test_a_difference_known_without_error_is_equivalent_for_sure_or_not_at_all():
    assert (equivalence_of_estimate(0.0, 0.0).p, equivalence_of_estimate(-0.02, 0.0).p) == (0.0, 1.0)


def test_p_is_the_larger_of_the_two_tests():
    for value in (-0.013, -0.002, 0.004):
        p = max(norm.sf(value, -0.01, 0.003), norm.cdf(value, 0.01, 0.003))
        assert equivalence_of_estimate(value, 0.003).p == pytest.approx(p, rel=1e-9)
