"""Phase 3: the branches, round by round, each modality with its own strategy, rounds and patience."""

from collections.abc import Mapping, Sequence

from flwr.app import ConfigRecord

from modalities.core.blocks.branch import build_branch, weights_of
from modalities.core.parts import modality_of, parts_of, scoring_parts
from modalities.core.patience import Patience
from modalities.core.seeds import seed_of
from server.phases.attendance import MOST_TRIES, Attendance, Lacks
from server.phases.closing import evaluate, score_final
from server.phases.sites import Sites, held
from server.phases.stopwatch import CLOSING, Stopwatch
from server.state.notes import WARNING
from server.state.study import Progress, StudyState
from strategies.aggregation import Aggregation
from strategies.checks import HELD_OUT_LOSS, HELD_OUT_N, Holder
from strategies.per_modality import PerModality
from strategies.streaming import replies_in_order
from strategies.wire import Weights, flatten, unflatten


def train_branches(sites: Attendance) -> None:
    """Phase 3: rounds until every modality has converged or used up its rounds; then the best weights of each.

    Raises:
        RuntimeError: a modality that waits for its holders got no round that counts; what was done before is kept.
    """
    study, options = sites.study, sites.options
    composed, fruitless = PerModality({}, (), options.timeout, study.traffic, sites.exchange), 0
    while active := _active(sites, composed):
        server_round, watch = 1 + max(study.progress[name].rounds for name in active), Stopwatch(study)
        sites.event = {"phase": "branches", "round": server_round}
        composed.holders = sites.present()
        lacks = sites.lacking(active, composed.holders)
        asked = [name for name in active if name not in lacks]
        lacks |= _train_round(sites, composed, asked, server_round)
        trained = [name for name in asked if name not in lacks]
        waits = _waiting(sites, composed, lacks, asked)
        sites.set_waiting(waits)
        if not trained and waits:
            fruitless = fruitless + 1 if asked else 0
            _pause(sites, waits, asked, fruitless)
            continue
        fruitless = 0
        _skip(sites, {name: lacks[name] for name in lacks if name not in waits}, at_once=not asked)
        for name in trained:
            loss, own_round = _held_out(study, composed, name), study.progress[name].rounds + 1
            watch.stop_branch("branches", own_round, name, loss, composed.last)
            _advance(study, name)
        study.optimisers = {part: rule.step.state() for part, rule in composed.rules.items()}
        losses = {name: study.progress[name].curve[-1:] for name in trained}
        options.step(study, {**sites.event, "held_out": losses})
    _score_unscored(sites, composed)


def _active(sites: Attendance, composed: PerModality) -> list[str]:
    """The modalities still in training, each with its rules; one that has its first holder starts here."""
    study, federation = sites.study, sites.study.federation
    for name in held(sites.holders):
        if name not in study.progress:
            _begin(study, name)
    for name in study.progress:
        settings = federation.modalities[name].federated
        for part in [part for part in parts_of(name, federation.fusion) if part not in composed.rules]:
            composed.rules[part] = Aggregation(settings)
            composed.rules[part].step.restore(study.optimisers.get(part, {}))
    return [name for name, progress in study.progress.items() if not progress.done]


def _begin(study: StudyState, name: str) -> None:
    """Initial weights of a modality's parts, unless they came from a release."""
    federation = study.federation
    settings = federation.modalities[name].federated
    study.progress[name] = Progress(stop=Patience(settings.patience), done=name in study.frozen)
    for part in parts_of(name, federation.fusion):
        if name not in study.frozen:
            seed = seed_of(federation.seed, part)
            branch = build_branch(federation.modalities[name], study.states[name], federation.n_classes, seed)
            study.weights[part] = weights_of(branch)


def _train_round(sites: Attendance, composed: PerModality, asked: Sequence[str], server_round: int) -> Lacks:
    """Train these modalities for a round; by modality, why the round does not count and its weights stay as they were.

    Each modality counts its own rounds, so that one that had to wait goes on as if it had not. Replies also score the
    weights that were sent, which are kept where they are the best so far.
    """
    study, fusion = sites.study, sites.study.federation.fusion
    composed.active = [part for name in asked for part in parts_of(name, fusion)]
    composed.rounds = {part: 1 + study.progress[modality_of(part)].rounds for part in composed.active}
    sent = {part: study.weights[part] for part in composed.active}
    messages = composed.configure_train(server_round, flatten(sent), ConfigRecord(), sites.grid)
    replies = replies_in_order(sites.grid, messages, sites.options.timeout)
    arrays, _ = composed.aggregate_train(server_round, replies)
    sites.refuse(composed.last.refused)
    for name in [name for name in asked if name not in composed.short]:
        _watch(study, composed, name, study.progress[name].rounds, sent)
    study.weights |= unflatten(arrays) if arrays is not None else {}
    return composed.short


