"""docs/adding-a-strategy.md does what it says: its one file and a name make an aggregation rule of a study."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import strategies.rules as folder
from server.state.study import StudyState
from simulations.engines.inline import InlineGrid
from simulations.studies.recipes import recipe_of, with_recipe
from strategies.aggregation import Aggregation
from strategies.exchange import Holder
from strategies.per_modality import PerModality
from strategies.rule import centres, rules
from strategies.settings import federation_from
from tests.rounds import adds, app_of, one_round
from tests.support import run_small, same_study, small_federation, write_sites

DOC = (Path(__file__).resolve().parents[1] / "docs" / "adding-a-strategy.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE)
YAML = re.findall(r"^```yaml\n(.*?)^```", DOC, re.DOTALL | re.MULTILINE)
NAME = "rfa"


@pytest.fixture(scope="module", autouse=True)
def added(tmp_path_factory):
    """The code block as a file in a folder that the package `strategies.rules` also looks into."""
    place = tmp_path_factory.mktemp("rules")
    (file,) = CODE
    (place / f"{NAME}.py").write_text(file, encoding="utf-8")
    folder.__path__.append(str(place))
    rules.cache_clear()
    yield place
    folder.__path__.remove(str(place))
    rules.cache_clear()
    sys.modules.pop(f"strategies.rules.{NAME}", None)
    folder.__dict__.pop(NAME, None)


@pytest.fixture(scope="module")
def federation(added):
    """One modality under the section of the doc, three rounds."""
    (text,) = YAML
    section = OmegaConf.to_container(OmegaConf.create(text))["modalities"]["hif"]
    features = list(small_federation().modalities["hif"].features)
    federated = section["federated"] | {"rounds": 3, "patience": 0}
    return federation_from(
        {"seed": 3, "fusion": {"fit": "none"}, "modalities": {"hif": {"features": features, "federated": federated}}}
    )


def test_the_file_and_the_name_are_all_there_is(added, federation):
    assert f"`strategies/rules/{NAME}.py`" in DOC
    assert importlib.util.find_spec(f"strategies.rules.{NAME}").origin == str(added / f"{NAME}.py")
    assert NAME in centres()
    assert federation.modalities["hif"].federated.robust == NAME


def centre_of(*points):
    """The rule's result for sites whose updates to one array are these points."""
    settings = small_federation(modalities__hif__federated={"strategy": NAME}).modalities["hif"].federated
    updates = [{"w": np.array(point, dtype=np.float64)} for point in points]
    return Aggregation(settings).centre.combine(updates, [1] * len(points))["w"]


def test_the_geometric_median_by_hand():
    square = ([0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0])
    np.testing.assert_allclose(centre_of(*square), [1, 1], atol=1e-6)  # where the diagonals cross
    # Of four corners of a convex shape it is there however far out a corner lies; the mean would be at 26.
    np.testing.assert_allclose(centre_of([0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [99.0, 99.0]), [1, 1], atol=1e-5)
    # Every side of an equilateral triangle is seen from its centre under 120 degrees.
    np.testing.assert_allclose(centre_of([0.0, 0.0], [6.0, 0.0], [3.0, 27**0.5]), [3, 3**0.5], atol=1e-6)
    # A corner that sees the others under more than 120 degrees is the point itself.
    np.testing.assert_allclose(centre_of([0.0, 0.0], [5.0, 0.1], [-5.0, 0.1]), [0, 0], atol=1e-3)
    np.testing.assert_array_equal(centre_of([1.5, 2.5], [1.5, 2.5], [1.5, 2.5]), [1.5, 2.5])


def test_a_round_with_one_hostile_site_of_five():
    """Along one line it is the median."""
    amounts = {(site, "cnv"): (update, 11) for site, update in enumerate((0.0, 1.0, 2.5, 4.5, 100.0))}
    holders = [Holder(1000 + site, f"site {site}", {"cnv": 11}) for site in range(5)]
    settings = small_federation(modalities__hif__federated={"strategy": NAME}).modalities["hif"].federated
    composed = PerModality({"cnv": Aggregation(settings)}, holders, 0.3)
    before = {"cnv": {"w": np.full((3, 2), 7, np.float32), "b": np.full(5, 7, np.float32)}}
    found = one_round(composed, before, InlineGrid(app_of(adds(amounts)), 5, {}))["cnv"]
    assert {name: array.shape for name, array in found.items()} == {"w": (3, 2), "b": (5,)}
    for array in found.values():
        np.testing.assert_allclose(array, 9.5, atol=0.01)


def test_a_study_under_it_learns_stops_and_goes_on_to_the_same_weights(federation, tmp_path):
    root = write_sites(tmp_path / "sites", federation, [("hif",)] * 5, [17, 13, 19, 11, 23])
    whole = run_small(root, federation)
    assert whole.refused == []
    assert whole.progress["hif"].rounds == 3
    assert np.abs(whole.weights["hif"]["head.weight"]).max() > 1e-3  # which began at 0

    class StoppedError(Exception):
        pass

    def stop(event):
        if event["phase"] == "branches" and event.get("round") == 2:
            raise StoppedError

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(StoppedError):
        run_small(root, federation, checkpoint=path, report=stop)
    assert StudyState.load(path, federation).optimisers["hif"]  # FedAdam's, whose step starts from the median
    assert same_study(whole, run_small(root, federation, checkpoint=path))


def test_two_sites_are_too_few_for_it(federation, tmp_path):
    root = write_sites(tmp_path, federation, [("hif",)] * 2, [17, 13])
    with pytest.raises(RuntimeError, match=f"modality hif: {NAME} needs at least 3 sites for a geometric median that"):
        run_small(root, federation)


def test_a_study_of_strategies_knows_how_to_tune_it(federation):
    assert (recipe_of(NAME).tuned, recipe_of(NAME).settings["strategy"]) == ("lr", NAME)
    made = with_recipe(federation, f"fedadam+{NAME}", {"hif": 1}, "none", 7).modalities["hif"].federated
    assert (made.strategy, made.robust, made.rounds) == ("fedadam", NAME, 7)


def test_a_name_that_no_file_has_is_refused_with_this_one_as_the_nearest(federation):
    raw = federation.to_dict()
    raw["modalities"]["hif"]["federated"]["robust"] = "rf"
    with pytest.raises(ValueError, match=r"robust: 'rf' is not a rule; did you mean 'rfa'\?"):
        federation_from(raw)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("empty", "Rule = None\n", "a Step or a Centre"),
        ("halfway", "from strategies.rule import Centre\nclass Rule(Centre): ...\n", "a Centre with a `combine`"),
    ],
)
def test_a_file_that_defines_no_rule_is_an_error(added, name, text, said):
    (added / f"{name}.py").write_text(text)
    rules.cache_clear()
    try:
        with pytest.raises(TypeError, match=rf"strategies/rules/{name}\.py: must define `Rule`, {said}"):
            rules()
    finally:
        (added / f"{name}.py").unlink()
        rules.cache_clear()
