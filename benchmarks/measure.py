"""What is measured: CPU and wall time of rounds, and the most memory that a process has held."""

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from server.state.status import read_status


@dataclass
class Timings:
    """CPU and wall seconds of each round."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    began: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """A round begins."""
        self.began = time.process_time(), time.perf_counter()

    def stop(self) -> None:
        """It has ended."""
        self.cpu.append(time.process_time() - self.began[0])
        self.wall.append(time.perf_counter() - self.began[1])


def note_round(ended: dict[int, float], folder: Path) -> None:
    """Add when the last round of every modality was done, by the status that the study keeps in its folder."""
    status = read_status(folder)
    done = min((own["done"] for own in status.get("rounds", {}).values()), default=0)
    ended.setdefault(done, status.get("time", 0.0))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def peak_mib() -> float:
    """Most memory that this process has held; unlike getrusage's, it does not begin with that of the parent."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def say_peak() -> None:
    """Tell the process that started this one."""
    print(json.dumps({"peak_mib": peak_mib()}))


def machine() -> str:
    """What the figures were measured on."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{os.cpu_count()} processors ({platform.machine()}), 1 thread, {versions}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def tell(what: str) -> None:
    """What is done now, beside the table."""
    print(what, file=sys.stderr, flush=True)
