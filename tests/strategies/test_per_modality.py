"""One stock strategy a modality: what each site gets, and what comes of the replies."""

import gc
import weakref

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

from modalities.core.settings.training import Federated
from simulations.engines.inline import InlineGrid
from strategies.aggregation import Aggregation
from strategies.exchange import Holder
from strategies.per_modality import HoldersView, PerModality
from strategies.streaming import replies_in_order
from strategies.wire import flatten, to_record
from tests.rounds import adds, app_of, one_round, start_of

RULES = {
    "fedavg": Federated("fedavg"),
    "fedprox": Federated("fedprox", proximal_mu=0.25),
    "fedadam": Federated("fedadam", server_lr=0.03, server_tau=1e-2),
    "fedyogi": Federated("fedyogi", server_lr=0.03, server_tau=1e-2, beta_1=0.7),
    "fedadagrad": Federated("fedadagrad", server_lr=0.3),
    "fedavgm": Federated("fedavgm", server_momentum=0.6),
}
HOLDERS = [
    Holder(1000, "east", {"cnv": 10}),
    Holder(1001, "north", {"cnv": 20, "hif": 13}),
    Holder(1002, "west", {"hif": 7}),
]


def composed_of(*parts, rule="fedavg", holders=HOLDERS):
    return PerModality({part: Aggregation(RULES[rule]) for part in parts}, holders, timeout=0.3)


def test_mean_of_two_holders_with_10_and_20_cases_by_hand():
    grid = InlineGrid(
        app_of(lambda site, part, arrays, config: ({"w": np.array([1.0, 4.0])[[site]]}, 10 + 10 * site)), 2, {}
    )
    holders = [Holder(1000, "east", {"cnv": 10}), Holder(1001, "north", {"cnv": 20})]
    found = one_round(composed_of("cnv", holders=holders), {"cnv": {"w": np.zeros(1)}}, grid)
    assert found["cnv"]["w"].tolist() == [3.0]  # (10 * 1 + 20 * 4) / 30


