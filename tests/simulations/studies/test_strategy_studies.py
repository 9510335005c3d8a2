"""The studies of convergence and of a hostile site: on made-up sites, with nothing replaced."""

import json
import math
from dataclasses import replace

import pytest

from modalities.core.settings.federation import federation_from
from simulations.cohorts.cohort import with_features_of_data
from simulations.cohorts.inputs import federation_of
from simulations.cohorts.synthetic import make_cohort
from simulations.commands.studies import Robustness
from simulations.report.sections import sections_of
from simulations.studies import convergence, robustness
from simulations.studies.convergence import ConvergencePlan, run_convergence, stays_near, stopping_round
from simulations.studies.experiment import Protocol, prepare_folds
from simulations.studies.recipes import recipe_of, same_choice, with_recipe
from simulations.studies.robustness import RobustnessPlan, run_robustness
from strategies.rule import rules

PLAN = ConvergencePlan(("fedadam", "fedavgm"), rounds=3, patience=2)


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    federation = federation_of(
        ["hif", "cnv"], {}, 5, ["modalities.hif.training.epochs=2", "modalities.cnv.training.epochs=2"]
    )
    cohort = make_cohort(federation, out / "sites", 4, 26)
    return prepare_folds(cohort, with_features_of_data(federation, cohort, out), Protocol("study", 5, folds=2), out)


@pytest.fixture(scope="module")
def found(folds, tmp_path_factory):
    out, told = tmp_path_factory.mktemp("convergence"), []
    return run_convergence(folds[:1], PLAN, out, told.append), out, told


def test_stopping_round_by_hand():
    losses = [1.4, 1.0, 0.8, 0.9, 0.85, 0.7]
    assert stopping_round(losses, 2) == (2, True)  # rounds 3 and 4 are no better, and round 5 is never seen
    assert stopping_round(losses, 3) == (5, False)
    assert stopping_round([1.4, math.nan, 1.3], 5) == (2, False)


def test_fastest_is_the_first_to_stop_near_pooled_training():
    own = {"a": (9, -0.002), "b": (4, -0.011), "c": (7, 0.03), "d": (7, -0.01), "e": (0, None)}
    strategies = {key: {"stop": stop, "gap_at_stop": gap} for key, (stop, gap) in own.items()}
    assert convergence._fastest(strategies) == "c"
    assert convergence._fastest({"b": strategies["b"]}) is None


def test_every_strategy_has_a_recipe_that_is_a_valid_federation():
    federation = federation_of(["hif"], {}, 0, None)
    for position, name in enumerate((*rules(), "fedadam+krum")):
        made = with_recipe(federation, name, same_choice(["hif"], position % 3), "tune", 7).modalities["hif"].federated
        assert f"{made.strategy}{'+' if made.robust else ''}{made.robust}" == name
        assert made.rounds == 7
    default = federation.modalities["hif"].federated.server_lr
    assert with_recipe(federation, "fedadam", {"hif": 2}, "tune").modalities["hif"].federated.server_lr == 2 * default


@pytest.mark.parametrize("name", ["fedsgd", "krum+fedmedian", "fedadam+fedavg", ""])
def test_an_unknown_strategy_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"no strategy .*: give one of fedadagrad, .* or such as fedadam\+fedmedian"):
        recipe_of(name)


def test_each_strategy_has_a_curve_a_stop_and_bytes(found):
    results, _, told = found
    assert told == ["centralised, fold 1", "fedadam, fold 1", "fedavgm, fold 1"]
    for own in results["modalities"].values():
        assert 0 < own["centralised"] <= 1
        for strategy in own["strategies"].values():
            assert len(strategy["held_out"]) == len(strategy["auroc"]) == 4  # before, and after each of three rounds
            assert strategy["held_out"][0] == pytest.approx(math.log(4))  # untrained, four classes
            assert strategy["auroc_at_stop"] == strategy["auroc"][strategy["stop"]]
            assert strategy["value"] == strategy["values"][strategy["tried"].index(min(strategy["tried"]))]
    by_round = results["modalities"]["hif"]["strategies"]["fedadam"]
    assert by_round["bytes_to_stop"] > 0


