"""The search for a head: folds left out, the choice, Adam's rounds, and what a stopped search remembers."""

import numpy as np
import pytest
import torch

from modalities.core.fusion.evidence import Evidence, Question, head_folds
from modalities.core.fusion.fit import FitProgress, Moments
from modalities.core.fusion.head import fuse, head_named
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.search import Memory, Search
from modalities.core.fusion.settings import Fusion, Network
from tests.modalities.core.fusion.heads.test_heads import NETWORKS, SIZES, outputs
from tests.support import same_arrays

WEIGHTS = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
NETWORK = Network(width=4, layers=1, attention_heads=2, rounds=5, lr=0.02, patience=2)


def evidence(n=61, seed=3):
    """Branch `a` knows the class; some cases lack `c`, some have `b` alone."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (n,), generator=generator)
    found = outputs((["abc", "ab", "abc", "b"] * n)[:n], seed=seed)
    known = torch.nn.functional.one_hot(labels, 3).double() * 2 + found.logits["a"]
    logits = {**found.logits, "a": known * found.present["a"][:, None]}
    return Evidence(Outputs(logits, found.embeddings, found.present), labels, 1 + torch.arange(n) % 3)


def search(settings=None, memory=None, found=None, asked=None):
    found = found or evidence()
    settings = settings or Fusion(rounds=4, network=NETWORK)

    def ask(question, parameters):
        if asked is not None:
            asked.append(question)
        return found.answer(question, parameters, WEIGHTS, settings.modality_dropout)

    return Search(settings, 5, SIZES, 3, ask, memory or Memory())


def test_the_fold_left_out_teaches_nothing_and_is_scored_as_it_is():
    found, head = evidence(), head_named("mean_logits")
    answer = found.answer(Question("mean_logits", 2), {}, WEIGHTS, 0.3)
    several = [row for row in range(61) if found.folds[row] == 2 and found.outputs.n_present[row] > 1]
    logits = fuse(head, {}, found.outputs)
    by_hand = sum(-logits[row].log_softmax(0)[found.labels[row]] * WEIGHTS[found.labels[row]] for row in several)
    assert answer.n_held_out == len(several)
    assert answer.held_out == pytest.approx(float(by_hand))
    changed = Evidence(found.outputs, torch.where(found.folds == 2, (found.labels + 1) % 3, found.labels), found.folds)
    start = search().start("weighted")
    one, other = (each.answer(Question("weighted", 2), start, WEIGHTS, 0.3) for each in (found, changed))
    assert one.loss == other.loss
    assert all(torch.equal(one.gradient[name], other.gradient[name]) for name in start)
    assert one.held_out != other.held_out


def test_what_is_shown_is_all_that_counts():
    found, start = evidence(), search().start("weighted")
    answer = found.answer(Question("weighted", shown=("a", "b")), start, WEIGHTS, 0.3)
    assert not answer.gradient["c.a"].any()
    assert answer.gradient["a.a"].any()
    assert answer.loss == found.answer(Question("weighted", shown=("a", "b")), start, WEIGHTS, 0.0).loss


def test_a_head_without_parameters_has_the_loss_of_all_its_cases():
    found = evidence()
    several = found.outputs.n_present > 1
    logits = fuse(head_named("mean"), {}, found.outputs)[several]
    expected = torch.nn.functional.cross_entropy(logits, found.labels[several], weight=WEIGHTS, reduction="sum")
    assert search().loss("mean") == pytest.approx(float(expected) / int(several.sum()))


def test_out_of_fold_loss_is_of_heads_that_never_saw_the_fold():
    found, own = evidence(), search()
    expected = 0.0
    for fold in (1, 2, 3):
        head = own._fit("weighted_logits_bias", fold, 0).parameters
        expected += found.answer(Question("weighted_logits_bias", fold), head, WEIGHTS, 0.3).held_out
    n = int((found.outputs.n_present > 1).sum())
    assert own.loss("weighted_logits_bias") == pytest.approx(expected / n)


def test_the_choice_is_the_least_out_of_fold_loss_and_names_every_candidate():
    names = ["mean", "weighted_logits", "most_confident"]
    name, parameters, losses = search(Fusion(head="auto", candidates=names, rounds=4)).settle(possible=True)
    assert list(losses) == names
    assert name == min(losses, key=lambda each: losses[each])
    assert set(parameters) == set(search().start(name))
    assert losses["weighted_logits"] < losses["mean"]


def test_one_head_alone_is_fitted_without_the_folds_left_out():
    asked = []
    name, _, losses = search(Fusion(head="weighted_logits_bias", rounds=4), asked=asked).settle(possible=True)
    assert (name, losses) == ("weighted_logits_bias", {})
    assert {question.held_out for question in asked} == {0}


def test_where_nothing_can_be_fitted_the_first_candidate_is_taken_as_it_is():
    asked = []
    settings = Fusion(head="auto", candidates=["gated", "mean"])
    name, parameters, losses = search(settings, asked=asked).settle(possible=False)
    assert (name, losses, asked) == ("gated", {}, [])
    assert not parameters["a.v"].any()


def test_without_a_case_that_can_be_scored_the_first_candidate_is_fitted():
    alone = evidence()
    alone = Evidence(alone.outputs.only(["b"]), alone.labels, alone.folds)
    name, _, losses = search(Fusion(head="auto", candidates=["gated", "mean"]), found=alone).settle(possible=True)
    assert (name, losses) == ("gated", {})


def test_two_steps_of_adam_by_hand():
    moments = Moments({"a.W": torch.tensor([1.0, 1.0]).double()})
    moments.step({"a.W": torch.tensor([0.5, -4.0]).double()}, 0.1)
    assert moments.parameters["a.W"].tolist() == pytest.approx([0.9, 1.1])  # the first step is lr * sign
    moments.step({"a.W": torch.tensor([0.5, 4.0]).double()}, 0.1)
    # second: mean (.9 * -.4 + .1 * 4) / .19, size sqrt((.999 * .016 + .001 * 16) / .001999) = 4
    assert moments.parameters["a.W"].tolist() == pytest.approx([0.8, 1.1 - 0.1 * 0.04 / 0.19 / 4])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_learns_for_as_many_rounds_as_were_best_for_the_folds_left_out(name):
    own = search()
    curve = own.curve(name)
    assert curve[0] == pytest.approx(
        float(sum(np.log(3) * WEIGHTS[label] for label in _fusible().tolist()) / _fusible().numel())
    )
    assert min(curve) < curve[0]
    own.fitted(name)
    assert own.memory.fits[f"{name}@0"].rounds == max(1, int(np.argmin(curve)))
    assert own.memory.progress == FitProgress()


def _fusible():
    found = evidence()
    return found.labels[found.outputs.n_present > 1]


@pytest.mark.parametrize("name", ["intermediate", "weighted_logits"])
def test_a_search_that_stops_anywhere_goes_on_to_the_same_head(name):
    settings = Fusion(head=name, rounds=4, network=NETWORK)
    asked: list[Question] = []
    whole = search(settings, asked=asked).fitted(name)
    for stop in range(1, len(asked)):
        memory, seen = Memory(), []

        class StoppedError(Exception):
            pass

        def stopping(event, seen=seen, stop=stop, error=StoppedError):
            seen.append(event)
            if len(seen) == stop:
                raise error

        first = search(settings, memory)
        first.report = stopping
        with pytest.raises(StoppedError):
            first.fitted(name)
        again: list[Question] = []
        found = search(settings, memory, asked=again).fitted(name)
        assert same_arrays(
            {"": {k: v.numpy() for k, v in whole.items()}}, {"": {k: v.numpy() for k, v in found.items()}}
        )
        assert len(again) == len(asked) - stop  # nothing is asked twice


def test_rounds_of_a_network_hide_modalities_by_the_seed_and_leave_two_at_least():
    shown = [search()._shown("transformer", step) for step in range(40)]
    assert shown == [search()._shown("transformer", step) for step in range(40)]
    assert {len(names) for names in shown} == {2, 3}
    assert len(set(shown)) == 4


def test_folds_of_the_head_are_those_of_the_branches_or_every_nth_case_of_the_part_held_out():
    folds = np.array([2, 1, 3, 1])
    assert head_folds(folds, Fusion()).tolist() == [2, 1, 3, 1]
    assert head_folds(np.array([1, 2, 1, 2, 1]), Fusion(fit="tune")).tolist() == [1, 2, 3, 1, 2]
