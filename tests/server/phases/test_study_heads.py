"""Every head is fitted in a federation, on the frozen branches of a whole study."""

import numpy as np
import pytest

from modalities.core.fusion.head import head_named, heads
from server.state.study import StudyState
from tests.support import (
    WatchedGrid,
    run_small,
    same_arrays,
    site_number,
    small_federation,
)

SMALL_NETWORK = {"width": 4, "layers": 1, "attention_heads": 2, "rounds": 3}


def refitted(root, whole, grid=None, **changes):
    """Another head on the same frozen branches."""
    federation = small_federation(**changes)
    start = StudyState(federation, dict(whole.states), weights=dict(whole.weights), frozen=["cnv", "hif"])
    return run_small(root, federation, grid, start)


@pytest.mark.parametrize("head", sorted(heads()))
def test_every_head_is_fitted_in_a_federation_and_a_site_gets_nothing_of_what_it_lacks(root, whole, head):
    grid = WatchedGrid(root)
    study = refitted(root, whole, grid, fusion__head=head, fusion__rounds=2, fusion__network=SMALL_NETWORK)
    assert study.head_name == head
    assert study.refused == []
    before = head_named(head).initial({"cnv": 1, "hif": 1}, 4, study.federation.fusion, 0)
    assert set(study.head) == set(before)
    assert all(np.isfinite(array).all() for array in study.head.values())
    asked = [message for message in grid.asked if message.metadata.message_type == "train.fusion"]
    assert bool(asked) == bool(before)
    assert all(site_number(message) != 2 for message in asked)  # it has copy number only: nothing to fuse


def test_auto_takes_the_head_of_least_out_of_fold_loss_and_names_it(root, whole):
    names = ["mean", "weighted_logits_bias", "gated"]
    study = refitted(root, whole, fusion__head="auto", fusion__candidates=names)
    assert list(study.out_of_fold) == names
    assert study.head_name == min(names, key=lambda name: study.out_of_fold[name])
    for name in names:
        alone = refitted(root, whole, fusion__head=name)
        assert alone.out_of_fold == {}
        assert (name == study.head_name) == same_arrays({"": alone.head}, {"": study.head})
