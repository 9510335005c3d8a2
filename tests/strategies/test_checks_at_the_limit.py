"""What lies exactly at a limit is used, and what lies just beyond it is refused."""

import numpy as np
import pytest
from flwr.app import MetricRecord, RecordDict

from modalities.core.settings.training import Federated
from strategies.aggregation import Aggregation
from strategies.checks import (
    Holder,
    Refusal,
    UnusableError,
    gradient_part,
    parts_used,
    shown,
    sums_part,
    trained_part,
)
from strategies.exchange import Folded, Traffic
from strategies.packing import _int64
from strategies.statistics import add_sums
from strategies.wire import bytes_by_owner, config_record, to_record

CASES = 17
METRICS = {"num-examples": CASES, "loss-sum": 2.0, "held-out-n": 3, "held-out-loss-sum": 1.0}


def trained(array, template, **metrics):
    record = MetricRecord({name: value for name, value in {**METRICS, **metrics}.items() if value is not None})
    content = RecordDict({"arrays.cnv": to_record({"w": array}), "metrics.cnv": record})
    return trained_part({"cnv": {"w": template}})(content, "cnv", CASES)


@pytest.mark.parametrize(
    "metrics",
    [
        {"num-examples": 0},
        {"num-examples": CASES},
        {"held-out-n": 0},
        {"held-out-n": CASES},
        {"held-out-n": None},
        {"loss-sum": None, "held-out-loss-sum": None},
        {"loss-sum": 0},
        {"loss-sum": 1e9 * CASES},
        {"held-out-loss-sum": 1e9 * CASES},
    ],
)
def test_metrics_at_the_limit_or_left_out_are_used(metrics):
    _, used = trained(np.zeros(1), np.zeros(1), **metrics)
    assert used == {name: value for name, value in {**METRICS, **metrics}.items() if value is not None}


def test_how_many_cases_weights_were_trained_on_is_never_left_out():
    with pytest.raises(UnusableError, match="num-examples must be from 0 to the 17 cases announced"):
        trained(np.zeros(1), np.zeros(1), **{"num-examples": None})


@pytest.mark.parametrize(("start", "furthest"), [(0.0, 1000.0), (3.0, 4003.0), (-3.0, -4003.0)])
def test_weights_move_by_a_thousand_times_their_size_and_one(start, furthest):
    """A size of 3 may move by 1000 x (3 + 1)."""
    trained(np.full(2, furthest), np.full(2, start))
    said = "moves the weights by 1.0e+03, more than 1000 x (0.0e+00 + 1)" if not start else "x (3.0e+00 + 1)"
    with pytest.raises(UnusableError) as refused:
        trained(np.full(2, furthest * 1.001), np.full(2, start))
    assert said in str(refused.value)


