"""The ServerApp: what it takes from the run config, and what it leaves behind."""

import json

import pytest
from flwr.app import Context, RecordDict

from server import app
from server.app import _federation, main
from server.phases import handshake
from server.phases.example import example_federation
from server.state.release import read_release
from tests.support import WatchedGrid, small_federation


def context(**config):
    return Context(1, 1, {}, RecordDict(), {key.replace("_", "-"): value for key, value in config.items()})


@pytest.fixture(autouse=True)
def quickened(monkeypatch):
    """Each time that this process was told to look often for replies; here it is not."""
    calls = []
    monkeypatch.setattr(app, "look_often_for_replies", lambda: calls.append(1))
    return calls


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "federation.yaml"
    path.write_text(small_federation().to_json(), encoding="utf-8")
    return str(path)


def test_the_release_of_a_study_stands_below_out(root, whole, settings, tmp_path, quickened):
    whole.save(tmp_path / "run" / "checkpoint.safetensors")
    main(WatchedGrid(root), context(federation=settings, out=str(tmp_path / "run")))
    study, _ = read_release(tmp_path / "run" / "release")
    assert study.federation.digest == whole.federation.digest
    assert quickened == [1]


def test_sites_wait_and_the_enrolled_are_those_of_the_run_config(root, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(handshake, "_POLL_S", 0.0)
    nodes = tmp_path / "nodes.json"
    nodes.write_text(json.dumps({"1000": {"site": "a", "key": "x"}, "1999": {"site": "late", "key": "y"}}))
    config = {"federation": settings, "out": str(tmp_path / "run"), "nodes": str(nodes), "sites": 4, "wait": 0.01}
    with pytest.raises(RuntimeError, match=r"^3 of 4 sites are there after 0 s, not late; go on once"):
        main(WatchedGrid(root), context(**config))
    told = json.loads((tmp_path / "run" / "status.json").read_text())
    assert told["missing"] == ["late"]


def test_a_relative_path_is_refused_and_every_one_is_named(root, tmp_path):
    with pytest.raises(ValueError, match=r"give the whole path, from / on, got out='run', nodes='nodes\.json'$"):
        main(WatchedGrid(root), context(out="run", nodes="nodes.json", federation=str(tmp_path)))


def test_without_a_federation_yaml_the_example_is_run_with_the_seed_given():
    assert _federation("", 7).digest == example_federation(7).digest != example_federation(0).digest
