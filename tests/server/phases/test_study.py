"""A whole study on made-up sites: what it ends with, and that it repeats."""

import numpy as np
import pytest

from client.app import app
from simulations.engines.inline import InlineGrid
from tests.support import (
    run_small,
    same_arrays,
    same_study,
    small_federation,
    write_sites,
)

FEDERATION = small_federation()


def test_study_ends_with_every_branch_its_copies_and_a_head(whole):
    assert whole.finished
    assert set(whole.weights) == {"cnv", "cnv@1", "cnv@2", "hif", "hif@1", "hif@2"}
    assert set(whole.head) == {"cnv.d", "hif.d", "shared.b", "shared.s"}
    assert all(np.isfinite(array).all() for own in whole.weights.values() for array in own.values())
    assert whole.refused == []
    assert {site: set(held) for site, held in whole.cohorts.items()} == {
        "site_1": {"cnv", "hif"},
        "site_2": {"cnv"},
        "site_3": {"cnv", "hif"},
    }


def test_branches_learn(whole):
    for name in ("cnv", "hif"):
        assert whole.progress[name].rounds == 2
        assert whole.progress[name].curve[0] == pytest.approx(np.log(4))  # untrained, four classes
        assert whole.progress[name].curve[-1] < whole.progress[name].curve[0]


def test_the_same_study_again_gives_the_same_bits(root, whole, tmp_path):
    other_root = write_sites(tmp_path, FEDERATION)  # fresh files, so nothing is shared but the seed
    again = run_small(other_root, FEDERATION)
    assert same_study(whole, again)
    assert again.traffic.table() == whole.traffic.table()
    assert again.progress == whole.progress


def test_another_seed_gives_other_weights(root, whole):
    other = run_small(root, small_federation(seed=4))
    assert not same_arrays(whole.weights, other.weights)


def test_which_node_a_site_is_does_not_matter(root, whole):
    """Seeds derive from the site's name, and replies are folded in the order of the names."""
    grid = InlineGrid(app, 3, {"site-root": str(root)})
    contexts = grid._contexts
    turned = dict(zip(contexts, reversed(contexts.values()), strict=True))
    grid._contexts = turned
    assert same_study(whole, run_small(root, FEDERATION, grid))


def test_the_study_tells_of_every_step(root):
    events = []
    run_small(root, FEDERATION, report=events.append)
    phases = [event["phase"] for event in events]
    assert phases[:6] == ["handshake", "statistics", "setup", "branches", "branches", "closing evaluation"]
    assert set(phases[6:-2]) == {"fusion"}
    assert phases[-2] == "calibration"
    assert phases[-1] == "finished"
    assert events[0]["sites"] == ["site_1", "site_2", "site_3"]
    assert [event["round"] for event in events[3:5]] == [1, 2]


def test_statistics_are_those_of_the_pooled_training_cases(root, whole):
    from client.alone.pooled import pooled_state
    from modalities.core.site.store import SiteData

    sites = [SiteData(root / f"site_{number}", FEDERATION) for number in (1, 2, 3)]
    for name in ("cnv", "hif"):
        expected = pooled_state([site for site in sites if name in site.modalities], name)
        assert all(np.array_equal(whole.states[name][key], array) for key, array in expected.items())
    assert whole.class_counts == np.sum([site.class_counts() for site in sites], axis=0).tolist()
