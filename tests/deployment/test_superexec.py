"""Flower's SuperExec, which starts every task, is killed: its SuperLink and its SuperNodes do not go on without it."""

import pytest

from client.node.home import Home
from client.node.supervisor import state_of
from tests.deployment.machine import Machine, wait_until
from tests.support import small_federation


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_start_ends_and_join_begins_its_node_again(tmp_path):
    machine = Machine(tmp_path)
    machine.set_up(small_federation(), "builtin", holdings=(("cnv", "hif"),), n_cases=(29,), sites=1)
    try:
        machine.open()
        machine.join("site_1")
        # the site's speaks to its SuperNode alone, on loopback and without TLS
        wait_until(lambda: machine.kill_all_of("flower-superexec", "--insecure") == 1, 30, "it is there, and killed")
        wait_until(lambda: "not connected: the SuperNode ended" in machine.said("site_1"), 60, "join says so")
        home = Home(machine.sites / "site_1")
        wait_until(lambda: state_of(home).get("state") == "connected", 120, "the site is back")
        assert machine.started["start"].poll() is None

        assert machine.kill_all_of("flower-superexec", "--root-certificates") == 1
        assert machine.started["start"].wait(60) == 1
        assert "Flower's SuperLink ended by itself" in machine.said("start")
        machine.log("start").unlink()
        machine.open()
        wait_until(lambda: state_of(home).get("state") == "connected", 200, "the site comes back by itself")
    finally:
        machine.end_all()
