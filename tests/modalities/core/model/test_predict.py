"""From branches to probabilities."""

import numpy as np
import pytest
import torch

from modalities.core.blocks.branch import build_branch, weights_of
from modalities.core.blocks.tabular import finalise, prepare, sums
from modalities.core.contract import Cases
from modalities.core.model.predict import FittedBranch, FittedModel, align, branch_outputs
from tests.support import small_federation

FEDERATION = small_federation(
    modalities__cnv__features=["x", "y"],
    modalities__cnv__coding="number",
    modalities__hif__features=["u", "v", "w"],
    fusion__head="mean",
)
CNV = Cases(("c", "a", "e"), np.array([[1, 2], [3, 5], [0, 9]], np.float32), ("x", "y"))
HIF = Cases(("b", "c"), np.array([[1, 0, 2], [4, 3, 3]], np.float32), ("u", "v", "w"))


def fitted(name, cases, seed):
    config = FEDERATION.modalities[name]
    state = finalise(sums(cases, config), config)
    torch.manual_seed(seed)
    branch = build_branch(config, state, 4, seed)
    torch.nn.init.normal_(branch.head.weight)
    return FittedBranch(config, state, weights_of(branch))


BRANCHES = {"cnv": fitted("cnv", CNV, 1), "hif": fitted("hif", HIF, 2)}
MODEL = FittedModel(FEDERATION, BRANCHES, {})


def test_outputs_are_put_in_the_order_asked_for_and_say_what_is_present():
    found = MODEL.outputs({"cnv": CNV, "hif": HIF}, ["a", "b", "c", "d"])
    assert found.present["cnv"].tolist() == [True, False, True, False]
    assert found.present["hif"].tolist() == [False, True, True, False]
    alone = MODEL.outputs({"cnv": CNV}, ["c", "e"])
    assert torch.equal(alone.logits["cnv"][0], found.logits["cnv"][2])
    assert alone.present["hif"].tolist() == [False, False]
    assert found.logits["cnv"][1].tolist() == [0.0] * 4


def test_probabilities_add_up_to_one_and_a_case_with_nothing_has_none():
    found = MODEL.probabilities(MODEL.outputs({"cnv": CNV, "hif": HIF}, ["a", "b", "c", "d"]))
    assert found[:3].sum(axis=1).tolist() == pytest.approx([1, 1, 1])
    assert np.isnan(found[3]).all()


def test_mean_head_gives_the_mean_of_the_branches_probabilities():
    outputs = MODEL.outputs({"cnv": CNV, "hif": HIF}, ["c", "a"])
    own = {name: logits.softmax(dim=1).numpy() for name, logits in outputs.logits.items()}
    found = MODEL.probabilities(outputs)
    assert found[0].tolist() == pytest.approx(((own["cnv"][0] + own["hif"][0]) / 2).tolist())
    assert found[1].tolist() == pytest.approx(own["cnv"][1].tolist())  # the only one it has


def test_a_modality_read_without_any_case_is_as_if_it_were_not_read():
    nobody = Cases((), np.zeros((0, 3), np.float32), ("u", "v", "w"))
    found = MODEL.outputs({"cnv": CNV, "hif": nobody}, ["a"])
    assert found.present["hif"].tolist() == [False]


def test_outputs_do_not_depend_on_how_many_cases_come_at_once():
    rng = np.random.default_rng(0)
    many = Cases(
        tuple(f"k{number}" for number in range(1031)), rng.normal(size=(1031, 2)).astype(np.float32), ("x", "y")
    )
    branch = BRANCHES["cnv"].build(4)
    prepared = prepare(many, BRANCHES["cnv"].state, BRANCHES["cnv"].config)
    logits, embeddings = branch_outputs(branch, "cnv", prepared)
    assert logits.shape == (1031, 4)
    assert logits.dtype == embeddings.dtype == torch.float64
    some = torch.tensor([1030, 3, 512])
    assert torch.allclose(branch_outputs(branch, "cnv", prepared, some)[0], logits[some], atol=1e-6)


def test_align_leaves_out_cases_nobody_asked_for():
    found = align(
        {"a": (["p", "q", "r"], torch.arange(6.0).double().view(3, 2), torch.ones(3, 1).double())},
        ["r", "s", "p"],
        {"a": (2, 1), "b": (2, 3)},
    )
    assert found.logits["a"].tolist() == [[4, 5], [0, 0], [0, 1]]
    assert found.present["a"].tolist() == [True, False, True]
    assert found.embeddings["b"].shape == (3, 3)
    assert found.n_present.tolist() == [1, 0, 1]
