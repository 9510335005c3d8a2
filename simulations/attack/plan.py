"""What an attack study is asked for, and what it cannot be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from modalities.core.problems import Problem, check
from modalities.core.settings.federation import Federation
from strategies.aggregation import Aggregation


@dataclass(frozen=True)
class AttackPlan:
    """How many studies are trained, and what is looked at."""

    studies: int = 64
    """Each on a half of its own; a case is in about half of them."""
    targets: int = 16
    """Of these, the first so many are attacked in turn, with all others as shadow models."""
    sums: tuple[int, ...] = (1, 3, 5, 12)
    """Sizes of the groups whose sum is opened; 1: a site's plain update."""
    rounds: tuple[int, ...] = (1,)
    """Whose updates are looked at."""
    epsilons: tuple[float, ...] = ()
    """Releases under differential privacy."""


def refuse_other_steps(federation: Federation, rounds: Sequence[int]) -> None:
    """Refuse settings under which a study on pooled members would not be the study of the sites.

    Raises:
        ValueError: every one of them at once, with what to set.
    """
    problems = []
    if federation.fusion.fit != "none" or federation.fusion.head != "mean":
        what = f"got {federation.fusion.fit} and {federation.fusion.head}: heads are fitted on held-out cases"
        problems.append(Problem(what, "set fusion.fit=none fusion.head=mean", where="fusion"))
    for name, config in federation.modalities.items():
        own, where = config.federated, f"modalities.{name}"
        exact = {"optimiser": "sgd", "batch_size": 0, "local_epochs": 1, "robust": "", "patience": 0}
        problems += [
            Problem(f"{getattr(own, key)!r}: a round must be one step over all cases", f"set {value!r}", where=place)
            for key, value in exact.items()
            if getattr(own, key) != value and (place := f"{where}.federated.{key}")
        ]
        if Aggregation(own).centre is not None and not own.robust:
            what = f"{own.strategy}: looks at single updates, which masks hide"
            problems.append(Problem(what, "set fedadam or fedavg", where=f"{where}.federated.strategy"))
        if config.training.needs_class_counts:
            what = "class weights and prior corrections make a site's step another one"
            problems.append(Problem(what, "set 0", where=f"{where}.training"))
        if late := [each for each in rounds if each > own.rounds]:
            what = f"{own.rounds}, and round {late[0]} was to be looked at"
            problems.append(Problem(what, "lower `rounds`", where=f"{where}.federated.rounds"))
    check(problems)
