"""The attacks by hand, and that they touch the hostile site's training replies and nothing else."""

import numpy as np
import pytest

from client.app import app
from simulations.engines.hostile import ATTACKS, hostile_grid
from simulations.engines.inline import AlteredGrid
from tests.server.phases.test_strategies_of_a_study import N_CASES, federation_under
from tests.support import run_small, same_arrays, write_sites

SENT, TRAINED = np.array([1.0, -2.0, 0.5]), np.array([1.5, -2.0, 0.25])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("five"), federation_under("fedavg"), [("hif",)] * 5, N_CASES)


def attacked(name, seed=0):
    return ATTACKS[name](SENT, TRAINED, np.random.default_rng(seed))


def test_attacks_by_hand():
    assert attacked("scaled").tolist() == [6.0, -2.0, -2.0]
    assert attacked("flipped").tolist() == [-4.0, -2.0, 3.0]
    assert attacked("negated").tolist() == [-1.5, 2.0, -0.25]


def test_random_weights_have_ten_times_the_norm_and_depend_on_the_seed():
    assert np.linalg.norm(attacked("random")) == pytest.approx(10 * np.linalg.norm(TRAINED))
    assert attacked("random").tolist() == attacked("random").tolist()
    assert attacked("random").tolist() != attacked("random", 1).tolist()
    assert np.linalg.norm(ATTACKS["random"](SENT, np.zeros(3), np.random.default_rng(0))) == pytest.approx(10)


def test_an_unknown_site_is_refused_with_the_ones_there_are(root):
    with pytest.raises(ValueError, match=r"no site 'site_9' to be hostile: there are site_1, .*site_5"):
        hostile_grid(root, "site_9", "scaled", 0)


def test_only_the_training_replies_of_the_hostile_site_are_changed(root):
    seen = []

    def watch(part, server_round, sent, trained):
        seen.append((part, server_round))
        return {name: array + 1 for name, array in trained.items()}

    federation = federation_under("fedmedian", rounds=2)
    altered = run_small(root, federation, AlteredGrid(app, 5, {"site-root": str(root)}, 3, watch))
    assert seen == [("hif", "1"), ("hif", "2")]
    honest = run_small(root, federation)
    assert same_arrays(altered.states, honest.states)
    assert altered.cohorts == honest.cohorts
    assert not same_arrays(altered.weights, honest.weights)


def test_a_mean_follows_the_hostile_site_and_robust_rules_do_not(root):
    moved = {}
    for strategy in ("fedavg", "fedmedian", "krum"):
        federation = federation_under(strategy, rounds=2)
        grid = hostile_grid(root, "site_4", "random", federation.seed)
        with_attack, without = (run_small(root, federation, each).weights["hif"] for each in (grid, None))
        moved[strategy] = np.linalg.norm(with_attack["head.weight"] - without["head.weight"])
    assert moved["fedavg"] > 3 * max(moved["fedmedian"], moved["krum"])
