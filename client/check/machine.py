"""Whether this machine is fit to take part: versions, disk, memory, and whether there is a GPU."""

import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from modalities.core.contract import Source
from modalities.core.device import device_problems, n_gpus
from modalities.core.fields import AUTO, CPU
from modalities.core.files.disk import free_bytes
from modalities.core.files.open_files import FEW, open_files_problems
from modalities.core.problems import Problem, note, warning
from modalities.slides.reading.folder import SLIDES

GB = 1e9
ENOUGH_DISK, LEAST_DISK = 2 * GB, 0.5 * GB
"""Flower's own state, logs and the weights of a study; below the second figure the site would soon stop."""
ENOUGH_MEMORY, LEAST_MEMORY = 2 * GB, 1 * GB
"""Flower's two processes took 0.26 GB and one that trains 0.33 GB as it starts; the site's data comes on top."""
SLIDE_BYTES = 1e6
"""What is kept of a slide: 50 tiles of up to 2,048 numbers, and two small pictures. All tiles take far more."""
_PROGRAM, _CRITICAL = "tessera", "flwr"


def machine_problems(places: Mapping[str, Path], n_slides: int, device: str) -> list[Problem]:
    """All that can be told of the machine.

    `places` says what is written where, the slides' features under `slides`; `device` is `resources.device`.
    """
    left = memory_problems(memory_available())
    disks = disk_problems(places, n_slides)
    return [*version_problems(), *disks, *left, *open_files_problems(FEW), *gpu_problems(device)]


def version_problems() -> list[Problem]:
    """The versions, and whether they are those that this version of Tessera names: its package says which."""
    try:
        own = metadata.metadata(_PROGRAM)
        wanted = [Requirement(line) for line in metadata.requires(_PROGRAM) or ()]
    except metadata.PackageNotFoundError:
        return [warning("Tessera is not installed as a package: its versions are not known", "`make setup`")]
    python = platform.python_version()
    shown = {"python": python, **{name: _installed(name) or "-" for name in (_PROGRAM, _CRITICAL, "torch")}}
    found = [note("versions: " + ", ".join(f"{name} {version}" for name, version in shown.items()))]
    tried = SpecifierSet(own["Requires-Python"] or "")
    if not tried.contains(python, prereleases=True):
        what = f"Python {python}: this version of Tessera is tried with {tried} only"
        found.append(warning(what, "install it with such a Python"))
    return found + [problem for one in wanted if one.marker is None for problem in _requirement(one)]


def _requirement(wanted: Requirement) -> list[Problem]:
    version = _installed(wanted.name)
    if version and wanted.specifier.contains(version, prereleases=True):
        return []
    what = f"{wanted.name} is {version or 'not installed'}, but this version of Tessera is made for {wanted.specifier}"
    level = "error" if wanted.name == _CRITICAL or not version else "warning"
    return [Problem(what, "install Tessera anew with the versions of its constraints.txt", level=level)]


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def disk_problems(places: Mapping[str, Path], n_slides: int) -> list[Problem]:
    """Free space where the site writes, against what it needs there."""
    found = []
    for name, path in places.items():
        slides = n_slides if name == "slides" else 0
        free, needed = free_bytes(path), ENOUGH_DISK + slides * SLIDE_BYTES
        why = f"{needed / GB:.1f} GB are wanted" + f", about 1 MB for each of {slides} slides among them" * (slides > 0)
        level = "error" if free < LEAST_DISK else "warning" if free < needed else "note"
        remedy = "" if level == "note" else "make room, or for slides set slides.cache in site.yaml to a larger disk"
        found.append(Problem(f"disk: {free / GB:.1f} GB free for {name}; {why}", remedy, level=level))
    return found


def memory_problems(available: float) -> list[Problem]:
    """What is said of so many bytes."""
    level = "error" if available < LEAST_MEMORY else "warning" if available < ENOUGH_MEMORY else "note"
    remedy = "" if level == "note" else "end other programs, or give the machine (or the container) more memory"
    what = f"memory: {available / GB:.1f} GB available; {ENOUGH_MEMORY / GB:.0f} GB are wanted"
    return [Problem(what, remedy, level=level)]


def memory_available(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Bytes that this process may still take: the machine's, or less where a container is allowed less."""
    lines = (line.partition(":") for line in _text(proc / "meminfo").splitlines())
    known = {name: float(value.split()[0]) * 1024 for name, _, value in lines if value.strip()}
    whole = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))  # where the kernel is no Linux
    return min([known.get("MemAvailable", whole), *_left_in_groups(proc, groups)])


def _left_in_groups(proc: Path, groups: Path) -> list[float]:
    """What each control group around this process leaves: version 2 in one tree, version 1 in a tree for memory."""
    left = []
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = groups / controllers
        folder = root / own.lstrip("/")
        names = (
            ("memory.max", "memory.current") if not controllers else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        for place in {folder, root, *(up for up in folder.parents if up.is_relative_to(root))}:
            limit, used = (_text(place / name).strip() for name in names)
            if limit.isdecimal() and used.isdecimal():
                left.append(max(0.0, float(limit) - float(used) + _reclaimable(place)))
    return left


def _reclaimable(place: Path) -> float:
    """Bytes of files that the kernel keeps in memory only as long as nobody needs it."""
    counted = dict(line.split()[:2] for line in _text(place / "memory.stat").splitlines())
    return float(counted.get("total_inactive_file", counted.get("inactive_file", 0)))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def gpu_problems(device: str) -> list[Problem]:
    """Which GPUs torch can use, what for under this `resources.device`, and whether the one asked for is among them."""
    n_there = n_gpus()
    if not n_there:
        return device_problems(device) or [note("GPU: none that torch can use; a CPU is enough")]
    names = [torch.cuda.get_device_properties(number) for number in range(n_there)]
    shown = ", ".join(f"{one.name} ({one.total_memory / GB:.0f} GB)" for one in names)
    asked = f" (resources.device: {device})"
    uses = {AUTO: "uses it for slides, training for large branches", CPU: f"and training stay on the CPU{asked}"}
    said = uses.get(device, f"uses it for slides, training too{asked}")
    return [note(f"GPU: {shown}; `prepare` {said}"), *device_problems(device)]


def slides_in(sources: Mapping[str, Source]) -> int:
    """How many whole slides the sources hold; several modalities may read the same ones."""
    files = {
        file
        for source in sources.values()
        for path in source.paths
        for file in (path.rglob("*") if path.is_dir() else [path])
        if file.suffix.lower() in SLIDES
    }
    return len(files)
