"""docs/adding-a-modality.md does what it says: its one file and one section make a modality of a study."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import modalities
from modalities.core.contract import Source
from modalities.core.registry import kinds, plugin, plugins
from modalities.core.settings.federation import federation_from
from modalities.core.settings.site import read_site_config
from modalities.core.site.store import SiteData
from server.state.release import fitted_model, read_release, write_release
from strategies.wire import bytes_by_owner
from tests.modalities import test_contract as contract
from tests.support import WatchedGrid, run_small, same_study, site_number, small_federation, write_sites

DOC = (Path(__file__).resolve().parents[1] / "docs" / "adding-a-modality.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE)
YAML = re.findall(r"^```yaml\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE)
KIND = "rppa"


@pytest.fixture(scope="module", autouse=True)
def added(tmp_path_factory):
    """The code block as a file in a folder that the package `modalities` also looks into."""
    folder = tmp_path_factory.mktemp("plugins")
    (file,) = CODE
    (folder / f"{KIND}.py").write_text(file, encoding="utf-8")
    modalities.__path__.append(str(folder))
    kinds.cache_clear()
    yield folder
    modalities.__path__.remove(str(folder))
    kinds.cache_clear()
    plugin.cache_clear()
    sys.modules.pop(f"modalities.{KIND}", None)
    modalities.__dict__.pop(KIND, None)


@pytest.fixture(scope="module")
def federation(added):
    """A study of copy number, with the section of the doc."""
    base = small_federation().to_dict()
    section = OmegaConf.to_container(OmegaConf.create(YAML[0]))["modalities"]
    return federation_from(base | {"modalities": {"cnv": base["modalities"]["cnv"], **section}})


def test_the_file_and_the_section_are_all_there_is(added):
    assert f"`modalities/{KIND}.py`" in DOC
    assert importlib.util.find_spec(f"modalities.{KIND}").origin == str(added / f"{KIND}.py")
    assert KIND in plugins()
    assert list(OmegaConf.create(YAML[0]).modalities) == [KIND]


def test_the_plugin_passes_the_contract_test(tmp_path):
    """Every test of the contract that takes a kind."""
    tests = [test for name, test in vars(contract).items() if name.startswith("test_") and "kind" in _arguments(test)]
    assert len(tests) >= 8
    given = {"kind": KIND, "example": contract.examples(tmp_path / "examples"), "tmp_path": tmp_path / "own"}
    for test in tests:
        test(**{name: given[name] for name in _arguments(test)})


def _arguments(test):
    return test.__code__.co_varnames[: test.__code__.co_argcount]


def test_a_study_with_it_trains_it_where_it_is_held_and_nowhere_else(federation, tmp_path):
    root = write_sites(tmp_path / "sites", federation, [("cnv", KIND), ("cnv",), (KIND,)], [29, 17, 23])
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    assert study.refused == []
    assert {site for site, held in study.cohorts.items() if KIND in held} == {"site_1", "site_3"}
    assert study.progress[KIND].rounds == 3
    assert study.progress[KIND].curve[-1] < study.progress[KIND].curve[0]
    assert f"{KIND}.d" in study.head
    for message in grid.asked:
        if site_number(message) == 2:
            assert KIND not in bytes_by_owner(message.content)

    found, _ = read_release(write_release(tmp_path / "release", study))
    assert same_study(found, study)
    data, model = SiteData(root / "site_3", federation), fitted_model(found)
    cases = data.cases(KIND)
    probabilities = model.probabilities(model.outputs({KIND: cases}, cases.case_ids))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_its_settings_are_checked_like_any_others(federation):
    raw = federation.to_dict()
    raw["modalities"][KIND] |= {"hiden": [3], "clip": -2}
    with pytest.raises(
        ValueError, match=r"(?s)modalities\.rppa\.clip: must be above 0, got -2.*modalities\.rppa\.hiden: .*'hidden'"
    ):
        federation_from(raw)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gene\tp1\nMYC\t1\n", r"data_rppa\.txt: the first column must be Composite\.Element\.REF, got 'gene'"),
        ("Composite.Element.REF\tp1\nA\t1\nA\t2\n", "antibodies listed more than once: A; keep one row an antibody"),
        ("Composite.Element.REF\tp1\nA\thigh\n", r"line 2, column 'p1': 'high'"),
    ],
)
def test_its_reader_says_what_is_wrong_with_a_file(tmp_path, text, said):
    module = plugin(KIND)
    (tmp_path / "data_rppa.txt").write_text(text)
    with pytest.raises(ValueError, match=said):
        module.read(Source((tmp_path / "data_rppa.txt",)), module.Config())


def test_its_section_of_site_yaml_is_one_that_a_site_may_have(tmp_path):
    (tmp_path / "site.yaml").write_text(f"name: north\n{YAML[1]}")
    assert read_site_config(tmp_path / "site.yaml").sources[KIND].paths == ["data_rppa.txt"]