def _waiting(sites: Attendance, composed: PerModality, lacks: Lacks, asked: Sequence[str]) -> dict[str, str]:
    """Those whose settings say `wait`; or all, where no site at all is there and answers."""
    failed = {holder.site for holder in composed.holders if {*holder.cohorts} & {*asked}} - composed.last.answered
    somebody = len(composed.holders) > len(failed)
    settings = {name: sites.study.federation.modalities[name].federated for name in lacks}
    return {name: reason for name, reason in lacks.items() if settings[name].absent == "wait" or not somebody}


def _pause(sites: Attendance, waits: Lacks, asked: Sequence[str], fruitless: int) -> None:
    """Wait until enough sites are there for at least one of these modalities.

    Raises:
        RuntimeError: nobody came in time; or enough sites are there, but send nothing that can be used.
    """
    failed = {name: reason for name, reason in waits.items() if name in asked}
    if failed and fruitless >= MOST_TRIES:
        raise RuntimeError(sites.stalled(failed))

    def lacks_of(present: Sequence[Holder]) -> dict[str, str]:
        lacks = sites.lacking(list(waits), present)
        return lacks if len(lacks) == len(waits) else {}

    sites.present_when(lacks_of)


def _skip(sites: Sites, lacks: Lacks, at_once: bool) -> None:
    """Count a round without a step; where no other modality is trained meanwhile, all remaining rounds at once."""
    study = sites.study
    for name, reason in lacks.items():
        progress, last = study.progress[name], study.federation.modalities[name].federated.rounds
        first, progress.rounds = progress.rounds + 1, last if at_once else progress.rounds + 1
        progress.done = progress.rounds >= last
        what = f"round {first}" if progress.rounds == first else f"rounds {first} to {progress.rounds}"
        sites.note(WARNING, "*", name, f"{what} skipped: {reason}")


def _watch(study: StudyState, composed: PerModality, name: str, rounds: int, scored: Mapping[str, Weights]) -> None:
    """Take in the held-out loss of the weights after `rounds` rounds, and keep them if they are the best."""
    progress, loss = study.progress[name], _held_out(study, composed, name)
    if loss is None:
        return
    progress.curve.append(loss)
    if progress.stop.patience and progress.stop.improves(rounds, loss):
        study.best |= {part: scored[part] for part in parts_of(name, study.federation.fusion)}


def _held_out(study: StudyState, composed: PerModality, name: str) -> float | None:
    """Held-out loss a case in the last exchange; None where no site had a case held out."""
    own = [composed.last.metrics.get(part, {}) for part in scoring_parts(name, study.federation.fusion)]
    n = sum(metrics.get(HELD_OUT_N, 0) for metrics in own)
    return sum(metrics.get(HELD_OUT_LOSS, 0.0) for metrics in own) / n if n else None


def _advance(study: StudyState, name: str) -> None:
    """Count the round, and stop where patience or rounds are used up."""
    progress, settings = study.progress[name], study.federation.modalities[name].federated
    exhausted = bool(progress.curve) and progress.stop.exhausted(progress.rounds)
    progress.rounds += 1
    progress.done = exhausted or progress.rounds >= settings.rounds
    if exhausted:
        _restore_best(study, name)


def _restore_best(study: StudyState, name: str) -> None:
    parts = [part for part in parts_of(name, study.federation.fusion) if part in study.best]
    study.weights |= {part: study.best.pop(part) for part in parts}


def _score_unscored(sites: Attendance, composed: PerModality) -> None:
    """Modalities that patience watches and that used up their rounds: are the last weights the best?"""
    study = sites.study
    waiting = [name for name in study.progress if any(modality_of(part) == name for part in study.best)]
    if not waiting:
        return
    composed.active = [part for name in waiting for part in parts_of(name, study.federation.fusion)]
    composed.holders = sites.present()
    watch = Stopwatch(study)
    evaluate(sites, composed)
    for name in waiting:
        progress = study.progress[name]
        before = progress.stop.best_round
        _watch(study, composed, name, progress.rounds, study.weights)
        watch.stop_branch(CLOSING, progress.rounds, name, _held_out(study, composed, name), composed.last)
        if progress.stop.best_round == before:
            _restore_best(study, name)
        study.best = {part: own for part, own in study.best.items() if modality_of(part) != name}
    sites.options.step(study, {"phase": "branches"})


def close_branches(sites: Attendance) -> None:
    """Score the final weights of every branch, and let each site keep their outputs for the fusion head."""
    study = sites.study
    if study.federation.fusion.fit == "none":
        return
    sites.event = {"phase": CLOSING}
    present, watch = sites.present(), Stopwatch(study)
    composed = score_final(sites, present)
    sites.is_closed = True
    for name in [name for name in held(present) if name in study.progress]:
        progress = study.progress[name]
        is_new = len(progress.curve) <= progress.rounds  # else a resumed study scored these weights before
        if not progress.stop.patience and name not in study.frozen and is_new:
            _watch(study, composed, name, progress.rounds, study.weights)
            progress.stop.best_round = progress.rounds
            watch.stop_branch(CLOSING, progress.rounds, name, _held_out(study, composed, name), composed.last)
    sites.tell()
