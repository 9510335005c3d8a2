"""The SuperLink's database is damaged, or gone: `start` says so, and registers the sites anew. Or it is locked."""

import shutil
import sqlite3
import time
from contextlib import closing

import pytest

from client.node.home import Home
from client.node.supervisor import state_of
from server.coordinator.flower import nodes
from server.network.database import DATABASE
from server.state.status import read_status
from tests.deployment.machine import NGINX, SITES, STUDY_S, Machine, wait_until
from tests.support import small_federation

FEDERATION = small_federation()
LOCKED_S, BETWEEN_S = (6.0, 25.0, 6.0, 6.0), 8.0
"""Flower's own patience is 5 s, ours 20 s."""


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_a_damaged_database_is_named_and_one_that_is_moved_away_is_made_anew(tmp_path):
    machine = Machine(tmp_path)
    study = machine.study
    machine.set_up(FEDERATION, "builtin", holdings=(("cnv", "hif"),), n_cases=(29,), sites=1)
    database = study.flower / DATABASE
    try:
        machine.open()
        second = machine.run("server", "start", study.folder)
        assert second.returncode == 1
        assert "another `tessera-server start` has opened this study; end that one first" in second.stdout
        before = nodes(study)
        assert list(before.values()) == ["site_1"]
        assert machine.kill_all_of("tessera") + machine.kill_all_of("server.cli") + machine.kill_all_of("superlink.py")
        machine.started["start"].wait(30)

        with closing(sqlite3.connect(database)) as connection:  # from its journal into the file
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])
        damaged = machine.run("server", "start", study.folder)
        assert damaged.returncode == 1
        said = " ".join(damaged.stdout.split())
        assert f"{DATABASE}: Flower's database is damaged (" in said
        assert "every enrolled site is registered anew" in said

        shutil.move(database, tmp_path / "moved-away.db")
        machine.log("start").unlink()
        machine.open()
        assert "1 sites enrolled: site_1" in machine.said("start")
        assert list(nodes(study).values()) == ["site_1"]
        assert nodes(study).keys() != before.keys()
        machine.join("site_1")
        wait_until(lambda: state_of(Home(machine.sites / "site_1")).get("state") == "connected", 200, "it is let in")
    finally:
        machine.end_all()


@pytest.mark.faults
@pytest.mark.timeout(STUDY_S + 300)
def test_a_database_that_a_disk_keeps_locked_for_a_while_costs_neither_a_reply_nor_the_run(tmp_path):
    machine = Machine(tmp_path)
    study = machine.study
    machine.set_up(FEDERATION, "nginx" if NGINX else "builtin")
    try:
        machine.open()
        machine.join(*SITES)
        run = machine.start("run", "server", "run", study.folder)
        for seconds in LOCKED_S:
            with closing(sqlite3.connect(study.flower / DATABASE, timeout=60)) as other:
                other.execute("BEGIN IMMEDIATE")
                time.sleep(seconds)
            time.sleep(BETWEEN_S)
        wait_until(lambda: run.poll() is not None, STUDY_S, "the study ends")
        assert run.returncode == 0, machine.said("run")
        status = read_status(study.run)
        assert (status["incomplete"], status["away"]) == ({}, [])
    finally:
        machine.end_all()
