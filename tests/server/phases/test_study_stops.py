"""A branch whose held-out loss stops falling stops, goes back to its best round, and travels no more."""

import pytest

from tests.support import (
    WatchedGrid,
    all_arrays,
    run_small,
    same_arrays,
    small_federation,
)

FEDERATION = small_federation()


def impatient(**changes):
    """A rate so high that the held-out loss soon rises again."""
    settings = {"strategy": "fedavg", "lr": 6.0, "patience": 2, "rounds": 9}
    cnv = {f"modalities__cnv__federated__{name}": value for name, value in settings.items()}
    return small_federation(**{**cnv, "modalities__hif__federated__rounds": 3, **changes})


def losses_and_weights(grid):
    """By round from 0 on: the held-out loss of the copies of cnv that were sent, and the arrays of the branch."""
    losses, weights = {}, {}
    asked = {message.metadata.message_id: message for message in grid.asked}
    for message in grid.asked:
        if message.metadata.message_type == "train.branches" and "arrays.cnv" in message.content:
            weights[int(message.metadata.group_id) - 1] = all_arrays(message.content)["arrays.cnv"]
    for reply in grid.replies:
        sent = asked[reply.metadata.reply_to_message_id]
        if sent.metadata.message_type == "train.branches" and "metrics.cnv@1" in reply.content:
            own = losses.setdefault(int(sent.metadata.group_id) - 1, [0.0, 0])
            for part in ("cnv@1", "cnv@2"):
                own[0] += reply.content[f"metrics.{part}"]["held-out-loss-sum"]
                own[1] += reply.content[f"metrics.{part}"]["held-out-n"]
    return {number: total / n for number, (total, n) in losses.items()}, weights


def test_a_branch_that_stops_getting_better_stops_and_goes_back_to_its_best_round(root):
    grid = WatchedGrid(root)
    study = run_small(root, impatient(), grid)
    losses, weights = losses_and_weights(grid)
    best = min(losses, key=losses.__getitem__)
    assert study.progress["cnv"].stop.best_round == best
    assert study.progress["cnv"].rounds == best + 3 < 9  # two rounds without a gain, seen one round later
    assert study.progress["cnv"].curve == pytest.approx(list(losses.values()))
    assert same_arrays({"cnv": study.weights["cnv"]}, {"cnv": weights[best]})
    assert study.progress["hif"].rounds == 3  # a modality's patience is its own
    assert study.best == {}


def test_a_branch_that_has_stopped_travels_no_more(root):
    grid = WatchedGrid(root)
    study = run_small(root, impatient(modalities__hif__federated__rounds=7), grid)
    late = [
        message
        for message in grid.asked
        if message.metadata.message_type == "train.branches"
        and int(message.metadata.group_id) > study.progress["cnv"].rounds
    ]
    assert late
    assert not [key for message in late for key in message.content if "cnv" in key]


def test_the_last_round_is_scored_too_where_patience_lasts_to_the_end(root):
    federation = small_federation(modalities__cnv__federated__patience=5)
    study = run_small(root, federation)
    assert len(study.progress["cnv"].curve) == 3  # before, after round 1, after round 2
    assert study.progress["cnv"].stop.best_round == 2
    unwatched = run_small(root, FEDERATION)
    assert same_arrays(study.weights, unwatched.weights)
