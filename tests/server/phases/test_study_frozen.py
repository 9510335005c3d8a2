"""Branches of a finished study stay as they are when a modality is added, and predict without a holder."""

import numpy as np

from server.state.study import StudyState
from tests.support import (
    WatchedGrid,
    run_small,
    same_arrays,
    same_study,
    small_federation,
    write_sites,
)

FEDERATION = small_federation()


def test_a_modality_is_added_without_touching_the_branches_of_a_finished_study(root, whole):
    alone = small_federation(modalities={"cnv": FEDERATION.to_dict()["modalities"]["cnv"]})
    first = run_small(root, alone)
    before = {part: dict(own) for part, own in first.weights.items()}
    start = StudyState(FEDERATION, dict(first.states), weights=dict(first.weights), frozen=["cnv"])
    grid = WatchedGrid(root)
    both = run_small(root, FEDERATION, grid, start=start)
    assert same_arrays(before, {part: both.weights[part] for part in before})
    assert same_arrays({"cnv": first.states["cnv"]}, {"cnv": both.states["cnv"]})
    trained = [message for message in grid.asked if message.metadata.message_type == "train.branches"]
    assert not [key for message in trained for key in message.content if "cnv" in key]
    # and as both are seeded by their own names, the outcome is that of training them together
    assert same_study(both, whole)


def test_a_frozen_branch_that_no_site_holds_any_more_still_predicts(root, tmp_path):
    from modalities.core.site.store import SiteData
    from server.state.release import fitted_model

    first = run_small(root, FEDERATION)
    left = write_sites(tmp_path, FEDERATION, [("hif",), ("hif",)], [29, 17])
    start = StudyState(FEDERATION, dict(first.states), weights=dict(first.weights), frozen=["cnv", "hif"])
    study = run_small(left, FEDERATION, start=start)
    model = fitted_model(study)
    data = SiteData(root / "site_1", FEDERATION)
    case_ids = list(data.site.cases.index)
    found = model.probabilities(model.outputs({name: data.cases(name) for name in ("cnv", "hif")}, case_ids))
    assert np.isfinite(found).any(axis=1).sum() > 20
