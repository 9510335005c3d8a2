"""docs/adding-a-fusion-head.md does what it says: its one file and a name make a fusion head of a study."""

import importlib.util
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from modalities.core.fusion import heads as folder
from modalities.core.fusion.head import fuse, head_named, heads
from modalities.core.fusion.settings import Fusion
from modalities.core.settings.federation import federation_from
from modalities.core.site.store import SiteData
from server.state.release import fitted_model, read_release, write_release
from tests.modalities.core.fusion.heads import test_heads as contract
from tests.modalities.core.fusion.test_search import search
from tests.support import WatchedGrid, run_small, same_study, site_number, small_federation, write_sites

DOC = (Path(__file__).resolve().parents[1] / "docs" / "adding-a-fusion-head.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE)
YAML = re.findall(r"^```yaml\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE)
NAME = "product"


@pytest.fixture(scope="module", autouse=True)
def added(tmp_path_factory):
    """The code block as a file in a folder that the package `heads` also looks into."""
    place = tmp_path_factory.mktemp("heads")
    (file,) = CODE
    (place / f"{NAME}.py").write_text(file, encoding="utf-8")
    folder.__path__.append(str(place))
    heads.cache_clear()
    yield place
    folder.__path__.remove(str(place))
    heads.cache_clear()
    sys.modules.pop(f"{folder.__name__}.{NAME}", None)
    folder.__dict__.pop(NAME, None)


@pytest.fixture(scope="module")
def federation(added):
    (text,) = YAML
    base = small_federation().to_dict()
    section = OmegaConf.to_container(OmegaConf.create(text))["fusion"]
    return federation_from(base | {"fusion": base["fusion"] | section})


def test_the_file_and_the_name_are_all_there_is(added, federation):
    assert f"`modalities/core/fusion/heads/{NAME}.py`" in DOC
    assert importlib.util.find_spec(f"{folder.__name__}.{NAME}").origin == str(added / f"{NAME}.py")
    assert NAME in heads()
    assert federation.fusion.head == NAME


def test_the_head_passes_the_tests_of_every_head():
    tests = [test for name, test in vars(contract).items() if name.startswith("test_") and "head" in _arguments(test)]
    assert len(tests) >= 6
    for test in tests:
        test(head_named(NAME))
    contract.test_every_parameter_belongs_to_a_modality_or_is_shared_and_a_network_has_half_the_bytes(NAME)


def _arguments(test):
    return test.__code__.co_varnames[: test.__code__.co_argcount]


def test_it_multiplies_probabilities_and_divides_the_class_shares_out_by_hand():
    found = contract.two_modalities([0.0, math.log(3)], [math.log(9), 0.0])  # 1/4, 3/4 and 9/10, 1/10
    parameters = {"a.a": torch.tensor([math.log(2)]).double(), "b.a": torch.zeros(1).double()}
    parameters["shared.b"] = torch.tensor([math.log(0.6), math.log(0.4)]).double()
    fused = fuse(head_named(NAME), parameters, found).exp()
    # the first branch counts twice: 1/16 * 9/10 / .6 and 9/16 * 1/10 / .4
    assert fused[0].tolist() == pytest.approx([0.09375, 0.140625])
    # 3 * log(2)^2 + .5 * (log(.6)^2 + log(.4)^2)
    settings = Fusion(weight_penalty=3.0, bias_penalty=0.5)
    assert float(head_named(NAME).penalty(parameters, settings)) == pytest.approx(1.991625, abs=1e-6)


def test_its_fit_is_worth_more_than_no_fit():
    fitted = search(Fusion(head=NAME, rounds=9, weight_penalty=0.1)).loss(NAME)
    assert fitted < search(Fusion(head=NAME, rounds=1, weight_penalty=1e6, bias_penalty=1e6)).loss(NAME) - 0.05


def test_a_study_fits_it_and_a_site_gets_nothing_of_what_it_lacks(federation, tmp_path):
    root = write_sites(tmp_path / "sites", federation)
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    assert (study.refused, study.head_name) == ([], NAME)
    assert set(study.head) == {"cnv.a", "hif.a", "shared.b"}
    assert all(np.abs(array).max() > 0 for array in study.head.values())  # all began at 0
    asked = [message for message in grid.asked if message.metadata.message_type == "train.fusion"]
    assert asked
    assert all(site_number(message) != 2 for message in asked)  # it has copy number only: nothing to fuse

    found, _ = read_release(write_release(tmp_path / "release", study))
    assert same_study(found, study)
    data, model = SiteData(root / "site_1", federation), fitted_model(found)
    cases = {name: data.cases(name) for name in ("cnv", "hif")}
    probabilities = model.probabilities(model.outputs(cases, cases["cnv"].case_ids))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_auto_may_choose_it(federation):
    raw = federation.to_dict()
    raw["fusion"] |= {"head": "auto", "candidates": ["mean", NAME]}
    assert federation_from(raw).fusion.candidates == ["mean", NAME]
    name, _, losses = search(Fusion(head="auto", candidates=["mean", NAME], rounds=9)).settle(possible=True)
    assert name == min(losses, key=lambda each: losses[each])


def test_a_file_that_lacks_part_of_the_contract_is_an_error(added):
    (added / "empty.py").write_text('OPTIMISER = "lbfgs"\n')
    heads.cache_clear()
    try:
        with pytest.raises(TypeError, match=r"heads/empty\.py: must define initial, logits, penalty \(see docs"):
            heads()
    finally:
        (added / "empty.py").unlink()
        heads.cache_clear()
