"""Phase 4: the fusion head, fitted on what frozen branches say of cases they never saw."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from flwr.app import Message, RecordDict

from modalities.core.fusion.evidence import Evaluation, Question, class_weights
from modalities.core.fusion.head import Parameters
from modalities.core.fusion.search import Memory, Search
from modalities.core.parts import modality_of
from server.phases.attendance import Attendance, able
from server.phases.replies import held, note
from strategies.checks import HELD_OUT_LOSS, HELD_OUT_N, LOSS, Asked
from strategies.exchange import Holder, fold, message_to
from strategies.streaming import replies_in_order
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, STUDY, Weights, config_record, to_record


def fit_fusion(sites: Attendance) -> None:
    """Phase 4: branches frozen; each round asks every site for the head's summed loss and gradient."""
    study, search = sites.study, head_search(sites)
    possible = any(len(own) > 1 for own in study.cohorts.values())
    study.head_name, head, study.out_of_fold = search.settle(possible)
    study.head = {name: values.numpy() for name, values in head.items()}
    study.fusion_rounds, study.search = search.rounds, Memory()


def head_search(sites: Attendance) -> Search:
    """Fits heads on the outputs that the sites keep; goes on from what the study remembers of an earlier run."""
    study, federation = sites.study, sites.study.federation
    # Those of the sites that were there before, too: a head knows every branch that the study ends with.
    names = sorted({*held(sites.holders), *(modality_of(part) for part in study.weights)})
    sizes = {name: study.weights[name]["head.weight"].shape[1] for name in names}
    weights = class_weights(np.asarray(study.class_counts), federation.fusion.class_weight_exponent).tolist()
    sites.event = {"phase": "fusion"}

    def ask(question: Question, parameters: Parameters) -> Evaluation:
        config = {"head": question.head, "held-out": question.held_out, "class-weights": weights}
        config |= {"shown": list(question.shown)} if question.shown else {}

        def exchange(present: Sequence[Holder]) -> tuple[Evaluation, Collection[str]]:
            return _fusion_round(sites, able(present), parameters, config)

        return sites.ask("fusion", sites.able_lacking, exchange)

    def report(event: Mapping[str, Any]) -> None:
        sites.event = event
        sites.options.step(study, event)

    return Search(federation.fusion, federation.seed, sizes, federation.n_classes, ask, study.search, report)


def _fusion_round(
    sites: Attendance, holders: Sequence[Holder], parameters: Parameters, question: Mapping[str, Any]
) -> tuple[Evaluation, Collection[str]]:
    """The head's loss and gradient, each site asked with the tensors of its own modalities; and who answered."""
    study, options = sites.study, sites.options
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
    replies = replies_in_order(sites.grid, [message for message, _ in asked], options.timeout)
    by_id = {message.metadata.message_id: entry for message, entry in asked}
    folded = fold(replies, by_id, by_part, study.traffic, weighted=False)
    note(study, folded.refused)
    gradient = {
        f"{part.removeprefix(FUSION)}.{name}": torch.from_numpy(
            folded.sums[part].total()[name] if part in folded.sums else np.zeros_like(value)
        )
        for part, own in by_part.items()
        for name, value in own.items()
    }
    own = folded.metrics.get(FUSION + SHARED, {})
    loss, held_out, n_held_out = (own.get(name, 0.0) for name in (LOSS, HELD_OUT_LOSS, HELD_OUT_N))
    return Evaluation(loss, gradient, held_out, int(n_held_out)), folded.answered
