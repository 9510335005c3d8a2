"""Rounds of a real deployment at three sites: where their seconds go, and the bytes on the wire.

SuperLink, gateway and SuperNodes are processes on one machine, over TLS and with keys of their own. A probe in each of
them notes when a message reaches which step; a relay in front of the gateway counts every byte of each site. A round is
that of its slowest site, from the message to it to the next round's, and its parts add up to it.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.deployed import GATEWAY, Deployment
from benchmarks.measure import aligned, machine, quartiles, tell
from benchmarks.notes import OPEN, notes_in, rounds_in
from benchmarks.split import CPU_PARTS, PARTS, Round
from benchmarks.workloads import federation_of_tables, write_tables
from modalities.core.parts import modality_of
from modalities.core.settings.federation import Federation
from server.coordinator.flower import nodes
from server.state.status import read_status
from server.state.study import StudyState

HOLDINGS = {"site_1": ("cnv", "hif"), "site_2": ("cnv",), "site_3": ("cnv", "hif")}
_CASES = (27, 47, 79)
_WARM_UP = 2
_GOAL_S, _GOAL_BYTES = 5.0, 1.05
_SECOND = ", second trip"
_OFF_S, _OFF_SHARE = 0.1, 0.01
"""So far the sum of all parts may be from what the coordinator's own status says."""


@dataclass(frozen=True)
class Setting:
    """A study to measure: the branch of each modality has 1333 inputs, these hidden layers, and 4 classes."""

    hidden: tuple[int, ...]
    rounds: int
    """Rounds measured, after those that warm up."""
    is_stock: bool = False
    """Flower's own programs at the sites: no server that forks, no quick looks for work."""
    together: bool = False
    """Every site holds both modalities: masks need three holders."""
    masked_bits: int = 0
    """Of masked weights; 0: no masks."""

    @property
    def holdings(self) -> Mapping[str, tuple[str, ...]]:
        """Site -> its modalities."""
        return dict.fromkeys(HOLDINGS, ("cnv", "hif")) if self.together else HOLDINGS


SETTINGS = {
    "small": Setting((256, 64), 8),
    "large": Setting((2048, 1024), 5),
    "stock": Setting((256, 64), 3, is_stock=True),
    "plain": Setting((256, 64), 8, together=True),
    "masked": Setting((256, 64), 8, together=True, masked_bits=64),
    "plain-large": Setting((2048, 1024), 5, together=True),
    "masked-large": Setting((2048, 1024), 5, together=True, masked_bits=32),
}
_DEFAULT = ("small", "large")


