"""The same federation in Flower's simulation engine (Ray), watched from outside: its status and its processes."""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event, Thread

import psutil
from rich.console import Console

from benchmarks.measure import note_round
from benchmarks.workloads import Workload
from simulations.engines.flower import run_in_flower

_POLL_S = 0.02
_MEMORY_EVERY = 25
_WARM_UP = 2


@dataclass
class Watch:
    """When each round ended, and the most memory of all processes below this one."""

    folder: Path
    ended: dict[int, float] = field(default_factory=dict)
    """Round -> when."""
    peak_mib: float = 0.0
    done: Event = field(default_factory=Event)

    def follow(self) -> None:
        """Look again and again until `done`; a process that ends meanwhile is no matter."""
        looks = 0
        while not self.done.wait(_POLL_S):
            note_round(self.ended, self.folder)
            looks += 1
            if looks % _MEMORY_EVERY == 0:
                self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, psutil.Process().children(recursive=True))))


def measure_flower(workload: Workload, folder: Path, rounds: int) -> dict[str, float]:
    """Seconds a round (wall, median), seconds from the start to the second round's end, and peak memory in MiB."""
    with tempfile.TemporaryDirectory() as own:
        settings, out = Path(own) / "federation.yaml", Path(own) / "out"
        settings.write_text(workload.federation(rounds + _WARM_UP).to_json(), encoding="utf-8")
        began, watch = time.time(), Watch(out)
        with (Path(own) / "console").open("w", encoding="utf-8") as said:
            _while_watched(watch, lambda: run_in_flower(settings, folder, out, len(workload.cases), Console(file=said)))
    gaps = [watch.ended[number + 1] - watch.ended[number] for number in range(_WARM_UP, rounds + _WARM_UP)]
    return {"wall_s": median(gaps), "start_s": watch.ended[_WARM_UP] - began, "peak_mib": watch.peak_mib}


def _while_watched(watch: Watch, run: Callable[[], None]) -> None:
    thread = Thread(target=watch.follow)
    thread.start()
    try:
        run()
    finally:
        watch.done.set()
        thread.join()


def _pss_mib(process: psutil.Process) -> float:
    """Its memory, with its share of what it shares with others."""
    with suppress(psutil.Error, OSError):
        return process.memory_full_info().pss / 2**20
    return 0.0
