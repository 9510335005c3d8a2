"""A site too slow for one round: the others go on at the deadline, and its late reply counts for nothing.

On a busy machine other sites may be late too, or the same one again: the study says whose answer is in no sum, and its
weights are those of a study on this machine alone that lost the same answers.
"""

import json
import signal

import pytest

from client.node.home import Home
from server.state.status import read_status
from tests.deployment.machine import NGINX, Asked, Machine, wait_until
from tests.deployment.test_loopback import assert_same
from tests.support import WatchedGrid, loses_what_was_missing, run_small, small_federation

ROUNDS, FIRST_ROUNDS, DEADLINE_S = 6, 1, 20
SLOW, REQUEST = "site_2", "train.branches"
LATE = {"level": "refused", "site": SLOW, "part": "*", "text": "no reply before the deadline"}


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_a_round_ends_at_its_deadline_without_the_slow_site_and_its_late_reply_is_not_used(tmp_path):
    machine = Machine(tmp_path)
    study, federated = machine.study, {"rounds": ROUNDS, "patience": 0}
    federation = small_federation(
        fusion={"fit": "tune", "rounds": 3}, modalities__cnv__federated=federated, modalities__hif__federated=federated
    )
    machine.set_up(federation, "nginx" if NGINX else "builtin", round_timeout_s=DEADLINE_S)
    words = ("client.node.fork_server", f"sites/{SLOW}")
    try:
        machine.open()
        machine.join()
        run = machine.start("run", "server", "run", study.folder)
        wait_until(lambda: rounds_done(study) >= FIRST_ROUNDS, 400, "the rounds before", 0.02)
        asked = Asked(machine, SLOW)
        wait_until(lambda: asked.for_(REQUEST), 200, "the slow site is asked", 0.02)
        assert machine.signal_all_of(signal.SIGSTOP, *words) >= 1
        wait_until(lambda: LATE in read_status(study.run)["notes"], 2 * DEADLINE_S, "the deadline", 0.1)
        machine.signal_all_of(signal.SIGCONT, *words)
        machine.log("status").write_text(machine.call("server", "status", study.folder))
        wait_until(lambda: run.poll() is not None, 400, "the study ends")
        assert run.returncode == 0, machine.said("run")
        log, incomplete = Home(machine.sites / SLOW).log.read_text(), read_status(study.run)["incomplete"]
        assert log.count(f"Sending: {REQUEST} message") == log.count(f"Receiving: {REQUEST} message")  # late, too
        assert max(incomplete[SLOW]["cnv"]) > FIRST_ROUNDS
        assert f"not in every sum: {SLOW}: cnv, round" in machine.said("run")
        machine.call("server", "verify", study.run / "release", "--key", study.release_public_key)

        lost = WatchedGrid(machine.sites, loses=loses_what_was_missing(incomplete))
        assert_same(study.run / "release", run_small(machine.sites, federation, lost))
    finally:
        machine.end_all()
        (tmp_path / "told.txt").write_text(json.dumps(read_status(study.run).get("notes", []), indent=1))


def rounds_done(study):
    return read_status(study.run).get("rounds", {}).get("cnv", {}).get("done", 0)
