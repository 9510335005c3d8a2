"""Sites' own results as a sample of hospitals: random-effects meta-analysis, and what a new hospital may see.

Between-site variance by Paule and Mandel (1982, doi:10.6028/jres.087.022), intervals by Hartung and Knapp (2001,
doi:10.1002/sim.791), never narrower than without their factor (Roever et al. 2015, doi:10.1186/s12874-015-0091-1),
prediction interval by Higgins et al. (2009, doi:10.1111/j.1467-985X.2008.00552.x). AUROCs on the logit scale, as Debray
et al. (2017, doi:10.1136/bmj.i6460) recommend.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logit, stdtrit

from strategies.evaluation.pooled import ALPHA

LEAST_SITES = 3
"""Of two sites the interval is as wide as everything."""
_MOST = 1e6
Values = Float[np.ndarray, " site"]


@dataclass(frozen=True)
class Meta:
    """The mean over hospitals, with what it may be and what a new hospital may see, both 95 %."""

    sites: int
    value: float
    low: float
    high: float
    prediction_low: float
    prediction_high: float
    tau2: float
    """Variance between sites, on the scale of the analysis."""
    i2: float
    """Share of the variance that lies between sites and is not noise, 0 to 1."""


def meta_analysis(values: Values, variances: Values) -> Meta:
    """Of at least LEAST_SITES sites; variances above 0."""
    k = len(values)
    tau2 = between_sites(values, variances)
    weights = 1 / (variances + tau2)
    mean = float(np.average(values, weights=weights))
    factor = max(1.0, float((weights * np.square(values - mean)).sum() / (k - 1)))
    error = np.sqrt(factor / weights.sum())
    half = stdtrit(k - 1, 1 - ALPHA / 2) * error
    wide = stdtrit(k - 2, 1 - ALPHA / 2) * np.sqrt(tau2 + error**2)
    q = _cochran(values, variances, 0.0)
    i2 = max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0
    return Meta(k, mean, mean - half, mean + half, mean - wide, mean + wide, tau2, i2)


def meta_auroc(values: Values, variances: Values, n_cases: Values) -> Meta:
    """The same of AUROCs, whose logits are analysed; tau2 and i2 are of these.

    A site whose AUROC is 0 or 1 counts as if half a case more were wrong: (n + .5) / (n + 1), with that variance.
    """
    edge = (values <= 0) | (values >= 1) | (variances <= 0)
    near = (n_cases * values + 0.5) / (n_cases + 1)
    value = np.where(edge, near, values)
    variance = np.where(edge, near * (1 - near) / n_cases, variances)
    found = meta_analysis(logit(value), variance / np.square(value * (1 - value)))
    ends = ("value", "low", "high", "prediction_low", "prediction_high")
    return replace(found, **{name: float(expit(getattr(found, name))) for name in ends})


def meta_difference(values: Values, variances: Values, n_cases: Values) -> Meta:
    """The same of paired differences of AUROCs; where neither model errs, with the variance of half a case more."""
    near = (n_cases + 0.5) / (n_cases + 1)
    return meta_analysis(values, np.where(variances > 0, variances, 2 * near * (1 - near) / n_cases))


def between_sites(values: Values, variances: Values) -> float:
    """The variance between sites with which their spread is what is expected: k - 1; 0 where it is smaller without."""
    k = len(values)
    if _cochran(values, variances, 0.0) <= k - 1:
        return 0.0
    from scipy.optimize import root_scalar  # 34 MB, for one number at the end of a study

    most = float(np.square(np.ptp(values))) * _MOST
    excess = root_scalar(lambda tau2: _cochran(values, variances, tau2) - (k - 1), bracket=(0.0, most), xtol=1e-14)
    return float(excess.root)


def _cochran(values: Values, variances: Values, tau2: float) -> float:
    weights = 1 / (variances + tau2)
    return float((weights * np.square(values - np.average(values, weights=weights))).sum())
