"""Phase 4: the fusion head, fitted on what frozen branches say of cases they never saw."""

from collections.abc import Sequence

import numpy as np
import torch
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from modalities.core.fusion.fit import class_weights, minimise
from modalities.core.fusion.head import Parameters, head_named
from modalities.core.parts import modality_of
from server.handshake import held, note
from server.options import Options
from server.state import StudyState
from strategies.checks import LOSS, Asked
from strategies.exchange import Holder, fold, message_to
from strategies.streaming import replies_in_order
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, STUDY, Weights, config_record, to_record


def fit_fusion(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> None:
    """Phase 4: branches frozen; each round asks every site for the head's summed loss and gradient."""
    federation = study.federation
    head = head_named(federation.fusion.head)
    # Those of the sites that were there before, too: a head knows every branch that the study ends with.
    names = sorted({*held(holders), *(modality_of(part) for part in study.weights)})
    sizes = {name: study.weights[name]["head.weight"].shape[1] for name in names}
    start = head.initial(sizes, federation.n_classes)
    able = [holder for holder in holders if len(holder.cohorts) > 1]
    if not able or federation.fusion.fit == "none":
        study.head = {name: values.numpy() for name, values in start.items()}
        return
    weights = class_weights(np.asarray(study.class_counts), federation.fusion.class_weight_exponent).tolist()
    done = 0

    def evaluate(parameters: Parameters) -> tuple[float, Parameters]:
        nonlocal done
        if done == len(study.evaluations):
            study.evaluations.append(_fusion_round(grid, study, able, parameters, weights, options))
            options.step(study, {"phase": "fusion", "round": done + 1, "loss": study.evaluations[-1][0]})
        loss, gradient = study.evaluations[done]
        done += 1
        return loss, {name: torch.from_numpy(gradient[name]) for name in parameters}

    found = minimise(head, start, evaluate, federation.fusion)
    study.head = {name: values.numpy() for name, values in found.items()}


def _fusion_round(
    grid: Grid,
    study: StudyState,
    holders: Sequence[Holder],
    parameters: Parameters,
    weights: Sequence[float],
    options: Options,
) -> tuple[float, Weights]:
    """One evaluation of the head's loss and gradient, each site with the tensors of its own modalities."""
    by_part: dict[str, Weights] = {}
    for key, value in parameters.items():
        owner, _, name = key.partition(".")
        by_part.setdefault(FUSION + owner, {})[name] = value.numpy()
    config = config_record({"class-weights": list(weights)})
    asked: list[tuple[Message, Asked]] = []
    for holder in holders:
        own = {part: by_part[part] for part in by_part if part.removeprefix(FUSION) in (*holder.cohorts, SHARED)}
        content = RecordDict({CONFIG + STUDY: config, **{ARRAYS + part: to_record(own[part]) for part in own}})
        message = message_to(holder, content, "train.fusion", options.timeout, study.traffic)
        # No more cases take part than the site has of all its modalities together.
        asked.append((message, Asked(holder.site, holder.node_id, dict.fromkeys(own, sum(holder.cohorts.values())))))
    replies = replies_in_order(grid, [message for message, _ in asked], options.timeout)
    by_id = {message.metadata.message_id: entry for message, entry in asked}
    folded = fold(replies, by_id, by_part, study.traffic, weighted=False)
    note(study, folded.refused)
    if not folded.answered:
        raise RuntimeError("fusion: no site sent a usable reply; resume once the sites are back")
    gradient = {
        f"{part.removeprefix(FUSION)}.{name}": folded.sums[part].total()[name]
        if part in folded.sums
        else np.zeros_like(value)
        for part, own in by_part.items()
        for name, value in own.items()
    }
    return folded.metrics[FUSION + SHARED].get(LOSS, 0.0), gradient
