"""The ServerApp: what it takes from the run config, and what it leaves behind."""

import json

import pytest
from flwr.app import Context, RecordDict

from modalities.core.release.signing import make_release_key, public_key
from server import app
from server.app import _federation, main
from server.audit.receipts import UNSIGNED, read_book
from server.phases import handshake
from server.phases.example import example_federation
from server.state.release import read_release
from tests.audited import real_sites
from tests.support import ONE_ROUND, WatchedGrid, small_federation, write_sites


def context(**config):
    return Context(1, 1, {}, RecordDict(), {key.replace("_", "-"): value for key, value in config.items()})


@pytest.fixture(autouse=True)
def taken_whole(monkeypatch):
    """The grids of which replies were taken when they are whole, and not before."""
    grids = []
    monkeypatch.setattr(app, "whole_replies", lambda grid: grids.append(grid) or grid)
    return grids


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "federation.yaml"
    path.write_text(small_federation().to_json(), encoding="utf-8")
    return str(path)


def test_the_release_of_a_study_stands_below_out(root, whole, settings, tmp_path, taken_whole):
    whole.save(tmp_path / "run" / "checkpoint.safetensors")
    grid = WatchedGrid(root)
    main(grid, context(federation=settings, out=str(tmp_path / "run")))
    study, _ = read_release(tmp_path / "run" / "release")
    assert study.federation.digest == whole.federation.digest
    assert taken_whole == [grid]


@pytest.mark.parametrize(("given", "seconds"), [({}, 600), ({"round_timeout": 45.5}, 45.5)])
def test_a_site_has_ten_minutes_for_an_answer_unless_the_run_config_says_otherwise(
    root, settings, tmp_path, given, seconds
):
    grid = WatchedGrid(root)
    main(grid, context(federation=settings, out=str(tmp_path / "run"), **given))
    assert {message.metadata.ttl for message in grid.asked} == {seconds}


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


def test_with_the_release_key_the_heads_of_audit_logs_are_countersigned_and_what_is_wrong_is_noted(tmp_path):
    """Of three real sites, the coordinator knows another key of the third."""
    federation = small_federation(fusion__rounds=1, **ONE_ROUND)
    sites = write_sites(tmp_path / "sites", federation)
    watched, out = real_sites(sites, federation), tmp_path / "run"
    key_lines = [(sites / f"site_{number}" / ".tessera" / "node.pub").read_text() for number in (1, 2, 1)]
    nodes = {str(1000 + n): {"site": f"site_{n + 1}", "key": line.split()[1]} for n, line in enumerate(key_lines)}
    (tmp_path / "nodes.json").write_text(json.dumps(nodes))
    (tmp_path / "federation.yaml").write_text(federation.to_json())
    make_release_key(tmp_path / "release.key", tmp_path / "release.pub")
    paths = {"federation": "federation.yaml", "nodes": "nodes.json", "release-key": "release.key"}
    main(watched, context(out=str(out), sites=3, **{name: str(tmp_path / file) for name, file in paths.items()}))
    last = read_book(out / "audit.json").last
    assert last.keys() == {"site_1", "site_2"}
    assert all(receipt.is_countersigned(public_key(tmp_path / "release.pub")) for receipt in last.values())
    status = json.loads((out / "status.json").read_text())
    notes = [note for note in status["notes"] if "audit log" in note["text"]]
    assert notes == [{"level": "warning", "site": "site_3", "part": "*", "text": UNSIGNED}]
