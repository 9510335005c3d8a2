"""`tessera-server evaluate` as it is typed: what it refuses before any site is asked, and what it shows at the end."""

import json

import pytest
from typer.testing import CliRunner

from modalities.core.release.release import open_release
from modalities.core.release.signing import sign
from server.cli import app
from server.coordinator import runs
from server.coordinator.folder import init_study
from server.phases.options import Options
from server.phases.released import evaluate_release
from server.phases.sites import SURVIVORS
from server.state.evaluation import write_evaluation
from server.state.release import read_release, write_release
from tests.evaluated import write_evaluated
from tests.support import WatchedGrid, run_small, small_federation


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three sites' folders that let everything out, and what they trained."""
    federation = small_federation(evaluation={"local": False})
    root = write_evaluated(tmp_path_factory.mktemp("sites"), federation, "full")
    return root, run_small(root, federation)


@pytest.fixture
def study(made, tmp_path):
    """A study's folder whose release is signed; no SuperLink runs."""
    study = init_study(tmp_path / "study", ["localhost"])
    study.federation.write_text(made[1].federation.to_json())
    sign(write_release(tmp_path / "release", made[1]), study.release_key)
    return study


def evaluate(study):
    arguments = ["evaluate", study.folder.parent / "release", study.folder, "--key", study.release_public_key]
    return CliRunner().invoke(app, [str(word) for word in arguments], env={"COLUMNS": "300"})


def refused(study):
    """What it says; nothing is begun."""
    found = evaluate(study)
    assert found.exit_code == 1
    assert not (study.run / "evaluations").exists()
    return " ".join(found.output.split())


def test_a_release_without_a_signature_or_changed_since_is_refused(study):
    release = study.folder.parent / "release"
    head = release / "fusion.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"x")
    assert "missing or changed since the release: fusion.safetensors" in refused(study)
    (release / "model.json.sig").unlink()
    assert "no signature here" in refused(study)


def test_a_study_of_other_classes_is_told_what_differs(study):
    other = small_federation(task={"classes": ["LumA", "LumB", "Basal"]}, evaluation={"local": False})
    study.federation.write_text(other.to_json())
    said = refused(study)
    assert "other settings than the release's, under which its model was trained" in said
    assert "task.classes: release ['LumA', 'LumB', 'Basal', 'Her2'], study ['LumA', 'LumB', 'Basal']" in said


def test_a_study_that_is_not_open_says_so(study):
    found = evaluate(study)
    assert found.exit_code == 1
    assert "does not answer: run `tessera-server start" in found.output


def carried_out(monkeypatch, root):
    """Flower's run, by the sites of this process."""

    def run(study, work, show):
        released = read_release(study.folder.parent / "release")[0]
        options = Options(checkpoint=work.out / runs.CHECKPOINT, status=work.out, sites=4, timeout=30.0)
        write_evaluation(work.out, evaluate_release(WatchedGrid(root, 4), released, options))
        assert work.config["release-digest"] == open_release(study.folder.parent / "release").digest

    monkeypatch.setattr(runs, "run_until_there", run)


def test_the_numbers_stand_in_the_run_folder_and_on_the_console_and_no_site_is_asked_twice(study, made, monkeypatch):
    carried_out(monkeypatch, made[0])
    study.run.mkdir()
    (study.run / SURVIVORS).write_text("")
    found = evaluate(study)
    assert found.exit_code == 0, found.output
    out = study.run / "evaluations" / open_release(study.folder.parent / "release").digest[:12]
    assert (out / SURVIVORS).is_file()
    value = json.loads((out / "evaluation.json").read_text())["federated"]["fused"]["macro_auroc"]["value"]
    assert f"{value:.3f}".lstrip("0") in found.output
    assert "scored by 4 sites" in found.output
    monkeypatch.setattr(runs, "run_until_there", None)
    assert evaluate(study).exit_code == 0


def test_sites_that_let_nothing_out_are_an_error_with_the_way_on(study, made, tmp_path, monkeypatch):
    federation = made[1].federation
    carried_out(monkeypatch, write_evaluated(tmp_path / "closed", federation, "none"))
    found = evaluate(study)
    assert found.exit_code == 1
    said = " ".join(found.output.split())
    assert "the sites' answers hold no number: no site lets out how good the model is" in said
    assert "move" in said
