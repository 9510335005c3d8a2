"""`tessera-server track`: the lines of metrics.jsonl into TensorBoard or MLflow, as long as the study goes on."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import typer

from modalities.core.console import say
from modalities.core.files.journal import entries_of
from modalities.core.problems import unusable
from server.coordinator.folder import Study
from server.state.measured import METRICS

Target = Literal["tensorboard", "mlflow"]
NUMBERS = ("held_out_loss", "training_loss", "loss_sum", "sites", "cases", "bytes_up", "bytes_down", "seconds")
"""What a line measures."""
TAG = "tessera.metrics"
"""Of an MLflow run: the file that it follows."""
_SUFFIX = ".tessera"
_REMEDY = "move the file away: the study writes on without it"


class Point(NamedTuple):
    """One number of one line."""

    name: str
    """`cnv/held_out_loss`, `fusion/seconds`, ..."""
    value: float
    step: int
    at: float
    """Seconds since 1970."""


class Writer(Protocol):
    """Where points go."""

    def add(self, points: Sequence[Point]) -> None: ...


def points_of(line: dict[str, Any]) -> list[Point]:
    """A line's numbers; a held-out loss stands at the round that made the weights it is of."""
    owner, rounds = line["modality"] or line["phase"], line["round"] or 0
    at = datetime.fromisoformat(line["time"]).timestamp()
    scored = {"held_out_loss": rounds - (line["phase"] == "branches")}
    numbers = {name: line[name] for name in NUMBERS if line[name] is not None}
    if line["phase"] in ("closing evaluation", "finished"):  # no round: its bytes would stand beside those of one
        numbers = {name: value for name, value in numbers.items() if name in scored}
    return [Point(f"{owner}/{name}", float(value), scored.get(name, rounds), at) for name, value in numbers.items()]


def metrics_file(folder: Path) -> Path:
    """The metrics.jsonl of a study's folder, or of any folder that holds one, as a simulated fold's.

    Raises:
        ValueError: there is none.
    """
    for path in (folder / METRICS, Study(folder).run / METRICS, folder / "federated" / METRICS):
        if path.is_file():
            return path
    raise unusable(f"no {METRICS} here", "give the folder of a study that has begun", file=str(folder))


def track(
    folder: Annotated[Path, typer.Argument(help="The study's folder, or a simulated fold's (RUN/folds/1).")],
    to: Annotated[Target, typer.Option(help="tensorboard, or mlflow.")],
    out: Annotated[
        str, typer.Option(help="TensorBoard's folder, or the address of MLflow's server (or sqlite:///FILE).")
    ],
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the study is finished, or Ctrl-C.")] = False,
) -> None:
    """Hand the rounds of a study, in metrics.jsonl, to TensorBoard or MLflow."""
    path = metrics_file(folder)
    n_lines = copy_lines(path, writer_to(to, out, path), follow)
    say(f"{path}: {n_lines} lines to {out}")


def copy_lines(path: Path, writer: Writer, follow: bool = False, look_s: float = 2.0) -> int:
    """Write every line, and with `follow` those to come until the study is finished; how many there were."""
    done = 0
    for lines in _looks(path, follow, look_s):
        writer.add([point for line in lines[done:] for point in points_of(line)])
        done = len(lines)
    return done


def _looks(path: Path, follow: bool, look_s: float) -> Iterator[list[dict[str, Any]]]:
    lines = entries_of(path, _REMEDY)
    yield lines
    while follow and not any(line["phase"] == "finished" for line in lines):
        time.sleep(look_s)
        lines = entries_of(path, _REMEDY)
        yield lines


def writer_to(target: Target, out: str, path: Path) -> Writer:
    """A writer into a folder of TensorBoard's, or to an MLflow tracking server, by its address, or file.

    Raises:
        ValueError: the extra that it needs is not installed.
    """
    try:
        return TensorBoard(Path(out)) if target == "tensorboard" else MlFlow(out, path)
    except ImportError as error:
        remedy = f"pip install '.[{target}]' in the folder of the code"
        raise unusable(f"--to {target} needs a package that is not installed: {error.name}", remedy) from None


class TensorBoard:
    """Events in a folder; those that an earlier call wrote there make way, so that nothing is there twice."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        for old in folder.glob(f"events.*{_SUFFIX}"):
            old.unlink()
        self._events = SummaryWriter(str(folder), filename_suffix=_SUFFIX)

    def add(self, points: Sequence[Point]) -> None:
        """Write them, and see that a TensorBoard that looks into the folder finds them."""
        for point in points:
            self._events.add_scalar(point.name, point.value, point.step, point.at)
        self._events.flush()


class MlFlow:
    """One run for each metrics.jsonl, in the experiment `tessera`; what it has already is not logged again."""

    def __init__(self, address: str, path: Path) -> None:
        from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]  # of an extra

        self._client, followed = MlflowClient(tracking_uri=address), str(path.resolve())
        found = self._client.get_experiment_by_name("tessera")
        experiment = found.experiment_id if found else self._client.create_experiment("tessera")
        runs = self._client.search_runs([experiment], f"tags.`{TAG}` = '{followed}'")
        tags = {TAG: followed}
        run = runs[0] if runs else self._client.create_run(experiment, run_name=path.parent.name, tags=tags)
        self._run = run.info.run_id
        self._last = {name: self._newest(name) for name in run.data.metrics}

    def add(self, points: Sequence[Point]) -> None:
        """Log what is new, a thousand numbers at a time: MLflow takes no more."""
        from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

        new = [point for point in points if point.step > self._last.get(point.name, -1)]
        metrics = [Metric(point.name, point.value, int(point.at * 1000), point.step) for point in new]
        for first in range(0, len(metrics), 1000):
            self._client.log_batch(self._run, metrics=metrics[first : first + 1000])

    def _newest(self, name: str) -> int:
        return max(metric.step for metric in self._client.get_metric_history(self._run, name))
