"""Fusion heads: what every one of them promises, and what each adds."""

import math

import pytest
import torch

from modalities.core.fusion.head import Head, fuse, head_named, heads
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion, Network

N_CLASSES, SIZES = 3, {"a": 5, "b": 2, "c": 7}
SMALL, SPREAD = Fusion(network=Network(width=6, layers=2, attention_heads=2)), 0.7
FITTED = [name for name, head in sorted(heads().items()) if head.initial(SIZES, N_CLASSES, SMALL, 0)]
NETWORKS = [name for name in FITTED if heads()[name].OPTIMISER == "adam"]
FROM_THE_MEAN = ["gated", "residual", "weighted_logits", "weighted_logits_bias"]


def outputs(present, seed=0):
    """Random outputs of 4 modal subsets; `present` is one string of modality letters a case."""
    generator = torch.Generator().manual_seed(seed)
    held = {name: torch.tensor([name in case for case in present]) for name in SIZES}

    def draw(size):
        return torch.randn(len(present), size, generator=generator, dtype=torch.float64)

    logits = {name: draw(N_CLASSES) * held[name][:, None] for name in SIZES}
    return Outputs(logits, {name: draw(size) * held[name][:, None] for name, size in SIZES.items()}, held)


def first(head, sizes=SIZES):
    """Before any fit; the networks are small here."""
    return head.initial(sizes, N_CLASSES, SMALL, seed=3)


def fitted(head, seed=1):
    """Parameters far from where a fit begins."""
    generator = torch.Generator().manual_seed(seed)
    start = first(head)
    return {
        name: values + SPREAD * torch.randn(values.shape, generator=generator, dtype=torch.float64)
        for name, values in start.items()
    }


@pytest.fixture(params=sorted(heads()))
def head(request):
    return head_named(request.param)


def test_the_heads_are_the_files_of_the_folder_that_fulfil_the_contract():
    assert sorted(heads()) == [
        *("gated", "intermediate", "mean", "mean_logits", "most_confident", "residual", "stacked", "transformer"),
        *("weighted", "weighted_logits", "weighted_logits_bias"),
    ]
    assert all(isinstance(head, Head) for head in heads().values())


def test_unknown_head_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no fusion head 'gate'; known heads: gated, intermediate, mean, mean_logits"):
        head_named("gate")


def test_a_case_with_one_modality_gets_exactly_that_branchs_own_logits(head):
    found = outputs(["a", "b", "c", "ab"])
    fused = fuse(head, fitted(head), found)
    for row, name in enumerate("abc"):
        assert torch.equal(fused[row], found.logits[name][row])
    assert not torch.equal(fused[3], found.logits["a"][3])


def test_a_case_without_any_modality_gets_no_number(head):
    assert torch.isnan(fuse(head, fitted(head), outputs(["ab", "", "c"]))).any(dim=1).tolist() == [False, True, False]


def test_what_a_case_lacks_does_not_count(head):
    """Logits and embeddings of an absent modality may be anything."""
    held = outputs(["ab", "bc", "abc"])
    dirty = Outputs(
        {name: torch.where(held.present[name][:, None], values, 99.0) for name, values in held.logits.items()},
        {name: torch.where(held.present[name][:, None], values, -99.0) for name, values in held.embeddings.items()},
        held.present,
    )
    parameters = fitted(head)
    assert torch.equal(fuse(head, parameters, dirty), fuse(head, parameters, held))


def test_hiding_a_modality_is_as_if_the_case_never_had_it(head):
    parameters = fitted(head)
    everything = outputs(["abc"] * 4)
    assert torch.equal(
        fuse(head, parameters, everything.only(["a", "c"])),
        fuse(
            head,
            parameters,
            Outputs(everything.logits, everything.embeddings, outputs(["ac"] * 4).present),
        ),
    )


def test_cases_do_not_influence_each_other(head):
    parameters, together = fitted(head), outputs(["ab", "abc", "bc", "a"])
    rows = torch.tensor([2, 0])
    assert torch.allclose(fuse(head, parameters, together)[rows], fuse(head, parameters, together.rows(rows)))


@pytest.mark.parametrize("name", FROM_THE_MEAN)
def test_before_any_fit_the_fused_logits_are_the_mean_of_logits_of_the_present(name):
    found = outputs(["ab", "abc"])
    fused = fuse(head_named(name), first(head_named(name)), found)
    a, b, c = (found.logits[modality] for modality in "abc")
    assert torch.allclose(fused[0], (a[0] + b[0]) / 2)
    assert torch.allclose(fused[1], (a[1] + b[1] + c[1]) / 3)


@pytest.mark.parametrize("name", FROM_THE_MEAN)
def test_the_penalty_is_zero_before_any_fit_and_positive_after(name):
    head = head_named(name)
    assert float(head.penalty(first(head), Fusion())) == 0
    assert float(head.penalty(fitted(head), Fusion())) > 0


