import numpy as np
import pytest
import torch

from strategies.private.clipping import UNIT, bound_in_units, in_units, linear_norms, shrinkage


def test_the_norm_in_closed_form_is_that_of_the_gradient_torch_finds():
    rng = np.random.default_rng(3)
    inputs, labels = rng.normal(size=(11, 5)), torch.tensor(rng.integers(0, 3, 11))
    branch = torch.nn.Linear(5, 3, dtype=torch.float64)
    residuals = torch.softmax(branch(torch.tensor(inputs)), 1) - torch.nn.functional.one_hot(labels, 3)
    expected = []
    for row in range(11):
        branch.zero_grad()
        torch.nn.functional.cross_entropy(branch(torch.tensor(inputs[row : row + 1])), labels[row : row + 1]).backward()
        expected.append(float(torch.cat([branch.weight.grad.flatten(), branch.bias.grad]).norm()))
    assert linear_norms(inputs, residuals.detach().numpy()) == pytest.approx(expected, rel=1e-12)


def test_long_gradients_are_cut_to_the_bound_and_short_ones_left():
    assert shrinkage(np.array([0.0, 0.5, 2.0, 8.0]), 2.0) == pytest.approx([1.0, 1.0, 1.0, 0.25], rel=1e-11)
    assert (shrinkage(np.array([2.0, 8.0, 1e300]), 2.0) * np.array([2.0, 8.0, 1e300]) < 2.0).all()


def test_units_are_rounded_towards_zero_so_that_no_row_gets_longer():
    values = np.array([[2.9, -2.9, 0.99, -0.99]]) * UNIT
    assert in_units(values).tolist() == [[2, -2, 0, 0]]


def test_the_bound_holds_for_whole_units_whatever_the_values():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(400, 37)) * np.exp(rng.normal(0, 6, (400, 1)))
    bound = 0.3
    units = in_units(rows * shrinkage(np.linalg.norm(rows, axis=1), bound)[:, None])
    assert all(sum(int(one) ** 2 for one in row) <= bound_in_units(bound, 400) ** 2 for row in units)


def test_the_bound_in_units_is_rounded_up_and_refused_where_sums_would_overflow():
    assert bound_in_units(1.5 * UNIT, 9) == 2
    assert bound_in_units(1.0, 2**24) == 2**37
    with pytest.raises(ValueError, match=r"a step of up to 1 a case over 33554432 cases does not fit 64 bits"):
        bound_in_units(1.0, 2**25)
