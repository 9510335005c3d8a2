"""Every party of a study dies once, for real: no finished round is lost, and the release is the inline engine's."""

import json
import time

import psutil
import pytest

from server.coordinator.flower import is_up
from server.state.status import read_status
from tests.deployment.machine import NGINX, Machine, wait_until
from tests.deployment.test_loopback import assert_as_inline
from tests.support import small_federation

ROUNDS = 16


def rounds_done(machine):
    """Of the modality that needs all three sites."""
    return read_status(machine.study.run).get("rounds", {}).get("cnv", {}).get("done", 0)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_site_coordinator_and_superlink_are_killed_in_turn_and_the_study_ends_as_if_they_had_not(tmp_path):
    machine = Machine(tmp_path)
    federated = {"rounds": ROUNDS, "patience": 0, "min_holders": 2}
    federation = small_federation(
        fusion={"fit": "tune", "rounds": 3},
        modalities__cnv__federated={**federated, "min_holders": 3},
        modalities__hif__federated=federated,
    )
    machine.set_up(federation, "nginx" if NGINX else "builtin", round_timeout_s=120)
    began, told = time.monotonic(), []

    def tell(what):
        told.append(f"{time.monotonic() - began:4.0f} s, round {rounds_done(machine)}: {what}")

    try:
        machine.open()
        machine.join()
        run = machine.start("run", "server", "run", machine.study.folder)
        wait_until(lambda: rounds_done(machine) >= 2, 180, "two rounds are done")

        tell(f"site_2 killed, {machine.kill_all_of('sites/site_2')} processes")
        machine.started["site_2"].wait(10)
        machine.join("site_2")
        before = rounds_done(machine)
        wait_until(lambda: rounds_done(machine) >= before + 2, 300, "site_2 is back, and rounds of all three go on")
        tell("site_2 takes part again")

        run.kill()
        run.wait(10)
        before = rounds_done(machine)
        resume = psutil.Process(machine.start("resume", "server", "resume", machine.study.folder).pid)
        wait_until(resume.children, 60, "resume asks Flower which run goes on", 0.05)
        wait_until(lambda: not resume.children(), 60, "Flower has answered")
        wait_until(lambda: rounds_done(machine) > before + 1, 120, "resume follows the run that goes on")
        tell("the coordinator's `run` was killed, and `resume` goes on")

        tell(f"SuperLink killed, {machine.kill_all_of('superlink.py')} processes")
        before = rounds_done(machine)
        machine.started["start"].wait(30)
        machine.start("start", "server", "start", machine.study.folder)
        wait_until(lambda: is_up(machine.study), 60, "the SuperLink is up again")
        assert rounds_done(machine) >= before
        wait_until(lambda: machine.started["resume"].poll() is not None, 420, "the study ends")
        tell("the study has ended")
        assert machine.started["resume"].returncode == 0, machine.said("resume")
        release = machine.study.run / "release"
        machine.call("server", "verify", release, "--key", machine.study.release_public_key)
        assert_as_inline(machine, release)
        status = read_status(machine.study.run)
        assert {name: own["done"] for name, own in status["rounds"].items()} == {"cnv": ROUNDS, "hif": ROUNDS}
    finally:
        machine.end_all()
        refused = read_status(machine.study.run).get("notes", [])
        logs = [f"== {name}\n{machine.said(name)[-1500:]}" for name in ("run", "resume", "start", "site_2")]
        (tmp_path / "told.txt").write_text("\n".join([*told, json.dumps(refused, indent=1), *logs]))
