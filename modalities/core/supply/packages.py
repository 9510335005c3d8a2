"""The packages that Tessera runs on here: versions, licences, and digests of what the package index handed out."""

import base64
import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as PathInZip

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

PROGRAM = "tessera"
_TOOLS = "dev"
"""The extra of those who change the code: no study runs on it."""
_OF_INSTALLER = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Package:
    """One installed package, or one wheel."""

    of: Distribution

    @property
    def name(self) -> NormalizedName:
        """As PyPI compares names."""
        return canonicalize_name(self.of.metadata["Name"])

    @property
    def version(self) -> str:
        """As its metadata has it."""
        return self.of.version

    @property
    def licence(self) -> str:
        """In SPDX's terms where the package says it so, else in its own words; empty if it says nothing."""
        about = self.of.metadata
        named = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or () if line.startswith("License ::")]
        said = (about.get_all("License") or [""])[0].strip().splitlines()[:1]
        return self.licence_expression or "; ".join(named) or "".join(said)

    @property
    def licence_expression(self) -> str:
        """The licence as an SPDX expression; empty where the package gives none."""
        return "".join(self.of.metadata.get_all("License-Expression") or ())

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the SHA-256 of each file, as RECORD lists them: the same wherever that wheel is installed.

        Scripts, which name the place of the installation, and what the installer notes do not count. Empty for a
        package without such a list.
        """
        lines = sorted(f"{sha256}  {path}\n" for path, sha256 in self._listed())
        return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""

    def changed_files(self) -> list[str]:
        """Its files that are missing, or hold something else than was installed."""
        return [
            path
            for path, sha256 in self._listed()
            if not (file := Path(str(self.of.locate_file(path)))).is_file() or _sha256(file) != sha256
        ]

    def _listed(self) -> Iterator[tuple[str, str]]:
        for path, digest, *_ in csv.reader((self.of.read_text("RECORD") or "").splitlines()):
            inside = path.rpartition("/")
            is_note = inside[0].endswith(".dist-info") and inside[2] in _OF_INSTALLER
            if digest.startswith("sha256=") and not path.startswith("..") and not is_note:
                yield path, digest.removeprefix("sha256=")


@cache
def installed(program: str = PROGRAM) -> Sequence[Package]:
    """All that the program needs, directly or by way of another package, as far as it is installed; in order of names.

    As they were when this process first asked. Empty where the program itself is not installed as a package.
    """
    found: dict[str, Package] = {}
    reached: set[tuple[str, str]] = set()
    waiting = [(program, extra) for extra in ("", *_extras(program))]
    while waiting:
        name, extra = waiting.pop()
        package = _package(name)
        if package is None or (name, extra) in reached:
            continue
        reached.add((name, extra))
        found[package.name] = package
        for line in package.of.requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(needed.name), own) for own in ("", *needed.extras)]
    found.pop(canonicalize_name(program), None)
    return tuple(found[name] for name in sorted(found))


def wheels(files: Iterable[Path]) -> list[Package]:
    """The packages in these wheels, in order of names."""
    found = []
    for file in files:
        about = next(entry for entry in PathInZip(file).iterdir() if entry.name.endswith(".dist-info"))
        found.append(Package(PathDistribution(about)))  # pyright: ignore[reportArgumentType] # a path in a zip reads alike
    return sorted(found, key=lambda package: package.name)


def contents(packages: Sequence[Package]) -> dict[str, str]:
    """Name -> version and digest."""
    return {package.name: f"{package.version} {package.digest}" for package in packages}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What became of packages between two `contents`, in words."""
    found = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, "").partition(" "), now.get(name, "").partition(" ")
        if old[0] != new[0]:
            found.append(f"{name} {old[0] or 'none'} -> {new[0] or 'none'}")
        elif old[2] != new[2]:
            found.append(f"{name} {old[0]}: other files under the same version")
    return found


def _extras(program: str) -> list[str]:
    package = _package(program)
    extras = package.of.metadata.get_all("Provides-Extra") or [] if package else []
    return [extra for extra in extras if extra != _TOOLS]


def _package(name: str) -> Package | None:
    try:
        return Package(distribution(name))
    except PackageNotFoundError:
        return None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