def test_each_modality_is_averaged_over_the_sites_that_hold_it_only():
    amounts = {(0, "cnv"): (1.0, 10), (1, "cnv"): (4.0, 20), (1, "hif"): (-2.0, 13), (2, "hif"): (8.0, 7)}
    before = start_of("cnv", "hif")
    found = one_round(composed_of("cnv", "hif"), before, InlineGrid(app_of(adds(amounts)), 3, {}))
    np.testing.assert_allclose(found["cnv"]["w"], before["cnv"]["w"] + 3, rtol=1e-6)
    np.testing.assert_allclose(found["hif"]["b"], before["hif"]["b"] + (13 * -2 + 7 * 8) / 20, rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_equals_the_stock_strategy_run_on_all_replies(rule):
    """Three rounds, optimiser state included; only the order of additions differs."""
    rng = np.random.default_rng(11)
    noise = {(site, step): rng.normal(size=(3, 2)).astype(np.float32) for site in range(2) for step in range(3)}
    cases, step = (10, 20), 0

    def answer(site, part, arrays, config):
        return {"w": arrays["w"] * np.float32(0.9) + noise[site, step]}, cases[site]

    grid = InlineGrid(app_of(answer), 2, {})
    holders = [Holder(1000, "east", {"cnv": 10}), Holder(1001, "north", {"cnv": 20})]
    composed, stock = composed_of("cnv", rule=rule, holders=holders), Aggregation(RULES[rule]).step.stock
    ours = theirs = {"w": np.zeros((3, 2), np.float32)}
    for step in range(3):
        ours = one_round(composed, {"cnv": ours}, grid, server_round=step + 1)["cnv"]
        messages = list(stock.configure_train(step + 1, to_record(theirs), ConfigRecord(), grid))
        replies = [
            Message(
                RecordDict(
                    {
                        "arrays": to_record(answer(site, "cnv", theirs, None)[0]),
                        "metrics": MetricRecord({"num-examples": n}),
                    }
                ),
                reply_to=messages[site],
            )
            for site, n in enumerate(cases)
        ]
        theirs = {"w": stock.aggregate_train(step + 1, replies)[0]["w"].numpy()}
        np.testing.assert_allclose(ours["w"], theirs["w"], rtol=2e-5, atol=1e-6)
    assert ours["w"].dtype == np.float32
    assert np.abs(ours["w"]).max() > 0.01


@pytest.mark.parametrize("rule", RULES)
def test_a_modality_nobody_trained_keeps_its_weights_exactly(rule):
    """Its only holder is told to train on nothing."""
    amounts = {(0, "cnv"): (1.0, 10), (1, "cnv"): (4.0, 20), (1, "hif"): (-2.0, 0), (2, "hif"): (8.0, 0)}
    before = start_of("cnv", "hif", "clinical")
    composed = composed_of("cnv", "hif", "clinical", rule=rule)
    found = one_round(composed, before, InlineGrid(app_of(adds(amounts)), 3, {}))
    for part in ("hif", "clinical"):  # nobody holds the last
        assert all(found[part][name].tobytes() == array.tobytes() for name, array in before[part].items())
    assert composed.rules["hif"].step.state() == {}
    assert not np.allclose(found["cnv"]["w"], before["cnv"]["w"])


def test_a_site_is_sent_its_own_active_parts_and_nothing_else():
    grid = InlineGrid(app_of(adds({})), 3, {})
    composed = composed_of("cnv", "cnv@1", "hif", "hif@1")
    composed.active = ["cnv", "cnv@1", "hif"]
    before = start_of("cnv", "cnv@1", "hif", "hif@1")
    messages = composed.configure_train(3, flatten(before), ConfigRecord(), grid)
    sent = {message.metadata.dst_node_id: list(message.content) for message in messages}
    cnv = ["arrays.cnv", "config.cnv", "arrays.cnv@1", "config.cnv@1"]
    hif = ["arrays.hif", "config.hif"]
    assert sent == {1000: cnv, 1001: cnv + hif, 1002: hif}
    assert {message.metadata.message_type for message in messages} == {"train.branches"}
    assert {message.metadata.ttl for message in messages} == {0.3}


def test_each_part_gets_the_settings_of_its_own_strategy():
    """Stock strategies write into the config that they are given; they must not write into each other's."""
    rules = {"cnv": Aggregation(RULES["fedprox"]), "hif": Aggregation(RULES["fedavg"])}
    grid = InlineGrid(app_of(adds({})), 3, {})
    messages = PerModality(rules, HOLDERS, 0.3).configure_train(
        7, flatten(start_of("cnv", "hif")), ConfigRecord({"own": 1}), grid
    )
    content = messages[1].content
    assert dict(content["config.cnv"]) == {"own": 1, "server-round": 7, "proximal-mu": 0.25}
    assert dict(content["config.hif"]) == {"own": 1, "server-round": 7}


def test_replies_are_folded_in_site_order_whatever_order_they_come_in():
    """Floating-point sums depend on the order; these three differ in the last bit."""
    amounts = {(site, "cnv"): (amount, n) for site, (amount, n) in enumerate([(0.1, 3), (999.0, 5), (-0.7, 11)])}
    holders = [Holder(1000 + site, f"s{site}", {"cnv": 11}) for site in range(3)]

    class Backwards(InlineGrid):
        def pull_messages(self, message_ids):
            return super().pull_messages(list(message_ids)[::-1])

    found = [
        one_round(composed_of("cnv", holders=holders), start_of("cnv"), grid(app_of(adds(amounts)), 3, {}))["cnv"][
            "w"
        ].tobytes()
        for grid in (InlineGrid, Backwards)
    ]
    assert found[0] == found[1]


def test_no_more_than_one_reply_is_held_at_a_time():
    references, most = [], []

    class Tracked(np.ndarray):
        pass

    def answer(site, part, arrays, config):
        gc.collect()
        most.append(sum(reference() is not None for reference in references))
        array = np.ones((3, 2), np.float32).view(Tracked)
        references.append(weakref.ref(array))
        return {"w": array}, 5

    holders = [Holder(1000 + site, f"s{site}", {"cnv": 5}) for site in range(7)]
    found = one_round(
        composed_of("cnv", holders=holders),
        {"cnv": {"w": np.zeros((3, 2), np.float32)}},
        InlineGrid(app_of(answer), 7, {}),
    )
    assert most == [0] * 7  # the earlier replies are gone before the next site runs
    assert found["cnv"]["w"].tolist() == [[1, 1]] * 3


def test_a_refused_part_does_not_count_and_the_others_do():
    amounts = {(0, "cnv"): (np.nan, 10), (1, "cnv"): (4.0, 20), (1, "hif"): (1.0, 13), (2, "hif"): (1.0, 7)}
    before = start_of("cnv", "hif")
    composed = composed_of("cnv", "hif")
    found = one_round(composed, before, InlineGrid(app_of(adds(amounts)), 3, {}))
    np.testing.assert_allclose(found["cnv"]["w"], before["cnv"]["w"] + 4, rtol=1e-6)
    assert [(refusal.site, refusal.part) for refusal in composed.last.refused] == [("east", "cnv")]
    assert composed.last.answered == {"north", "west"}


def test_a_site_that_only_scores_is_counted_in_the_metrics_but_not_in_the_mean():
    amounts = {(0, "cnv"): (100.0, 0), (1, "cnv"): (4.0, 20), (1, "hif"): (1.0, 13), (2, "hif"): (1.0, 7)}
    before, composed = start_of("cnv", "hif"), composed_of("cnv", "hif")
    found = one_round(composed, before, InlineGrid(app_of(adds(amounts)), 3, {}))
    np.testing.assert_allclose(found["cnv"]["w"], before["cnv"]["w"] + 4, rtol=1e-6)
    assert composed.last.answered == {"east", "north", "west"}


def test_metrics_are_summed_by_part_over_the_sites():
    amounts = {(0, "cnv"): (1.0, 10), (1, "cnv"): (4.0, 20), (1, "hif"): (1.0, 13), (2, "hif"): (1.0, 7)}
    composed = composed_of("cnv", "hif")
    messages = composed.configure_train(
        1, flatten(start_of("cnv", "hif")), ConfigRecord(), grid := InlineGrid(app_of(adds(amounts)), 3, {})
    )
    _, metrics = composed.aggregate_train(1, replies_in_order(grid, messages, 0.3))
    assert dict(metrics) == {
        "cnv::num-examples": 30,
        "cnv::loss-sum": 15,
        "hif::num-examples": 20,
        "hif::loss-sum": 10,
    }


def test_scoring_sends_the_weights_and_gets_numbers_only():
    def answer(site, part, arrays, config):
        return {}, 5 + site

    composed = composed_of("cnv", "hif")
    found = one_round(composed, start_of("cnv", "hif"), InlineGrid(app_of(answer), 3, {}), evaluate=True)
    assert dict(found) == {
        "cnv::num-examples": 11,
        "cnv::loss-sum": 5.5,
        "hif::num-examples": 13,
        "hif::loss-sum": 6.5,
    }
    assert composed.last.refused == []


def test_stock_strategies_are_built_with_their_settings_and_never_wait_for_more_nodes():
    built = {name: Aggregation(settings).step.stock for name, settings in RULES.items()}
    assert type(built["fedavg"]) is FedAvg
    assert built["fedprox"].proximal_mu == 0.25
    assert (built["fedadam"].eta, built["fedadam"].tau) == (0.03, 1e-2)
    assert (built["fedyogi"].beta_1, built["fedyogi"].beta_2) == (0.7, 0.99)
    assert built["fedadagrad"].eta == 0.3
    assert (built["fedavgm"].server_momentum, built["fedavgm"].server_learning_rate) == (0.6, 1.0)
    assert {(own.min_train_nodes, own.min_evaluate_nodes, own.min_available_nodes) for own in built.values()} == {
        (1, 1, 1)
    }


def test_a_view_shows_the_holders_and_passes_everything_else_on():
    grid = InlineGrid(app_of(adds({})), 3, {})
    view = HoldersView(grid, [1000, 1002])
    assert list(view.get_node_ids()) == [1000, 1002]
    assert view.run is grid.run


@pytest.mark.parametrize("rule", RULES)
def test_weights_that_add_up_to_more_than_float32_holds_are_not_taken_and_leave_no_trace(rule):
    """Each reply is finite, and within what training moves; 15 cases of 1e38 are not. Moments are those of before."""
    holders = [Holder(1000 + site, f"s{site}", {"cnv": 9}) for site in (0, 1)]
    honest, huge = (
        InlineGrid(app_of(adds({(site, "cnv"): (amount, 7 + site) for site in (0, 1)})), 2, {})
        for amount in (0.5, 1e38)
    )
    ours, theirs = (composed_of("cnv", rule=rule, holders=holders) for _ in range(2))
    start, large = {"cnv": {"w": np.ones(3, np.float32)}}, {"cnv": {"w": np.full(3, 1e37, np.float32)}}
    one_round(ours, start, honest, 1)
    assert one_round(ours, large, huge, 2)["cnv"]["w"].tobytes() == large["cnv"]["w"].tobytes()
    assert [(one.site, one.part, one.reason) for one in ours.last.refused] == [
        ("*", "cnv", "the replies add up to weights that are not finite; they stay")
    ]
    one_round(theirs, start, honest, 1)
    after, expected = (one_round(composed, start, honest, 3)["cnv"]["w"] for composed in (ours, theirs))
    assert after.tobytes() == expected.tobytes()
