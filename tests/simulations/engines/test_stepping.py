"""Steps without sites are those that the rule takes in a study."""

import numpy as np
import pytest

from modalities.core.settings.training import Federated
from simulations.engines.stepping import Alone
from strategies.aggregation import Aggregation


def test_momentum_is_carried_from_step_to_step_by_hand():
    alone = Alone(Aggregation(Federated(strategy="fedavgm", server_momentum=0.9)).step)
    first = alone.take(1, {"w": np.zeros(2, np.float32)}, {"w": np.array([1.0, -2.0], np.float32)})
    assert first["w"] == pytest.approx([1.0, -2.0])
    second = alone.take(2, first, {"w": np.array([1.5, -2.0], np.float32)})
    assert second["w"] == pytest.approx([1.0 + 0.9 + 0.5, -2.0 - 1.8])


def test_two_parts_share_nothing():
    settings = Federated(strategy="fedavgm", server_momentum=0.9)
    one, other = (Alone(Aggregation(settings).step) for _ in range(2))
    zero, moved = {"w": np.zeros(1, np.float32)}, {"w": np.ones(1, np.float32)}
    one.take(1, zero, moved)
    assert one.take(2, zero, moved)["w"] == pytest.approx([1.9])
    assert other.take(1, zero, moved)["w"] == pytest.approx([1.0])
