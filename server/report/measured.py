"""The evaluation as a report looks into it: models, SETs, and the cases that it leads with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from strategies.evaluation.names import COMPLETE, FEDERATED, FUSED, LOCAL, PRIOR
from strategies.report.look import ARM_LOOKS
from strategies.report.words import Json

LOOKS = {
    FEDERATED: replace(ARM_LOOKS["federated"], label="Federated model"),
    LOCAL: replace(ARM_LOOKS["local"], label="Sites' own models"),
    PRIOR: replace(ARM_LOOKS["majority"], label="Class shares"),
}
"""By model."""


@dataclass(frozen=True)
class Measured:
    """All models on the test cases, or, where there is none, on the training cases out of fold."""

    on: str
    """Which cases these are, in words."""
    cases: str
    """The same, as `gain` names them."""
    models: Mapping[str, Mapping[str, Json]]
    """Model -> SET -> scores."""

    def sets(self) -> list[str]:
        """Those with cases: fused first."""
        scored = self.models[FEDERATED]
        order = [FUSED, COMPLETE, *(name for name in scored if name not in (FUSED, COMPLETE))]
        return [name for name in order if scored.get(name, {}).get("n")]

    @property
    def headline(self) -> str:
        """The SET that the report leads with."""
        return next(iter(self.sets()), FUSED)

    def leading(self, model: str = FEDERATED) -> Json:
        """A model on that SET; empty where it was not scored on it."""
        return self.models.get(model, {}).get(self.headline, {})


def measured_in(evaluation: Json) -> Measured:
    """The test cases where there are any."""
    test = Measured("test cases", "test", {model: evaluation.get(model) or {} for model in LOOKS})
    return test if test.sets() else out_of_fold_in(evaluation)


def out_of_fold_in(evaluation: Json) -> Measured:
    """The training cases, each scored by copies that did not train on it."""
    scored = evaluation.get("out_of_fold") or {}
    return Measured("training cases, out of fold", "out_of_fold", {model: scored.get(model) or {} for model in LOOKS})


def reasons_in(part: object, place: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Every number that cannot be said: where it would stand, and why."""
    if isinstance(part, Mapping):
        if part.get("value", "") is None and part.get("reason"):
            return [(", ".join(place), str(part["reason"]))]
        return [found for key, own in part.items() for found in reasons_in(own, (*place, str(key)))]
    return []
