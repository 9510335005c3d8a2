"""What `tessera-server run` signs: a release as it was written, of the study's own settings, and nothing else."""

import pytest

from modalities.core.release.signing import check_signature
from server.coordinator import runs
from server.coordinator.flower import end_broken_off
from server.coordinator.folder import init_study
from server.coordinator.runs import _answer, carry_out, finished_release, refuse_unbegun
from server.state.release import made_by, write_release
from server.state.status import write_status
from server.state.study import StudyState
from strategies.bundle import digest_of_checkout
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
    write_release(study.run / "release", finished, made_by(digest_of_checkout()))
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
    said = r"(?s)does not answer: run `tessera-server start .*waits for 3 sites, but 0 are"
    with pytest.raises(ValueError, match=said):
        carry_out(study, lambda status: None)


# ---- release and resume


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_release_that_is_lost_or_damaged_is_written_again_from_the_checkpoint(study, finished):
    finished.save(study.run / "checkpoint.safetensors")
    first = files_of(finished_release(study))
    (study.run / "release" / "fusion.safetensors").write_bytes(b"damaged")
    assert files_of(finished_release(study)) == first
    (study.run / "release" / "model.json").unlink()
    assert files_of(finished_release(study)) == first
    check_signature(study.run / "release", study.release_public_key)


def test_a_damaged_release_without_a_checkpoint_is_not_signed(study):
    (study.run / "release" / "fusion.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"missing or changed since the release: fusion\.safetensors"):
        finished_release(study)


def test_a_study_that_is_not_finished_has_no_release_and_says_where_it_is(study, finished):
    (study.run / "release" / "model.json").unlink()
    with pytest.raises(ValueError, match=r"nothing to resume, .* begin it with `tessera-server run"):
        refuse_unbegun(study)
    with pytest.raises(ValueError, match="nothing to resume"):
        finished_release(study)
    begun = StudyState(finished.federation)
    begun.save(study.run / "checkpoint.safetensors")
    write_status(study.run, begun, {"phase": "branches", "round": 7})
    refuse_unbegun(study)
    with pytest.raises(ValueError, match=r"not finished, .* in phase branches, round 7; go on with `.* resume"):
        finished_release(study)


# ---- a SuperLink that comes and goes


def answers(monkeypatch, study, up, says):
    """What `_answer` makes of a SuperLink that is up or not, look by look, and of Flower's answers; what it showed."""
    looks, said, shown = iter(up), iter(says), []

    def ask():
        found = next(said)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(runs, "is_up", lambda study: next(looks))
    monkeypatch.setattr(runs, "_ASK_AGAIN_S", 0.0)
    return _answer(study, shown.append, ask), [status["note"] for status in shown]


def test_a_superlink_that_goes_down_just_as_it_is_asked_is_waited_for(study, monkeypatch):
    found, notes = answers(monkeypatch, study, [True, False, False, True], [RuntimeError("flwr list: refused"), 7])
    assert found == 7
    assert len(notes) == 2
    assert notes[0].startswith("the SuperLink does not answer: run `tessera-server start ")


def test_flower_that_fails_though_its_superlink_is_up_ends_the_run_with_what_it_said(study, monkeypatch):
    with pytest.raises(RuntimeError, match="no such run"):
        answers(monkeypatch, study, [True] * 3, [RuntimeError("no such run")] * 3)


@pytest.mark.parametrize(("then", "ends"), [("finished:failed", True), ("running", False)])
def test_a_broken_off_run_that_comes_to_its_end_just_before_it_is_ended_is_no_error(study, monkeypatch, then, ends):
    """A ServerApp that outlived its SuperLink tells the next one that it failed, at any moment."""
    states = iter(["running", then])

    def flower(study, *words):
        if words[0] == "stop":
            raise RuntimeError("flwr stop: refused")
        return {"runs": [{"run-id": 7, "status": next(states), "status-details": "N/A"}]}

    monkeypatch.setattr("server.coordinator.flower.ask_flower", flower)
    if ends:
        assert end_broken_off(study) == [7]
    else:
        with pytest.raises(RuntimeError, match="flwr stop: refused"):
            end_broken_off(study)