def two_modalities(first, second, embeddings=((1.0, 2.0), (3.0,))):
    row = torch.float64
    return Outputs(
        {"a": torch.tensor([first], dtype=row), "b": torch.tensor([second], dtype=row)},
        {"a": torch.tensor([embeddings[0]], dtype=row), "b": torch.tensor([embeddings[1]], dtype=row)},
        {"a": torch.tensor([True]), "b": torch.tensor([True])},
    )


def test_mean_is_the_mean_of_probabilities():
    found = two_modalities([0.0, math.log(3)], [math.log(9), 0.0])  # probabilities 1/4, 3/4 and 9/10, 1/10
    fused = fuse(head_named("mean"), {}, found).softmax(dim=1)
    assert fused[0].tolist() == pytest.approx([(0.25 + 0.9) / 2, (0.75 + 0.1) / 2])


def test_weighted_logits_bias_by_hand():
    parameters = {
        "a.d": torch.tensor([0.5, 0.0], dtype=torch.float64),
        "b.d": torch.tensor([-0.25, 1.0], dtype=torch.float64),
        "shared.b": torch.tensor([0.1, -0.3], dtype=torch.float64),
        "shared.s": torch.tensor([7.0, 7.0, 3.0], dtype=torch.float64),
    }
    fused = fuse(head_named("weighted_logits_bias"), parameters, two_modalities([2.0, -1.0], [4.0, 5.0]))
    # 3 * (1.5 * 2 + 0.75 * 4) / 2 + 0.1 and 3 * (1 * -1 + 2 * 5) / 2 - 0.3
    assert fused[0].tolist() == pytest.approx([9.1, 13.2])


def test_weighted_logits_bias_penalty_by_hand():
    parameters = {
        "a.d": torch.tensor([0.5, 0.0], dtype=torch.float64),
        "b.d": torch.tensor([-1.0, 2.0], dtype=torch.float64),
        "shared.b": torch.tensor([0.5, -1.0], dtype=torch.float64),
        "shared.s": torch.tensor([1.0, 1.0, 3.0], dtype=torch.float64),
    }
    settings = Fusion(weight_penalty=3.0, bias_penalty=0.5)
    # 3 * (0.25 + 1 + 4) + 0.5 * (0.25 + 1 + 4)
    assert float(head_named("weighted_logits_bias").penalty(parameters, settings)) == pytest.approx(18.375)


def test_residual_by_hand():
    parameters = {
        "a.D": torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64),
        "b.D": torch.tensor([[2.0], [0.5]], dtype=torch.float64),
        "shared.b": torch.tensor([0.1, -0.3], dtype=torch.float64),
        "shared.s": torch.tensor([7.0, 7.0, 3.0], dtype=torch.float64),
    }
    fused = fuse(head_named("residual"), parameters, two_modalities([2.0, -1.0], [4.0, 5.0]))
    # 3 * ((2 + 1*1) + (4 + 2*3)) / 2 + 0.1 and 3 * ((-1 - 1*2) + (5 + 0.5*3)) / 2 - 0.3
    assert fused[0].tolist() == pytest.approx([19.6, 4.95])


def test_adding_a_modality_nobody_has_changes_nothing(head):
    found = outputs(["ab", "ab", "b"])
    without = Outputs(
        *({name: group[name] for name in "ab"} for group in (found.logits, found.embeddings, found.present))
    )
    small = {name: size for name, size in SIZES.items() if name != "c"}
    full = fitted(head)
    less = {name: values for name, values in full.items() if not name.startswith("c.")}
    assert torch.allclose(fuse(head, full, found), fuse(head, less, without))
    assert all(
        torch.equal(values, first(head)[name]) for name, values in first(head, small).items() if name != "shared.s"
    )


@pytest.mark.parametrize("name", FITTED)
def test_every_parameter_belongs_to_a_modality_or_is_shared_and_a_network_has_half_the_bytes(name):
    head = head_named(name)
    assert {key.partition(".")[0] for key in first(head)} <= {*SIZES, "shared"}
    expected = torch.float32 if head.OPTIMISER == "adam" else torch.float64
    assert {values.dtype for values in first(head).values()} == {expected}
    assert fuse(head, first(head), outputs(["ab", "abc"])).dtype == torch.float64


def test_mean_logits_by_hand():
    fused = fuse(head_named("mean_logits"), {}, two_modalities([2.0, -1.0], [4.0, 5.0]))
    assert fused[0].tolist() == pytest.approx([3.0, 2.0])


def test_most_confident_is_the_surer_branch_and_of_equals_the_first():
    head = head_named("most_confident")
    surer = fuse(head, {}, two_modalities([0.0, math.log(3)], [math.log(9), 0.0])).exp()
    assert surer[0].tolist() == pytest.approx([0.9, 0.1])
    equal = fuse(head, {}, two_modalities([0.0, math.log(3)], [math.log(3), 0.0])).exp()
    assert equal[0].tolist() == pytest.approx([0.25, 0.75])


