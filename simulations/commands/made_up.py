"""The command that makes sites up and trains nothing: for a rehearsal, or to see what a site folder looks like."""

from typing import Annotated

import typer

from modalities.core.console import say
from modalities.core.problems import check
from modalities.core.settings.site import problem_of_name
from simulations.cohorts.cohort import FEDERATION, with_features_of_data
from simulations.cohorts.inputs import federation_of
from simulations.cohorts.synthetic import TABLES, make_cohort
from simulations.commands.options import Out


def sites(
    names: Annotated[list[str], typer.Argument(help="The sites' names, two or more.")],
    out: Out,
    n_cases: Annotated[int, typer.Option("--cases", min=12, help="Cases a site, about.")] = 60,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each branch and of the fusion head.")] = 5,
    seed: Annotated[int, typer.Option(help="Seeds everything.")] = 0,
) -> None:
    """Made-up site folders, and the federation.yaml of a study of them; nothing is trained."""
    check([problem for problem in map(problem_of_name, names) if problem])
    taken = [str(out / name) for name in [*names, FEDERATION] if (out / name).exists()]
    check([f"{', '.join(taken)}: there already; name another --out, or other sites"] if taken else [])
    check([f"give two names or more, each once, got {', '.join(names)}"] if len({*names}) < max(2, len(names)) else [])
    few = {name: {"federated": {"rounds": rounds}} for name in TABLES}
    federation = federation_of(TABLES, few, seed, [f"fusion.rounds={rounds}"])
    cohort = make_cohort(federation, out, len(names), n_cases, names=names)
    agreed = with_features_of_data(federation, cohort, out)
    for name in names:
        say(f"{out / name}: {(cohort.cases['site'] == name).sum()} cases, {', '.join(cohort.sources[name])}")
    lists = [f"{name}_features.json" for name in agreed.modalities if (out / f"{name}_features.json").is_file()]
    say(f"for the study: {', '.join(str(out / name) for name in [FEDERATION, *lists])}")
