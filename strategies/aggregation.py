"""How the replies to one part become its new weights, as the settings of its modality say."""

from collections.abc import Sequence

import numpy as np

from modalities.core.settings.training import Federated
from strategies.rule import Centre, Step, rule_named
from strategies.streaming import as_type
from strategies.wire import Weights


class Aggregation:
    """The step of one part, and, where the settings name one, the centre that it starts from instead of the mean."""

    def __init__(self, settings: Federated) -> None:
        """A part's own: steps carry state from round to round."""
        self.settings = settings
        self.step: Step = Step(settings)
        self.centre: Centre | None = None
        self.centre_name = ""
        for name in (settings.strategy, settings.robust):
            rule = rule_named(name)(settings) if name else None
            if isinstance(rule, Step):
                self.step = rule
            elif rule is not None:
                self.centre, self.centre_name = rule, name

    def shortage(self, n_sites: int) -> str:
        """Why the rule cannot run on this many sites; empty if it can."""
        least, purpose = self.centre.needs() if self.centre else (0, "")
        return f"{self.centre_name} needs at least {least} sites {purpose}, and has {n_sites}" * (n_sites < least)

    def too_few(self, n_sites: int) -> str:
        """Why a round does not count with this many sites; empty if it does."""
        if n_sites < self.settings.min_holders:
            return f"{n_sites} of the at least {self.settings.min_holders} sites that min_holders asks for"
        return self.shortage(n_sites)


def combined_by(centre: Centre, before: Weights, replies: Sequence[tuple[Weights, int]]) -> Weights:
    """What the centre makes of the sites' weights, each with its cases, in the names, order and types of those before.

    It gets updates in float64: between nearly equal weights, distances would be lost in rounding.
    """
    updates = [
        {name: np.subtract(sent[name], array, dtype=np.float64) for name, array in before.items()}
        for sent, _ in replies
    ]
    update = centre.combine(updates, [cases for _, cases in replies])
    return {name: as_type(array + update[name], array.dtype) for name, array in before.items()}
