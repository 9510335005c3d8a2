"""What an aggregation rule is, and how one is found by name.

Each file of `strategies/rules` defines one rule as a class `Rule`, which settings name as the file is named. A rule is
a `Step`, from the weights of this round to those of the next, or a `Centre`, which combines the sites' updates other
than by their mean. `strategy` of federation.yaml names either, `robust` a centre for the step to start from.
"""

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any, ClassVar

from flwr.serverapp.strategy import FedAvg

from modalities.core.added import RULE, add, added
from modalities.core.settings.training import Federated
from strategies import rules as folder
from strategies.tuning import LOCAL, Recipe
from strategies.wire import Weights

NODES: dict[str, Any] = {"min_train_nodes": 1, "min_evaluate_nodes": 1, "min_available_nodes": 1}
"""For Flower's strategies: none waits for more nodes than there are."""


class _Rule:
    recipe: ClassVar[Recipe] = Recipe(LOCAL, "lr", (1e-4, 1e-3, 1e-2))
    """How `tessera-simulate` runs and tunes the rule beside others."""

    def __init__(self, settings: Federated) -> None:
        self.settings = settings

    def problems(self) -> list[str]:
        """What is wrong with the settings for this rule, besides what is wrong for any."""
        return []


class Step(_Rule):
    """From the weights of a round to those of the next; this one takes what the sites' weights combine to."""

    @cached_property
    def stock(self) -> FedAvg:
        """The Flower strategy that writes the messages to the sites."""
        return FedAvg(**NODES)

    def take(self, server_round: int, before: Weights, combined: Weights) -> Weights:
        """The new weights, in the names, order and types of those before."""
        del server_round, before
        return combined

    def state(self) -> Weights:
        """What the step carries from round to round, for the checkpoint; keyed as its rule likes."""
        return {}

    def restore(self, state: Weights) -> None:
        """Go on from what `state` gave, in whatever order."""


class Centre(_Rule, ABC):
    """One update made of the sites' updates, which it sees side by side: memory grows with the number of sites."""

    def needs(self) -> tuple[int, str]:
        """How many sites, and what for: 3, "for a median that differs from the mean"."""
        return 1, ""

    @abstractmethod
    def combine(self, updates: Sequence[Weights], cases: Sequence[int]) -> Weights:
        """One update of all; each is float64, a site's weights minus those before, with the cases it learned from."""


@cache
def rules() -> dict[str, type[Step] | type[Centre]]:
    """Every rule by name: the files of the folder `rules`, and those that were registered.

    Raises:
        TypeError: a file there defines no rule; it is an error, never skipped.
    """
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
        rule = getattr(importlib.import_module(f"{folder.__name__}.{name}"), "Rule", None)
        found[name] = _checked(rule, f"strategies/rules/{name}.py: must define `Rule`")
    return {**found, **added(RULE)}


def register_rule(name: str, rule: type[Step] | type[Centre]) -> None:
    """Let settings name an aggregation rule of your own, in this process.

    A study whose server runs elsewhere needs it as a file (docs/adding-a-strategy.md).

    Raises:
        ValueError: the name is none, or that of a file.
        TypeError: it is no class derived from Step or Centre.
    """
    add(RULE, name, _checked(rule, f"aggregation rule {name!r}: must be a class"), rules())
    rules.cache_clear()


def _checked(rule: object, what: str) -> type[Step] | type[Centre]:
    if not (isinstance(rule, type) and issubclass(rule, Step | Centre)):
        raise TypeError(f"{what}, a Step or a Centre (see docs/adding-a-strategy.md)")
    if inspect.isabstract(rule):
        raise TypeError(f"{what}, a Centre with a `combine` of its own (see docs/adding-a-strategy.md)")
    return rule


def rule_named(name: str) -> type[Step] | type[Centre]:
    """The rule of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in rules():
        raise ValueError(f"no aggregation rule {name!r}; known rules: {', '.join(rules())}")
    return rules()[name]


def steps() -> list[str]:
    """The names of the rules that are a `Step`: all that masks leave, since no site's update is seen."""
    return [name for name, rule in rules().items() if issubclass(rule, Step)]


def centres() -> list[str]:
    """The names of the rules that are a `Centre`: those that `robust` may name."""
    return [name for name, rule in rules().items() if issubclass(rule, Centre)]
