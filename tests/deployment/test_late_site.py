"""A site too slow for one round: the others go on at the deadline, and its late reply counts for nothing."""

import json
import signal

import pytest

from client.node.home import Home
from server.state.status import read_status
from strategies.wire import CONFIG
from tests.deployment.machine import NGINX, Asked, Machine, wait_until
from tests.deployment.test_loopback import assert_same
from tests.support import WatchedGrid, run_small, site_number, small_federation

ROUNDS, SLOW_ROUND, DEADLINE_S = 6, 2, 20
SLOW, REQUEST = "site_2", "train.branches"
LATE = {"level": "refused", "site": SLOW, "part": "*", "text": "no reply before the deadline"}


@pytest.mark.faults
@pytest.mark.timeout(600)
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
        wait_until(lambda: rounds_done(study) == SLOW_ROUND - 1, 180, "the rounds before", 0.02)
        asked = Asked(machine, SLOW)
        wait_until(lambda: asked.for_(REQUEST), 60, "the slow site is asked", 0.02)
        assert machine.signal_all_of(signal.SIGSTOP, *words) >= 1
        wait_until(lambda: LATE in read_status(study.run)["notes"], 2 * DEADLINE_S, "the deadline", 0.1)
        machine.signal_all_of(signal.SIGCONT, *words)
        machine.log("status").write_text(machine.call("server", "status", study.folder))
        wait_until(lambda: run.poll() is not None, 240, "the study ends")
        assert run.returncode == 0, machine.said("run")
        refused = read_status(study.run)["notes"]
        assert {note["text"] for note in refused} == {LATE["text"]}, refused
        assert Home(machine.sites / SLOW).log.read_text().count(f"Sending: {REQUEST} message") == ROUNDS
        machine.call("server", "verify", study.run / "release", "--key", study.release_public_key)

        rounds = range(SLOW_ROUND, SLOW_ROUND + len(refused))
        lost = WatchedGrid(machine.sites, loses=lambda message: is_asked_in(message, rounds))
        assert_same(study.run / "release", run_small(machine.sites, federation, lost))
    finally:
        machine.end_all()
        (tmp_path / "told.txt").write_text(json.dumps(read_status(study.run).get("notes", []), indent=1))


def rounds_done(study):
    return read_status(study.run).get("rounds", {}).get("cnv", {}).get("done", 0)


def is_asked_in(message, rounds):
    """Whether this is the slow site's message of one of these rounds."""
    if message.metadata.message_type != REQUEST or site_number(message) != int(SLOW[-1]):
        return False
    configs = [record for key, record in message.content.items() if key.startswith(CONFIG)]
    return any(config.get("server-round") in rounds for config in configs)
