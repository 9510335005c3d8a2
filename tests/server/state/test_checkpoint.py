"""A study's progress on disk."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from modalities.core.files.atomic import write_atomically
from modalities.core.fusion.evidence import Evaluation
from modalities.core.fusion.fit import FitProgress, HeadFit, Moments
from modalities.core.fusion.search import Memory
from modalities.core.patience import Patience
from server.state.checkpoint import load_checkpoint, save_checkpoint
from server.state.head_search import search_to_arrays
from server.state.notes import Note
from server.state.study import Progress, StudyState
from tests.support import same_arrays, small_federation

FEDERATION = small_federation()


def grown_state():
    """A state with something in every field."""
    rng = np.random.default_rng(0)
    state = StudyState(FEDERATION)
    state.states = {"cnv": {"mean": rng.normal(size=5), "flagged": np.array([1, 3]), "scale": np.array(0.5)}}
    state.class_counts = [7.0, 3.5, 0.0, 11.0]
    state.weights = {
        "cnv": {"head.weight": rng.normal(size=(4, 3)).astype(np.float32).T, "steps": np.array(4, np.int64)},
        "cnv@1": {"head.weight": np.zeros((0, 3), np.float32)},
    }
    state.best = {"cnv": {"head.weight": rng.normal(size=(4, 3)).astype(np.float32)}}
    state.optimisers = {"cnv": {"m_t/head.weight": rng.normal(size=2)}, "cnv@1": {}}
    state.progress = {"cnv": Progress(3, Patience(5, 1.25, 2), False, [1.5, 1.25]), "hif": Progress(done=True)}
    state.frozen = ["hif"]
    draw = [torch.from_numpy(rng.normal(size=4)) for _ in range(6)]
    fits = {"mean@1": HeadFit({}, [1.5], 7, 1), "weighted@0": HeadFit({"cnv.a": draw[0]}, [0.0], 0, 3)}
    evaluations = [Evaluation(3.5, {"cnv.d": draw[1]}, 1.25, 5), Evaluation(2.5, {"cnv.d": draw[2]})]
    moments = Moments({"cnv.W": draw[3].float()}, {"cnv.W": draw[4]}, {"cnv.W": draw[5]}, 2)
    state.search = Memory(fits, FitProgress(evaluations, moments))
    state.head_name, state.out_of_fold, state.fusion_rounds = "weighted", {"mean": 0.75, "weighted": 0.5}, 4
    state.head = {"cnv.d": rng.normal(size=4), "shared.b": rng.normal(size=4)}
    state.calibration = {"temperature": rng.normal(size=1), "thresholds": rng.normal(size=4)}
    state.cohorts = {"north": {"cnv": 17}}
    state.notes = [Note("refused", "south", "*", "no reply before the deadline")]
    state.traffic.down["north"]["cnv"] = 1301
    state.traffic.up["north"]["shared"] = 17
    return state


def same_search(one, other):
    """Whether nothing of a search was lost, type by type and bit by bit."""
    (arrays, plain), (found, found_plain) = search_to_arrays(one), search_to_arrays(other)
    return plain == found_plain and same_arrays({"": arrays}, {"": found}) and len(arrays) == 6


def test_everything_a_study_knows_comes_back_bit_for_bit(tmp_path):
    state = grown_state()
    state.save(tmp_path / "checkpoint")
    found = StudyState.load(tmp_path / "checkpoint", FEDERATION)
    for group in ("states", "weights", "best"):
        assert same_arrays(getattr(state, group), getattr(found, group)), group
    assert same_arrays({"head": state.head}, {"head": found.head})
    assert same_arrays({"calibration": state.calibration}, {"calibration": found.calibration})
    assert same_arrays({"cnv": state.optimisers["cnv"]}, {"cnv": found.optimisers["cnv"]})
    assert same_search(state.search, found.search)
    for name in (
        "head_name",
        "out_of_fold",
        "fusion_rounds",
        "class_counts",
        "progress",
        "frozen",
        "finished",
        "cohorts",
        "notes",
    ):
        assert getattr(found, name) == getattr(state, name), name
    assert found.traffic.table() == state.traffic.table()


def test_a_fresh_study_comes_back_too(tmp_path):
    StudyState(FEDERATION).save(tmp_path / "checkpoint")
    found = StudyState.load(tmp_path / "checkpoint", FEDERATION)
    assert found.progress == {}
    assert found.progress.get("cnv", Progress()).stop.best_loss == float("inf")


def flipped(content):
    """One bit of the last array's bytes."""
    return content[:-3] + bytes([content[-3] ^ 4]) + content[-2:]