def test_weights_without_any_number_do_not_move():
    trained(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_gradient_is_as_steep_as_a_billion_a_case(sign):
    read = gradient_part({"cnv": {"d": np.zeros(1)}})

    def content(slope):
        return RecordDict({"arrays.cnv": to_record({"d": np.array([slope])}), "metrics.cnv": MetricRecord(METRICS)})

    read(content(sign * 1.7e10), "cnv", CASES)
    with pytest.raises(UnusableError, match="steeper than 1e"):
        read(content(sign * 1.7001e10), "cnv", CASES)


@pytest.mark.parametrize(
    ("name", "most", "said"),
    [
        ("n", 17.0, r"^n outside 0 to the 17 cases announced$"),
        ("cases", 17.0, r"^cases outside 0 to the 17 cases announced$"),
        ("class-counts", 1e6, r"^class-counts outside 0 to 1e\+06$"),
        ("losses", 1.7e10, r"^losses outside 0 to 2e\+10$"),
        ("sum", 1e100, r"^sum is beyond 1e\+100$"),
    ],
)
def test_sums_reach_what_the_cases_allow_and_no_further(name, most, said):
    read = sums_part({"cnv": {name: np.zeros(2)}})

    def of(value):
        return read(RecordDict({"arrays.cnv": to_record({name: np.array([0.0, value])})}), "cnv", CASES)

    assert of(most)[name][1] == most
    with pytest.raises(UnusableError, match=said):
        of(most * 1.01)


def test_three_names_that_were_not_asked_for_are_named_and_a_fourth_is_counted():
    for n_strange, more in ((3, []), (4, [Refusal("a", "*", "1 more parts not asked of this site")])):
        content = RecordDict({f"arrays.x{number}": to_record({}) for number in range(n_strange)})
        _, refused = parts_used(Holder(1, "a", {}), content, lambda *of: None)
        assert refused == [*(Refusal("a", f"x{number}", "not asked of this site") for number in range(3)), *more]


def test_three_arrays_that_are_unknown_are_named_and_no_more_said():
    read = sums_part({"cnv": {}})
    content = RecordDict({"arrays.cnv": to_record({name: np.zeros(1) for name in "abc"})})
    with pytest.raises(UnusableError, match=r"^arrays named \['a', 'b', 'c'\] are missing or unknown$"):
        read(content, "cnv", CASES)


def test_forty_letters_of_a_name_are_shown():
    assert shown("a" * 40) == shown("a" * 41) == "a" * 40


def test_a_round_counts_with_as_many_sites_as_min_holders_and_the_rule_ask_for():
    rule = Aggregation(Federated(min_holders=2))
    assert rule.too_few(2) == rule.shortage(0) == ""
    assert rule.too_few(1) == "1 of the at least 2 sites that min_holders asks for"
    median = Aggregation(Federated(min_holders=2, robust="fedmedian"))
    assert median.too_few(3) == median.shortage(3) == ""
    assert median.too_few(2) == "fedmedian needs at least 3 sites for a median that differs from the mean, and has 2"


@pytest.mark.parametrize(("share", "least"), [(0.1, 10), (0.2, 5), (0.3, 4), (0.34, 3), (0.4, 3)])
def test_a_trimmed_mean_needs_so_many_sites_that_one_is_left_out_at_each_end(share, least):
    rule = Aggregation(Federated(robust="fedtrimmedavg", trim_share=share))
    assert rule.shortage(least) == ""
    assert f"needs at least {least} sites to leave one out at each end (trim_share {share})" in rule.shortage(least - 1)


def test_krum_needs_three_sites_and_two_for_every_hostile_one():
    rule = Aggregation(Federated(robust="krum", n_hostile=2))
    assert rule.shortage(7) == ""
    assert rule.shortage(6) == "krum needs at least 7 sites to withstand 2 hostile (n_hostile), and has 6"


def test_whole_numbers_of_64_bits_are_read_and_no_larger_ones():
    assert [_int64(str(n)) for n in (-(2**63), 2**63 - 1)] == [-(2**63), 2**63 - 1]
    for n in (-(2**63) - 1, 2**63):
        with pytest.raises(ValueError, match="a whole number of more than 64 bits"):
            _int64(str(n))


def test_bytes_are_those_of_arrays_with_a_header_and_of_values_with_their_names():
    content = RecordDict(
        {
            "arrays.cnv@1": to_record({"ab": np.zeros(3, np.float32)}),
            "config.cnv": config_record({"a": "word", "b": True, "c": 1.5, "d": [1, 2], "e": b"xyz"}),
            "metrics.fusion.shared": MetricRecord({"n": 7}),
        }
    )
    assert bytes_by_owner(content) == {"cnv": (12 + 128 + 2) + (5 + 4 + 1 + 8 + 16 + 3), "shared": 1 + 8}


def test_traffic_adds_up_by_site_and_what_nobody_knows_is_other():
    traffic = Traffic(owners={"cnv"})
    for _ in range(2):
        traffic.count(traffic.up, "a", RecordDict({"metrics.cnv": MetricRecord({"n": 1})}))
    traffic.count(traffic.down, "b", RecordDict({"metrics.mine": MetricRecord({"n": 1})}))
    assert traffic.table() == {"a": {"cnv": {"up": 18, "down": 0}}, "b": {"other": {"up": 0, "down": 9}}}


def test_a_site_that_learned_from_no_case_counts_as_usable_but_not_in_the_mean():
    folded = Folded()
    folded.add(Holder(1, "a", {"cnv": 2}), {"cnv": ({"w": np.array([1.0])}, {"num-examples": 0, "held-out-n": 2})})
    folded.add(Holder(2, "b", {"cnv": 4}), {"cnv": ({"w": np.array([5.0])}, {"num-examples": 3, "held-out-n": 1})})
    folded.add(Holder(3, "c", {"cnv": 1}), {"cnv": ({"w": np.array([9.0])}, {"num-examples": 1})})
    assert folded.sums["cnv"].mean()["w"].tolist() == [6.0]  # (3 x 5 + 9) / 4
    assert folded.metrics["cnv"] == {"num-examples": 4, "held-out-n": 3}
    assert folded.usable["cnv"] == {"a", "b", "c"}
    assert folded.answered == {"a", "b", "c"}
    unweighted = Folded()
    unweighted.add(Holder(1, "a", {"cnv": 2}), {"cnv": ({"w": np.array([1.0])}, {"num-examples": 0})}, weighted=False)
    unweighted.add(Holder(1, "b", {"cnv": 2}), {"cnv": ({"w": np.array([5.0])}, {"num-examples": 3})}, weighted=False)
    assert unweighted.sums["cnv"].total()["w"].tolist() == [6.0]
    kept = Folded()
    kept.add(Holder(1, "a", {"cnv": 2}), {"cnv": ({"w": np.array([1.0])}, {"num-examples": 0})}, keep={"cnv"})
    kept.add(Holder(1, "b", {"cnv": 2}), {"cnv": ({"w": np.array([5.0])}, {"num-examples": 3})}, keep={"cnv"})
    assert [weight for _, weight in kept.kept["cnv"]] == [3]
    assert kept.sums == {}


def test_sums_of_the_only_site_are_a_copy():
    sent = {"n": np.array([1.0])}
    total, refused = add_sums([("a", sent)], "cnv")
    total["n"] += 1
    assert sent["n"].tolist() == [1.0]
    assert refused == []
