"""Are two models equally good? Two one-sided tests of a paired difference against a margin fixed beforehand.

A difference whose interval holds 0 is not thereby shown to be small. Each test asks for one side: is it above -margin,
is it below +margin? Both pass at level .05 exactly where the 90 % interval lies inside the margin.

Source: Schuirmann 1987, doi 10.1007/BF01068419.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

MARGIN = 0.01
"""Of macro-AUROC: a smaller difference matters to nobody."""
LEVEL = 0.05
"""Of each of the two tests."""


class Verdict(StrEnum):
    """What the interval of a difference, first minus second, shows."""

    EQUIVALENT = "equivalent"
    """Neither is better by the margin."""
    NOT_INFERIOR = "not inferior"
    """The first is not worse by the margin; it may be better by it."""
    SUPERIOR = "superior"
    """The first is better by more than the margin."""
    INFERIOR = "inferior"
    """The first is worse by more than the margin."""
    OPEN = "not shown"
    """The first may be worse by the margin."""


@dataclass(frozen=True)
class Equivalence:
    """Both tests of one difference."""

    margin: float
    low: float
    """Lower end of the interval of 1 - 2 LEVEL: 90 %."""
    high: float
    p: float
    """The larger of the two tests' p: below LEVEL, the two are equivalent."""

    @property
    def verdict(self) -> Verdict:
        """What the interval shows."""
        if self.low > self.margin:
            return Verdict.SUPERIOR
        if self.high < -self.margin:
            return Verdict.INFERIOR
        if self.low <= -self.margin:
            return Verdict.OPEN
        return Verdict.EQUIVALENT if self.high < self.margin else Verdict.NOT_INFERIOR


def equivalence_of_draws(draws: Float[np.ndarray, " draw"], margin: float = MARGIN) -> Equivalence | None:
    """Both tests on resamples of a difference; None without any.

    p is the share of resamples on the wrong side, the sample itself counted as one of them: never 0.
    """
    known = draws[~np.isnan(draws)]
    if not len(known):
        return None
    low, high = np.quantile(known, [LEVEL, 1 - LEVEL])
    wrong = max((known <= -margin).sum(), (known >= margin).sum())
    return Equivalence(margin, float(low), float(high), float((1 + wrong) / (1 + len(known))))


def equivalence_of_estimate(value: float, standard_error: float, margin: float = MARGIN) -> Equivalence:
    """Both tests on a difference that is normal with this standard error, such as one pooled over sites."""
    half = float(ndtri(1 - LEVEL)) * standard_error
    beyond = abs(value) - margin
    p = float(ndtr(beyond / standard_error)) if standard_error else float(beyond >= 0)
    return Equivalence(margin, value - half, value + half, p)
