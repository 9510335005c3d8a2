"""Series of experiments: what they are made of, and what they come to."""

import pytest

from simulations.cohorts.inputs import numbers_in
from simulations.report.sections.missing import missing
from simulations.report.sections.privacy import privacy as privacy_section
from simulations.report.sections.repeats import repeats
from simulations.studies.experiment import Protocol
from simulations.studies.series import missing_summary, plan_of, repeats_summary
from tests.support import small_federation

FEDERATION = small_federation()


def scored(value, low=None, high=None):
    auroc = {"value": value, "low": value - 0.1 if low is None else low, "high": value + 0.1 if high is None else high}
    return {"n": 7, "macro_auroc": auroc, "balanced_accuracy": {**auroc, "value": value - 0.2}}


def result(seed, rate, federated, centralised):
    sets = ("cnv", "fused", "fused_complete")
    gap = {"macro_auroc": {"value": federated - centralised, "low": -0.1, "high": 0.1}}
    gap["balanced_accuracy"] = gap["macro_auroc"]
    return {
        "protocol": {"seed": seed, "cv": "random", "missing_rate": rate},
        "arms": {
            "federated": {name: scored(federated) for name in sets},
            "centralised": {name: scored(centralised) for name in sets},
        },
        "differences": {"federated-centralised": dict.fromkeys(sets, gap)},
    }


def test_repeats_are_seeds_each_with_its_own_federation_and_protocol():
    series = plan_of(FEDERATION, Protocol("x", seed=3), 3, [0.0])
    assert series is not None
    assert list(series.runs) == ["seed-3", "seed-4", "seed-5"]
    assert [(f.seed, p.seed) for f, p in series.runs.values()] == [(3, 3), (4, 4), (5, 5)]
    assert FEDERATION.digest != series.runs["seed-4"][0].digest


def test_rates_share_seed_and_folds():
    series = plan_of(FEDERATION, Protocol("x"), 1, [0.0, 0.3])
    assert series is not None
    assert [(name, p.seed, p.missing_rate) for name, (_, p) in series.runs.items()] == [
        ("missing-0", 0, 0.0),
        ("missing-0.3", 0, 0.3),
    ]


def test_one_run_is_no_series():
    assert plan_of(FEDERATION, Protocol("x"), 1, [0.3]) is None


def test_rates_are_a_comma_list_without_repeats():
    assert numbers_in("0,.3, .5", "--missing-rate", "0,.3") == [0.0, 0.3, 0.5]
    for text in ("", "0,0", "a few"):
        with pytest.raises(ValueError, match="--missing-rate: give"):
            numbers_in(text, "--missing-rate", "0,.3")


def test_repeats_of_a_private_arm_come_to_mean_and_spread_by_epsilon():
    def run(seed, without, under):
        sets = {"sets": {"fused": scored(under)}}
        privacy = {"without": {"fused": scored(without)}, "epsilons": {"8": sets}}
        return {**result(seed, 0.0, without, without), "privacy": privacy}

    found = repeats_summary([run(0, 0.9, 0.8), run(1, 0.9, 0.7), run(2, 0.9, 0.9)])["repeats"]
    assert list(found["privacy"]) == ["0", "8"]
    own = found["privacy"]["8"]["fused"]["macro_auroc"]
    assert own["values"] == [0.8, 0.7, 0.9]
    assert own["mean"] == pytest.approx(0.8)
    section = privacy_section({"repeats": found})
    assert section is not None
    assert section.tables[0].rows[1] == ("8: Fused, any case", "0.800", "0.700", "0.900", "0.800", "0.1000")
    assert privacy_section({"repeats": {"seeds": [0]}}) is None


def test_repeats_come_to_mean_and_standard_deviation():
    found = repeats_summary([result(0, 0.0, 0.8, 0.9), result(1, 0.0, 0.9, 0.9), result(2, 0.0, 0.7, 0.9)])["repeats"]
    own = found["arms"]["federated"]["fused"]["macro_auroc"]
    assert own["values"] == [0.8, 0.9, 0.7]
    assert own["mean"] == pytest.approx(0.8)
    assert own["sd"] == pytest.approx(0.1)
    gap = found["differences"]["federated-centralised"]["fused"]["macro_auroc"]
    assert gap["mean"] == pytest.approx(-0.1)
    section = repeats({"repeats": found})
    assert section is not None
    assert section.tables[0].header == ("", "seed 0", "seed 1", "seed 2", "mean", "sd")
    assert ("federated: Fused, any case", "0.800", "0.900", "0.700", "0.800", "0.1000") in section.tables[0].rows


def test_missing_rates_keep_each_arms_interval():
    found = missing_summary([result(0, 0.0, 0.9, 0.9), result(0, 0.5, 0.8, 0.9)])["missing_rates"]
    assert found["rates"] == [0.0, 0.5]
    assert [one["value"] for one in found["arms"]["federated"]["fused"]] == [0.9, 0.8]
    section = missing({"missing_rates": found})
    assert section is not None
    assert section.tables[0].header == ("macro-AUROC (95 %)", "0 %", "50 %")
    assert section.tables[0].rows[0] == ("federated", "0.900 (0.800 to 1.000)", "0.800 (0.700 to 0.900)")
    assert "local" not in found["arms"]
