"""The gateway stalls for longer than Flower waits: no site is lost for it, and each says meanwhile how it stands."""

import time

import pytest

from client.node.connection import MEANINGS, Reason
from client.node.home import Home
from client.node.supervisor import state_of
from server.state.status import read_status
from tests.deployment.machine import NGINX, SITES, Machine, wait_until
from tests.support import small_federation

ROUNDS, STALL_S = 40, 64.0
"""Flower waits 30 s for an answer, then as long for a new connection; that it then gives up on."""


def rounds_done(machine):
    """Of the modality that needs all three sites."""
    return read_status(machine.study.run).get("rounds", {}).get("cnv", {}).get("done", 0)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_sites_come_back_by_themselves_after_the_gateway_stalled(tmp_path):
    machine = Machine(tmp_path)
    federated = {"rounds": ROUNDS, "patience": 0, "min_holders": 3}
    federation = small_federation(
        modalities__cnv__federated=federated, modalities__hif__federated={**federated, "min_holders": 2}
    )
    machine.set_up(federation, "nginx" if NGINX else "builtin", round_timeout_s=120)
    try:
        machine.open()
        machine.join()
        machine.start("run", "server", "run", machine.study.folder)
        wait_until(lambda: rounds_done(machine) >= 1, 240, "a round is done")
        gateway = machine.gateway()
        for process in gateway:
            process.suspend()
        time.sleep(STALL_S)
        states = [state_of(Home(machine.sites / name)) for name in SITES]
        for process in gateway:
            process.resume()
        assert {state["state"] for state in states} == {"lost"}
        assert {state["meaning"] for state in states} == {MEANINGS[Reason.NO_ANSWER]}
        before = rounds_done(machine)
        wait_until(lambda: rounds_done(machine) > before + 1, 240, "rounds of all three go on")
        assert {state_of(Home(machine.sites / name))["state"] for name in SITES} == {"connected"}
    finally:
        machine.end_all()
