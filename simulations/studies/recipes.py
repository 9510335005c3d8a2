"""How the studies of strategies run each strategy: in which regime, and over which three values it is tuned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modalities.core.settings.federation import Federation, federation_from
from modalities.core.settings.training import ROBUST, STRATEGIES

STEP: Mapping[str, Any] = {"optimiser": "sgd", "batch_size": 0, "local_epochs": 1, "schedule": "constant"}
"""One gradient step on all cases of a site: the mean over sites is the pooled gradient step."""
LOCAL: Mapping[str, Any] = {"optimiser": "adam", "batch_size": 32, "local_epochs": 2, "schedule": "constant"}
"""Two local epochs of Adam in batches of 32."""
JOIN = "+"
DEFAULT = "default"
"""Every modality's own setting, untuned."""


@dataclass(frozen=True)
class Recipe:
    """A strategy's settings, and the one setting that is tuned."""

    settings: Mapping[str, Any]
    tuned: str
    values: tuple[float, ...]
    of_default: bool = False
    """Whether the values multiply the modality's own default."""


_LR = (1e-4, 1e-3, 1e-2)  # tenfold apart: Adam wants less, the more inputs a linear branch has
_RECIPES = {
    "fedavg": Recipe(LOCAL, "lr", _LR),
    "fedprox": Recipe({**LOCAL, "proximal_mu": 0.1}, "lr", _LR),
    "fedavgm": Recipe(STEP, "lr", (0.01, 0.1, 0.5), of_default=True),
    "fedadagrad": Recipe(STEP, "server_lr", (0.1, 1.0, 10.0), of_default=True),
    "fedadam": Recipe(STEP, "server_lr", (0.1, 1.0, 2.0), of_default=True),
    "fedyogi": Recipe(STEP, "server_lr", (0.1, 1.0, 2.0), of_default=True),
    **{rule: Recipe(LOCAL, "lr", _LR) for rule in ROBUST},
}


def recipe_of(name: str) -> Recipe:
    """The recipe of `fedadam`, `krum`, a server's step on a robust rule's result (`fedadam+krum`), or of `default`.

    Raises:
        ValueError: there is no such strategy.
    """
    if name == DEFAULT:
        return Recipe({"patience": 0}, "server_lr", (1.0,), of_default=True)
    strategy, _, robust = name.partition(JOIN)
    if strategy not in STRATEGIES or (robust and (robust not in ROBUST or strategy in ROBUST)):
        known = f"one of {', '.join(STRATEGIES)}, or such as fedadam+{ROBUST[0]}"
        raise ValueError(f"no strategy {name!r}: give {known}, or {DEFAULT}")
    recipe = _RECIPES[strategy]
    settings = {**recipe.settings, "strategy": strategy, "robust": robust, "patience": 0}
    return Recipe(settings, recipe.tuned, recipe.values, recipe.of_default)


def tuned_value(federation: Federation, modality: str, recipe: Recipe, choice: int) -> float:
    """The tuned setting's value for this modality."""
    default = getattr(federation.modalities[modality].federated, recipe.tuned) if recipe.of_default else 1.0
    return default * recipe.values[choice]


def with_recipe(
    federation: Federation, name: str, choices: Mapping[str, int], fit: str, rounds: int | None = None
) -> Federation:
    """The federation with every branch under this strategy; `choices` is by modality, of the values to tune over."""
    recipe, raw = recipe_of(name), federation.to_dict()
    for modality, section in raw["modalities"].items():
        tuned = {recipe.tuned: tuned_value(federation, modality, recipe, choices[modality])}
        # A value may make one modality diverge everywhere: its rounds are lost, not those of the others.
        section["federated"] |= {**recipe.settings, **tuned, "absent": "skip", **({"rounds": rounds} if rounds else {})}
    raw["fusion"]["fit"] = fit
    return federation_from(raw)


def same_choice(modalities: Sequence[str], choice: int) -> dict[str, int]:
    """The same choice for every modality."""
    return dict.fromkeys(modalities, choice)
