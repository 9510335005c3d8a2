"""Fits heads, and estimates what they are worth on cases that taught them nothing.

The estimate is a cross-fit of its own: the head is fitted without one of the folds and scored on it, fold by fold. The
same search runs at a coordinator, whose question goes to the sites, and on pooled cases.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modalities.core.fusion.evidence import Evaluation, Question, subsets_of
from modalities.core.fusion.fit import Fit, FitProgress, HeadFit
from modalities.core.fusion.head import Parameters, head_named
from modalities.core.fusion.settings import AUTO, Fusion
from modalities.core.seeds import seed_of

Ask = Callable[[Question, Parameters], Evaluation]


@dataclass
class Memory:
    """What a search that was stopped goes on from."""

    fits: dict[str, HeadFit] = field(default_factory=dict)
    """Those that are done, by `<head>@<fold left out>`."""
    progress: FitProgress = field(default_factory=FitProgress)
    """Of the fit under way."""


def _say_nothing(event: Mapping[str, Any]) -> None:
    del event


@dataclass
class Search:
    """Fits heads on the outputs of branches; `ask` gives the summed answer of all cases."""

    settings: Fusion
    seed: int
    sizes: Mapping[str, int]
    """Modality -> width of its embedding."""
    n_classes: int
    ask: Ask
    memory: Memory = field(default_factory=Memory)
    report: Callable[[Mapping[str, Any]], None] = _say_nothing
    """Called after every round."""

    def start(self, name: str) -> Parameters:
        """The head before any fit."""
        seed = seed_of(self.seed, "fusion", name)
        return head_named(name).initial(self.sizes, self.n_classes, self.settings, seed)

    def settle(self, possible: bool) -> tuple[str, Parameters, dict[str, float]]:
        """The head set, fitted, or that of `auto`'s candidates with the least out-of-fold loss; and those losses.

        Where no fit is `possible`, for want of cases, the first one as it is.
        """
        names = list(self.settings.candidates) if self.settings.head == AUTO else [self.settings.head]
        if not possible or self.settings.fit == "none":
            return names[0], self.start(names[0]), {}
        losses = {name: self.loss(name) for name in names} if len(names) > 1 else {}
        defined = {name: loss for name, loss in losses.items() if not math.isnan(loss)}
        chosen = min(defined or names, key=lambda name: defined.get(name, 0.0))
        return chosen, self.fitted(chosen), defined

    def fitted(self, name: str) -> Parameters:
        """The head fitted on everything; a network for as many rounds as were best for the folds left out."""
        if not self.start(name):
            return {}
        rounds = max(1, int(np.argmin(self.curve(name)))) if head_named(name).OPTIMISER == "adam" else 0
        return self._fit(name, 0, rounds).parameters

    def curve(self, name: str) -> list[float]:
        """Out-of-fold loss a case: of the fitted head, or after 0, 1, 2, ... rounds of a network; NaN without cases."""
        fits = [self._fit(name, fold, self.settings.network.rounds) for fold in range(1, self.settings.folds + 1)]
        n = sum(fit.n_held_out for fit in fits)
        common = min(len(fit.held_out) for fit in fits)
        return [sum(fit.held_out[step] for fit in fits) / n if n else math.nan for step in range(common)]

    def loss(self, name: str) -> float:
        """The least of the curve: what heads are chosen by."""
        return min(self.curve(name))

    @property
    def rounds(self) -> int:
        """Rounds of all fits that are done."""
        return sum(fit.rounds for fit in self.memory.fits.values())

    def _fit(self, name: str, held_out: int, rounds: int) -> HeadFit:
        key, head = f"{name}@{held_out}", head_named(name)
        if key not in self.memory.fits:

            def ask(step: int, parameters: Parameters) -> Evaluation:
                shown = self._shown(name, step) if head.OPTIMISER == "adam" else ()
                return self.ask(Question(name, held_out, shown), parameters)

            def report(done: int, loss: float) -> None:
                self.report({"phase": "fusion", "head": name, "round": done, "loss": loss})

            fit = Fit(head, self.settings, held_out > 0, ask, report, self.memory.progress)
            self.memory.fits[key] = fit.run(self.start(name), rounds)
            self.memory.progress = FitProgress()
        return self.memory.fits[key]

    def _shown(self, name: str, step: int) -> tuple[str, ...]:
        """What modality dropout leaves in this round: two modalities or more, since one alone teaches nothing."""
        subsets = [pair for pair in subsets_of(list(self.sizes), self.settings.modality_dropout) if len(pair[0]) > 1]
        chances = np.array([chance for _, chance in subsets])
        draw = np.random.default_rng(seed_of(self.seed, "fusion", name, step))
        return tuple(subsets[draw.choice(len(subsets), p=chances / chances.sum())][0])
