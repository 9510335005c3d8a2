"""metrics.jsonl of a study: what each round came to, once, wherever the server is killed."""

import json
from collections import defaultdict

import pytest

from modalities.core.files.journal import add_after
from server.state.measured import METRICS
from strategies.wire import bytes_by_owner
from tests.server.phases.test_study_resumes import FEDERATION, Failing, PlugPulledError
from tests.server.phases.test_study_stops import impatient
from tests.support import HOLDINGS, WatchedGrid, run_small, small_federation, write_sites

MOMENTS = ("seconds", "time", "bytes_up", "bytes_down")
PHASES = ["branches", "closing evaluation", "fusion", "calibration", "finished"]


def lines_of(path):
    return [json.loads(line) for line in path.with_name(METRICS).read_text(encoding="utf-8").splitlines()]


def lasting(lines):
    """What does not depend on the clock, nor on how often a site had to be asked."""
    return [{name: value for name, value in line.items() if name not in MOMENTS} for line in lines]


@pytest.fixture(scope="module")
def measured(root, tmp_path_factory):
    """The lines of an uninterrupted study, and the study."""
    path = tmp_path_factory.mktemp("measured") / "checkpoint.safetensors"
    study = run_small(root, FEDERATION, checkpoint=path)
    return lines_of(path), study


def test_every_round_of_every_modality_is_a_line_and_every_line_has_every_field(measured):
    lines, study = measured
    assert list(dict.fromkeys(line["phase"] for line in lines)) == PHASES
    assert len({tuple(line) for line in lines}) == 1
    rounds = [(line["modality"], line["round"]) for line in lines if line["phase"] == "branches"]
    assert rounds == [("cnv", 1), ("hif", 1), ("cnv", 2), ("hif", 2)]
    fusion = [line["round"] for line in lines if line["phase"] == "fusion"]
    assert fusion == list(range(1, study.fusion_rounds + 1))


def test_the_held_out_loss_is_the_curve_of_the_study(measured):
    """A round scores the weights it begins with; the closing evaluation those that the last round left."""
    lines, study = measured
    curves = defaultdict(dict)
    for line in lines:
        if line["modality"]:
            scored = line["round"] - (line["phase"] == "branches")
            curves[line["modality"]][scored] = line["held_out_loss"]
    assert {name: list(curve.values()) for name, curve in curves.items()} == {
        name: progress.curve for name, progress in study.progress.items()
    }
    assert all(list(curve) == [0, 1, 2] for curve in curves.values())


def test_sites_and_cases_are_those_that_hold_the_modality(measured):
    """Sites 1, 2 and 3 train on all that cohorts say; the second has copy number only."""
    lines, study = measured
    for name in ("cnv", "hif"):
        holders = [held[name] for held in study.cohorts.values() if name in held]
        assert len(holders) == sum(name in held for held in HOLDINGS)
        for line in lines:
            if (line["phase"], line["modality"]) == ("branches", name):
                assert (line["sites"], line["cases"]) == (len(holders), sum(holders))
                assert 0 < line["training_loss"] < 3


