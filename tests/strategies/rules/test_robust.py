"""Robust rules by hand, modality by modality, and what becomes of a round that has too few sites for them."""

import numpy as np
import pytest

from modalities.core.settings.training import Federated
from simulations.engines.inline import InlineGrid
from strategies.aggregation import Aggregation
from strategies.exchange import Holder
from strategies.per_modality import PerModality
from tests.rounds import adds, app_of, one_round

MEDIAN, TRIMMED = Federated("fedmedian"), Federated("fedtrimmedavg", trim_share=0.2)
KRUM, MULTIKRUM = Federated("krum"), Federated("multikrum")
UPDATES = (0.0, 1.0, 2.5, 4.5, 100.0)
"""What five sites add to a weight; the last is hostile."""


def holders_of(n_sites, *parts, n=11):
    return [Holder(1000 + site, f"site {site}", dict.fromkeys(parts, n)) for site in range(n_sites)]


def combined(settings, updates, cases=(), before=0.0, dtype=np.float32):
    """What one round makes of a weight when site k adds the k-th update to it."""
    cases = cases or [11] * len(updates)
    amounts = {(site, "cnv"): (update, n) for site, (update, n) in enumerate(zip(updates, cases, strict=True))}
    holders = holders_of(len(updates), "cnv", n=max(cases))
    composed = PerModality({"cnv": Aggregation(settings)}, holders, 0.3)
    weights = {"cnv": {"w": np.full((3, 2), before, dtype), "b": np.full(5, before, dtype)}}
    found = one_round(composed, weights, InlineGrid(app_of(adds(amounts)), len(updates), {}))["cnv"]
    assert {name: (array.dtype, array.shape) for name, array in found.items()} == {
        name: (array.dtype, array.shape) for name, array in weights["cnv"].items()
    }
    assert composed.last.kept == {}  # nothing of the replies outlives the step
    assert len({float(number) for array in found.values() for number in array.ravel()}) == 1
    return float(found["w"][0, 0]), composed


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (MEDIAN, 2.5),
        (TRIMMED, (1.0 + 2.5 + 4.5) / 3),
        (KRUM, 1.0),  # the sums of the two least squared distances: 7.25, 3.25, 6.25, 16.25 and more
        (MULTIKRUM, (1.0 + 2.5) / 2),  # 5 - 1 - 2 sites
    ],
    ids=lambda value: getattr(value, "strategy", ""),
)
def test_one_hostile_site_of_five_by_hand(settings, expected):
    found, composed = combined(settings, UPDATES, before=7.0)
    assert found == pytest.approx(7.0 + expected)
    assert composed.last.refused == []
    mean, _ = combined(Federated("fedavg", robust="fedmedian"), UPDATES)
    assert mean == pytest.approx(2.5)  # the same rule, asked for beside a strategy that takes it as it is


def test_sites_count_once_however_many_cases_they_say_they_have():
    cases = [3, 5, 7, 11, 9999]
    assert combined(MEDIAN, UPDATES, cases)[0] == pytest.approx(2.5)
    assert combined(TRIMMED, UPDATES, cases)[0] == pytest.approx(8 / 3)
    assert combined(KRUM, UPDATES, cases)[0] == pytest.approx(1.0)
    assert combined(MULTIKRUM, UPDATES, cases)[0] == pytest.approx((5 * 1.0 + 7 * 2.5) / 12)  # only among the chosen


def test_krum_tells_updates_apart_that_are_small_beside_the_weights():
    """In float32 the squares of weights near 4096 swallow squared distances of .0001."""
    updates = [0.0, 0.01, 0.025, 0.045, 1.0]
    assert combined(KRUM, updates, before=4096.0)[0] == np.float32(4096.0) + np.float32(0.01)


def test_whole_numbers_stay_whole():
    assert combined(MEDIAN, (1, 2, 9), dtype=np.int64)[0] == 2
    assert combined(TRIMMED, (0, 1, 1, 2, 9), dtype=np.int64)[0] == 1


def test_each_modality_has_its_own_rule_over_its_own_holders():
    holders = [
        Holder(1000, "a", {"cnv": 5}),
        Holder(1001, "b", {"cnv": 5, "hif": 3}),
        Holder(1002, "c", {"cnv": 5, "hif": 9}),
        Holder(1003, "d", {"hif": 5}),
        Holder(1004, "e", {"hif": 5, "clinical": 5}),
        Holder(1005, "f", {"hif": 5, "clinical": 15}),
    ]
    amounts = {(site, "cnv"): (value, 5) for site, value in enumerate((1.0, -50.0, 3.0))}
    amounts |= {(site, "hif"): (value, 3) for site, value in zip(range(1, 6), UPDATES, strict=True)}
    amounts |= {(4, "clinical"): (2.0, 5), (5, "clinical"): (4.0, 15)}
    settings = {"cnv": MEDIAN, "hif": KRUM, "clinical": Federated("fedavg")}
    composed = PerModality({part: Aggregation(own) for part, own in settings.items()}, holders, 0.3)
    before = {part: {"w": np.zeros(3, np.float32)} for part in ("cnv", "hif", "clinical")}
    found = one_round(composed, before, InlineGrid(app_of(adds(amounts)), 6, {}))
    values = {part: float(own["w"][0]) for part, own in found.items()}
    assert values == pytest.approx({"cnv": 1.0, "hif": 1.0, "clinical": (5 * 2 + 15 * 4) / 20})


