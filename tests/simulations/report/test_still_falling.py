"""Branches whose rounds were used up while their held-out loss still fell."""

import pandas as pd
import pytest

from simulations.report import words
from tests.simulations.report.made_up import MadeUpStudy, made_up_results


@pytest.fixture(scope="module")
def whole() -> tuple[dict, pd.DataFrame]:
    return made_up_results(MadeUpStudy(300), outside=MadeUpStudy(120, n_sites=2, seed=1))


FALLING = [None, *(1.0 - 0.01 * number for number in range(61))]  # by as much in the last tenth as in any other
SETTLED = [1.4, *(0.5 + 0.4 * 0.8**number for number in range(60))]


@pytest.mark.parametrize(
    ("curve", "patience", "rounds", "said"),
    [
        (FALLING, 0, 61, True),
        (SETTLED, 0, 61, False),
        (FALLING, 5, 300, False),  # it stopped by itself
        (FALLING, 5, 61, True),
        (FALLING[::-1], 0, 61, False),
    ],
)
def test_a_branch_whose_rounds_were_used_up_while_it_still_fell_is_named(whole, curve, patience, rounds, said):
    section = {"federated": {"patience": patience, "rounds": rounds}, "training": {"patience": 5}}
    protocol = {**whole[0]["protocol"], "federation": {"modalities": {"cnv": section}}}
    results = {**whole[0], "protocol": protocol, "curves": {"cnv": {"federated": [curve, curve]}}}
    sentences = words.still_falling(results)
    assert bool(sentences) is said
    if said:
        assert (
            "cnv, federated: still falling after all 61 rounds (the last tenth of them brought 11.7 %" in sentences[0]
        )
        assert "modalities.cnv.federated.rounds" in sentences[0]
        assert ("modalities.cnv.federated.patience" in sentences[0]) is (patience == 0)


def test_of_folds_some_of_which_stopped_by_themselves_only_the_others_are_looked_at(whole):
    section = {"federated": {"patience": 5, "rounds": 61}}
    protocol = {"federation": {"modalities": {"cnv": section}}}
    results = {**whole[0], "protocol": protocol, "curves": {"cnv": {"federated": [FALLING, FALLING[:30], FALLING]}}}
    (sentence,) = words.still_falling(results)
    assert "after all 61 rounds in 2 of 3 folds" in sentence
