"""Fusion heads: what every one of them promises, and what each adds."""

import math

import pytest
import torch

from modalities.core.federation import Fusion
from modalities.core.fusion.head import Head, fuse, head_named, heads
from modalities.core.fusion.outputs import Outputs

N_CLASSES, SIZES = 3, {"a": 5, "b": 2, "c": 7}


def outputs(present, seed=0):
    """Random outputs of 4 modal subsets; `present` is one string of modality letters a case."""
    generator = torch.Generator().manual_seed(seed)
    held = {name: torch.tensor([name in case for case in present]) for name in SIZES}

    def draw(size):
        return torch.randn(len(present), size, generator=generator, dtype=torch.float64)

    logits = {name: draw(N_CLASSES) * held[name][:, None] for name in SIZES}
    return Outputs(logits, {name: draw(size) * held[name][:, None] for name, size in SIZES.items()}, held)


def fitted(head, seed=1):
    """Parameters far from where a fit begins."""
    generator = torch.Generator().manual_seed(seed)
    start = head.initial(SIZES, N_CLASSES)
    return {
        name: values + torch.randn(values.shape, generator=generator, dtype=torch.float64)
        for name, values in start.items()
    }


@pytest.fixture(params=sorted(heads()))
def head(request):
    return head_named(request.param)


def test_the_heads_are_the_files_of_the_folder_that_fulfil_the_contract():
    assert sorted(heads()) == ["mean", "residual", "weighted_logits_bias"]
    assert all(isinstance(head, Head) for head in heads().values())


def test_unknown_head_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no fusion head 'gated'; known heads: mean, residual, weighted_logits_bias"):
        head_named("gated")


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


@pytest.mark.parametrize("name", ["residual", "weighted_logits_bias"])
def test_before_any_fit_the_fused_logits_are_the_mean_of_logits_of_the_present(name):
    found = outputs(["ab", "abc"])
    fused = fuse(head_named(name), head_named(name).initial(SIZES, N_CLASSES), found)
    a, b, c = (found.logits[modality] for modality in "abc")
    assert torch.allclose(fused[0], (a[0] + b[0]) / 2)
    assert torch.allclose(fused[1], (a[1] + b[1] + c[1]) / 3)


@pytest.mark.parametrize("name", ["residual", "weighted_logits_bias"])
def test_the_penalty_is_zero_before_any_fit_and_positive_after(name):
    head = head_named(name)
    assert float(head.penalty(head.initial(SIZES, N_CLASSES), Fusion())) == 0
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
    full, less = head.initial(SIZES, N_CLASSES), head.initial(small, N_CLASSES)
    assert torch.equal(fuse(head, full, found), fuse(head, less, without))
