"""The commands that change a release: a modality joins it or leaves it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from modalities.core.fields import settings
from simulations.cohorts.inputs import sections_of
from simulations.commands.options import Data, Modality, Out, Release, Settings
from simulations.commands.show import show_change
from simulations.commands.study_file import Command, carry_out, split
from simulations.studies.coupling import add_modality, remove_modality


@settings
class Add(Command):
    """A modality joins a release."""

    NAME: ClassVar[str] = "add"
    NEEDED: ClassVar[tuple[str, ...]] = ("release", "data", "modality")
    FREE: ClassVar[tuple[str, ...]] = ()
    SETTINGS: ClassVar[str] = "part"

    release: str = ""
    data: str = ""
    """The tables, or the site folders."""
    modality: str = ""
    engine: Literal["inline", "flower"] = "inline"

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Train its branch, and refit the fusion head."""
        section = raw["modalities"][self.modality]
        show_change(add_modality(Path(self.release), Path(self.data), self.modality, section, out, self.engine))


@settings
class Remove(Add):
    """A modality leaves a release."""

    NAME: ClassVar[str] = "remove"
    SETTINGS: ClassVar[str] = "nothing"

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Refit the fusion head."""
        show_change(remove_modality(Path(self.release), Path(self.data), self.modality, out, self.engine))


def add(release: Release, data: Data, modality: Modality, out: Out, settings: Settings = None) -> None:
    """Add a modality to a release: trains its branch alone and refits the fusion head."""
    own, rest = split(Add, settings)
    sections = {"modalities": sections_of([modality], {}, rest)}
    carry_out(Add, {"release": release, "data": data, "modality": modality, **own}, sections, out)


def remove(release: Release, data: Data, modality: Modality, out: Out) -> None:
    """Remove a modality from a release: trains nothing and refits the fusion head."""
    carry_out(Remove, {"release": release, "data": data, "modality": modality}, {}, out)
