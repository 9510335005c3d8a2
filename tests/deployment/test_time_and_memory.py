"""What goes wrong by itself as months pass: the certificate ends, clocks jump by an hour, memory runs out."""

import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from client.node.connection import MEANINGS, Reason
from client.node.home import Home
from client.node.supervisor import state_of
from server.coordinator.renewal import names_in
from server.network.certificates import SERVER_DAYS, issue_server_certificate
from server.state.status import read_status
from tests.deployment.clock import COMPILER, Clock
from tests.deployment.machine import NGINX, SITES, STUDY_S, Machine, wait_until
from tests.deployment.test_loopback import assert_as_inline
from tests.support import small_federation

ROUNDS, JUMP_S = 40, 3600


def rounds_done(machine):
    """Of the modality that needs all three sites."""
    return read_status(machine.study.run).get("rounds", {}).get("cnv", {}).get("done", 0)


def meanings(machine, sites: Sequence[str] = SITES):
    return {state_of(Home(machine.sites / name)).get("meaning", "") for name in sites}


def goes_on(machine, what):
    before = rounds_done(machine)
    wait_until(lambda: rounds_done(machine) > before + 1, 240, f"rounds of all three go on after {what}")


@pytest.mark.faults
@pytest.mark.timeout(STUDY_S + 600)
@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx")
@pytest.mark.skipif(COMPILER is None, reason="no C compiler: apt-get install gcc")
def test_a_certificate_ends_clocks_jump_memory_runs_out_and_the_study_ends_as_if_they_had_not(tmp_path):
    machine = Machine(tmp_path)
    federated = {"rounds": ROUNDS, "patience": 0, "min_holders": 2}
    federation = small_federation(
        fusion={"fit": "tune", "rounds": 3},
        modalities__cnv__federated={**federated, "min_holders": 3},
        modalities__hif__federated=federated,
    )
    machine.set_up(federation, "nginx", round_timeout_s=120)
    ours, theirs = Clock(tmp_path / "ours"), Clock(tmp_path / "theirs")
    began, told = time.monotonic(), []

    def tell(what):
        told.append(f"{time.monotonic() - began:4.0f} s, round {rounds_done(machine)}: {what}")
        (tmp_path / "told.txt").write_text("\n".join(told))

    try:
        machine.open(**ours.environment)
        machine.join(*SITES[1:])
        machine.start(SITES[0], "client", "join", machine.sites / SITES[0], **theirs.environment)
        run = machine.start("run", "server", "run", machine.study.folder, **ours.environment)
        wait_until(lambda: rounds_done(machine) >= 1, 240, "a round is done")

        show(machine, datetime.now(UTC) - timedelta(days=SERVER_DAYS))
        tell("the certificate has ended")
        wait_until(lambda: meanings(machine) == {MEANINGS[Reason.NOT_VALID_NOW]}, 120, "every site says so")
        tell("every site says so")
        ended = "the server's certificate has ended, and no site would connect: run `tessera-server renew"
        assert ended in machine.type_in("server", "status", machine.study.folder)
        show(machine, datetime.now(UTC))
        tell("renewed")
        goes_on(machine, "the certificate was renewed")

        for jump in (JUMP_S, -JUMP_S):
            theirs.is_off_by(jump)
            tell(f"{SITES[0]}'s clock jumps by {jump} s")
            wait_until(lambda: MEANINGS[Reason.NO_LONGER_TAKEN] in meanings(machine, SITES[:1]), 120, "it says so")
            tell("it says so")
            theirs.is_off_by(0)
            goes_on(machine, "the site's clock was set")
            tell("rounds of all three go on")
        for jump in (JUMP_S, -JUMP_S):
            ours.is_off_by(jump)
            tell(f"the coordinator's clock jumps by {jump} s")
            wait_until(lambda: meanings(machine) == {MEANINGS[Reason.NO_LONGER_TAKEN]}, 120, "every site says so")
            tell("every site says so")
            ours.is_off_by(0)
            goes_on(machine, "the coordinator's clock was set")
            tell("rounds of all three go on")
        kill_a_task(machine, SITES[1])
        tell("a task was killed, as the kernel does where memory runs out")
        wait_until(lambda: "a task was killed (SIGKILL)" in machine.said(SITES[1]), 60, "the site says so")
        goes_on(machine, "a task was killed")
        tell(f"rounds go on; ServerApp killed, {machine.kill_all_of('flwr-serverapp')} processes")
        goes_on(machine, "the ServerApp was killed")
        tell("rounds go on")
        wait_until(lambda: run.poll() is not None, 420, "the study ends")
        assert run.returncode == 0, machine.said("run")
        assert_as_inline(machine, machine.study.run / "release")
        tell("ended")
    finally:
        machine.end_all()


def kill_a_task(machine, site):
    """As the kernel does, in the middle of a message."""
    started = psutil.Process(machine.started[site].pid).children()
    (server,) = [process.pid for process in started if "client.node.fork_server" in process.cmdline()]
    found, tasks = [], Path(f"/proc/{server}/task/{server}/children")
    wait_until(lambda: found.extend(tasks.read_text().split()) or found, 240, "a task to kill", 0.005)
    os.kill(int(found[0]), signal.SIGKILL)


def show(machine, issued):
    """A certificate of this day, to whoever connects from now on: all sites. A connection outlives its certificate."""
    tls = machine.study.tls
    issue_server_certificate(tls, names_in(tls), issued)
    machine.started["nginx"].terminate()  # a reload would leave connections as they are
    machine.started["nginx"].wait(30)
    machine.start_gateway()
