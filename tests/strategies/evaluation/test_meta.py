"""Random effects against statsmodels, which estimates and tests them on its own."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t
from statsmodels.stats.meta_analysis import combine_effects

from strategies.evaluation.meta import between_sites, meta_analysis, meta_auroc, meta_difference

UNLIKE = np.array([0.61, 0.95, 0.42, 0.77, 0.30, 0.88, 0.7]), np.array([0.010, 0.014, 0.006, 0.022, 0.009, 0.03, 0.012])
ALIKE = np.array([0.70, 0.71, 0.69, 0.72]), np.array([0.01, 0.02, 0.015, 0.03])


@pytest.mark.parametrize(("values", "variances"), [UNLIKE, ALIKE, (UNLIKE[0][1:6], UNLIKE[1][1:6])])
def test_the_mean_and_the_variance_between_sites_are_those_of_statsmodels(values, variances):
    expected = combine_effects(values, variances, method_re="iterated", atol=1e-14)
    found = meta_analysis(values, variances)
    assert found.tau2 == pytest.approx(max(expected.tau2, 0.0), abs=1e-6)
    assert found.value == pytest.approx(expected.mean_effect_re, abs=1e-6)
    assert found.i2 == pytest.approx(max(expected.i2, 0.0), abs=1e-6)


def test_the_interval_is_hartung_and_knapps_and_the_prediction_interval_wider():
    values, variances = UNLIKE
    expected = combine_effects(values, variances, method_re="iterated", atol=1e-14)
    half = t.ppf(0.975, 6) * expected.sd_eff_w_re_hksj
    found = meta_analysis(values, variances)
    assert expected.sd_eff_w_re_hksj / expected.sd_eff_w_re == pytest.approx(1.0, abs=1e-6)  # what Paule-Mandel solves
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=1e-6)
    wide = t.ppf(0.975, 5) * np.sqrt(expected.tau2 + expected.sd_eff_w_re_hksj**2)
    ends = (found.prediction_low, found.prediction_high)
    assert ends == pytest.approx((found.value - wide, found.value + wide), abs=1e-6)


def test_sites_that_agree_too_well_do_not_make_the_interval_narrower_than_noise_allows():
    values, variances = ALIKE
    found = meta_analysis(values, variances)
    assert found.tau2 == 0.0
    assert found.high - found.value == pytest.approx(t.ppf(0.975, 3) / np.sqrt((1 / variances).sum()))


def test_aurocs_are_analysed_on_the_logit_scale():
    aurocs, variances, n_cases = np.array([0.8, 0.9, 0.7]), np.array([0.002, 0.001, 0.003]), np.array([40.0, 60, 30])
    logits = meta_analysis(logit(aurocs), variances / (aurocs * (1 - aurocs)) ** 2)
    found = meta_auroc(aurocs, variances, n_cases)
    ends = [found.value, found.low, found.high, found.prediction_low, found.prediction_high]
    of_logits = [logits.value, logits.low, logits.high, logits.prediction_low, logits.prediction_high]
    assert ends == pytest.approx(expit(of_logits))
    assert (found.tau2, found.i2) == (logits.tau2, logits.i2)


def test_a_site_where_no_pair_errs_counts_with_half_a_case_that_does():
    n_cases = np.array([19.0, 60, 30])
    near = 19.5 / 20
    perfect = meta_auroc(np.array([1.0, 0.9, 0.7]), np.array([0.0, 0.001, 0.003]), n_cases)
    nearly = meta_auroc(np.array([near, 0.9, 0.7]), np.array([near * (1 - near) / 19, 0.001, 0.003]), n_cases)
    assert perfect == nearly
    ties = meta_difference(np.array([0.0, 0.05, 0.02]), np.array([0.0, 0.001, 0.003]), n_cases)
    assert 0.0 < ties.value < 0.05


def test_a_difference_of_two_models_that_never_err_has_the_variance_of_half_a_case_more():
    """19 cases: 2 x .975 x .025 / 19, for two models' AUROCs; all others count as they are."""
    values, n_cases = np.array([0.0, 0.05, 0.02]), np.array([19.0, 40, 33])
    found = meta_difference(values, np.array([0.0, 0.001, 0.003]), n_cases)
    expected = meta_analysis(values, np.array([2 * 0.975 * 0.025 / 19, 0.001, 0.003]))
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_a_variance_between_sites_is_recovered():
    rng = np.random.default_rng(3)
    variances = rng.uniform(0.001, 0.004, 4000)
    values = rng.normal(0.8, np.sqrt(0.05**2 + variances))
    assert between_sites(values, variances) == pytest.approx(0.05**2, rel=0.1)
