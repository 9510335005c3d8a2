"""A branch and its arrays."""

import numpy as np
import pytest
import torch
from torch import nn

from modalities.core.blocks.branch import Branch, build_branch, load_weights, weights_of
from modalities.core.blocks.tabular import finalise, sums
from tests.modalities.core.blocks.test_tabular import TRAIN
from tests.support import small_federation

CONFIG = small_federation(modalities__cnv__hidden=[5]).modalities["cnv"]
STATE = finalise(sums(TRAIN, CONFIG), CONFIG)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.5))  # a tensor without dimensions
        self.norm = nn.BatchNorm1d(3)  # and whole numbers
        self.embedding_size = 3

    def forward(self, batch):
        return self.norm(batch * self.scale)


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    one = weights_of(build_branch(CONFIG, STATE, 4, seed=7))
    torch.manual_seed(2)
    again, other = (weights_of(build_branch(CONFIG, STATE, 4, seed=seed)) for seed in (7, 8))
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["encoder.layers.0.weight"], other["encoder.layers.0.weight"])


def test_an_untrained_branch_says_nothing():
    branch = build_branch(CONFIG, STATE, 4, seed=7)
    embedding, logits = branch(torch.randn(3, 5))
    assert embedding.shape == (3, 5)
    assert logits.tolist() == [[0.0] * 4] * 3


def test_weights_are_copies_and_load_back_whatever_their_type_and_shape():
    torch.manual_seed(0)
    one, other = Branch(Encoder(), 2), Branch(Encoder(), 2)
    one(torch.randn(7, 3))  # moves the running means
    weights = weights_of(one)
    assert weights["encoder.scale"].shape == ()
    assert weights["encoder.norm.num_batches_tracked"].dtype == np.int64
    before = weights["encoder.scale"].copy()
    with torch.no_grad():
        one.encoder.scale.fill_(9)
    assert weights["encoder.scale"] == before
    load_weights(other, weights)
    assert all(np.array_equal(weights[name], array) for name, array in weights_of(other).items())
    weights["head.weight"][:] = 5
    assert not np.array_equal(weights_of(other)["head.weight"], weights["head.weight"])


def test_weights_of_another_branch_are_refused_by_name():
    branch = build_branch(CONFIG, STATE, 4, seed=7)
    weights = weights_of(branch)
    with pytest.raises(ValueError, match=r"weights do not fit the branch: \['head.bias'\]"):
        load_weights(branch, {name: array for name, array in weights.items() if name != "head.bias"})
    with pytest.raises(ValueError, match=r"head\.weight: shape \(4, 6\) does not fit \(4, 5\)"):
        load_weights(branch, weights | {"head.weight": np.zeros((4, 6), np.float32)})


def test_encoder_must_say_its_size():
    encoder = nn.Linear(3, 2)
    encoder.embedding_size = "two"
    with pytest.raises(TypeError, match="an encoder's embedding_size must be an int, got 'two'"):
        Branch(encoder, 4)


class OwnWays(nn.Module):
    """An encoder that pools and learns in ways of its own."""

    embedding_size = 2

    def pool(self, batch, head):
        return batch, head(batch) + 100.0

    def loss(self, batch, head, labels, losses):
        return losses(head(batch), labels).sum() * 0.0 + labels.sum() * 7.0


def test_encoder_may_bring_its_own_pooling_and_its_own_loss():
    branch, batch = Branch(OwnWays(), 3), torch.ones(5, 2)
    assert branch(batch)[1].unique().tolist() == [100.0]
    assert branch.loss(batch, torch.tensor([0, 1, 2, 0, 1])).item() == 28.0


def test_loss_of_any_other_encoder_is_the_cross_entropy_of_its_logits():
    class Plain(nn.Identity):
        embedding_size = 2

    branch, labels = Branch(Plain(), 3), torch.tensor([2, 0])
    nn.init.normal_(branch.head.weight)
    batch = torch.tensor([[1.0, 2.0], [0.5, -1.0]])
    expected = nn.functional.cross_entropy(branch(batch)[1], labels)
    assert branch.loss(batch, labels).item() == expected.item()
