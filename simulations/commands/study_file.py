"""study.yaml: all that was asked of a run, settings included; `tessera-simulate run` repeats it."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from modalities.core.fields import settings
from modalities.core.files.atomic import write_atomically
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, check
from modalities.core.problems import problems_of as problems_in
from modalities.core.settings.federation import federation_from
from modalities.core.settings.structured import structured
from modalities.core.settings.yaml_file import plain_in
from simulations.studies.experiment import PLAN
from strategies.settings import problems_of

STUDY = "study.yaml"
PATHS = ("data", "external", "release", "sites_by", "folds_file")
"""Options that are paths: written whole, so that a study file can be run from anywhere."""


@settings
class Command(ABC):
    """What a command can be asked for: its dataclass says the options of its study file, their types and defaults."""

    NAME: ClassVar[str]
    NEEDED: ClassVar[tuple[str, ...]] = ()
    """Options without a default."""
    FREE: ClassVar[tuple[str, ...]] = ("external", "release", "workers", "device")
    """Options that may differ when a command goes on in the same folder."""
    SETTINGS: ClassVar[str] = "whole"
    """What the section `federation` holds: the `whole` settings, the `part` that joins a release, or `nothing`."""

    def refuse(self, out: Path) -> None:
        """Refuse, before anything is written, a folder that holds something else."""
        del out

    @abstractmethod
    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Make everything, in this folder; `raw` is the section `federation`."""


def carry_out(command: type[Command], options: Mapping[str, Any], settings: Mapping[str, Any], out: Path) -> None:
    """Check what is asked, write study.yaml, and run it.

    Raises:
        ValueError: every problem of the options at once, or the folder holds an experiment with other settings.
    """
    problems: list[Problem] = []
    asked = _asked(command, options, problems)
    check(problems)
    asked.refuse(out)
    _write(asked, settings, out)
    asked.run(settings, out)


def split(command: type[Command], dotted: Sequence[str] | None) -> tuple[dict[str, Any], list[str]]:
    """Dotted words that name an option of the command's study file, as values; the others are the federation's."""
    known = {option.name for option in fields(command)}
    words = [word.removeprefix("federation.") for word in dotted or ()]
    own = [word for word in words if word.partition("=")[0].partition(".")[0] in known]
    values = OmegaConf.to_container(OmegaConf.from_dotlist(own))
    return {str(name): value for name, value in values.items()}, [word for word in words if word not in own]  # pyright: ignore


def read_study(
    path: Path, dotted: Sequence[str] | None, commands: Mapping[str, type[Command]]
) -> tuple[type[Command], dict[str, Any], dict[str, Any]]:
    """A study file with dotted words over it: the command, its options, and the settings of the federation.

    Raises:
        ValueError: every unknown key (with the nearest known one), wrong type and value out of range, at once.
    """
    raw = plain_in(path)
    name = str(raw.get("command")) if isinstance(raw, dict) else ""
    if not isinstance(raw, dict) or name not in commands:
        near = difflib.get_close_matches(name, list(commands), n=1, cutoff=0.0)[0]
        known = ", ".join(commands)
        raise ValueError(f"{path.name}: command: must be one of {known}, got {name or raw!r}; did you mean {near!r}?")
    command = commands[name]
    problems: list[Problem] = []
    options, rest = split(command, dotted)
    given = {str(key): value for key, value in raw.items() if key not in ("command", "federation")} | options
    settings = _settings(command, raw.get("federation") or {}, rest, path.parent, problems)
    _asked(command, given, problems)
    check(replace(problem, file=path.name) for problem in problems)
    return command, given, settings


def _settings(
    command: type[Command], section: Any, dotted: Sequence[str], folder: Path, problems: list[Problem]
) -> dict[str, Any]:
    """The section `federation`, complete where the command needs the whole of it."""
    if command.SETTINGS == "nothing":
        if dotted:
            what = f"{command.NAME} trains nothing and takes no setting, got {listing(list(dotted))}"
            problems.append(Problem(what))
        if section:
            problems.append(Problem("this command has no such section", where="federation"))
        return {}
    try:
        merged = OmegaConf.to_container(OmegaConf.merge(section, OmegaConf.from_dotlist(list(dotted))))
        raw = {str(key): value for key, value in merged.items()} if isinstance(merged, dict) else {}
        return federation_from(raw, folder, problems_of).to_dict() if command.SETTINGS == "whole" else raw
    except (OmegaConfBaseException, ValueError) as error:
        problems += problems_in(error, where="federation")
        return {}


def _asked(command: type[Command], options: Mapping[str, Any], problems: list[Problem]) -> Any:
    """The command with these options; None where there are problems, which are added to the list."""
    given = {name: _plain(name, value) for name, value in options.items() if value is not None}
    lacking = [name for name in command.NEEDED if not given.get(name)]
    problems += [Problem("must be given", where=f"{command.NAME}.{name}") for name in lacking]
    return structured(command, {}, given, command.NAME, problems)


def _plain(name: str, value: Any) -> Any:
    if name in PATHS and value:
        return str(Path(value).resolve())
    return list(value) if isinstance(value, tuple) else value


def _write(asked: Command, settings: Mapping[str, Any], out: Path) -> None:
    """Write study.yaml, or refuse the folder of another experiment."""
    federation = {"federation": dict(settings)} if settings else {}
    text = yaml.safe_dump({"command": asked.NAME, **asdict(asked), **federation}, sort_keys=False, allow_unicode=True)
    path = out / STUDY
    if path.is_file() and [*out.glob(PLAN), *out.glob(f"*/{PLAN}")]:
        before, now = (yaml.safe_load(each) for each in (path.read_text(encoding="utf-8"), text))
        differ = [key for key in {**before, **now} if before.get(key) != now.get(key) and key not in asked.FREE]
        if differ:
            raise ValueError(
                f"{out} holds an experiment with other settings ({', '.join(differ)}); choose another --out, or remove "
                "the folder"
            )
    write_atomically(path, text.encode())