def test_one_flipped_bit_is_seen(tmp_path):
    """It would otherwise be trained on, and signed."""
    path = tmp_path / "checkpoint.safetensors"
    grown_state().save(path)
    path.write_bytes(flipped(path.read_bytes()))
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors: other bytes than were written; move it away"):
        StudyState.load(path, FEDERATION)


def test_in_the_place_of_a_damaged_checkpoint_the_one_before_is_taken_and_the_damaged_one_kept(tmp_path):
    path, state = tmp_path / "checkpoint.safetensors", grown_state()
    state.save(path)
    state.fusion_rounds = 5
    state.save(path)
    damaged = flipped(path.read_bytes())
    path.write_bytes(damaged)
    found = StudyState.load(path, FEDERATION)
    assert found.fusion_rounds == 4
    assert found.notes[-1].text == (
        "checkpoint.safetensors was damaged, and is kept as damaged-checkpoint.safetensors: the study goes on from the "
        "step before"
    )
    assert (tmp_path / "damaged-checkpoint.safetensors").read_bytes() == damaged
    found.save(path)
    again = StudyState.load(path, FEDERATION)
    assert (again.fusion_rounds, again.notes) == (4, found.notes)
    for file in ("checkpoint.safetensors", "before-checkpoint.safetensors"):
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(ValueError, match=r"/checkpoint\.safetensors: no readable checkpoint"):
        StudyState.load(path, FEDERATION)


def test_where_the_disk_has_no_second_names_the_one_before_is_a_copy(tmp_path, monkeypatch):
    def refuses(*args):
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuses)
    path, state = tmp_path / "checkpoint.safetensors", grown_state()
    state.save(path)
    first = path.read_bytes()
    state.fusion_rounds = 5
    state.save(path)
    assert (tmp_path / "before-checkpoint.safetensors").read_bytes() == first != path.read_bytes()


def test_a_checkpoint_of_a_version_that_wrote_no_digest_is_read(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "checkpoint.safetensors"
    save_file({"w": np.ones(3)}, path, metadata={"tessera": '{"note": 1}'})
    assert load_checkpoint(path)[1] == {"note": 1}


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "header"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "checkpoint.safetensors"
    grown_state().save(path)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:-7], "text": b"hello", "header": b"\xff" * 8 + whole[8:]}[damage])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors: no readable checkpoint; move it away to begin"):
        StudyState.load(path, FEDERATION)


def test_a_file_of_another_program_is_refused(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "model.safetensors"
    save_file({"w": np.ones(3)}, path)
    with pytest.raises(ValueError, match="no readable checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_file_before_it(tmp_path, monkeypatch, fails):
    path = tmp_path / "checkpoint"
    write_atomically(path, b"before")

    def crash(*args):
        raise OSError("no space left on device")

    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", crash)
    else:
        monkeypatch.setattr(type(path), "replace", crash)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"


SAVES = """
import sys
from pathlib import Path
import numpy as np
from server.state.checkpoint import save_checkpoint
while True:
    save_checkpoint(Path(sys.argv[1]), {"a": np.zeros(4_000_000)}, {})
"""


def test_what_a_process_killed_while_it_saved_has_left_is_gone_after_the_next_save(tmp_path):
    path, left = tmp_path / "run" / "checkpoint.safetensors", set()
    command, source = [sys.executable, "-c", SAVES, path], {**os.environ, "PYTHONPATH": str(Path.cwd())}
    deadline = time.monotonic() + 120
    while not left and time.monotonic() < deadline:
        with subprocess.Popen(command, env=source) as saves:
            while not (left := set(path.parent.glob(".tmp*"))) and saves.poll() is None:
                pass
            saves.kill()
        left = set(path.parent.glob(".tmp*"))
    assert left  # a file of 32 MB
    (path.parent / ".tmp-of-mine").write_text("kept")
    save_checkpoint(path, {"a": np.ones(3)}, {})
    names = {file.name for file in path.parent.iterdir()}
    assert {path.name, ".tmp-of-mine"} <= names <= {path.name, f"before-{path.name}", ".tmp-of-mine"}


def test_arrays_that_are_views_are_kept_as_they_look(tmp_path):
    base = np.arange(12.0).reshape(3, 4)
    save_checkpoint(tmp_path / "c", {"t": base.T, "s": base[:, ::2], "z": np.array(7)}, {"note": "x"})
    arrays, meta = load_checkpoint(tmp_path / "c")
    assert np.array_equal(arrays["t"], base.T)
    assert np.array_equal(arrays["s"], base[:, ::2])
    assert arrays["z"].shape == ()
    assert meta == {"note": "x"}


def test_a_name_may_hold_the_sign_that_parts_names(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    StudyState(small_federation(), states={"cnv": {"a|b|c": np.ones(2)}}).save(path)
    assert StudyState.load(path, small_federation()).states["cnv"]["a|b|c"].tolist() == [1, 1]
