"""status.json says the last of everything, and reading it waits for no large library."""

import subprocess
import sys

from modalities.core.patience import Patience
from server.state.notes import INFO, Note
from server.state.status import read_status, stage, write_status
from server.state.study import Progress, StudyState
from tests.support import small_federation

FEDERATION = small_federation()


def test_a_step_writes_the_last_loss_the_bytes_of_all_sites_and_the_last_twenty_notes(tmp_path):
    study = StudyState(FEDERATION)
    study.progress = {"cnv": Progress(2, Patience(0), False, [1.5, 1.25, 1.125]), "hif": Progress()}
    study.cohorts = {"north": {"cnv": 17}, "south": {"cnv": 5, "hif": 3}}
    study.notes = [Note(INFO, "north", "*", f"note {number}") for number in range(23)]
    for site, n_bytes in (("north", 700), ("south", 13)):
        study.traffic.down[site]["cnv"] = n_bytes
    study.traffic.up["south"]["cnv"] = 11
    write_status(tmp_path / "run", study, {"phase": "branches", "round": 2})
    status = read_status(tmp_path / "run")
    assert status["held_out"] == {"cnv": 1.125}
    assert status["rounds"] == {
        "cnv": {"done": 2, "of": FEDERATION.modalities["cnv"].federated.rounds, "ended": False},
        "hif": {"done": 0, "of": FEDERATION.modalities["hif"].federated.rounds, "ended": False},
    }
    assert status["bytes"] == {"cnv": {"up": 11, "down": 713}}
    assert [note["text"] for note in status["notes"]] == [f"note {number}" for number in range(3, 23)]
    assert stage(status, "not begun") == "branches, round 2"


def test_before_the_first_step_there_is_no_status(tmp_path):
    assert read_status(tmp_path) == {}
    assert stage({}, "not begun") == "not begun"


def test_reading_a_status_waits_for_neither_torch_nor_scipy():
    code = "import sys, server.state.status; print([name for name in ('torch', 'scipy') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
