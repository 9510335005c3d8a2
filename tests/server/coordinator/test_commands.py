"""The coordinator's commands, as they are typed."""

import signal
import sys
import threading
from subprocess import Popen

import pytest
from typer.testing import CliRunner

from client.node.keys import make_node_key
from modalities.core.release.signing import check_signature, fingerprint, public_key
from server.cli import app
from server.coordinator import commands
from server.coordinator.commands import _interrupt, _wait_for_the_end
from server.coordinator.folder import Settings, enrolled, init_study
from server.state.release import write_release
from server.state.status import write_status
from server.state.study import StudyState
from tests.support import small_federation


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "300"})


@pytest.fixture
def study(tmp_path):
    make_node_key(tmp_path / "a.key", tmp_path / "a.pub", "a")
    return init_study(tmp_path / "study", ["localhost"])


@pytest.fixture
def registered(monkeypatch):
    """The sites that were enrolled each time that keys were registered with Flower, whose SuperLink is up."""
    calls = []
    monkeypatch.setattr(commands, "is_up", lambda study: True)
    monkeypatch.setattr(
        commands, "register_enrolled", lambda study: calls.append([path.stem for path in enrolled(study)])
    )
    return calls


def test_a_new_folder_waits_for_three_sites_ten_minutes_and_is_made_once(tmp_path):
    found = run("init", tmp_path / "study", "--san", "fed.example.org", "--gateway", "builtin")
    assert found.exit_code == 0
    assert "then: tessera-server hand-out" in found.output
    assert "nginx" not in found.output
    settings = commands.Study(tmp_path / "study").settings()
    assert settings == Settings("fed.example.org", 9443, 9092, "builtin", 3, 600.0, 600.0)
    found = run("init", tmp_path / "study")
    assert found.exit_code == 1
    assert "holds a study already; choose another folder" in found.output
    assert run("init", tmp_path / "other").exit_code == 0
    assert commands.Study(tmp_path / "other").settings() == Settings("localhost", 9443, 9092, "nginx", 3, 600.0, 600.0)


def test_one_port_for_two_programs_is_refused(study):
    study.settings_file.write_text("public_port: 9092\n")
    found = run("hand-out", study.folder)
    assert found.exit_code == 1
    assert "public_port and superlink_port must differ, got 9092 for both" in found.output


def test_federation_yaml_that_is_there_is_kept(tmp_path):
    (tmp_path / "federation.yaml").write_text("mine")
    init_study(tmp_path, [])
    assert (tmp_path / "federation.yaml").read_text() == "mine"


def test_a_site_of_a_started_study_is_registered_and_shut_out_at_once(study, registered, tmp_path):
    found = run("enrol", study.folder, "a", "--key", tmp_path / "a.pub")
    assert found.exit_code == 0
    assert "a is enrolled; the key's fingerprint, which must be what the site reads out: SHA256:" in found.output
    assert run("revoke", study.folder, "a").exit_code == 0
    assert registered == [["a"], []]


def test_a_site_of_a_study_that_is_not_started_waits_for_the_start(study, registered, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "is_up", lambda study: False)
    assert run("enrol", study.folder, "a", "--key", tmp_path / "a.pub").exit_code == 0
    assert run("revoke", study.folder, "a").exit_code == 0
    assert registered == []


def test_status_says_where_the_study_stands_or_that_it_has_not_begun(study):
    assert "this study has not begun" in run("status", study.folder).output
    write_status(study.run, StudyState(small_federation()), {"phase": "branches", "round": 4})
    found = run("status", study.folder).output
    assert "phase: branches, round 4" in found
    assert "not begun" not in found


def test_resuming_a_study_that_has_not_begun_is_refused(study):
    found = run("resume", study.folder)
    assert found.exit_code == 1
    assert "nothing to resume" in found.output


# ---- the release


@pytest.fixture
def released(study, whole):
    """Its release is written, not yet signed."""
    study.federation.write_text(whole.federation.to_json(), encoding="utf-8")
    return write_release(study.run / "release", whole)


@pytest.mark.parametrize("command", ["run", "resume"])
def test_a_release_that_is_there_is_signed_and_verified(study, released, command):
    write_status(study.run, StudyState(small_federation()), {"phase": "finished"})
    found = run(command, study.folder)
    assert "phase: finished" in found.output  # the live view leaves nothing behind where nobody watches a terminal
    assert found.exit_code == 0
    assert f"release: {released}" in found.output
    found = run("verify", released, "--key", study.release_public_key)
    assert found.exit_code == 0
    assert f"11 files as released, signed by {fingerprint(public_key(study.release_public_key))}" in found.output


def test_a_release_is_copied_signed_into_a_new_folder_only(study, released, tmp_path):
    found = run("release", study.folder, "--out", tmp_path / "copy")
    assert found.exit_code == 0
    assert (
        f"release: {tmp_path / 'copy'}, signed by {fingerprint(public_key(study.release_public_key))}" in found.output
    )
    check_signature(tmp_path / "copy", study.release_public_key)
    found = run("release", study.folder, "--out", tmp_path / "copy")
    assert found.exit_code == 1
    assert "copy is there already; name a new folder" in found.output
    assert f"release: {released}, signed by" in run("release", study.folder).output


def test_a_release_that_changed_after_it_was_signed_is_not_verified(study, released):
    run("release", study.folder)
    (released / "fusion.safetensors").write_bytes(b"other")
    found = run("verify", released, "--key", study.release_public_key)
    assert found.exit_code == 1
    assert "fusion.safetensors" in found.output


@pytest.mark.parametrize("gateway", ["nginx", "builtin"])
def test_a_renewed_certificate_is_taken_up_by_a_new_start_and_by_nginx_where_it_is_the_gateway(tmp_path, gateway):
    study = init_study(tmp_path / "study", ["fed.example.org"], gateway)
    found = run("renew", study.folder)
    assert found.exit_code == 0
    assert "new certificate for fed.example.org, localhost, 127.0.0.1" in found.output
    assert ("-s reload" in found.output) == (gateway == "nginx")


# ---- the end of `start`


def program(text):
    return Popen([sys.executable, "-S", "-c", text])


def test_a_superlink_that_ends_by_itself_is_told_from_a_gateway_that_does(monkeypatch):
    monkeypatch.setattr(commands, "_LOOK_S", 0.01)
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    with program("") as ended, pytest.raises(RuntimeError, match="SuperLink ended by itself; its log is flower"):
        _wait_for_the_end(ended)
    with program("import time; time.sleep(60)") as runs_on:
        with pytest.raises(RuntimeError, match="the gateway ended by itself: does another program use public_port"):
            _wait_for_the_end(runs_on, gone)
        runs_on.kill()


def test_sigterm_is_as_ctrl_c():
    with pytest.raises(KeyboardInterrupt):
        _interrupt(signal.SIGTERM, None)
