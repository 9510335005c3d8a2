"""A deployment of three sites, two of which go and come back."""

import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measure import tell
from benchmarks.soak.samples import Samples
from client.node.home import Home
from client.node.supervisor import stop
from modalities.core.settings.federation import federation_from
from modalities.core.site.example import example_features
from server.state.release import read_release
from server.state.status import read_status
from tests.deployment.machine import NGINX, SITES, Machine
from tests.support import run_small

MODALITY = "cnv"
_CASES = (29, 17, 23)
_LOOK_S, _SAMPLE_S = 0.2, 2.0


@dataclass(frozen=True)
class Absence:
    """A site that goes, and comes back."""

    after: int
    """Rounds done by then."""
    late_s: float
    """Seconds into the next one."""
    site: str
    is_killed: bool
    """All of its processes at once; else its `join` is told to end."""
    away_s: float


def absences(rounds: int, seed: int) -> Iterator[Absence]:
    """Every ten to twenty rounds, as the seed has it."""
    rng, after = random.Random(seed), 0
    while (after := after + rng.randint(10, 20)) < rounds - 2:
        site = rng.choice(SITES[1:])
        yield Absence(after, rng.uniform(0, 3), site, rng.random() < 0.5, rng.uniform(1, 15))


class Soak:
    """The deployment, and what is seen of it."""

    def __init__(self, folder: Path, rounds: int, seed: int) -> None:
        self.machine, self.rounds, self.seed = Machine(folder), rounds, seed
        self.samples, self.away = Samples(self.machine), Counter[str]()
        federated = {"rounds": rounds, "patience": 0, "min_holders": len(SITES), "absent": "wait"}
        branch = {"features": example_features(MODALITY), "federated": federated}
        fusion = {"fit": "tune", "rounds": 1, "folds": 2}
        self.federation = federation_from({"seed": seed, "fusion": fusion, "modalities": {MODALITY: branch}})
        self.seconds, self._sampled = 0.0, 0.0

    def run(self) -> None:
        """The study to its release, disturbed."""
        here = self.machine
        here.set_up(self.federation, "nginx" if NGINX else "builtin", [(MODALITY,)] * len(SITES), _CASES)
        shutil.copytree(here.sites, here.folder / "undisturbed")
        try:
            here.open()
            here.join()
            began, run = time.monotonic(), here.start("run", "server", "run", here.study.folder)
            for absence in absences(self.rounds, self.seed):
                if not self._goes_on(run, absence.after):
                    break
                self._take_away(absence)
            self._goes_on(run, None)
            self.seconds = time.monotonic() - began
        finally:
            here.end_all()
        if run.returncode:
            raise RuntimeError(f"the study did not end well: {here.said('run')[-2000:]}")

    def _goes_on(self, run: subprocess.Popen, until: int | None) -> bool:
        """Look until so many rounds are done, or the study has ended; whether it still goes on."""
        while run.poll() is None:
            if until is not None and self.done >= until:
                return True
            self._look()
        return False

    def _look(self) -> None:
        if time.monotonic() > self._sampled + _SAMPLE_S:
            self._sampled = time.monotonic()
            self.samples.take(self.done)
        time.sleep(_LOOK_S)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._look()

    def _take_away(self, absence: Absence) -> None:
        self._wait(absence.late_s)
        tell(f"round {self.done}: {absence.site} {'killed' if absence.is_killed else 'ended'}")
        if absence.is_killed:
            self.machine.kill_all_of(f"sites/{absence.site}")
        else:
            stop(Home(self.machine.sites / absence.site))
        self.machine.started[absence.site].wait(60)
        self._wait(absence.away_s)
        self.machine.join(absence.site)
        self.away[absence.site] += 1

    @property
    def done(self) -> int:
        """Rounds."""
        return read_status(self.machine.study.run).get("rounds", {}).get(MODALITY, {}).get("done", 0)

    def off(self) -> float:
        """The largest difference of a weight, of branches or head, from the undisturbed study's."""
        found, _ = read_release(self.machine.study.run / "release")
        whole = run_small(self.machine.folder / "undisturbed", self.federation)
        pairs = [(found.weights[part][name], own[name]) for part, own in whole.weights.items() for name in own]
        pairs += [(found.head[name], array) for name, array in whole.head.items()]
        return max(float(np.abs(one - other).max()) for one, other in pairs)

    def logs(self) -> Iterator[Path]:
        """All that anybody wrote."""
        for name in SITES:
            yield from sorted(Home(self.machine.sites / name).folder.glob("site.log*"))
        study = self.machine.study
        yield from sorted(study.flower.glob("*.log*"))
        yield from sorted(study.nginx.parent.glob("*.log"))
        yield from sorted(self.machine.folder.glob("*.out"))
