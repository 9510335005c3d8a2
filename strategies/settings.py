"""federation.yaml with rules that exist: settings lie below the rules, so there any name will do."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modalities.core.problems import Problem
from modalities.core.settings import federation
from modalities.core.settings.federation import Federation
from modalities.core.settings.privacy import Privacy
from modalities.core.settings.training import Federated
from strategies.rule import centres, rules, steps

_OFF = Privacy()


def load_federation(path: Path, overrides: Sequence[str] = ()) -> Federation:
    """The settings of a federation.yaml, with dotted overrides such as `modalities.cnv.training.lr=1e-3`.

    Raises:
        ValueError: every problem at once, rules that do not exist or do not suit their settings included.
    """
    return federation.load_federation(path, overrides, problems_of)


def federation_from(raw: Mapping[str, Any]) -> Federation:
    """The settings of plain values, checked likewise."""
    return federation.federation_from(raw, rule_problems=problems_of)


def problems_of(settings: Federated, privacy: Privacy = _OFF, complete: bool = True) -> Iterator[Problem]:
    """What is wrong with the rules that the settings name, and, where all settings are right, with those for them."""
    named = {"strategy": (settings.strategy, list(rules())), "robust": (settings.robust, ["", *centres()])}
    wrong = {place: pair for place, pair in named.items() if pair[0] not in pair[1]}
    for place, (name, known) in wrong.items():
        choices = [choice for choice in known if choice]
        near = difflib.get_close_matches(name, choices, n=1, cutoff=0.0)[0]
        what = "a rule that can stand in for the mean" if name in rules() else "a rule"
        yield Problem(f"{name!r} is not {what}", f"did you mean {near!r}? There are {', '.join(choices)}", where=place)
    if privacy.sums_only:
        yield from _seeing_each_update(settings)
    if settings.strategy in centres() and settings.robust:
        yield Problem(f"{settings.strategy} is robust by itself: leave `robust` empty, got {settings.robust!r}")
    if complete and not wrong:
        for name in filter(None, (settings.strategy, settings.robust)):
            yield from map(Problem, rules()[name](settings).problems())


def _seeing_each_update(settings: Federated) -> Iterator[Problem]:
    """Rules that masks leave nothing to look at."""
    remedies = {"strategy": "take one of", "robust": "leave it empty, with a `strategy` among"}
    for place, remedy in remedies.items():
        name = getattr(settings, place)
        if name in centres():
            what = f"{name} must see each site's update; under masks nobody does (privacy.masking: required)"
            yield Problem(what, f"{remedy} {', '.join(steps())}", where=place)
