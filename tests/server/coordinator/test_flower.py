"""The study's SuperLink as the coordinator deals with it: which keys it knows, which runs go on."""

import json
import os
import sys
import tomllib
from pathlib import Path

import pytest

from client.node.keys import make_node_key
from server.coordinator import flower
from server.coordinator.flower import (
    end_broken_off,
    nodes,
    nodes_file,
    outcome,
    register_enrolled,
    submit,
    superlink,
    unfinished_runs,
)
from server.coordinator.folder import enrol_site, init_study, revoke_site
from strategies.flower.processes import start


@pytest.fixture
def study(tmp_path):
    for key in ("a", "b", "c"):
        make_node_key(tmp_path / f"{key}.key", tmp_path / f"{key}.pub", key)
    study = init_study(tmp_path / "study", ["localhost"])
    study.flower.mkdir()
    for site in ("a", "b"):
        enrol_site(study, site, tmp_path / f"{site}.pub")
    return study


@pytest.fixture
def asked(monkeypatch):
    """What Flower's command line is asked; it answers with what stands in `runs`, and numbers nodes from 11 on."""
    calls = []

    def answer(environment, *words):
        calls.append(words)
        runs = [{"run-id": "7", "status": "finished:failed"}, {"run-id": "8", "status": "running"}]
        return {"node-id": str(10 + len(calls)), "run-id": "9", "runs": runs[-1:] if "--run-id" in words else runs}

    monkeypatch.setattr("strategies.flower.command_line.ask_flower", answer)
    return calls


def test_every_enrolled_key_is_registered_once(study, asked):
    assert register_enrolled(study) == {11: "a", 12: "b"}
    assert asked == [
        ("supernode", "register", str(study.sites / f"{site}.pub"), "study", "--name", site) for site in ("a", "b")
    ]
    assert register_enrolled(study) == nodes(study) == {11: "a", 12: "b"}
    assert len(asked) == 2


def test_a_site_that_was_revoked_is_unregistered_and_its_new_key_registered(study, asked, tmp_path):
    register_enrolled(study)
    revoke_site(study, "a")
    assert register_enrolled(study) == {12: "b"}
    assert asked[2:] == [("supernode", "unregister", "11", "study")]
    enrol_site(study, "a", tmp_path / "c.pub")
    assert register_enrolled(study) == {12: "b", 14: "a"}
    kept = json.loads(nodes_file(study).read_text())
    assert kept["14"] == {"site": "a", "key": (tmp_path / "c.pub").read_text().split()[1]}


def test_a_key_that_changed_between_two_starts_is_unregistered_before_the_new_one_is_registered(study, asked, tmp_path):
    register_enrolled(study)
    revoke_site(study, "a")
    enrol_site(study, "a", tmp_path / "c.pub")
    assert register_enrolled(study) == {12: "b", 14: "a"}
    assert [call[1] for call in asked[2:]] == ["unregister", "register"]


def test_what_was_registered_before_flower_refused_a_key_is_kept(study, asked, monkeypatch):
    answer = flower.ask_flower

    def refuses_b(study, *words):
        if words[-1] == "b":
            raise RuntimeError("flwr supernode register: refused")
        return answer(study, *words)

    monkeypatch.setattr(flower, "ask_flower", refuses_b)
    with pytest.raises(RuntimeError, match="refused"):
        register_enrolled(study)
    assert nodes(study) == {11: "a"}


def test_run_config_is_passed_as_toml(study, asked):
    assert submit(study, Path("/app"), {"out": "/a b", "sites": 3, "wait": 1.5}) == 9
    assert asked == [("run", "/app", "study", "--run-config", 'out="/a b" sites=3 wait=1.5')]


def test_runs_that_go_on_are_told_from_those_that_ended_and_ended_by_the_next_start(study, asked):
    assert unfinished_runs(study) == [8]
    assert outcome(study, 8) == ("running", "")
    asked.clear()
    assert end_broken_off(study) == [8]
    assert asked[1:] == [("stop", "8", "study")]


def test_a_superlink_runs_as_long_as_its_block_and_flowers_command_line_is_told_where(study, monkeypatch):
    """A program that sleeps stands in for Flower's, and answers as soon as it is asked."""
    sleeps = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    started, waited = [], []

    def start_sleeper(command, environment, log):
        started.append((command, environment))
        return start(sleeps, os.environ, log)

    monkeypatch.setattr(flower, "start", start_sleeper)
    monkeypatch.setattr(flower, "wait_until_healthy", lambda *of: waited.append(of))
    with superlink(study) as process:
        assert process.poll() is None
        assert waited == [(process, study.flower / "superlink.log", 9092, study.tls.authority)]
    assert process.poll() is not None
    (command, environment), *_ = started
    assert Path(command[2]).is_file()
    assert environment["FLWR_HOME"] == str(study.flower)
    told = tomllib.loads((study.flower / "config.toml").read_text())["superlink"]
    assert told["default"] == "study"
    assert told["study"] == {"address": "127.0.0.1:9092", "root-certificates": str(study.tls.authority)}


def test_a_study_that_is_open_is_not_opened_twice(study, monkeypatch):
    started = []
    monkeypatch.setattr(flower, "is_up", lambda study: True)
    monkeypatch.setattr(flower, "start", lambda *command: started.append(command))
    with pytest.raises(ValueError, match="another `tessera-server start` has opened this study"), superlink(study):
        pass
    assert not started
