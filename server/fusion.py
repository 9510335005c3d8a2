"""Phase 4: the fusion head, fitted on what frozen branches say of cases they never saw."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from modalities.core.fusion.fit import Evaluation, Question, class_weights
from modalities.core.fusion.head import Parameters
from modalities.core.fusion.search import Memory, Search
from modalities.core.parts import modality_of
from server.handshake import held, note
from server.options import Options
from server.state import StudyState
from strategies.checks import HELD_OUT_LOSS, HELD_OUT_N, LOSS, Asked
from strategies.exchange import Holder, fold, message_to
from strategies.streaming import replies_in_order
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, STUDY, Weights, config_record, to_record


def fit_fusion(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> None:
    """Phase 4: branches frozen; each round asks every site for the head's summed loss and gradient."""
    search = head_search(grid, study, holders, options)
    study.head_name, head, study.out_of_fold = search.settle(possible=bool(_able(holders)))
    study.head = {name: values.numpy() for name, values in head.items()}
    study.fusion_rounds, study.search = search.rounds, Memory()


def head_search(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> Search:
    """Fits heads on the outputs that the sites keep; goes on from what the study remembers of an earlier run."""
    federation = study.federation
    # Those of the sites that were there before, too: a head knows every branch that the study ends with.
    names = sorted({*held(holders), *(modality_of(part) for part in study.weights)})
    sizes = {name: study.weights[name]["head.weight"].shape[1] for name in names}
    weights = class_weights(np.asarray(study.class_counts), federation.fusion.class_weight_exponent).tolist()

    def ask(question: Question, parameters: Parameters) -> Evaluation:
        config = {"head": question.head, "held-out": question.held_out, "class-weights": weights}
        config |= {"shown": list(question.shown)} if question.shown else {}
        return _fusion_round(grid, study, _able(holders), parameters, config, options)

    def report(event: Mapping[str, Any]) -> None:
        options.step(study, event)

    return Search(federation.fusion, federation.seed, sizes, federation.n_classes, ask, study.search, report)


def _able(holders: Sequence[Holder]) -> list[Holder]:
    """The sites with a case that might have two modalities."""
    return [holder for holder in holders if len(holder.cohorts) > 1]


def _fusion_round(
    grid: Grid,
    study: StudyState,
    holders: Sequence[Holder],
    parameters: Parameters,
    question: Mapping[str, Any],
    options: Options,
) -> Evaluation:
    """One evaluation of the head's loss and gradient, each site with the tensors of its own modalities."""
    by_part: dict[str, Weights] = {FUSION + SHARED: {}}
    for key, value in parameters.items():
        owner, _, name = key.partition(".")
        by_part.setdefault(FUSION + owner, {})[name] = value.numpy()
    config = config_record(question)
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
        f"{part.removeprefix(FUSION)}.{name}": torch.from_numpy(
            folded.sums[part].total()[name] if part in folded.sums else np.zeros_like(value)
        )
        for part, own in by_part.items()
        for name, value in own.items()
    }
    metrics = folded.metrics[FUSION + SHARED]
    return Evaluation(
        metrics.get(LOSS, 0.0), gradient, metrics.get(HELD_OUT_LOSS, 0.0), int(metrics.get(HELD_OUT_N, 0))
    )
