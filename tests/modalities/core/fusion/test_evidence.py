"""The fit of a head: weights, dropout in expectation, gradients, and what adds up over sites."""

import numpy as np
import pytest
import torch

from modalities.core.fusion.evidence import Evaluation, class_weights, loss_and_gradient, subsets_of
from modalities.core.fusion.fit import minimise
from modalities.core.fusion.head import fuse, head_named, heads
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion
from tests.modalities.core.fusion.heads.test_heads import FITTED, NETWORKS, first, fitted, outputs

PRESENT = ["ab", "abc", "c", "bc", "ac", "abc", "", "ab", "bc"]
LABELS = torch.tensor([0, 2, 1, 1, 0, 2, 0, 1, 2])
WEIGHTS = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
SMOOTH = [name for name in FITTED if name not in NETWORKS]


def test_class_weights_by_hand():
    # N = 10: (10/8)^.5 and (10/2)^.5, scaled so that 8 w0 + 2 w1 = 10
    raw = np.array([1.25**0.5, 5**0.5])
    expected = raw * 10 / (8 * raw[0] + 2 * raw[1])
    assert class_weights(np.array([8.0, 2.0]), 0.5).tolist() == pytest.approx(expected.tolist())


def test_class_weights_are_equal_at_exponent_zero_and_balanced_at_one():
    counts = np.array([3.0, 5.0, 11.0])
    assert class_weights(counts, 0.0).tolist() == pytest.approx([1, 1, 1])
    balanced = class_weights(counts, 1.0).numpy()
    assert (balanced * counts).tolist() == pytest.approx([19 / 3] * 3)


def test_a_class_nobody_has_weighs_like_the_rarest():
    weights = class_weights(np.array([9.0, 0.0, 2.0]), 0.25).tolist()
    assert weights[1] == weights[2] > weights[0]


def test_class_weights_of_no_case_are_equal():
    assert class_weights(np.zeros(3), 0.25).tolist() == pytest.approx([1, 1, 1])


def test_chances_of_what_dropout_leaves_by_hand():
    found = {"".join(kept): chance for kept, chance in subsets_of(["a", "b", "c"], 0.25)}
    assert found == pytest.approx(
        {"a": 3 / 64, "b": 3 / 64, "c": 3 / 64, "ab": 9 / 64, "ac": 9 / 64, "bc": 9 / 64, "abc": 27 / 64}
    )
    assert subsets_of(["a", "b"], 0.0) == [(["a", "b"], 1.0)]


@pytest.mark.parametrize("name", sorted(heads()))
def test_loss_by_hand_without_dropout(name):
    head, found = head_named(name), outputs(PRESENT)
    parameters = fitted(head)
    logits = fuse(head, parameters, found)
    several = [row for row, held in enumerate(PRESENT) if len(held) > 1]  # the others do not depend on the head
    expected = sum(-logits[row].log_softmax(0)[LABELS[row]] * WEIGHTS[LABELS[row]] for row in several)
    loss, _ = loss_and_gradient(head, parameters, found, LABELS, WEIGHTS, dropout=0.0)
    if parameters:
        assert loss == pytest.approx(float(expected))


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradient_equals_finite_differences(name, dropout):
    head, found = head_named(name), outputs(PRESENT)
    parameters = fitted(head)
    _, gradient = loss_and_gradient(head, parameters, found, LABELS, WEIGHTS, dropout)
    step = 1e-6
    for key, values in parameters.items():
        for place in range(0, values.numel(), 1 + values.numel() // 5):  # all of a small head, some of a network
            losses = []
            for sign in (1, -1):
                moved = values.clone()
                moved.view(-1)[place] += sign * step
                changed = parameters | {key: moved}
                losses.append(loss_and_gradient(head, changed, found, LABELS, WEIGHTS, dropout)[0])
            expected = (losses[0] - losses[1]) / (2 * step)
            assert float(gradient[key].reshape(-1)[place]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", FITTED)
def test_sum_of_two_sites_losses_and_gradients_is_that_of_the_pooled_cases(name):
    """The second site holds `b` and `c` only, and has no tensors of `a`."""
    head, found = head_named(name), outputs(PRESENT)
    first, second = torch.tensor([0, 1, 4, 5, 6, 7]), torch.tensor([2, 3, 8])
    parameters = fitted(head)
    pooled_loss, pooled = loss_and_gradient(head, parameters, found, LABELS, WEIGHTS, 0.3)
    groups = (found.logits, found.embeddings, found.present)
    small = Outputs(*({key: group[key][second] for key in "bc"} for group in groups))
    own = {key: values for key, values in parameters.items() if not key.startswith("a.")}
    one_loss, one = loss_and_gradient(head, parameters, found.rows(first), LABELS[first], WEIGHTS, 0.3)
    other_loss, other = loss_and_gradient(head, own, small, LABELS[second], WEIGHTS, 0.3)
    assert one_loss + other_loss == pytest.approx(pooled_loss)
    for key, values in pooled.items():
        assert torch.allclose(one[key] + other.get(key, torch.zeros_like(values)), values)


@pytest.mark.parametrize("name", FITTED)
def test_cases_with_one_modality_at_most_teach_the_head_nothing(name):
    head = head_named(name)
    parameters = fitted(head)
    loss, gradient = loss_and_gradient(head, parameters, outputs(["a", "c", ""]), LABELS[:3], WEIGHTS, 0.3)
    assert loss == 0.0
    assert all(not values.any() for values in gradient.values())


def learn(name, settings, n=199):
    """Fit on cases where `a` knows the class, `b` is noise and `c` is always wrong by one."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(0, 3, (n,), generator=generator)
    found = outputs(["abc"] * n, seed=6)
    sure = torch.nn.functional.one_hot(labels, 3).double() * 3
    found = Outputs({"a": sure, "b": found.logits["b"], "c": sure.roll(1, dims=1)}, found.embeddings, found.present)
    head = head_named(name)
    start, calls = first(head), []

    def evaluate(parameters):
        calls.append(1)
        weights = torch.ones(3, dtype=torch.float64)
        return Evaluation(*loss_and_gradient(head, parameters, found, labels, weights, 0.0))

    parameters = minimise(head, start, evaluate, settings)
    losses = [
        loss_and_gradient(head, own, found, labels, torch.ones(3, dtype=torch.float64), 0.0)[0]
        for own in (start, parameters)
    ]
    return parameters, losses, len(calls)


@pytest.mark.parametrize("name", SMOOTH)
def test_fit_lowers_the_loss_within_its_rounds(name):
    _, (before, after), calls = learn(name, Fusion(weight_penalty=0.1, rounds=25))
    assert after < 0.85 * before
    assert calls <= 30  # a line search under way is finished


def test_fit_learns_whom_to_trust():
    parameters, _, _ = learn("weighted_logits_bias", Fusion(weight_penalty=0.1))
    assert float(parameters["a.d"].mean()) > float(parameters["b.d"].mean()) > float(parameters["c.d"].mean())


@pytest.mark.parametrize(("name", "suffix"), [("residual", ".D"), ("weighted_logits_bias", ".d")])
def test_a_heavy_penalty_keeps_the_weights_equal(name, suffix):
    parameters, _, _ = learn(name, Fusion(weight_penalty=1e9))
    assert max(float(values.abs().max()) for key, values in parameters.items() if key.endswith(suffix)) < 1e-4


def test_a_head_without_parameters_is_never_evaluated():
    parameters, _, calls = learn("mean", Fusion())
    assert parameters == {}
    assert calls == 0
