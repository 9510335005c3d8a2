"""The command that attacks: how much do updates, sums of them, and the model tell of a patient?"""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from pydantic import Field, StrictFloat

from modalities.core.console import console
from modalities.core.fields import Count, Whole, settings
from modalities.core.problems import check
from simulations.attack.plan import AttackPlan
from simulations.cohorts.inputs import numbers_in, tcga_cohort, tcga_federation
from simulations.cohorts.synthetic import make_cohort
from simulations.commands.options import Out, Seed, Settings
from simulations.commands.show import show_section
from simulations.commands.study_file import Command, carry_out, split
from simulations.report.sections.attack import attack as section
from simulations.studies.attack import attack_study
from strategies.settings import federation_from

_MODALITIES = "cnv,clinical,hif"
_EXACT = ("fusion.fit=none", "fusion.head=mean")
_SMALL_STUDIES, _SMALL_TARGETS, _SMALL_CASES = 12, 6, 40


@settings
class Attack(Command):
    """Membership and class counts, from what an onlooker sees."""

    NAME: ClassVar[str] = "attack"
    FREE: ClassVar[tuple[str, ...]] = ("studies", "targets")

    data: str = ""
    """As for tcga; without it, made-up sites."""
    min_site: Whole = 20
    sites_by: str = ""
    sites: Annotated[int, Field(ge=2)] = 6
    cases: Annotated[int, Field(ge=12)] = 60
    """A made-up site, about."""
    studies: Annotated[int, Field(ge=6)] = AttackPlan.studies
    """Each on a random half of every site's cases."""
    targets: Count = AttackPlan.targets
    """Studies that are attacked, with all others as shadow models."""
    sums: Annotated[list[Count], Field(min_length=1)] = field(default_factory=lambda: [*AttackPlan.sums])
    """Sizes of the groups of sites whose sum is opened; 1: one site's plain update."""
    rounds: Annotated[list[Count], Field(min_length=1)] = field(default_factory=lambda: [*AttackPlan.rounds])
    """Whose updates are looked at."""
    epsilons: list[Annotated[StrictFloat, Field(gt=0, le=50)]] = field(default_factory=list)
    """Releases under differential privacy, beside the one without."""
    private: dict[str, Any] = field(default_factory=dict)
    """Settings of those alone, over every modality's preset `private`."""

    def __post_init__(self) -> None:
        lists = {"sums": self.sums, "rounds": self.rounds, "epsilons": self.epsilons}
        check(
            [f"targets must be at most the {self.studies} studies, got {self.targets}"] * (self.targets > self.studies)
            + [f"{name}: give each once, got {own}" for name, own in lists.items() if len({*own}) < len(own)]
            + ["private: settings of releases with an epsilon, and none is asked for: give --epsilon"]
            * (bool(self.private) and not self.epsilons)
        )

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Train the studies, and attack them."""
        federation = federation_from(raw)
        if self.data:
            sites_by = Path(self.sites_by) if self.sites_by else None
            cohort = tcga_cohort(Path(self.data), federation, self.min_site, sites_by, out / "sites")
        else:
            cohort = make_cohort(federation, out / "sites", self.sites, self.cases)
        asked = (tuple(self.sums), tuple(self.rounds), tuple(self.epsilons))
        plan = AttackPlan(self.studies, self.targets, *asked)
        show_section(section(attack_study(cohort, federation, plan, self.private, out, console)), out)


def attack(
    out: Out,
    data: Annotated[Path | None, typer.Option(help="As for tcga; without it, made-up sites.")] = None,
    modalities: Annotated[str, typer.Option(help="Comma-separated, as for tcga.")] = _MODALITIES,
    epsilon: Annotated[
        str | None, typer.Option(help="Comma-separated: releases under differential privacy, beside the one without.")
    ] = None,
    small: Annotated[bool, typer.Option("--small", help="Few cases and studies, for a quick look.")] = False,
    seed: Seed = None,
    settings: Settings = None,
) -> None:
    """How much do updates, sums of them and the model tell of a patient? Membership tests, and counts of classes."""
    own, rest = split(Attack, settings)
    federation = tcga_federation(None, seed, [*_EXACT, *rest], modalities=modalities, clinical=None)
    few = {"studies": _SMALL_STUDIES, "targets": _SMALL_TARGETS, "cases": _SMALL_CASES} if small else {}
    epsilons = numbers_in(epsilon, "--epsilon", "3,8") if epsilon else None
    carry_out(Attack, {"data": data, "epsilons": epsilons, **few, **own}, federation.to_dict(), out)
