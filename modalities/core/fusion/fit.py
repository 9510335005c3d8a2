"""Fits one head, by L-BFGS or by Adam: each only asks for summed losses and gradients, wherever the cases are.

A fit can stop after any answer and go on from its `FitProgress`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from modalities.core.fusion.evidence import Evaluation, value_and_gradient
from modalities.core.fusion.head import Head, Parameters
from modalities.core.fusion.settings import Fusion
from modalities.core.patience import Patience


@dataclass
class HeadFit:
    """A head fitted without one fold, or on everything."""

    parameters: Parameters
    held_out: list[float]
    """Loss on the fold left out, summed over its cases: of the fitted head, or after 0, 1, 2, ... steps of Adam."""
    n_held_out: int
    rounds: int


@dataclass
class Moments:
    """Where Adam stands: the parameters, and the running means of their gradients and of the squares of those."""

    parameters: Parameters
    first: Parameters = field(default_factory=dict)
    second: Parameters = field(default_factory=dict)
    steps: int = 0

    def step(self, gradient: Parameters, lr: float) -> None:
        """One step of torch's Adam."""
        for name, values in self.parameters.items():
            self.first.setdefault(name, torch.zeros_like(values))
            self.second.setdefault(name, torch.zeros_like(values))
        params, grads, firsts, seconds = (
            [group[name] for name in gradient] for group in (self.parameters, gradient, self.first, self.second)
        )
        steps: list[Tensor] = [torch.tensor(float(self.steps)) for _ in gradient]
        plain: dict[str, Any] = {"amsgrad": False, "maximize": False, "weight_decay": 0.0}
        adam(params, grads, firsts, seconds, [], steps, lr=lr, beta1=0.9, beta2=0.999, eps=1e-8, **plain)
        self.steps += 1


@dataclass
class FitProgress:
    """How far the fit under way is."""

    evaluations: list[Evaluation] = field(default_factory=list)
    """The answers so far; L-BFGS is led through them again, Adam keeps no gradients."""
    moments: Moments | None = None
    """Where the fit is Adam's."""


@dataclass
class Fit:
    """One fit of one head, from the start or from where it was stopped."""

    head: Head
    settings: Fusion
    holds_out: bool
    """Whether a fold teaches nothing and is scored."""
    ask: Callable[[int, Parameters], Evaluation]
    """The summed answer of all cases to the parameters in a round, by its number from 0."""
    report: Callable[[int, float], None]
    """Told how many rounds there were and the last one's loss, once that round is kept in the progress."""
    progress: FitProgress

    def run(self, start: Parameters, rounds: int) -> HeadFit:
        """The fitted head; `rounds` is for Adam, L-BFGS takes those of the settings."""
        return self._by_adam(start, rounds) if self.head.OPTIMISER == "adam" else self._by_lbfgs(start)

    def _by_lbfgs(self, start: Parameters) -> HeadFit:
        """The parameters of least loss and penalty; then, where a fold is held out, one round to score it."""
        past, done = self.progress.evaluations, 0

        def evaluate(parameters: Parameters) -> Evaluation:
            nonlocal done
            if done == len(past):
                self._keep(self.ask(done, parameters))
            done += 1
            return past[done - 1]

        parameters = minimise(self.head, start, evaluate, self.settings)
        last = evaluate(parameters) if self.holds_out else Evaluation(0.0, {})
        return HeadFit(parameters, [last.held_out], last.n_held_out, done)

    def _by_adam(self, start: Parameters, rounds: int) -> HeadFit:
        """Steps on the summed gradient, until the fold held out gains no more."""
        past, network = self.progress.evaluations, self.settings.network
        patience = Patience(network.patience)
        moments = self.progress.moments = self.progress.moments or Moments(start)
        for step in range(rounds + self.holds_out):  # one round more scores what the last step led to
            if step == len(past):
                answer = self.ask(step, moments.parameters)
                _, pull = penalty_and_gradient(self.head, moments.parameters, self.settings)
                moments.step({name: slope + pull[name] for name, slope in answer.gradient.items()}, network.lr)
                self._keep(answer._replace(gradient={}))
            patience.improves(step, past[step].held_out)
            if self.holds_out and patience.exhausted(step):
                break
        return HeadFit(moments.parameters, [each.held_out for each in past], past[-1].n_held_out, len(past))

    def _keep(self, answer: Evaluation) -> None:
        self.progress.evaluations.append(answer)
        self.report(len(self.progress.evaluations), answer.loss)


def minimise(
    head: Head, start: Parameters, evaluate: Callable[[Parameters], Evaluation], settings: Fusion
) -> Parameters:
    """The parameters of least summed loss plus penalty, by L-BFGS."""
    if not start:
        return start
    from scipy.optimize import minimize  # 34 MB, which a site's rounds do not need

    names, shapes = list(start), [start[name].shape for name in start]
    splits = np.cumsum([values.numel() for values in start.values()])[:-1]

    def unflatten(flat: np.ndarray) -> Parameters:
        pieces = zip(names, shapes, np.split(flat, splits), strict=True)
        return {name: torch.from_numpy(piece.copy()).reshape(shape) for name, shape, piece in pieces}

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = unflatten(flat)
        answer = evaluate(parameters)
        extra, pull = penalty_and_gradient(head, parameters, settings)
        none = {name: torch.zeros_like(values) for name, values in parameters.items()}
        slopes = none | {name: slope + pull[name] for name, slope in answer.gradient.items()}
        return answer.loss + extra, np.concatenate([slopes[name].numpy().ravel() for name in names])

    first = np.concatenate([values.numpy().ravel() for values in start.values()])
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxfun": settings.rounds})
    return unflatten(found.x)


def penalty_and_gradient(head: Head, parameters: Parameters, settings: Fusion) -> tuple[float, Parameters]:
    """What the head adds once to the summed loss."""
    return value_and_gradient(partial(head.penalty, settings=settings), parameters)
