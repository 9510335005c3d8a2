"""The released model and the site's own on the site's cases, scored as in a study's evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from client.alone.held_out import HeldOut, aligned, held_out_of
from client.alone.own import own_model
from client.evaluation.scored import BySet, of_tests, of_training
from client.node.home import Home
from modalities.core.parts import parts_of
from modalities.core.release.release import Release
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import FULL
from modalities.core.site.store import SiteData
from strategies.evaluation.answers import Scored, counted, own_answer, tallied
from strategies.evaluation.computed import Evaluated, results_of
from strategies.evaluation.names import COMPLETE, FEDERATED, FUSED, LOCAL, TEST
from strategies.report.words import Json

_SMALLEST = 1
"""Cases that a number may be of: nothing leaves the site."""
TEST_CASES, TRAINING_CASES = "test cases", "training cases, each as copies say that never saw it"


@dataclass(frozen=True)
class Here:
    """What the models say of this site's cases: its test cases, or its training cases where it has none."""

    site: str
    federation: Federation
    on: str
    """Which cases these are, in words."""
    case_ids: list[str]
    labels: np.ndarray
    said: Mapping[str, BySet]
    """`federated`, and `local` where the site has a model of its own -> SET -> probabilities, a row a case."""
    results: Json
    """Of these cases, as a release's `evaluation` has them: as test cases, whichever they are."""
    study: Json
    """Of the same kind of cases of all sites: model -> SET -> numbers; empty where the release has none."""

    @property
    def sets(self) -> list[str]:
        """The SETs that hold a case here, fused ones first."""
        order = [FUSED, COMPLETE, *self.federation.modalities]
        return [of for of in order if of in self.said[FEDERATED] and self.rows(of).any()]

    def rows(self, of: str, model: str = FEDERATED) -> np.ndarray:
        """Which cases a model says something of."""
        return np.asarray(np.isfinite(self.said[model][of]).all(axis=1))

    @property
    def models(self) -> list[str]:
        """Those that were scored here."""
        return [model for model in (FEDERATED, LOCAL) if model in self.said]

    def numbers(self, model: str, of: str) -> Json:
        """What follows from counts; of an AUROC see `ranking`, which is exact."""
        return self.results[model][of]

    def ranking(self, model: str, of: str) -> Json:
        """AUROCs over these very cases; for `gain` federated minus the site's own."""
        return self.results["sites"][self.site]["results"][model][of]


def scored_here(folder: Path, release: Release) -> Here:
    """Score the site's labelled cases with the release, and with the model that the evaluation trained here.

    Raises:
        ValueError: every problem of the folder at once; or it has no labelled case that the release can read.
    """
    data, home = SiteData(folder, release.federation), Home(folder)
    alone, fitted = own_model(data, home), release.fitted(data.config.resources.device)
    tests = {FEDERATED: of_tests(fitted, data), LOCAL: of_tests(alone.model, data) if alone else {}}
    if tests[FEDERATED]:
        return _here(data, release, TEST_CASES, list(data.tested.index), data.tested.to_numpy(), tests)
    training = {
        FEDERATED: of_training(fitted, data, _held_out(data, release)),
        LOCAL: of_training(alone.model, data, alone.held_out) if alone else {},
    }
    if not training[FEDERATED]:
        raise ValueError(
            f"{folder}: no labelled case here that the release can read: it has {', '.join(release.modalities)}; give "
            "cases.csv labels, or see `tessera-client check`"
        )
    return _here(data, release, TRAINING_CASES, list(data.listed.case_ids), data.listed.labels, training)


def _held_out(data: SiteData, release: Release) -> HeldOut:
    """What the release's fold copies say of the site's training cases."""
    federation, learned = data.federation, {}
    for name in [name for name in data.modalities if name in release.modalities]:
        state = release.state(name)
        weights = {part: release.weights(part) for part in parts_of(name, federation.fusion)}
        training, device = data.training(name, state), data.config.resources.device
        learned[name] = held_out_of(federation, name, state, training, weights, device)
    return aligned(learned, [data]) if learned else HeldOut((), release.fitted().outputs({}, []), torch.zeros(0))


def _here(
    data: SiteData, release: Release, on: str, case_ids: list[str], labels: np.ndarray, by_model: Mapping[str, BySet]
) -> Here:
    said = {model: by_set for model, by_set in by_model.items() if by_set}
    evaluation = release.model.get("evaluation") or {}
    study = evaluation if on == TEST_CASES else evaluation.get("out_of_fold") or {}
    results = _results(data, release, labels, said)
    return Here(data.config.name, data.federation, on, case_ids, labels, said, results, study)


def _results(data: SiteData, release: Release, labels: np.ndarray, said: Mapping[str, BySet]) -> Json:
    federation, config = data.federation, data.config
    names, n_classes, classes = list(federation.modalities), federation.n_classes, list(federation.task.classes)
    sets = dict.fromkeys(of for by_set in said.values() for of in by_set)
    scored = {
        (TEST, of): Scored(labels, {model: by_set[of] for model, by_set in said.items() if of in by_set}) for of in sets
    }
    totals = counted(scored, names, n_classes)
    return results_of(
        Evaluated(
            sums={**totals, **tallied(scored, names, n_classes, _SMALLEST, totals)},
            told={config.name: own_answer(scored, names, n_classes, _SMALLEST)},
            shares={config.name: FULL},
            external=[config.name] if config.only_evaluates else [],
            modalities=names,
            classes=classes,
            prior=np.array([release.model["class_counts"].get(name, 0) for name in classes], dtype=np.float64),
            margin=federation.evaluation.margin,
            seed=federation.seed,
        )
    ).to_plain()
