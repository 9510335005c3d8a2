"""Phase 4: the fusion head, fitted on what frozen branches say of cases they never saw."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from flwr.app import RecordDict

from modalities.core.fusion.evidence import Evaluation, Question, class_weights
from modalities.core.fusion.head import Parameters
from modalities.core.fusion.search import Memory, Search
from modalities.core.parts import modality_of
from server.phases.agreed import agreed_on
from server.phases.attendance import Attendance, able
from server.phases.sites import held
from server.state.notes import WARNING
from strategies.checks import HELD_OUT_LOSS, HELD_OUT_N, LOSS, Holder, Part, Refusal, gradient_part, parts_used
from strategies.exchange import Folded
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, STUDY, Weights, config_record, to_record

NOT_FITTED = "too few sites have it beside another modality: its share of the fusion head stays as it is"


def fit_fusion(sites: Attendance) -> None:
    """Phase 4: branches frozen; each round asks every site for the head's summed loss and gradient."""
    study, search = sites.study, head_search(sites)
    study.head_name, head, study.out_of_fold = search.settle(sites.can_fuse())
    study.head = {name: values.numpy() for name, values in head.items()}
    study.fusion_rounds, study.search = search.rounds, Memory()


def head_search(sites: Attendance) -> Search:
    """Fits heads on the outputs that the sites keep; goes on from what the study remembers of an earlier run."""
    study, federation = sites.study, sites.study.federation
    # Also those whose sites have left: a head knows every branch that the study ends with.
    names = sorted({*held(sites.holders), *(modality_of(part) for part in study.weights)})
    sizes = {name: study.weights[name]["head.weight"].shape[1] for name in names}
    weights = class_weights(np.asarray(study.class_counts), federation.fusion.class_weight_exponent).tolist()
    sites.event = {"phase": "fusion"}
    for name in [
        name for name in names if 0 < sites.n_able(name) < sites.least_fused and federation.fusion.fit != "none"
    ]:
        sites.note(WARNING, "*", name, NOT_FITTED)

    def ask(question: Question, parameters: Parameters) -> Evaluation:
        config = {"head": question.head, "held-out": question.held_out, "class-weights": weights}
        config |= {"shown": list(question.shown)} if question.shown else {}

        def exchange(present: Sequence[Holder]) -> tuple[Evaluation, Collection[str]]:
            return _fusion_round(sites, able(present), parameters, config)

        return sites.gather("fusion", sites.able_lacking, exchange)

    def report(event: Mapping[str, Any]) -> None:
        sites.event = event
        sites.options.step(study, event)

    return Search(federation.fusion, federation.seed, sizes, federation.n_classes, ask, study.search, report)


def _fusion_round(
    sites: Attendance, holders: Sequence[Holder], parameters: Parameters, question: Mapping[str, Any]
) -> tuple[Evaluation, Collection[str]]:
    """The head's summed loss and gradient, and who answered; a site is sent the tensors of its own modalities only.

    What too few sites answered for has no gradient, and stays as it is.
    """
    by_part: dict[str, Weights] = {FUSION + SHARED: {}}
    for key, value in parameters.items():
        owner, _, name = key.partition(".")
        by_part.setdefault(FUSION + owner, {})[name] = value.numpy()
    question = {**question, **agreed_on(sites, {part.removeprefix(FUSION): own for part, own in by_part.items()})}
    questions = [_question(holder, by_part, question) for holder in holders]
    folded = Folded()

    def read(holder: Holder, answer: RecordDict) -> tuple[dict[str, Part], list[Refusal]]:
        """All or nothing: loss and gradient must be of the same cases, or the search goes astray."""
        parts, refused = parts_used(holder, answer, gradient_part(by_part))
        return ({} if refused else parts), refused

    for holder, parts in sites.ask("train.fusion", questions, read):
        folded.add(holder, parts, weighted=False)
    gradient = {
        f"{part.removeprefix(FUSION)}.{name}": torch.from_numpy(array)
        for part, own in folded.sums.items()
        if folded.usable[part] >= sites.least_fused
        for name, array in own.total().items()
    }
    sums = folded.metrics.get(FUSION + SHARED, {})
    loss, held_out, n_held_out = (sums.get(name, 0.0) for name in (LOSS, HELD_OUT_LOSS, HELD_OUT_N))
    return Evaluation(loss, gradient, held_out, int(n_held_out)), folded.answered


def _question(holder: Holder, by_part: Mapping[str, Weights], question: Mapping[str, Any]) -> tuple[Holder, RecordDict]:
    """One site's question; its answer is of no more cases than the site has of all its modalities together."""
    own = [part for part in by_part if part.removeprefix(FUSION) in (*holder.cohorts, SHARED)]
    arrays = {ARRAYS + part: to_record(by_part[part]) for part in own}
    asked = Holder(holder.node_id, holder.site, dict.fromkeys(own, sum(holder.cohorts.values())))
    return asked, RecordDict({CONFIG + STUDY: config_record(question), **arrays})
