"""The command that makes sites up and trains nothing: for a rehearsal, or to see what a site folder looks like."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from pydantic import Field

from modalities.core.console import say
from modalities.core.fields import settings
from modalities.core.problems import check
from modalities.core.settings.site import problem_of_name
from simulations.cohorts.cohort import FEDERATION, with_features_of_data
from simulations.cohorts.inputs import federation_of
from simulations.cohorts.synthetic import TABLES, make_cohort
from simulations.commands.options import Out
from simulations.commands.study_file import Command, carry_out, split
from strategies.settings import federation_from


@settings
class Sites(Command):
    """Made-up site folders."""

    NAME: ClassVar[str] = "sites"

    names: list[str] = field(default_factory=list)
    cases: Annotated[int, Field(ge=12)] = 60
    """A site, about."""

    def refuse(self, out: Path) -> None:
        """Refuse names that are none, and folders that are there: nothing of them is touched."""
        names = self.names
        check([problem for problem in map(problem_of_name, names) if problem])
        taken = [str(out / name) for name in [*names, FEDERATION] if (out / name).exists()]
        check([f"{', '.join(taken)}: there already; name another --out, or other sites"] if taken else [])
        twice = len({*names}) < max(2, len(names))
        check([f"give two names or more, each once, got {', '.join(names)}"] if twice else [])

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Write the folders, and the federation.yaml of a study of them."""
        federation = federation_from(raw)
        cohort = make_cohort(federation, out, len(self.names), self.cases, names=self.names)
        agreed = with_features_of_data(federation, cohort, out)
        for name in self.names:
            say(f"{out / name}: {(cohort.cases['site'] == name).sum()} cases, {', '.join(cohort.sources[name])}")
        lists = [f"{name}_features.json" for name in agreed.modalities if (out / f"{name}_features.json").is_file()]
        say(f"for the study: {', '.join(str(out / name) for name in [FEDERATION, *lists])}")


def sites(
    names: Annotated[list[str], typer.Argument(help="The sites' names, two or more; then dotted settings, if any.")],
    out: Out,
    n_cases: Annotated[int, typer.Option("--cases", help="Cases a site, about.")] = Sites.cases,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each branch and of the fusion head.")] = 5,
) -> None:
    """Made-up site folders, and the federation.yaml of a study of them; nothing is trained."""
    own, dotted = split(Sites, [word for word in names if "=" in word])
    few = {name: {"federated": {"rounds": rounds}} for name in TABLES}
    federation = federation_of(TABLES, few, 0, [f"fusion.rounds={rounds}", *dotted])
    given = {"names": [word for word in names if "=" not in word], "cases": n_cases}
    carry_out(Sites, {**given, **own}, federation.to_dict(), out)
