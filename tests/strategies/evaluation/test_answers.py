"""What a site answers: names, sizes, and what it keeps back."""

import numpy as np
import pytest

from strategies.evaluation.answers import (
    Scored,
    counted,
    counts_of_nobody,
    own_answer,
    own_of_nobody,
    tallied,
    tallies_of_nobody,
)
from tests.strategies.evaluation.scores import made_up

HELD = ["cnv", "hif"]


@pytest.fixture
def scored():
    """41 test cases with a federated and a local model, 12 training cases of which the local model knows 7."""
    federated, labels = made_up(41, n_classes=3, shares=[20, 20, 2], seed=2)
    few, few_labels = made_up(12, n_classes=3, seed=4)
    local = few[:, ::-1].copy()
    local[:5] = np.nan
    return {
        ("test", "fused"): Scored(labels, {"federated": federated, "local": federated[:, ::-1]}),
        ("training", "cnv"): Scored(few_labels, {"federated": few, "local": local}),
    }


def test_an_answer_has_the_names_and_sizes_of_the_template_whatever_the_site_has(scored):
    counts = counted(scored, HELD, 3)
    answers = [
        (counts, counts_of_nobody(HELD, 3)),
        (tallied(scored, HELD, 3, 0, counts), tallies_of_nobody(HELD, 3)),
        (own_answer(scored, HELD, 3, 0), own_of_nobody(HELD, 3)),
        (tallied({}, HELD, 3, 5, counts), tallies_of_nobody(HELD, 3)),
    ]
    for answer, template in answers:
        assert {name: array.shape for name, array in answer.items()} == {
            name: array.shape for name, array in template.items()
        }
        assert all(array.dtype == np.float64 for array in answer.values())


def test_counts_are_of_the_cases_that_a_model_says_something_of(scored):
    counts = counted(scored, HELD, 3)
    assert counts["test.federated.fused.cases"].sum() == 41
    assert counts["training.federated.cnv.cases"].sum() == 12
    assert counts["training.local.cnv.cases"].sum() == 7
    assert counts["test.federated.hif.cases"].sum() == 0


def test_min_cell_is_held_against_the_cases_of_all_sites(scored):
    own = counted(scored, HELD, 3)
    rare = own["test.federated.fused.cases"][2]
    assert 0 < rare < 10
    alone = tallied(scored, HELD, 3, 10, own)
    assert not alone["test.federated.fused.positives"][2].any()
    assert alone["test.federated.fused.positives"][0].any()
    assert alone["test.federated.fused.n"].tolist() == [41]
    assert alone["training.federated.cnv.n"].tolist() == [12]
    assert alone["training.local.cnv.n"].tolist() == alone["training.gain.cnv.n"].tolist() == [0]
    together = tallied(scored, HELD, 3, 10, {name: 10 * n_of for name, n_of in own.items()})
    assert together["test.federated.fused.positives"][2].sum() == rare
    assert together["training.gain.cnv.n"].tolist() == [7]


def test_a_site_tells_its_own_auroc_of_enough_cases_only(scored):
    own = own_answer(scored, HELD, 3, 8)
    assert own["test.federated.fused.n"].tolist() == [41]
    assert np.isnan(own["test.federated.fused.auroc"]).tolist() == [False, False, True]
    assert own["test.gain.fused.macro"][0] == pytest.approx(
        own["test.federated.fused.macro"][0] - own["test.local.fused.macro"][0]
    )
    assert own["test.gain.fused.macro"][1] > 0
    assert np.isnan(own["training.local.cnv.n"]).all()
    assert np.isnan(own["training.local.cnv.macro"]).all()
