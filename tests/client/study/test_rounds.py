"""A part's share of a round: the same answer to the same request, whatever this process did before."""

import numpy as np
import pytest

from client.study import rounds
from client.study.rounds import train_part
from client.study.session import ClientStudy
from modalities.core.blocks.branch import build_branch, weights_of
from modalities.core.parts import parts_of
from modalities.core.registry import plugin
from modalities.core.settings.federation import federation_from
from modalities.core.site.store import SiteData
from tests.support import write_sites

ROUNDS = 3


@pytest.fixture(params=["adam", "sgd"])
def study(request, tmp_path):
    """A site whose branch is trained by this optimiser."""
    branch = {"optimiser": request.param, "lr": 0.1, "batch_size": 5, "rounds": ROUNDS}
    federation = federation_from({"modalities": {"hif": {"kind": "table", "federated": branch}}})
    write_sites(tmp_path, federation, holdings=[("hif",)], n_cases=[29])
    data = SiteData(tmp_path / "site_1", federation)
    config = federation.modalities["hif"]
    state = plugin("table").finalise(plugin("table").sums(data.values("hif"), config), config)
    return ClientStudy(data, {"hif": state}, {"hif": str(request.param)})


def trained(study, part):
    """What a round makes of fresh weights."""
    config, n_classes = study.federation.modalities["hif"], study.federation.n_classes
    weights, _ = train_part(study, part, weights_of(build_branch(config, study.states["hif"], n_classes, 1)), 1, 0.0)
    return {name: array.copy() for name, array in weights.items()}


def test_what_an_optimiser_learned_with_one_part_does_not_reach_the_next(study):
    part, other = parts_of("hif", study.federation.fusion)[:2]
    first = trained(study, part)
    trained(study, other)
    again = trained(study, part)
    rounds._networks.clear()  # as in a process that has answered nothing yet
    anew = trained(study, part)
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
        np.testing.assert_array_equal(anew[name], array)
    assert any(array.any() for array in first.values())