def test_most_confident_never_asks_a_branch_that_the_case_lacks():
    found = outputs(["abc", "abc"])
    sure = Outputs(
        {**found.logits, "a": found.logits["a"] + torch.tensor([50.0, 0, 0])}, found.embeddings, found.present
    )
    fused = fuse(head_named("most_confident"), {}, sure.only(["b", "c"]))
    assert torch.equal(fused, fuse(head_named("most_confident"), {}, found.only(["b", "c"])))


def test_weighted_by_hand():
    parameters = {"a.a": torch.tensor([math.log(3)]).double(), "b.a": torch.zeros(1).double()}
    fused = fuse(head_named("weighted"), parameters, two_modalities([0.0, math.log(3)], [math.log(9), 0.0])).exp()
    # (3 * 1/4 + 9/10) / 4 and (3 * 3/4 + 1/10) / 4
    assert fused[0].tolist() == pytest.approx([0.4125, 0.5875])
    # 2 * log(3)^2
    assert float(head_named("weighted").penalty(parameters, Fusion(weight_penalty=2.0))) == pytest.approx(
        2.4138, abs=1e-4
    )


def test_weighted_logits_is_wlb_without_its_bias():
    wlb, wl = head_named("weighted_logits_bias"), head_named("weighted_logits")
    parameters, found = fitted(wlb), outputs(["ab", "abc", "bc"])
    without = {name: values for name, values in parameters.items() if name != "shared.b"}
    assert set(without) == set(first(wl))
    assert torch.allclose(fuse(wl, without, found) + parameters["shared.b"], fuse(wlb, parameters, found))


def test_gated_by_hand():
    parameters = {
        "a.v": torch.tensor([math.log(3), 0.0]).double(),  # e_a = (1, 2): a score of log 3
        "a.a": torch.zeros(1).double(),
        "b.v": torch.zeros(1).double(),
        "b.a": torch.zeros(1).double(),
        "shared.b": torch.tensor([0.1, -0.3]).double(),
        "shared.s": torch.tensor([7.0, 7.0, 2.0]).double(),
    }
    fused = fuse(head_named("gated"), parameters, two_modalities([2.0, -1.0], [4.0, 5.0]))
    # gates 3/4 and 1/4: 2 * (1.5 + 1) + 0.1 and 2 * (-0.75 + 1.25) - 0.3
    assert fused[0].tolist() == pytest.approx([5.1, 0.7])
    # 3 * (2 * log(3)^2) + 0.5 * (0.1 + 36 + 36 + 1)
    settings = Fusion(weight_penalty=3.0, bias_penalty=0.5)
    assert float(head_named("gated").penalty(parameters, settings)) == pytest.approx(6 * math.log(3) ** 2 + 36.55)


def test_stacked_by_hand_and_before_any_fit_the_product_of_probabilities():
    head, found = head_named("stacked"), two_modalities([0.0, math.log(3)], [math.log(9), 0.0])
    start = head.initial({"a": 2, "b": 1}, 2, Fusion(), seed=0)
    assert fuse(head, start, found).exp()[0].tolist() == pytest.approx([0.25 * 0.9, 0.75 * 0.1])
    parameters = start | {
        "a.W": torch.tensor([[0.0, 2.0], [0.0, 0.0]]).double(),
        "b.f": torch.tensor([0.0, 0.5]).double(),
        "shared.b": torch.tensor([1.0, 0.0]).double(),
    }
    # 2 log .75 + log .9 + 1 and log .1 + .5
    assert fuse(head, parameters, found)[0].tolist() == pytest.approx([0.319275, -1.802585], abs=1e-6)
    # 3 * (4 + 2) + .5 * (.25 + 1)
    assert float(head.penalty(parameters, Fusion(weight_penalty=3.0, bias_penalty=0.5))) == pytest.approx(18.625)


def test_intermediate_by_hand():
    parameters = {
        "a.W": torch.tensor([[1.0, 0.5]]).double(),  # e_a = (1, 2): 2
        "a.f": torch.tensor([0.25]).double(),
        "b.W": torch.tensor([[-0.5]]).double(),  # e_b = 3: -1.5
        "b.f": torch.tensor([0.5]).double(),
        "shared.c": torch.tensor([0.75]).double(),
        "shared.R": torch.tensor([[1.0], [-2.0]]).double(),
        "shared.b": torch.tensor([0.5, 0.0]).double(),
    }
    fused = fuse(head_named("intermediate"), parameters, two_modalities([0.0, 0.0], [0.0, 0.0]))
    hidden = 1.0507009873554805 * 2.0  # selu of 2 + .25 - 1.5 + .5 + .75
    assert fused[0].tolist() == pytest.approx([hidden + 0.5, -2 * hidden])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_networks_first_weights_follow_the_seed(name):
    head = head_named(name)
    again, other = first(head), head.initial(SIZES, N_CLASSES, SMALL, seed=4)
    assert all(torch.equal(values, again[key]) for key, values in first(head).items())
    assert not torch.equal(
        again[{"intermediate": "a.W", "transformer": "a.P"}[name]],
        other[{"intermediate": "a.W", "transformer": "a.P"}[name]],
    )
    assert torch.equal(fuse(head, again, outputs(["abc"])), torch.zeros(1, 3, dtype=torch.float64))
