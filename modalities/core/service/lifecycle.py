"""A service from nothing to running, and back to nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modalities.core.service.machine import Machine
from modalities.core.service.unit import UNITS, Unit, recorded

_SHOWN = ("ActiveState", "SubState", "UnitFileState", "MainPID", "Result", "NRestarts", "DropInPaths")


@dataclass(frozen=True)
class Service:
    """What lies on a machine where the service is installed."""

    units: Sequence[Unit]
    users: Sequence[str]
    """Those it runs as; made where they are missing."""
    owned: Sequence[Sequence[str]] = ()
    """Commands that give it what it writes."""
    files: Mapping[Path, str] = field(default_factory=dict)
    """Beside the units."""
    readable: Callable[[], None] = lambda: None
    """Raises ValueError where a user lacks what it needs."""


def install(service: Service, machine: Machine, *, start: bool) -> None:
    """Put it in place; once more changes nothing that is as it should be.

    Raises:
        ValueError: a user cannot read or run what it needs; a user that was made for it is gone again.
        RuntimeError: a command of the machine fails.
    """
    made = [user for user in service.users if machine.make_user(user)]
    if machine.root is None:
        try:
            service.readable()
        except ValueError:
            for user in made:
                machine.remove_user(user)
            raise
    for command in service.owned:
        machine.do(*command)
    there = {unit.name for unit in service.units if machine.read(unit.path)}
    files = [machine.write(path, text) for path, text in service.files.items()]
    written = [unit.name for unit in service.units if machine.write(unit.path, unit.text)]
    machine.do("systemctl", "daemon-reload")
    begun = [unit.name for unit in service.units if unit.enabled]
    if start and begun:
        machine.do("systemctl", "enable", "--now", *begun)
    others = there.intersection([unit.name for unit in service.units] if any(files) else written)
    if start and others:
        machine.do("systemctl", "try-restart", *sorted(others))


def remove(names: Sequence[str], files: Sequence[Path], machine: Machine) -> bool:
    """Take units away, with what was changed of them, their files, and users that nobody needs any more.

    Whether there was one.
    """
    texts = {name: machine.read(UNITS / name) for name in names}
    there = [name for name, text in texts.items() if text]
    for name in there:
        machine.do("systemctl", "disable", "--now", name)
    for name in names:
        for path in (UNITS / name, UNITS / f"{name}.d"):
            machine.remove(path)
    for path in files:
        machine.remove(path)
    if not there:
        return False
    machine.do("systemctl", "daemon-reload")
    for name in there:
        if machine.ask("systemctl", "is-failed", name) == "failed":
            machine.do("systemctl", "reset-failed", name)
    for record in filter(None, map(recorded, texts.values())):
        if machine.root is not None or Path(record["Owned"]).is_dir():
            machine.do("chown", "-R", record["Owner"], record["Owned"])
    for user in sorted({user for text in texts.values() for user in _users(text)}):
        if not any(user in _users(path.read_text()) for path in machine.place(UNITS).glob("tessera-*.service")):
            machine.remove_user(user)
    return True


def _users(unit: str) -> set[str]:
    return {line.removeprefix("User=") for line in unit.splitlines() if line.startswith("User=")}


def stand(name: str, machine: Machine) -> tuple[str, bool]:
    """How a unit stands, in a line, and whether it runs."""
    if not machine.read(UNITS / name):
        return f"{name} is not installed", False
    lines = machine.ask("systemctl", "show", "-p", ",".join(_SHOWN), name).splitlines()
    said = {key: value for key, _, value in (line.partition("=") for line in lines)}
    if not said:
        return f"{machine.place(UNITS / name)} is written; nothing runs below {machine.root}", False
    line = f"{name}: {said['ActiveState']} ({said['SubState']}), {said['UnitFileState']}"
    line += f", process {said['MainPID']}" if said["MainPID"] != "0" else f", last result {said['Result']}"
    line += f", started again {said['NRestarts']} times" if said["NRestarts"] != "0" else ""
    line += f", changed by {said['DropInPaths']}" if said["DropInPaths"] else ""
    return line, said["ActiveState"] == "active"
