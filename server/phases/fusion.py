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
from server.phases.stopwatch import Stopwatch
from server.state.notes import WARNING
from strategies.checks import (
    HELD_OUT_LOSS,
    HELD_OUT_N,
    LOSS,
    NUM_EXAMPLES,
    Holder,
    Part,
    Refusal,
    gradient_part,
    parts_used,
)
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
    sites.event = {"phase": "fusion"}
    for name in [
        name for name in names if 0 < sites.n_able(name) < sites.least_fused and federation.fusion.fit != "none"
    ]:
        sites.note(WARNING, "*", name, NOT_FITTED)
    rounds = _Rounds(sites)
    return Search(
        federation.fusion, federation.seed, sizes, federation.n_classes, rounds.ask, study.search, rounds.report
    )


class _Rounds:
    """The rounds of the fits: each asks the sites, is kept, and then noted."""

    def __init__(self, sites: Attendance) -> None:
        """For one run of the study."""
        self._sites, self._watch, self._last = sites, Stopwatch(sites.study), Folded()

    def ask(self, question: Question, parameters: Parameters) -> Evaluation:
        """The answer of the sites of this fit, whose first round says who they are.

        All rounds of a fit are sums over the same cases: a search on a loss that changes under it goes astray. A site
        that comes back, or joins, is in the sums from the next fit on; one that falls out is in no later round.
        """
        sites, study = self._sites, self._sites.study
        weights = class_weights(np.asarray(study.class_counts), study.federation.fusion.class_weight_exponent)
        config = {"head": question.head, "held-out": question.held_out, "class-weights": weights.tolist()}
        config |= {"shown": list(question.shown)} if question.shown else {}

        expected = {*study.taught_by} if study.search.progress.evaluations else study.able()

        def exchange(present: Sequence[Holder]) -> tuple[Folded, Collection[str]]:
            self._watch.restart()
            same = [holder for holder in able(present) if holder.site in expected]
            asked = able(present) if sites.able_lacking(same) else same
            folded = _fusion_round(sites, asked, parameters, config)
            return folded, folded.answered

        self._last, answered = sites.gather("fusion", sites.able_lacking, exchange, expected)
        study.taught_by = sorted(answered)
        return _evaluation(self._last, sites.least_fused)

    def report(self, event: Mapping[str, Any]) -> None:
        """A round is done and kept: its line counts the rounds of all fits together."""
        study = self._sites.study
        answers = study.search.progress.evaluations
        done, answer = sum(fit.rounds for fit in study.search.fits.values()) + len(answers), answers[-1]
        held_out = answer.held_out / answer.n_held_out if answer.n_held_out else None
        cases = int(self._last.metrics.get(FUSION + SHARED, {}).get(NUM_EXAMPLES, 0))
        answered = self._last.answered
        missing = study.able() - answered
        self._watch.stop("fusion", done, None, held_out, None, answer.loss, answered, missing, cases)
        self._sites.event = event
        self._sites.options.step(study, event)


def _fusion_round(
    sites: Attendance, holders: Sequence[Holder], parameters: Parameters, question: Mapping[str, Any]
) -> Folded:
    """What the sites answer, added up; a site is sent the tensors of its own modalities only."""
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
    return folded


def _evaluation(folded: Folded, least: int) -> Evaluation:
    """The head's summed loss and gradient; what fewer than `least` sites answered for has none, and stays as it is."""
    gradient = {
        f"{part.removeprefix(FUSION)}.{name}": torch.from_numpy(array)
        for part, own in folded.sums.items()
        if len(folded.usable[part]) >= least
        for name, array in own.total().items()
    }
    sums = folded.metrics.get(FUSION + SHARED, {})
    loss, held_out, n_held_out = (sums.get(name, 0.0) for name in (LOSS, HELD_OUT_LOSS, HELD_OUT_N))
    return Evaluation(loss, gradient, held_out, int(n_held_out))


def _question(holder: Holder, by_part: Mapping[str, Weights], question: Mapping[str, Any]) -> tuple[Holder, RecordDict]:
    """One site's question; its answer is of no more cases than the site has of all its modalities together."""
    own = [part for part in by_part if part.removeprefix(FUSION) in (*holder.cohorts, SHARED)]
    arrays = {ARRAYS + part: to_record(by_part[part]) for part in own}
    asked = Holder(holder.node_id, holder.site, dict.fromkeys(own, sum(holder.cohorts.values())))
    return asked, RecordDict({CONFIG + STUDY: config_record(question), **arrays})
