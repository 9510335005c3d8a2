"""What `tessera-server run` signs: a release as it was written, of the study's own settings, and nothing else."""

import pytest

from modalities.core.signing import check_signature
from server.coordinator import init_study
from server.release import write_release
from server.runs import carry_out
from tests.support import run_small, small_federation, write_sites


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    federation = small_federation(fusion={"fit": "tune", "rounds": 1})
    return run_small(write_sites(tmp_path_factory.mktemp("sites"), federation), federation)


@pytest.fixture
def study(finished, tmp_path):
    """A study's folder whose release is written, not yet signed; no SuperLink runs."""
    study = init_study(tmp_path / "study", ["localhost"])
    study.federation.write_text(finished.federation.to_json(), encoding="utf-8")
    write_release(study.run / "release", finished)
    return study


def test_a_release_that_is_there_is_signed_without_another_run(study):
    release = carry_out(study, lambda status: None)
    check_signature(release, study.release_public_key)
    assert (release / "release.pub").read_bytes() == study.release_public_key.read_bytes()


def test_a_release_that_changed_since_it_was_written_is_not_signed(study):
    path = study.run / "release" / "fusion.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"missing or changed since the release: fusion\.safetensors"):
        carry_out(study, lambda status: None)
    assert not (study.run / "release" / "model.json.sig").exists()


def test_a_release_of_other_settings_is_not_signed(study):
    study.federation.write_text(small_federation(seed=99).to_json(), encoding="utf-8")
    with pytest.raises(ValueError, match=r"is of other settings than .* has now: put the old ones back"):
        carry_out(study, lambda status: None)


def test_a_study_that_is_not_open_says_so_and_how_many_sites_it_lacks(study):
    (study.run / "release" / "model.json").unlink()
    with pytest.raises(ValueError, match=r"does not answer: run `tessera-server start .*waits for 3 sites, but 0 are"):
        carry_out(study, lambda status: None)
