"""`tessera-server track`: what TensorBoard and MLflow then read is what metrics.jsonl says."""

import json
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modalities.core.files.journal import add_after
from server.cli import app
from server.coordinator import track
from server.coordinator.track import copy_lines, metrics_file, points_of, writer_to
from server.state.measured import METRICS, Measurement

AT = "2026-03-01T12:00:{:02d}.500Z"
SECONDS_1970 = 1772366400.5
"""Of AT at second 0."""


def line(phase, rounds, modality=None, second=0, **numbers):
    none = dict.fromkeys(Measurement.__annotations__)
    given = {"phase": phase, "round": rounds, "modality": modality, "bytes_up": 0, "bytes_down": 0, "seconds": 0.25}
    return {**none, **given, "time": AT.format(second), **numbers}


LINES = [
    line("branches", 1, "cnv", 0, held_out_loss=1.386, training_loss=1.5, sites=3, cases=61, bytes_up=900),
    line("branches", 2, "cnv", 1, held_out_loss=1.25, training_loss=1.375, sites=2, cases=40, bytes_up=600),
    line("closing evaluation", 2, "cnv", 2, held_out_loss=1.125, sites=3, bytes_up=30),
    line("fusion", 1, None, 3, held_out_loss=1.0625, loss_sum=41.5, sites=2),
    line("finished", None, None, 4),
]


@pytest.fixture
def run(tmp_path):
    """The folder of a simulated fold."""
    (tmp_path / "federated").mkdir()
    add_after(tmp_path / "federated" / METRICS, 0, LINES)
    return tmp_path


def test_a_held_out_loss_stands_at_the_round_that_made_its_weights():
    found = [(point.name, point.step, point.value) for each in LINES for point in points_of(each)]
    assert [(step, value) for name, step, value in found if name == "cnv/held_out_loss"] == [
        (0, 1.386),
        (1, 1.25),
        (2, 1.125),
    ]
    assert [(step, value) for name, step, value in found if name == "cnv/bytes_up"] == [(1, 900), (2, 600)]
    assert ("fusion/loss_sum", 1, 41.5) in found
    assert not [name for name, _, _ in found if name.startswith("finished")]
    assert points_of(LINES[0])[0].at == SECONDS_1970


def scalars_in(folder):
    pytest.importorskip("tensorboard", reason="needs the extra `tensorboard`")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, pytest.approx(event.value)) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorBoard's own protocol buffers
def test_tensorboard_reads_every_number_once_however_often_it_is_written(run, tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra `tensorboard`")
    command = ["track", str(run), "--to", "tensorboard", "--out", str(tmp_path / "events")]
    for _ in range(2):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert "5 lines to" in result.output
    found = scalars_in(tmp_path / "events")
    assert found["cnv/held_out_loss"] == [(0, 1.386), (1, 1.25), (2, 1.125)]
    assert found["cnv/training_loss"] == [(1, 1.5), (2, 1.375)]
    assert found["fusion/loss_sum"] == [(1, 41.5)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlflow_keeps_one_run_a_study_and_logs_no_number_twice(run, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="needs the extra `mlflow`")
    path, address = metrics_file(run), f"sqlite:///{tmp_path / 'mlflow.db'}"
    add_after(path, 0, LINES[:2])
    assert copy_lines(path, writer_to("mlflow", address, path)) == 2
    add_after(path, 2, LINES[2:])
    for _ in range(2):
        assert copy_lines(path, writer_to("mlflow", address, path)) == 5
    client = mlflow.MlflowClient(tracking_uri=address)
    (kept,) = client.search_runs([client.get_experiment_by_name("tessera").experiment_id])
    history = client.get_metric_history(kept.info.run_id, "cnv/held_out_loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 1.386), (1, 1.25), (2, 1.125)]
    assert history[0].timestamp == int(SECONDS_1970 * 1000)


class Kept:
    def __init__(self):
        self.points = []

    def add(self, points):
        self.points += points


def test_with_follow_it_ends_with_the_study_and_misses_no_line(run):
    path, kept = metrics_file(run), Kept()
    add_after(path, 0, LINES[:1])
    more = threading.Timer(0.2, add_after, (path, 1, LINES[1:]))
    more.start()
    assert copy_lines(path, kept, follow=True, look_s=0.02) == len(LINES)
    more.join()
    assert kept.points == [point for each in LINES for point in points_of(each)]


def test_a_study_that_has_not_begun_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"no metrics\.jsonl here; give the folder of a study that has begun"):
        metrics_file(tmp_path)


def test_an_extra_that_is_not_installed_is_said_with_what_to_install(run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(
        ValueError, match=r"--to mlflow needs a package that is not installed: mlflow; pip install '\.\[mlflow\]'"
    ):
        writer_to("mlflow", "sqlite://", metrics_file(run))


def test_a_line_is_json_that_anything_reads(run):
    lines = [json.loads(text) for text in Path(metrics_file(run)).read_text(encoding="utf-8").splitlines()]
    assert lines == LINES


@pytest.mark.timeout(20)
def test_without_follow_a_study_that_goes_on_is_copied_as_far_as_it_is(run, monkeypatch):
    kept = Kept()
    monkeypatch.setattr(track, "writer_to", lambda target, out, path: kept)
    add_after(metrics_file(run), 0, LINES[:3])
    result = CliRunner().invoke(app, ["track", str(run), "--to", "tensorboard", "--out", "there"])
    assert result.exit_code == 0, result.output
    assert kept.points == [point for each in LINES[:3] for point in points_of(each)]
