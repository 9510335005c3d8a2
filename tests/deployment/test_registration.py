"""Who is registered at a real SuperLink: exactly the keys that are enrolled, whatever was enrolled before."""

import sqlite3
from contextlib import closing

import pytest

from client.node.keys import make_node_key
from server.coordinator.flower import database, nodes, register_enrolled, superlink
from server.coordinator.folder import enrol_site, init_study, revoke_site
from tests.deployment.ports import free_ports


@pytest.mark.slow
def test_a_site_enrolled_anew_with_another_key_loses_the_old_one(tmp_path):
    study = init_study(tmp_path / "study", ["localhost"])
    text = study.settings_file.read_text()
    for port, free in zip(("9443", "9092"), free_ports(2), strict=True):
        text = text.replace(port, str(free))
    study.settings_file.write_text(text)
    for key in ("a", "b", "new"):
        make_node_key(tmp_path / f"{key}.key", tmp_path / f"{key}.pub", key)
    for site in ("a", "b"):
        enrol_site(study, site, tmp_path / f"{site}.pub")
    with superlink(study):
        first = register_enrolled(study)
        assert sorted(first.values()) == ["a", "b"]
        assert register_enrolled(study) == first
    revoke_site(study, "a")  # while nothing runs
    enrol_site(study, "a", tmp_path / "new.pub")
    with superlink(study):
        second = register_enrolled(study)
        (old,) = set(first) - set(second)
        assert first[old] == "a"
        assert sorted(second.values()) == ["a", "b"]
        revoke_site(study, "b")
        assert list(register_enrolled(study).values()) == ["a"]
    assert list(nodes(study).values()) == ["a"]
    with closing(sqlite3.connect(database(study))) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (65_536,), "made here, filled by Flower"
    with pytest.raises(ValueError, match=r"b\.pub: this key was revoked, and opens nothing any more"):
        enrol_site(study, "b", tmp_path / "b.pub")