def test_bytes_of_a_line_are_those_of_the_modality_in_the_messages_of_its_round(root, measured, tmp_path):
    grid = WatchedGrid(root)
    run_small(root, FEDERATION, grid, checkpoint=tmp_path / "checkpoint.safetensors")
    for name, round_ in (("cnv", 1), ("hif", 2)):
        (line,) = [
            own for own in measured[0] if (own["phase"], own["modality"], own["round"]) == ("branches", name, round_)
        ]
        for way, messages in (("bytes_up", grid.replies), ("bytes_down", grid.asked)):
            own = [each for each in messages if each.metadata.message_type == "train.branches"]
            half = own[: len(own) // 2] if round_ == 1 else own[len(own) // 2 :]
            assert len(half) == len(HOLDINGS)
            assert line[way] == sum(bytes_by_owner(each.content).get(name, 0) for each in half) > 0
    assert all(line["seconds"] >= 0 for line in measured[0])


def test_killed_after_any_checkpoint_the_file_has_no_gap_and_no_repeat(root, measured, tmp_path, monkeypatch):
    """The moment between the checkpoint and the lines it holds: the disk is full, or the power is gone."""
    whole = lasting(measured[0])
    for killed_at in range(1, 30):
        folder = tmp_path / str(killed_at)
        left = [killed_at]

        def full(path, n_kept, entries, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise PlugPulledError("before its lines")
            return add_after(path, n_kept, entries)

        with monkeypatch.context() as patched:
            patched.setattr("server.state.measured.add_after", full)
            try:
                run_small(root, FEDERATION, checkpoint=folder / "checkpoint.safetensors")
                break
            except PlugPulledError:
                pass
        run_small(root, FEDERATION, checkpoint=folder / "checkpoint.safetensors")
        found = lasting(lines_of(folder / "checkpoint.safetensors"))
        assert found == whole, killed_at
    assert killed_at > len({*PHASES})


def test_killed_in_the_middle_of_any_exchange_the_file_has_no_gap_and_no_repeat(root, measured, tmp_path):
    whole, killed = lasting(measured[0]), 0
    for group in range(4, 30, 2):
        path = tmp_path / f"{group}" / "checkpoint.safetensors"
        try:
            run_small(root, FEDERATION, Failing(root, group), checkpoint=path)
            break
        except PlugPulledError:
            killed += 1
            run_small(root, FEDERATION, checkpoint=path)
            assert lasting(lines_of(path)) == whole, f"killed in exchange {group}"
    assert killed >= 4


def test_lines_that_a_crash_tore_or_a_restored_checkpoint_does_not_know_make_way(root, measured, tmp_path):
    path, saved = tmp_path / "checkpoint.safetensors", []

    def keep(event):
        if event["phase"] == "branches" and event.get("round") == 1 and "held_out" in event:
            saved.append(path.read_bytes())

    run_small(root, FEDERATION, checkpoint=path, report=keep)
    path.write_bytes(saved[0])  # as from a backup: of the end of round 1
    with path.with_name(METRICS).open("a", encoding="utf-8") as file:
        file.write('{"phase": "fini')
    study = run_small(root, FEDERATION, checkpoint=path)
    assert lasting(lines_of(path)) == lasting(measured[0])
    (note,) = [note for note in study.notes if METRICS in note.text]
    n_unknown = len(measured[0]) - 2
    assert note.text == f"metrics.jsonl: {n_unknown} lines of rounds that the checkpoint does not know are taken out"


def test_lines_that_somebody_took_away_are_said_and_the_study_goes_on(root, tmp_path):
    path = tmp_path / "checkpoint.safetensors"

    def remove(event):
        if event.get("round") == 2 and "held_out" in event:
            path.with_name(METRICS).unlink()

    study = run_small(root, small_federation(fusion__rounds=1), checkpoint=path, report=remove)
    (note,) = [note for note in study.notes if METRICS in note.text]
    assert note.text == "metrics.jsonl: 4 lines that were written are gone"
    assert lines_of(path)[0]["phase"] == "closing evaluation"


def test_a_modality_that_patience_ends_has_a_line_for_every_round_it_took(tmp_path):
    federation = impatient(modalities__hif__federated__rounds=2, fusion__rounds=1)
    root = write_sites(tmp_path / "sites", federation)
    study = run_small(root, federation, checkpoint=tmp_path / "checkpoint.safetensors")
    lines = lines_of(tmp_path / "checkpoint.safetensors")
    for name, progress in study.progress.items():
        own = [line["round"] for line in lines if (line["phase"], line["modality"]) == ("branches", name)]
        assert own == list(range(1, progress.rounds + 1))


def test_a_study_without_a_checkpoint_writes_no_lines_and_keeps_none(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_small(root, small_federation(fusion__rounds=1))
    assert list(tmp_path.iterdir()) == []