def main() -> None:
    """Measure, print both tables, and fail where a study did not go as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    listed = ", ".join(SETTINGS)
    parser.add_argument("settings", nargs="*", metavar="SETTING", help=f"of {listed}; default: {', '.join(_DEFAULT)}")
    parser.add_argument("--rounds", type=int, default=0, help="rounds measured of each; default: the setting's own")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep every folder, log and note in this new one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    names = arguments.settings or list(_DEFAULT)
    if unknown := sorted(set(names) - set(SETTINGS)):
        parser.error(f"no such setting: {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    load = f"load {os.getloadavg()[0]:.1f} before"
    figures: dict[str, Any] = {"machine": f"{machine()}; {GATEWAY}, 3 sites; {load}", "settings": {}}
    for name in names:
        rounds = arguments.rounds or SETTINGS[name].rounds
        tell(f"{name}: {_WARM_UP} + {rounds} rounds")
        with _folder(arguments.keep, name) as root:
            figures["settings"][name] = measure(SETTINGS[name], root, rounds)
    print(table(figures))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _folder(keep: Path | None, name: str) -> Iterator[Path]:
    if keep is not None:
        (keep / name).mkdir(parents=True)
        yield keep / name
        return
    with tempfile.TemporaryDirectory(prefix="tessera-bench-") as folder:
        yield Path(folder)


def measure(setting: Setting, root: Path, rounds: int) -> dict[str, Any]:
    """All figures of one study.

    Raises:
        RuntimeError: the study did not end well, a site's reply was refused, or the parts do not add up.
    """
    rng = np.random.default_rng(0)
    federation = federation_of_tables(("cnv", "hif"), setting.hidden, rounds + _WARM_UP, setting.masked_bits)
    held = zip(setting.holdings.items(), _CASES, strict=True)
    sites = [write_tables(root / "sites", name, n, rng, modalities) for (name, modalities), n in held]
    deployment = Deployment(root, federation, sites, setting.is_stock)
    deployment.run()
    if refused := [note for note in read_status(deployment.study.run)["notes"] if note["level"] == "refused"]:
        raise RuntimeError(f"not every reply was used: {refused}")
    notes, sites_by_node = notes_in(deployment.notes), nodes(deployment.study)
    found = rounds_in(notes, sites_by_node)[_WARM_UP:]
    trips = rounds_in(notes, sites_by_node, OPEN)[_WARM_UP : _WARM_UP + rounds] if setting.masked_bits else []
    _check_length([*found, *trips], rounds, deployment.steps)
    return {
        "rounds": len(found),
        **_seconds(found),
        "second_trip": _seconds(trips) if trips else None,
        "slowest": Counter(own.site for own in found),
        "wire": _wire(deployment, federation, found, setting.holdings),
    }


def _seconds(found: Sequence[Round]) -> dict[str, Any]:
    """Of a round, or of its second trip: how long it lasts, by part, and what its tasks cost."""
    return {
        "wall_s": quartiles([own.ended - own.began for own in found]),
        "besides_training_s": quartiles([own.ended - own.began - own.parts["training"] for own in found]),
        "parts_s": {part: mean(own.parts[part] for own in found) for part in PARTS},
        "task_cpu_s": {part: mean(own.cpu[part] for own in found) for part in CPU_PARTS},
    }


def _check_length(found: Sequence[Round], rounds: int, steps: Mapping[int, float]) -> None:
    """Hold the sum of all parts against the times at which the coordinator said that a round was done."""
    added, said = sum(sum(own.parts.values()) for own in found), steps[_WARM_UP + rounds] - steps[_WARM_UP]
    if len(found) not in (rounds, 2 * rounds) or abs(added - said) > _OFF_S + _OFF_SHARE * said:
        raise RuntimeError(f"{len(found)} rounds add up to {added:.2f} s; {rounds} took the coordinator {said:.2f} s")


def _wire(
    deployment: Deployment, federation: Federation, found: Sequence[Round], holdings: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Bytes a round by site: the weights of what it holds, and all that passed each way."""
    weights = Counter()
    state = StudyState.load(deployment.study.run / "checkpoint.safetensors", federation)
    for part, arrays in state.weights.items():
        weights[modality_of(part)] += sum(array.nbytes for array in arrays.values())
    figures = {}
    for site, modalities in holdings.items():
        own = sum(weights[name] for name in modalities)
        ways = {
            way: deployment.relay.n_bytes(site, way, found[0].began, found[-1].ended) / len(found)
            for way in ("down", "up")
        }
        figures[site] = {"holds": modalities, "weights": own, **ways, "ratio": sum(ways.values()) / (2 * own)}
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as two tables."""
    times = [("setting", "rounds", *PARTS, "round (quartiles)", "besides training (quartiles)", "goal")]
    tasks = [("setting", *CPU_PARTS, "all")]
    wires = [("setting", "site", "holds", "weights MB", "down MB", "up MB", "over the weights", "ratio", "goal")]
    for name, found in figures["settings"].items():
        goal = "" if SETTINGS[name].is_stock else f"<= {_GOAL_S:g}"
        times.append(_times_row(name, found["rounds"], found, goal))
        tasks.append(_task_row(name, found))
        if second := found["second_trip"]:
            times.append(_times_row(f"{name}{_SECOND}", found["rounds"], second, ""))
            tasks.append(_task_row(f"{name}{_SECOND}", second))
        wires += [_wire_row(name, site, own) for site, own in found["wire"].items()]
    seconds = (
        "seconds a round: the mean of each part, of the slowest site of each round; under masks the sum is opened by a "
        "second trip"
    )
    cpu = "CPU seconds of a site's task, mean over sites and rounds; each site has a machine of its own in a real study"
    wire = "bytes a round on the wire, TLS and headers included; weights: those held, which go down once and up once"
    return "\n\n".join([figures["machine"], seconds, aligned(times), cpu, aligned(tasks), wire, aligned(wires)])


def _times_row(name: str, n_rounds: int, found: Mapping[str, Any], goal: str) -> tuple[str, ...]:
    parts = [f"{found['parts_s'][part]:.2f}" for part in PARTS]
    spread = [_spread(found[key]) for key in ("wall_s", "besides_training_s")]
    return name, str(n_rounds), *parts, *spread, goal


def _task_row(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    return name, *(f"{found['task_cpu_s'][part]:.2f}" for part in CPU_PARTS), _sum(found["task_cpu_s"])


def _wire_row(name: str, site: str, own: Mapping[str, Any]) -> tuple[str, ...]:
    sizes = [f"{own[key] / 1e6:.3f}" for key in ("weights", "down", "up")]
    over = f"{(own['down'] + own['up'] - 2 * own['weights']) / 1e3:.1f} kB"
    return name, site, " ".join(own["holds"]), *sizes, over, f"{own['ratio']:.3f}", f"<= {_GOAL_BYTES}"


def _sum(parts: Mapping[str, float]) -> str:
    return f"{sum(parts.values()):.2f}"


def _spread(values: Sequence[float]) -> str:
    return f"{values[1]:.2f} ({values[0]:.2f} to {values[2]:.2f})"


if __name__ == "__main__":
    main()
