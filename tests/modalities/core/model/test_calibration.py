"""The temperature: found from sums, applied to fused cases only."""

import numpy as np
import pytest
import torch

from modalities.core.fusion.head import head_named
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion
from modalities.core.model.calibration import (
    GRID,
    TEMPERATURE,
    calibrated,
    case_temperatures,
    losses_of,
    temperature_of,
)

WLB = head_named("weighted_logits_bias")
START = WLB.initial({"a": 2, "b": 3}, 2, Fusion(), seed=0)


def outputs(a, b, has_a, has_b):
    logits = {"a": torch.tensor(a, dtype=torch.float64), "b": torch.tensor(b, dtype=torch.float64)}
    embeddings = {"a": torch.zeros(len(a), 2).double(), "b": torch.zeros(len(a), 3).double()}
    return Outputs(logits, embeddings, {"a": torch.tensor(has_a), "b": torch.tensor(has_b)})


# two cases with both, one with `a` alone, one with nothing
FOUR = outputs(
    [[2.0, 0.0], [0.0, 4.0], [3.0, 0.0], [0.0, 0.0]],
    [[0.0, 0.0], [2.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
    [True, True, True, False],
    [True, True, False, False],
)
LABELS = torch.tensor([0, 0, 1, 1])


def test_loss_at_every_temperature_is_summed_over_cases_with_two_modalities():
    losses, n_cases = losses_of(WLB, START, FOUR, LABELS)
    assert n_cases == 2
    # mean logits: (1, 0) and (1, 2); both of class 0, so margins +1 and -1
    for place in (0, 80, 131):
        margin = 1 / GRID[place]
        assert losses[place] == pytest.approx(np.log1p(np.exp(-margin)) + np.log1p(np.exp(margin)))
    assert GRID[80] == 1.0


def test_sums_of_sites_are_those_of_pooled_cases():
    each = [
        losses_of(WLB, START, FOUR.rows(rows), LABELS[rows]) for rows in (torch.tensor([0, 3]), torch.tensor([1, 2]))
    ]
    np.testing.assert_allclose(each[0][0] + each[1][0], losses_of(WLB, START, FOUR, LABELS)[0])
    assert [n for _, n in each] == [1, 1]


def test_nobody_with_two_modalities_leaves_the_temperature_at_one():
    losses, n_cases = losses_of(WLB, START, FOUR.rows(torch.tensor([2, 3])), LABELS[2:])
    assert n_cases == 0
    assert temperature_of(losses) == 1.0


def test_logits_that_are_twice_too_sure_get_a_temperature_of_two():
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(4001, 2, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(true.softmax(dim=1), 1, generator=generator)[:, 0]
    sure = Outputs({"a": 2 * true, "b": 2 * true}, {}, dict.fromkeys("ab", torch.ones(4001, dtype=torch.bool)))
    losses, _ = losses_of(WLB, START, sure, labels)
    assert temperature_of(losses) == pytest.approx(2.0, rel=0.1)


def test_few_cases_hardly_move_the_temperature():
    losses, _ = losses_of(WLB, START, FOUR.rows(torch.tensor([0])), LABELS[:1])  # right: the surer the better
    assert losses.argmin() == 0
    assert 0.5 < temperature_of(losses) < 1


def test_a_case_with_one_modality_keeps_its_branchs_own_probabilities():
    calibration = {TEMPERATURE: np.array([0.5])}
    assert case_temperatures(calibration, FOUR).tolist() == [0.5, 0.5, 1.0, 1.0]
    assert case_temperatures({}, FOUR).tolist() == [1.0] * 4
    found = calibrated(WLB, START, calibration, FOUR)
    assert found[0, 0] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert torch.equal(found[2], FOUR.logits["a"][2].softmax(dim=0))
    assert found[3].isnan().all()
