"""Scores a site's cases with the finished model and with its own, and keeps what they say in the node's context."""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from flwr.app import Context

from client.alone.held_out import HeldOut
from client.alone.own import own_model
from client.evaluation.kept import keep_model, keep_scores
from client.evaluation.scored import of_tests, of_training
from client.node.home import Home
from client.study.answered import count_model
from client.study.fusion import flat_parameters, outputs_of
from client.study.kept import OUTPUTS, kept_outputs
from client.study.session import ClientStudy
from modalities.core.model.calibration import TEMPERATURE
from modalities.core.model.predict import FittedBranch, FittedModel
from modalities.core.settings.site import NOTHING
from modalities.core.site.store import digest_of
from strategies.evaluation.names import FEDERATED, LOCAL, TEST, TRAINING
from strategies.masked_exchange.wire import digest_of_arrays
from strategies.wire import FUSION, STUDY, Weights

Parts = Mapping[str, Weights]
"""The finished model: `<modality>` and `fusion.<owner>`, of the modalities that this site takes part with."""


def shares_nothing(study: ClientStudy) -> bool:
    """Whether the site's policy lets nothing of an evaluation out."""
    return study.data.config.policy.evaluation == NOTHING


def has_own(study: ClientStudy) -> bool:
    """Whether this site trains a model of its own to compare with."""
    trains = bool(study.data.modalities) and not study.data.config.only_evaluates
    return trains and study.federation.evaluation.local and not shares_nothing(study)


def score_final(study: ClientStudy, context: Context, parts: Parts, head: str, temperature: float) -> None:
    """Score the cases kept from training; and those trained on, by the outputs of the copies that never saw them.

    The closing evaluation of this run left those here, if there was one: a release is scored without.

    Raises:
        ValueError: the site scored as many other models of this study as its policy allows.
    """
    alike = hashlib.sha256(f"{head} {temperature!r}".encode()).hexdigest()
    if not shares_nothing(study):
        if study.home:
            _count(study, study.home, {**{part: digest_of(own) for part, own in parts.items()}, STUDY: alike})
        data, model = study.data, _model(study, parts, head, temperature)
        keep_scores(context, TEST, FEDERATED, data.tested.to_numpy(), of_tests(model, data))
        if any(key.startswith(OUTPUTS) for key in context.state):
            labels = torch.tensor(data.listed.labels)
            held_out = HeldOut(data.listed.case_ids, outputs_of(kept_outputs(context)), labels)
            keep_scores(context, TRAINING, FEDERATED, data.listed.labels, of_training(model, data, held_out))
    keep_model(context, {part: digest_of_arrays(own) for part, own in parts.items()}, alike)


def score_own(study: ClientStudy, context: Context, seconds: float) -> bool:
    """Score them with the site's own model, after so many seconds of training it; whether that is done."""
    data, fitted = study.data, own_model(study.data, study.home, seconds)
    if fitted is None:
        return False
    keep_scores(context, TEST, LOCAL, data.tested.to_numpy(), of_tests(fitted.model, data))
    keep_scores(context, TRAINING, LOCAL, data.listed.labels, of_training(fitted.model, data, fitted.held_out))
    return True


def _count(study: ClientStudy, home: Home, digests: Mapping[str, str]) -> None:
    """Part by part, so that a modality which came late makes no other model."""
    for part, digest in digests.items():
        count_model(home, study.federation.digest, part, digest, study.data.config.policy.max_evaluations)


def _model(study: ClientStudy, parts: Parts, head: str, temperature: float) -> FittedModel:
    branches = {
        name: FittedBranch(study.federation.modalities[name], study.states[name], parts[name])
        for name in study.data.modalities
        if name in parts
    }
    own = {part.removeprefix(FUSION): arrays for part, arrays in parts.items() if part.startswith(FUSION)}
    name = head if len(branches) > 1 else "mean"  # with one modality, any head without parameters will do
    calibration = {TEMPERATURE: np.array([temperature])}
    return FittedModel(study.federation, branches, flat_parameters(own), name, calibration, study.device)
