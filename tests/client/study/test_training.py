"""Local training: the formulas, by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from client.study.training import (
    Pull,
    learning_rate,
    loss_sum,
    optimiser_of,
    proximal_penalty,
    set_learning_rate,
    train_epoch,
)
from modalities import wsi_image
from modalities.core import batches
from modalities.core.blocks.branch import Branch, build_branch
from modalities.core.blocks.networks import SelfNormalisingNetwork
from modalities.core.blocks.streamed import Scale, ScaledRows, one_after_the_other
from modalities.core.blocks.tabular import collate
from modalities.core.site.store import BranchData
from tests.modalities.core.blocks.test_streamed import Lying
from tests.modalities.wsi import config_of


def data_of(values, labels):
    n = len(labels)
    return BranchData(
        tuple(f"k{row}" for row in range(n)), torch.tensor(values), torch.tensor(labels), np.zeros(n, int), collate
    )


def linear(n_features=2, n_classes=2):
    return Branch(SelfNormalisingNetwork(n_features, [], 0.0, 0.0), n_classes)


DATA = data_of([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0], [0.5, -1.0], [-2.0, 1.0]], [0, 1, 0, 0, 1])


def test_proximal_penalty_is_half_mu_times_the_squared_distance_by_hand():
    model = linear()
    with torch.no_grad():
        model.head.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        model.head.bias.copy_(torch.tensor([5.0, 6.0]))
    pull = Pull.from_here(model, mu=0.5)
    assert float(proximal_penalty(model, pull).detach()) == 0
    with torch.no_grad():
        model.head.weight += torch.tensor([[1.0, 0.0], [0.0, -2.0]])
        model.head.bias.add_(torch.tensor([0.0, 3.0]))
    # 0.5 / 2 * (1 + 4 + 9)
    assert float(proximal_penalty(model, pull).detach()) == pytest.approx(3.5)


def test_gradient_of_the_pull_is_mu_times_the_distance():
    model = linear()
    pull = Pull.from_here(model, mu=0.3)
    with torch.no_grad():
        model.head.weight += 2.0
    weight, bias = torch.autograd.grad(proximal_penalty(model, pull), [model.head.weight, model.head.bias])
    assert weight.tolist() == [[pytest.approx(0.6)] * 2] * 2
    assert bias.tolist() == [0, 0]


def trained(pull=None, name="adam", weight_decay=0.0, epochs=4, batch_size=2, lr=0.1):
    torch.manual_seed(0)
    branch = linear()
    optimiser = optimiser_of(name, branch, lr, weight_decay)
    pull = Pull.from_here(branch, pull) if pull else None
    losses = [train_epoch(branch, DATA, np.arange(5), optimiser, batch_size, pull) for _ in range(epochs)]
    return branch, losses


def test_a_stronger_pull_keeps_the_weights_nearer_to_where_the_round_began():
    drifts = [float(trained(mu)[0].head.weight.detach().norm()) for mu in (0.0, 1.0, 100.0)]
    assert drifts[0] > drifts[1] > drifts[2] > 0


def test_training_lowers_the_loss_and_repeats_for_the_same_seed():
    (branch, losses), (again, _) = trained(), trained()
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)
    assert losses[-1] < losses[0]
    assert torch.equal(branch.head.weight, again.head.weight)


def test_one_step_of_gradient_descent_on_all_cases_by_hand():
    branch, (loss,) = trained(name="sgd", epochs=1, batch_size=5, lr=0.2)
    assert loss == pytest.approx(math.log(2))
    # at zero weights every case has probability 1/2: the gradient of class 0 is the mean of x * (1/2 - is class 0)
    x, y = DATA.prepared.numpy(), DATA.labels.numpy()
    expected = -0.2 * (x * (0.5 - (y == 0))[:, None]).mean(axis=0)
    assert branch.head.weight[0].tolist() == pytest.approx(expected.tolist())
    assert branch.head.weight[1].tolist() == pytest.approx((-expected).tolist())


def test_weight_decay_pulls_weights_by_their_inputs_and_leaves_biases_alone():
    branch = linear()
    with torch.no_grad():
        branch.head.weight.fill_(3.0)
        branch.head.bias.fill_(5.0)
    optimiser = optimiser_of("sgd", branch, lr=0.5, weight_decay=0.2)
    for parameter in branch.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    assert branch.head.weight.tolist() == [[pytest.approx(2.4)] * 2] * 2  # 3 - 0.5 * (0.2 * 2 inputs) * 3
    assert branch.head.bias.tolist() == [5, 5]


def test_training_on_no_case_changes_nothing_not_even_by_decay():
    torch.manual_seed(0)
    branch = linear()
    nn.init.normal_(branch.head.weight)
    before = branch.head.weight.detach().clone()
    optimiser = optimiser_of("adam", branch, lr=0.5, weight_decay=0.2)
    assert train_epoch(branch, DATA, np.zeros(0, dtype=np.int64), optimiser, 2) == 0
    assert torch.equal(branch.head.weight, before)


def test_only_the_rows_asked_for_are_trained_on():
    poisoned = data_of([[1.0, 0.0], [float("nan"), 2.0], [3.0, 1.0]], [0, 1, 0])
    branch = linear()
    loss = train_epoch(branch, poisoned, np.array([0, 2]), optimiser_of("adam", branch, 0.1, 0.0), 2)
    assert math.isfinite(loss)
    assert bool(torch.isfinite(branch.head.weight).all())


def test_loss_is_summed_over_the_rows_by_hand():
    branch = linear()
    with torch.no_grad():
        branch.head.bias.copy_(torch.tensor([math.log(3), 0.0]))  # probabilities 3/4 and 1/4
    expected = 2 * -math.log(3 / 4) + -math.log(1 / 4)
    assert loss_sum(branch, DATA, np.array([0, 1, 3])) == pytest.approx(expected)
    assert loss_sum(branch, DATA, np.zeros(0, dtype=np.int64)) == 0


@pytest.mark.parametrize(
    ("schedule", "done", "rate"), [("constant", 7, 0.4), ("cosine", 0, 0.4), ("cosine", 4, 0.2), ("cosine", 8, 0.0)]
)
def test_learning_rate_after_some_of_8_rounds(schedule, done, rate):
    assert learning_rate(schedule, 0.4, done, 8) == pytest.approx(rate)


def test_learning_rate_is_set_for_weights_and_biases():
    optimiser = optimiser_of("adam", linear(), 0.1, 0.2)
    set_learning_rate(optimiser, 0.03)
    assert [group["lr"] for group in optimiser.param_groups] == [0.03, 0.03]


def bags_of_both_kinds(sizes, labels):
    """The same bags on a disk and in memory."""
    rng, scale = np.random.default_rng(4), Scale(torch.full((3,), 0.5), torch.full((3,), 2.0), 4.0)
    disk = [
        ScaledRows(Lying(rng.normal(label, 1, (size, 3)).astype(np.float32)), scale)
        for size, label in zip(sizes, labels, strict=True)
    ]
    return [
        BranchData(tuple(map(str, sizes)), bags, torch.tensor(labels), np.zeros(len(sizes)), wsi_image.collate)
        for bags in (disk, [one_after_the_other([bag]) for bag in disk])
    ]


@pytest.mark.parametrize("pooling", ["attention", "majority"])
def test_a_batch_that_is_read_in_parts_takes_the_step_of_the_whole_batch(monkeypatch, pooling):
    monkeypatch.setattr(batches, "PART_BYTES", 12 * 10)  # ten tiles of three features
    config = config_of("wsi_image", pooling=pooling, hidden=[4])
    state = {"mean": np.zeros(3), "inverse_scale": np.ones(3)}
    rows, found = np.arange(7), []
    for data in bags_of_both_kinds((4, 5, 1, 17, 2, 9, 3), [0, 1, 0, 1, 1, 0, 1]):
        branch = build_branch(config, state, 2, seed=3)
        # Adam would make a step of the rounding in the gradient of a score's bias, which softmax takes out again.
        optimiser, pull = optimiser_of("sgd", branch, 0.1, 1e-3), Pull.from_here(branch, 0.3)
        torch.manual_seed(8)
        losses = [train_epoch(branch, data, rows, optimiser, 5, pull) for _ in range(3)]
        found.append((losses, loss_sum(branch, data, rows), [own.detach().clone() for own in branch.parameters()]))
    assert len(bags_of_both_kinds((4, 5, 1), [0, 1, 0])[0].parts(torch.arange(3), 3)) == 1
    assert len(bags_of_both_kinds((4, 5, 2), [0, 1, 0])[0].parts(torch.arange(3), 3)) == 2
    (disk_losses, disk_sum, disk), (losses, total, memory) = found
    assert disk_losses == pytest.approx(losses, rel=1e-5)
    assert disk_sum == pytest.approx(total, rel=1e-5)
    for own, other in zip(disk, memory, strict=True):
        assert torch.allclose(own, other, atol=1e-5)
