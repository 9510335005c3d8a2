"""The only site with a modality leaves in the middle of a study: one modality waits for it, another is skipped."""

import pytest

from client.node.home import Home
from server.state.release import read_release
from server.state.status import read_status
from tests.deployment.machine import NGINX, STUDY_S, Machine, wait_until
from tests.support import features_of, run_small, same_arrays, small_federation

ROUNDS, WAIT_S = 5, 15
HOLDINGS = (("cnv",), ("cnv",), ("cnv", "hif", "waits"))
LEAVES = "site_3"
FEDERATED = {"rounds": ROUNDS, "patience": 0}
LACKS = "0 of the at least 1 sites that min_holders asks for"


@pytest.mark.faults
@pytest.mark.timeout(STUDY_S + 300)
def test_a_modality_whose_last_holder_leaves_waits_or_is_skipped_and_the_others_go_on(tmp_path):
    machine = Machine(tmp_path)
    study = machine.study
    federation = small_federation(
        fusion={"fit": "tune", "rounds": 3},
        modalities__cnv__federated=FEDERATED,
        modalities__hif__federated={**FEDERATED, "absent": "skip"},
        modalities__waits={"kind": "table", "features": features_of("table"), "federated": FEDERATED},
    )
    gateway = "nginx" if NGINX else "builtin"
    machine.set_up(federation, gateway, HOLDINGS, sites=2, round_timeout_s=120, wait_s=WAIT_S)
    try:
        machine.open()
        machine.join()
        wait_until(lambda: all("connected" in machine.said(site) for site in ("site_1", LEAVES)), 120, "all connect")
        run = machine.start("run", "server", "run", study.folder)
        wait_until(lambda: rounds_done(study).get("waits", 0) >= 2, 180, "two rounds are done", 0.05)
        assert machine.type_in("client", "leave", machine.sites / LEAVES) == "left\n"
        machine.started[LEAVES].wait(60)
        wait_until(lambda: run.poll() is not None, 400, "nothing is left to do without it")
        assert run.returncode == 1
        said = machine.said("run").replace("\n", " ")
        assert f"waits: {LACKS} (held by {LEAVES} (away)); everything until now is kept" in said
        done = rounds_done(study)
        assert (done["cnv"], done["hif"]) == (ROUNDS, ROUNDS)
        assert 2 <= done["waits"] < ROUNDS
        status = read_status(study.run)
        reasons = {(one["site"], one["part"]): one["text"] for one in status["notes"]}
        assert reasons["*", "hif"] == f"round {ROUNDS} skipped: {LACKS}"
        assert reasons["*", "waits"] == f"waits: {LACKS}"
        assert status["away"] == [LEAVES] or LEAVES in str(status["cohorts"])

        machine.join(LEAVES)
        wait_until(lambda: machine.said(LEAVES).count("connected\n") == 2, 180, "it is back")
        machine.call("server", "resume", study.folder, timeout=STUDY_S)
        release, _ = read_release(study.run / "release")
        whole = run_small(machine.sites, federation)  # nothing was lost of what waited
        assert same_arrays({"waits": release.weights["waits"]}, {"waits": whole.weights["waits"]})
        assert Home(machine.sites / LEAVES).audit.is_file()
    finally:
        machine.end_all()


def rounds_done(study):
    return {name: own["done"] for name, own in read_status(study.run).get("rounds", {}).items()}