def test_what_is_done_is_not_run_again_and_gives_the_same(found, folds, monkeypatch):
    results, out, _ = found
    monkeypatch.setattr(convergence, "_run", None)
    assert run_convergence(folds[:1], PLAN, out, lambda done: None) == results


@pytest.mark.slow
def test_a_run_again_gives_the_same_numbers(found, folds, tmp_path):
    results, _, _ = found
    again = run_convergence(folds[:1], ConvergencePlan(("fedavgm",), 3, 2), tmp_path, lambda done: None)
    assert again["modalities"]["hif"]["strategies"]["fedavgm"] == results["modalities"]["hif"]["strategies"]["fedavgm"]


def test_convergence_has_a_section_with_a_row_a_strategy(found):
    (section,) = sections_of({"convergence": json.loads(json.dumps(found[0]))})
    assert section.id == "convergence"
    assert [row[0] for row in section.tables[0].rows] == ["fedadam", "fedavgm"]
    assert section.tables[0].caption.startswith("hif: pooled 0.")
    assert section.pictures[0].uri.startswith("data:image/svg+xml")


@pytest.mark.slow
def test_robustness_compares_each_rule_with_and_without_attack(folds, tmp_path, monkeypatch):
    short = with_recipe

    def two_rounds(federation, rule, choices, fit):
        return short(federation, rule, choices, fit, rounds=2)

    monkeypatch.setattr(robustness, "with_recipe", two_rounds)
    plan = RobustnessPlan(("fedadam", "fedadam+fedmedian"), ("random",))
    results = run_robustness(folds[:1], plan, tmp_path, lambda done: None)
    assert results["hostile"] == max(results["sites"], key=results["sites"].__getitem__)
    for own in results["rules"].values():
        values = {attack: each["value"] for attack, each in own["macro_auroc"].items()}
        assert set(values) == {"none", "random"}
        assert own["fall"]["random"]["value"] == pytest.approx(values["none"] - values["random"])
    assert results["rules"]["fedadam"]["against_first"]["value"] == 0
    monkeypatch.setattr(robustness, "_run", None)
    assert run_robustness(folds[:1], plan, tmp_path, lambda done: None) == results
    (section,) = sections_of({"robustness": json.loads(json.dumps(results))})
    assert [row[0] for row in section.tables[0].rows] == ["fedadam", "fedadam+fedmedian"]


def test_unknown_attacks_and_too_many_folds_are_refused():
    with pytest.raises(ValueError, match="attacks must be of scaled, flipped, negated, random, got loud"):
        RobustnessPlan(("fedavg",), ("scaled", "loud"))
    with pytest.raises(ValueError, match="use must be from 1 to the 5 folds, got 6"):
        Robustness(folds=5, use=6)


def test_a_strategy_stays_near_from_the_round_after_its_last_miss():
    assert stays_near([None, 0.70, 0.795, 0.78, 0.80, 0.791], pooled=0.8) == 4
    assert stays_near([None, 0.80], pooled=0.8) == 1
    assert stays_near([None, 0.80, 0.70], pooled=0.8) is None


def test_default_leaves_each_modalitys_own_setting():
    federation = federation_from({"modalities": {"cnv": {"federated": {"server_lr": 0.03, "patience": 7}}, "hif": {}}})
    own = with_recipe(federation, "default", same_choice(["cnv", "hif"], 0), "tune")
    settings = {name: config.federated for name, config in own.modalities.items()}
    assert settings["cnv"] == replace(federation.modalities["cnv"].federated, patience=0, absent="skip")
    assert settings["hif"] == replace(federation.modalities["hif"].federated, patience=0, absent="skip")
