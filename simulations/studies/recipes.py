"""A federation under each strategy that a study compares, as the strategy's own recipe says."""

from collections.abc import Mapping, Sequence

from modalities.core.settings.federation import Federation
from strategies.rule import centres, rules
from strategies.settings import federation_from
from strategies.tuning import Recipe

JOIN = "+"
DEFAULT = "default"
"""Every modality's own setting, untuned."""


def recipe_of(name: str) -> Recipe:
    """The recipe of `fedadam`, `krum`, a server's step on a robust rule's result (`fedadam+krum`), or of `default`.

    Raises:
        ValueError: there is no such strategy.
    """
    if name == DEFAULT:
        return Recipe({"patience": 0}, "server_lr", (1.0,), of_default=True)
    strategy, _, robust = name.partition(JOIN)
    if strategy not in rules() or (robust and (robust not in centres() or strategy in centres())):
        known = f"one of {', '.join(rules())}, or such as fedadam+{centres()[0]}"
        raise ValueError(f"no strategy {name!r}: give {known}, or {DEFAULT}")
    recipe = rules()[strategy].recipe
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