def test_the_server_optimiser_takes_its_step_on_the_robust_result():
    settings = Federated("fedadam", robust="fedmedian", server_lr=0.03)
    robust = combined(settings, UPDATES)[0]
    mean_of_the_median = combined(Federated("fedadam", robust="fedmedian", server_lr=0.03), (2.5, 2.5, 2.5))[0]
    assert robust == pytest.approx(mean_of_the_median)
    assert robust != pytest.approx(2.5)


def test_what_the_sites_hold_is_not_changed_by_rules_that_consume_their_replies():
    kept = []

    def answer(site, part, arrays, config):
        kept.append({"w": np.full(3, float(site), np.float32)})
        return kept[-1], 5

    composed = PerModality({"cnv": Aggregation(MEDIAN)}, holders_of(3, "cnv"), 0.3)
    one_round(composed, {"cnv": {"w": np.zeros(3, np.float32)}}, InlineGrid(app_of(answer), 3, {}))
    assert [own["w"].tolist() for own in kept] == [[0.0] * 3, [1.0] * 3, [2.0] * 3]


def test_a_round_with_too_few_replies_keeps_the_weights_and_says_so():
    """One site's weights cannot be used: the modality is asked for again. One that only scores is no vote."""
    before = {"cnv": {"w": np.full(3, 0.1, np.float32)}}
    need = "fedmedian needs at least 3 sites for a median that differs from the mean, and has 2"
    amounts = {(0, "cnv"): (1.0, 5), (1, "cnv"): (np.nan, 5), (2, "cnv"): (3.0, 5)}
    composed = PerModality({"cnv": Aggregation(MEDIAN)}, holders_of(3, "cnv"), 0.3)
    found = one_round(composed, before, InlineGrid(app_of(adds(amounts)), 3, {}))
    assert found["cnv"]["w"].tobytes() == before["cnv"]["w"].tobytes()
    assert [(refusal.site, refusal.part) for refusal in composed.last.refused] == [("site 1", "cnv")]
    assert composed.short == {"cnv": need}
    amounts[1, "cnv"] = (9.0, 0)
    found = one_round(composed, before, InlineGrid(app_of(adds(amounts)), 3, {}))
    assert found["cnv"]["w"].tobytes() == before["cnv"]["w"].tobytes()
    assert composed.short == {}
    assert [(refusal.site, refusal.part, refusal.reason) for refusal in composed.last.refused] == [
        ("*", "cnv", f"{need}; its weights stay as they are this round")
    ]


def test_a_site_that_only_scores_is_no_vote():
    amounts = {(0, "cnv"): (1.0, 5), (1, "cnv"): (-9.0, 0), (2, "cnv"): (3.0, 5), (3, "cnv"): (4.0, 5)}
    composed = PerModality({"cnv": Aggregation(MEDIAN)}, holders_of(4, "cnv"), 0.3)
    found = one_round(composed, {"cnv": {"w": np.zeros(3, np.float32)}}, InlineGrid(app_of(adds(amounts)), 4, {}))
    assert found["cnv"]["w"].tolist() == [3.0] * 3


@pytest.mark.parametrize(
    ("settings", "least"),
    [
        (Federated("fedadam"), 1),
        (MEDIAN, 3),
        (Federated("fedadam", robust="fedmedian"), 3),
        (TRIMMED, 5),
        (Federated("fedtrimmedavg", trim_share=0.1), 10),
        (Federated("fedtrimmedavg", trim_share=0.3), 4),  # floor(.3 * 3) = 0, floor(.3 * 4) = 1
        (Federated("fedtrimmedavg", trim_share=0.45), 3),
        (KRUM, 5),
        (Federated("multikrum", n_hostile=3), 9),
    ],
)
def test_least_number_of_sites_by_hand(settings, least):
    rule = Aggregation(settings)
    assert rule.shortage(least) == ""
    assert least == 1 or f"needs at least {least} sites" in rule.shortage(least - 1)


@pytest.mark.parametrize("share", [0.07, 0.1, 0.2, 0.25, 0.3, 1 / 3, 0.45, 0.49])
def test_trimming_with_the_least_number_of_sites_drops_some_and_keeps_some(share):
    rule = Aggregation(Federated("fedtrimmedavg", trim_share=share))
    n = next(n for n in range(99) if not rule.shortage(n))
    assert 1 <= int(share * n) < n / 2
    assert n == 3 or int(share * (n - 1)) == 0


def test_shortage_names_rule_need_and_what_there_is():
    assert Aggregation(KRUM).shortage(4) == "krum needs at least 5 sites to withstand 1 hostile (n_hostile), and has 4"
    assert Aggregation(TRIMMED).shortage(2) == (
        "fedtrimmedavg needs at least 5 sites to leave one out at each end (trim_share 0.2), and has 2"
    )
