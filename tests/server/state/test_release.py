"""A release: written, read back, and refused when anything in it changed."""

import copy
import dataclasses
import json

import numpy as np
import pytest

from modalities.core.site.store import SiteData
from server.state.release import fitted_model, read_release, write_release
from server.state.study import StudyState
from tests.support import run_small, same_arrays, same_study, small_federation, write_sites

FEDERATION = small_federation()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)


@pytest.fixture(scope="module")
def study(root):
    return run_small(root, FEDERATION)


@pytest.fixture
def release(study, tmp_path):
    return write_release(tmp_path / "release", study, {"note": "made up"})


def files(release):
    return {str(path.relative_to(release)): path.read_bytes() for path in release.rglob("*") if path.is_file()}


def test_a_release_is_a_file_a_branch_a_copy_and_the_head(release):
    assert set(files(release)) == {
        "model.json",
        "README.md",
        "licences.csv",
        "sbom.cdx.json",
        "fusion.safetensors",
        "calibration.safetensors",
        "branches/cnv.safetensors",
        "branches/hif.safetensors",
        *(f"crossfit/{name}@{fold}.safetensors" for name in ("cnv", "hif") for fold in (1, 2)),
    }


def test_a_release_reads_back_as_the_study_all_branches_frozen(release, study):
    found, model = read_release(release)
    assert same_study(found, study)
    assert found.federation == study.federation
    assert found.frozen == ["cnv", "hif"]
    assert found.class_counts == study.class_counts
    assert model["note"] == "made up"
    assert model["cases"]["cnv"] == sum(own.get("cnv", 0) for own in study.cohorts.values())


def test_the_same_study_is_the_same_release_byte_for_byte(release, study, tmp_path):
    again = write_release(tmp_path / "again", study, {"note": "made up"})
    assert files(again) == files(release)


def test_a_release_holds_no_case_and_no_path(release, root):
    for content in files(release).values():
        assert b"-case-" not in content
        assert str(root).encode() not in content


def test_predictions_from_the_release_equal_those_of_the_study(release, study, root):
    data = SiteData(root / "site_3", FEDERATION)
    cases, case_ids = {name: data.cases(name) for name in ("cnv", "hif")}, list(data.site.cases.index)
    found = []
    for each in (study, read_release(release)[0]):
        model = fitted_model(each)
        found.append(model.probabilities(model.outputs(cases, case_ids)))
    assert found[0].tobytes() == found[1].tobytes()
    known = ~np.isnan(found[0]).any(axis=1)
    assert known.sum() > 15
    np.testing.assert_allclose(found[0][known].sum(axis=1), 1)


@pytest.mark.parametrize(
    "name", ["branches/hif.safetensors", "crossfit/cnv@2.safetensors", "fusion.safetensors", "calibration.safetensors"]
)
def test_a_changed_byte_is_refused_naming_the_file(release, name):
    content = bytearray((release / name).read_bytes())
    content[-3] ^= 1
    (release / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"release: missing or changed since the release: {name.replace('.', '[.]')}$"):
        read_release(release)


def test_every_missing_or_changed_file_is_named(release):
    (release / "branches/cnv.safetensors").unlink()
    (release / "fusion.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"changed since the release: branches/cnv\.safetensors, fusion\.safetensors$"):
        read_release(release)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 99, "files": {}, "federation": {}, "modalities": []}']
)
def test_unreadable_model_json_is_refused(release, text):
    (release / "model.json").write_text(text)
    with pytest.raises(ValueError, match=r"release: no release that this version reads: model\.json"):
        read_release(release)


def test_a_folder_that_is_no_release_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no release that this version reads: model\.json"):
        read_release(tmp_path)


def test_a_file_outside_the_release_is_never_looked_at(release):
    model = json.loads((release / "model.json").read_text())
    model["files"]["../../outside"] = "0" * 64
    (release / "model.json").write_text(json.dumps(model))
    with pytest.raises(ValueError, match=r"no release that this version reads: model\.json"):
        read_release(release)


def test_adding_a_modality_leaves_the_earlier_branch_files_byte_identical(root, tmp_path):
    alone = dataclasses.replace(FEDERATION, modalities={"cnv": FEDERATION.modalities["cnv"]})
    first = write_release(tmp_path / "first", run_small(root, alone))
    before, _ = read_release(first)
    start = StudyState(FEDERATION, before.states, weights=before.weights, frozen=before.frozen)
    second = write_release(tmp_path / "second", run_small(root, FEDERATION, start=start))
    earlier, later = files(first), files(second)
    kept = [name for name in earlier if name.startswith(("branches/", "crossfit/"))]
    assert len(kept) == 3
    assert {name: later[name] for name in kept} == {name: earlier[name] for name in kept}
    assert "branches/hif.safetensors" in later
    # and removing it again gives back the earlier branches, and even the head
    both, _ = read_release(second)
    rest = {part: own for part, own in both.weights.items() if not part.startswith("hif")}
    start = StudyState(alone, {"cnv": both.states["cnv"]}, weights=rest, frozen=["cnv"])
    third = files(write_release(tmp_path / "third", run_small(root, alone, start=start)))
    assert {name: third[name] for name in kept} == {name: earlier[name] for name in kept}
    assert third["fusion.safetensors"] == earlier["fusion.safetensors"]
    assert third["calibration.safetensors"] == earlier["calibration.safetensors"]


def test_head_without_parameters_is_released_too(root, tmp_path):
    study = run_small(root, small_federation(fusion__head="mean"))
    found, _ = read_release(write_release(tmp_path, study))
    assert found.head == {}
    assert same_arrays(found.weights, study.weights)


@pytest.mark.parametrize("where", ["weights", "states", "head", "calibration"])
def test_one_that_is_not_finite_is_no_release(study, tmp_path, where):
    """It would predict one class for everybody."""
    spoilt = dataclasses.replace(study, **{where: copy.deepcopy(getattr(study, where))})
    held = getattr(spoilt, where)
    arrays = held["cnv"] if where in ("weights", "states") else held
    name = next(name for name, array in arrays.items() if array.dtype.kind == "f" and array.size)
    arrays[name] = np.full_like(arrays[name], np.nan)
    with pytest.raises(ValueError, match=r"holds numbers that are not finite: (branches/cnv|fusion|calibration)\.s"):
        read_release(write_release(tmp_path / "release", spoilt))
