"""The coordinator's machine loses power in each phase: what was finished stays, and the study ends as if it had not."""

import json
import time

import pytest

from modalities.core.release.release import MODEL
from server.coordinator.flower import is_up
from server.state.status import read_status
from tests.deployment.machine import NGINX, STUDY_S, Asked, Machine, wait_until
from tests.deployment.test_loopback import assert_as_inline
from tests.support import small_federation

ROUNDS = 2
REQUESTS = (
    "query.capabilities",
    "query.statistics",
    "query.setup",
    "train.branches",
    "evaluate.branches",
    "train.fusion",
    "query.calibration",
    "query.conformal",
)
"""What the sites are asked for, phase by phase."""
FINISHED, WRITTEN = "the last step is done", "the release is written and not yet signed"
MOMENTS = (*REQUESTS, FINISHED, WRITTEN)


def steps_of(status):
    """All that a power cut must not lose: finished rounds of each modality, and of the head's fit."""
    rounds = {name: own["done"] for name, own in status.get("rounds", {}).items()}
    return {"cnv": 0, "hif": 0, **rounds, "fusion": status["round"] if status.get("phase") == "fusion" else 0}


@pytest.mark.faults
@pytest.mark.timeout(3000)
def test_power_fails_at_the_coordinator_in_every_phase_and_the_study_ends_as_if_it_had_not(tmp_path):
    machine = Machine(tmp_path)
    study, federated = machine.study, {"rounds": ROUNDS, "patience": 0}
    federation = small_federation(
        fusion={"fit": "tune", "rounds": 2},
        modalities__cnv__federated={**federated, "min_holders": 3},
        modalities__hif__federated={**federated, "min_holders": 2},
    )  # however long a site takes to come back, no round is one of the others alone
    machine.set_up(federation, "nginx" if NGINX else "builtin", round_timeout_s=300, wait_s=300)
    told, began, before = [], time.monotonic(), steps_of({})
    try:
        machine.open()
        machine.join()
        for moment in MOMENTS:
            has_come = coming(machine, moment)
            machine.start(moment, "server", command_for(machine), study.folder)
            machine.cut_the_power(moment, "start", when=has_come, seconds=900, what=moment)
            steps, released = steps_of(read_status(study.run)), (study.run / "release" / MODEL).is_file()
            told.append(f"{time.monotonic() - began:4.0f} s: power cut at {moment}, after {steps}; {released=}")
            assert all(steps[name] >= done for name, done in before.items()) or steps["fusion"] == 0
            before = steps
            machine.start("start", "server", "start", study.folder)
            wait_until(lambda: is_up(study), 60, "the SuperLink is up again")
        said = machine.call("server", "resume", study.folder, timeout=STUDY_S)
        told.append(f"{time.monotonic() - began:4.0f} s: the study has ended\n{said}")
        machine.call("server", "verify", study.run / "release", "--key", study.release_public_key)
        assert read_status(study.run)["incomplete"] == {}
        assert_as_inline(machine, study.run / "release")
        assert steps_of(read_status(study.run)) == {"cnv": ROUNDS, "hif": ROUNDS, "fusion": 0}
    finally:
        machine.end_all()
        logs = [f"== {name}\n{machine.said(name)[-1500:]}" for name in ("start", *MOMENTS)]
        refused = json.dumps(read_status(study.run).get("notes", []), indent=1)
        (tmp_path / "told.txt").write_text("\n".join([*told, refused, *logs]))


def coming(machine, moment):
    """Whether the moment has come, counted from now."""
    if moment == FINISHED:
        return lambda: read_status(machine.study.run).get("finished", False)
    if moment == WRITTEN:
        return (machine.study.run / "release" / MODEL).is_file
    asked = Asked(machine)
    return lambda: asked.for_(moment)


def command_for(machine):
    """`resume`; where nothing is finished yet it says so, and names `run`."""
    if (machine.study.run / "checkpoint.safetensors").is_file():
        return "resume"
    done = machine.run("server", "resume", machine.study.folder)
    assert done.returncode == 1
    assert "nothing to resume, since no step of this study is finished; begin it with `tessera-server run" in (
        done.stdout + done.stderr
    ).replace("\n", " ")
    return "run"
