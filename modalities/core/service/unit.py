"""A unit of systemd, from its template and what it says of this machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modalities.core.problems import Problem, check, unusable

UNITS = Path("/etc/systemd/system")
_VALUE = re.compile("@([a-z_]+)@")
_PLAIN = re.compile(r"[\w/.,+=:-]+", re.ASCII)
_SECTION = "[X-Tessera]"
"""systemd leaves sections alone whose names begin with X-."""


@dataclass(frozen=True)
class Unit:
    """One unit, as it is to lie on the machine."""

    name: str
    """With its ending: tessera-site-st_anna.service."""
    text: str = ""
    enabled: bool = True
    """Whether it is to run from now on, and after every boot; one that is not is started by a person."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return UNITS / self.name


def unit_text(template: Path, values: Mapping[str, str]) -> str:
    """The unit's text, each @name@ of the template in place.

    Raises:
        ValueError: there is no such template, as where only a wheel was installed.
    """
    if not template.is_file():
        raise unusable("no such file", "install from a clone of the repository, or the wheelhouse", file=str(template))
    return _VALUE.sub(lambda found: values[found[1]], template.read_text(encoding="utf-8"))


def refuse_odd(*paths: Path) -> None:
    """In a unit some characters mean something: a path of a service has none of them.

    Raises:
        ValueError: one has; all are said.
    """
    remedy = "a service takes paths of letters, digits and ._-+=,: only; rename it, or move it"
    check([Problem(f"{str(path)!r} has other characters", remedy) for path in paths if not _PLAIN.fullmatch(str(path))])


def home_protection(*paths: Path) -> str:
    """What `ProtectHome` is to say where the service reads these paths: homes are out of sight, unless one is there."""
    homes = (Path("/home"), Path("/root"), Path("/run/user"))
    return "read-only" if any(path.is_relative_to(home) for path in paths for home in homes) else "yes"


def owner_of(path: Path, unit: str) -> str:
    """Whose a file was before the service that is installed already, if one is; as chown takes it."""
    return recorded(unit).get("Owner") or f"{path.stat().st_uid}:{path.stat().st_gid}"


def recorded(text: str) -> Mapping[str, str]:
    """What `service install` noted in a unit, for whoever takes it away."""
    _, _, section = text.partition(f"{_SECTION}\n")
    pairs = (line.partition("=") for line in section.splitlines())
    return {name: value for name, is_pair, value in pairs if is_pair}
