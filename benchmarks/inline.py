"""The real thing on the inline engine: ServerApp's phases, PerModality, ClientApp, replies in order, reply checks."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.floor import Floor, build_floor
from benchmarks.measure import Timings, say_peak
from benchmarks.workloads import MODALITY, WORKLOADS, Workload
from client.app import app
from client.study.session import site_data, site_folders
from modalities.core.settings.federation import Federation
from server.phases.branches import train_branches
from server.phases.options import Options
from server.phases.order import take_attendance
from server.state.study import StudyState
from simulations.engines.inline import InlineGrid


@dataclass(frozen=True)
class Interleaved(Options):
    """Options under which the floor takes its round after each of ours."""

    floor: Floor | None = None
    ours: Timings = field(default_factory=Timings)
    floors: Timings = field(default_factory=Timings)
    differences: list[float] = field(default_factory=list)
    """Largest difference of a weight after each round."""

    def step(self, study: StudyState, event: Mapping[str, Any]) -> None:
        """Our round is over, its checkpoint included where one is kept: the floor's turn."""
        super().step(study, event)
        if "round" not in event or self.floor is None:
            return
        self.ours.stop()
        self.floors.start()
        self.floor.round(event["round"])
        self.floors.stop()
        pairs = zip(study.weights[MODALITY].values(), self.floor.weights, strict=True)
        self.differences.append(max(float(np.abs(own - floor.numpy()).max()) for own, floor in pairs))
        self.ours.start()


def run(federation: Federation, folder: Path, options: Options) -> StudyState:
    """The study up to its last round of branches."""
    study = StudyState(federation)
    grid = InlineGrid(app, options.sites, {"site-root": str(folder)})
    attendance = take_attendance(grid, study, options)
    if isinstance(options, Interleaved):
        options.ours.start()
    train_branches(attendance)
    return study


def interleaved(workload: Workload, folder: Path, rounds: int, checkpoint: Path | None) -> Interleaved:
    """Our rounds and the floor's in turn; the first of each warms up and is not among the timings."""
    federation = workload.federation(rounds + 1)
    floor = build_floor(federation, [site_data(path, federation.to_json()) for path in site_folders(folder)])
    options = Interleaved(sites=len(workload.cases), checkpoint=checkpoint, evaluates=False, floor=floor)
    run(federation, folder, options)
    for timings in (options.ours, options.floors):
        del timings.cpu[0], timings.wall[0]
    return options


def main() -> None:
    """Run the rounds alone in this process and print its peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=sorted(WORKLOADS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--checkpoint", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    workload = WORKLOADS[arguments.workload]
    federation = workload.federation(arguments.rounds)
    run(
        federation,
        arguments.folder,
        Options(sites=len(workload.cases), checkpoint=arguments.checkpoint, evaluates=False),
    )
    say_peak()


if __name__ == "__main__":
    main()
