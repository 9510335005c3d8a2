"""The same federation in Flower's simulation engine (Ray), watched from outside: its log and its processes."""

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

from benchmarks.workloads import Workload
from simulations.engines.flower import LOG, run_in_flower

_POLL_S = 0.02
_MEMORY_EVERY = 25
_WARM_UP = 2


@dataclass
class Watch:
    """When each round ended, and the most memory of all processes below this one."""

    log: Path
    ended: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    done: Event = field(default_factory=Event)

    def follow(self) -> None:
        """Look again and again until `done`; a process that ends meanwhile is no matter."""
        looks = 0
        while not self.done.wait(_POLL_S):
            text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
            new = text.count("'phase': 'branches', 'round':") - len(self.ended)
            self.ended += [time.perf_counter()] * new
            looks += 1
            if looks % _MEMORY_EVERY == 0:
                self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, psutil.Process().children(recursive=True))))


def measure_flower(workload: Workload, folder: Path, rounds: int) -> dict[str, float]:
    """Seconds a round (wall, median), seconds from the start to the second round's end, and peak memory in MiB."""
    with tempfile.TemporaryDirectory() as own:
        settings, out = Path(own) / "federation.yaml", Path(own) / "out"
        settings.write_text(workload.federation(rounds + _WARM_UP).to_json(), encoding="utf-8")
        began, watch = time.perf_counter(), Watch(out / LOG)
        with (Path(own) / "console").open("w", encoding="utf-8") as said:
            _while_watched(watch, lambda: run_in_flower(settings, folder, out, len(workload.cases), Console(file=said)))
    gaps = [after - before for before, after in zip(watch.ended, watch.ended[1:], strict=False)][_WARM_UP - 1 :]
    return {"wall_s": median(gaps), "start_s": watch.ended[_WARM_UP - 1] - began, "peak_mib": watch.peak_mib}


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
