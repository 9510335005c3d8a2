"""What an optimiser on the server keeps between rounds."""

import numpy as np
import pytest

from simulations.engines.inline import InlineGrid
from strategies.exchange import Holder
from tests.rounds import adds, app_of, one_round, start_of
from tests.strategies.test_per_modality import HOLDERS, composed_of

STATE = {
    "fedadam": {"m_t/w", "m_t/b", "v_t/w", "v_t/b"},
    "fedyogi": {"m_t/w", "m_t/b", "v_t/w", "v_t/b"},
    "fedadagrad": {"m_t/w", "m_t/b", "v_t/w", "v_t/b"},
    "fedavgm": {"momentum/w", "momentum/b"},
}


@pytest.mark.parametrize("rule", STATE)
def test_optimiser_state_put_back_continues_as_if_never_interrupted(rule):
    """In whatever order the weights and the state are read back."""
    amounts = {(0, "cnv"): (1.0, 10), (1, "cnv"): (4.0, 20)}
    grid = InlineGrid(app_of(adds(amounts)), 2, {})
    holders = [*HOLDERS[:1], Holder(1001, "north", {"cnv": 20})]
    whole, weights = composed_of("cnv", rule=rule, holders=holders), start_of("cnv")
    for server_round in (1, 2):
        weights = one_round(whole, weights, grid, server_round)
    resumed = composed_of("cnv", rule=rule, holders=holders)
    state = whole.rules["cnv"].step.state()
    assert set(state) == STATE[rule]
    resumed.rules["cnv"].step.restore(dict(reversed(state.items())))
    turned = {"cnv": dict(reversed(weights["cnv"].items()))}
    fresh = composed_of("cnv", rule=rule, holders=holders)
    straight = one_round(whole, weights, grid, 3)["cnv"]["w"]
    after = one_round(resumed, turned, grid, 3)["cnv"]["w"]
    without = one_round(fresh, weights, grid, 3)["cnv"]["w"]
    assert straight.tobytes() == after.tobytes()
    assert not np.allclose(straight, without)


def test_momentum_repeats_a_share_of_the_last_step_by_hand():
    holders = [Holder(1000, "east", {"cnv": 10}), Holder(1001, "north", {"cnv": 30})]
    grid = InlineGrid(app_of(adds({(0, "cnv"): (1.0, 10), (1, "cnv"): (5.0, 30)})), 2, {})
    composed, weights = composed_of("cnv", rule="fedavgm", holders=holders), {"cnv": {"w": np.zeros(3, np.float32)}}
    found = []
    for server_round in (1, 2):
        weights = one_round(composed, weights, grid, server_round)
        found.append(weights["cnv"]["w"][0])
    assert found == pytest.approx([4.0, 4.0 + 4.0 + 0.6 * 4.0])  # the mean update is (10 * 1 + 30 * 5) / 40


def test_momentum_goes_on_from_the_weights_that_it_is_given():
    """Stock FedAvgM goes on from its own last result, also where the study went back to an earlier round."""
    grid = InlineGrid(app_of(adds({(0, "cnv"): (1.0, 10), (1, "cnv"): (1.0, 20)})), 2, {})
    composed = composed_of("cnv", rule="fedavgm", holders=[*HOLDERS[:1], Holder(1001, "north", {"cnv": 20})])
    one_round(composed, {"cnv": {"w": np.zeros(3, np.float32)}}, grid, 1)
    found = one_round(composed, {"cnv": {"w": np.full(3, 7, np.float32)}}, grid, 2)
    np.testing.assert_allclose(found["cnv"]["w"], 7 + 1 + 0.6 * 1, rtol=1e-6)
