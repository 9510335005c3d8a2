"""Whether copy number can be true of tumours: units, coding and signs, from 8 cases on."""

import numpy as np
import pytest

from modalities.cnv import plausibility
from modalities.cnv.arms import ARMS
from modalities.cnv.rules import GAINED, LOST, rules_of
from modalities.core.contract import Cases, Source
from modalities.core.settings.federation import federation_from


def config(**settings):
    return federation_from({"modalities": {"cnv": settings}}).modalities["cnv"]


def arms(n, gained, lost, rest=0.05):
    """n cases with these levels of the arms that are often gained and lost."""
    level = dict.fromkeys(ARMS, rest) | dict.fromkeys(GAINED, gained) | dict.fromkeys(LOST, lost)
    values = np.tile([level[arm] for arm in ARMS], (n, 1)) + np.arange(n)[:, None] * 1e-3
    return Cases(tuple(f"c{row}" for row in range(n)), values.astype(np.float32), ARMS)


def said(cases, **settings):
    return [problem.what for problem in plausibility(Source(()), cases, config(**settings)).problems]


@pytest.mark.parametrize(("n", "is_told"), [(7, False), (8, True)])
def test_signs_are_told_to_be_flipped_from_eight_cases_on(n, is_told):
    """With a share of .4 at most: .4 ** 7 = .0016, .4 ** 8 = .0007."""
    assert said(arms(n, 0.4, -0.3), values="arms") == []
    found = said(arms(n, -0.4, 0.3), values="arms")
    assert bool(found) is is_told
    assert all(
        what.startswith(f"1q, 8q, 16p, 20q are lower than 16q, 17p, 8p, 13q, 22q in {n} of {n}") for what in found
    )


def test_the_contrast_is_the_mean_of_gained_arms_minus_that_of_lost_ones():
    cases = arms(3, 0.4, -0.3)
    (contrast,) = [
        one for one in plausibility(Source(()), cases, config(values="arms")).quantities if "minus" in one.name
    ]
    assert contrast.values == pytest.approx([0.7, 0.7, 0.7])


def test_means_of_calls_are_held_against_signs_only():
    """Whole numbers from -2 to 2 are what an arm's mean call may be."""
    assert said(arms(12, 1.0, -1.0, rest=0.0), values="arms", arms_from="calls") == []
    (what,) = said(arms(12, -1.0, 1.0, rest=0.0), values="arms", arms_from="calls")
    assert "wrong way round" in what


def test_the_more_arms_have_genes_the_fewer_cases_without_a_loss_are_told():
    """.75 of the tumours lack a loss on any one arm: .75 on one, .316 on four; of none of them nothing is known."""
    usual = {rule.what: rule.usual for rule in rules_of("calls", {"16q"})}
    assert usual["no loss, but gains,"] == 0.75
    assert {rule.what: rule.usual for rule in rules_of("calls", {"16q", "17p", "8p", "13q"})}[
        "no loss, but gains,"
    ] == (pytest.approx(0.31640625))
    assert {rule.what: rule.usual for rule in rules_of("calls", {"5q"})}["no loss, but gains,"] == 1.0


def test_unknown_genes_are_judged_by_their_values_alone():
    values = np.tile(np.array([0, 1, 2, 1, 0], np.float32), (50, 1))
    cases = Cases(tuple(f"c{row}" for row in range(50)), values, tuple(f"LOCUS{n}X" for n in range(5)))
    (what,) = said(cases, values="calls")
    assert what.startswith("no loss, but gains, in 50 of 50 cases")
    few = Cases(cases.case_ids[:20], values[:20], cases.features)
    assert said(few, values="calls") == []


def test_no_case_is_no_problem():
    assert said(Cases((), np.zeros((0, 0), np.float32)), values="log2") == []
