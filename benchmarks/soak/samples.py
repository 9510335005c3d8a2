"""What is looked at while a study runs: the memory and open files of each of its processes, the disk of each folder."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from client.node.home import Home
from tests.deployment.machine import SITES, Machine

APART = 10
"""Rounds between two values whose slope counts, and of each life that do not count: what swings is no trend."""
DISK = "disk, kB"
_TASKS, _OTHERS = "tasks", "others, for moments"
"""Processes for a message, gone with it: their lives are one series."""
_NUMBERED = re.compile(r"(\.\d+)?(\.part)?$|-wal$|-shm$")
"""What a log, a file that is being written or a database adds to its name."""
_ROLES = (
    ("client.node.supernode", "SuperNode"),
    ("client.node.fork_server", "fork server"),
    ("superexec", "SuperExec"),
    ("serverapp", "ServerApp"),
    ("superlink", "SuperLink"),
    ("nginx", "nginx"),
    ("client.cli", "join"),
    ("server.cli", ""),
)
"""What a command line holds -> what the process is; a command of the coordinator goes by its own name."""
Life = tuple[int, float]
"""Of a process: its number, and when it began."""
Points = dict[Life, list[tuple[float, float]]]
"""Round and value, by life."""


@dataclass(frozen=True)
class Trend:
    """How a figure moves with the rounds."""

    slope: float | None
    """Per 100 rounds; None where no life lasted long enough."""
    first: float
    last: float
    """Medians of the first and last tenth of its values."""
    lives: int


class Samples:
    """All figures of a deployment, by whom they belong to and what they are."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._by_figure: dict[tuple[str, str], Points] = defaultdict(lambda: defaultdict(list))

    def take(self, done: float) -> None:
        """Look once, `done` rounds into the study."""
        for owner, process in _processes(self._machine):
            with suppress(psutil.Error):
                life = (0, 0.0) if owner.endswith((_TASKS, _OTHERS)) else (process.pid, process.create_time())
                self._note((owner, "kB"), life, done, process.memory_info().rss / 1024)
                self._note((owner, "open files"), life, done, process.num_fds())
        for owner, size in _disk(self._machine).items():
            self._note((owner, DISK), (0, 0.0), done, size / 1024)

    def _note(self, figure: tuple[str, str], life: Life, done: float, value: float) -> None:
        self._by_figure[figure][life].append((done, value))

    def trends(self, since: float) -> dict[tuple[str, str], Trend]:
        """Of every figure, from this round on."""
        found = {}
        for figure, points in sorted(self._by_figure.items()):
            later = {life: [point for point in own if point[0] >= since] for life, own in points.items()}
            if any(later.values()):
                found[figure] = trend({life: own for life, own in later.items() if own})
        return found

    def rows(self) -> list[list[object]]:
        """Every value, to be looked at in another way."""
        return [
            [owner, what, life[0], *point]
            for (owner, what), points in self._by_figure.items()
            for life, own in points.items()
            for point in own
        ]


def trend(points: Mapping[Life, list[tuple[float, float]]]) -> Trend:
    """The median of all slopes between two values of one life (Theil and Sen): a few that are far off do not count."""
    slopes = np.concatenate([_slopes(_by_round(_settled(own))) for own in points.values()])
    values = [value for _, value in sorted(point for own in points.values() for point in own)]
    tenth = max(1, len(values) // 10)
    return Trend(
        slope=100 * float(np.median(slopes)) if len(slopes) else None,
        first=float(np.median(values[:tenth])),
        last=float(np.median(values[-tenth:])),
        lives=len(points),
    )


def _settled(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [point for point in points if point[0] >= points[0][0] + APART]


def _by_round(points: list[tuple[float, float]]) -> np.ndarray:
    """One row for each round, with the median of its values."""
    values: dict[float, list[float]] = defaultdict(list)
    for done, value in points:
        values[done].append(value)
    return np.array([(done, np.median(own)) for done, own in sorted(values.items())]).reshape(-1, 2)


def _slopes(rows: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(rows), 1)
    steps = rows[second] - rows[first]
    steps = steps[steps[:, 0] >= APART]
    return steps[:, 1] / steps[:, 0]


def _processes(machine: Machine) -> Iterator[tuple[str, psutil.Process]]:
    """Every process that the deployment's commands have started, with whose and what it is."""
    for name, started in list(machine.started.items()):
        with suppress(psutil.Error):
            root = psutil.Process(started.pid)
            for process in [root, *root.children(recursive=True)]:
                with suppress(psutil.Error):
                    yield _owner(name, root, process), process


def _owner(name: str, root: psutil.Process, process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    whose = name if name in SITES else "coordinator"
    role = next((role for word, role in _ROLES if word in line), _OTHERS)
    parent = process.parent()
    if role == "fork server" and parent and "client.node.fork_server" in parent.cmdline():
        role = _TASKS
    if role == "nginx":
        role = "nginx" if process == root else "nginx worker"
    return f"{whose}: {role or f'`{name}`'}"


def _disk(machine: Machine) -> dict[str, int]:
    """Bytes of every folder and file that a deployment writes to, by whose and what it is."""
    study, sizes = machine.study, {}
    for name in SITES:
        home = Home(machine.sites / name)
        for path in home.folder.iterdir() if home.folder.is_dir() else ():
            key = f"{name}: .tessera/{_NUMBERED.sub('', path.name)}"
            sizes[key] = sizes.get(key, 0) + _size(path)
    for folder in (study.flower, study.run, study.nginx.parent):
        for path in folder.iterdir() if folder.is_dir() else ():
            key = f"coordinator: {folder.name}/{_NUMBERED.sub('', path.name)}"
            sizes[key] = sizes.get(key, 0) + _size(path)
    return sizes


def _size(path: Path) -> int:
    with suppress(OSError):
        if path.is_dir():
            return sum(_size(inner) for inner in path.iterdir())
        return path.lstat().st_size
    return 0
