"""Phase 3: the branches, round by round, each modality with its own strategy, rounds and patience."""

from collections.abc import Mapping, Sequence

from flwr.app import ConfigRecord
from flwr.serverapp import Grid

from modalities.core.branch import build_branch, weights_of
from modalities.core.parts import modality_of, parts_of, scoring_parts
from modalities.core.patience import Patience
from modalities.core.seeds import seed_of
from server.handshake import held, note
from server.options import Options
from server.state import Progress, StudyState
from strategies.build import build_strategy, optimiser_state, restore_optimiser
from strategies.checks import HELD_OUT_LOSS, HELD_OUT_N
from strategies.exchange import Holder
from strategies.per_modality import PerModality
from strategies.streaming import replies_in_order
from strategies.wire import Weights, flatten, unflatten


def train_branches(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> None:
    """Phase 3: rounds until every modality has converged or used up its rounds; then the best weights of each."""
    federation = study.federation
    for name in held(holders):
        if name not in study.progress:
            _begin(study, name)
    names = [name for name in study.progress if name in held(holders)]
    parts = [part for name in names for part in parts_of(name, federation.fusion)]
    settings = {part: federation.modalities[modality_of(part)].federated for part in parts}
    strategies = {part: build_strategy(own) for part, own in settings.items()}
    for part, strategy in strategies.items():
        restore_optimiser(strategy, study.optimisers.get(part, {}))
    robust = {part: own for part, own in settings.items() if own.robust_rule}
    composed = PerModality(strategies, holders, options.timeout, study.traffic, robust)
    while active := [name for name in names if not study.progress[name].done]:
        composed.active = [part for name in active for part in parts_of(name, federation.fusion)]
        server_round = 1 + max(study.progress[name].rounds for name in active)
        _train_round(grid, study, composed, server_round, options)
        for name in active:
            _advance(study, composed, name)
        study.optimisers = {part: optimiser_state(strategies[part]) for part in parts}
        losses = {name: study.progress[name].curve[-1:] for name in active}
        options.step(study, {"phase": "branches", "round": server_round, "held_out": losses})
    _score_unscored(grid, study, composed, options)


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


def _train_round(grid: Grid, study: StudyState, composed: PerModality, server_round: int, options: Options) -> None:
    """One round; the weights as they were are kept where they are the best so far."""
    sent = {part: study.weights[part] for part in composed.active}
    messages = composed.configure_train(server_round, flatten(sent), ConfigRecord(), grid)
    replies = replies_in_order(grid, messages, options.timeout)
    arrays, _ = composed.aggregate_train(server_round, replies)
    note(study, composed.last.refused)
    if not composed.last.answered:
        raise RuntimeError(f"round {server_round}: no site sent a usable reply; resume once the sites are back")
    names = {modality_of(part) for part in composed.active}
    for name in names:
        _watch(study, composed, name, study.progress[name].rounds, sent)
    study.weights |= unflatten(arrays) if arrays is not None else {}


def _watch(study: StudyState, composed: PerModality, name: str, rounds: int, scored: Mapping[str, Weights]) -> None:
    """Take in the held-out loss of the weights after `rounds` rounds, and keep them if they are the best."""
    own = [composed.last.metrics.get(part, {}) for part in scoring_parts(name, study.federation.fusion)]
    n = sum(metrics.get(HELD_OUT_N, 0) for metrics in own)
    progress = study.progress[name]
    if not n:
        return
    loss = sum(metrics.get(HELD_OUT_LOSS, 0.0) for metrics in own) / n
    progress.curve.append(loss)
    if progress.stop.patience and progress.stop.improves(rounds, loss):
        study.best |= {part: scored[part] for part in parts_of(name, study.federation.fusion)}


def _advance(study: StudyState, composed: PerModality, name: str) -> None:
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


def _score_unscored(grid: Grid, study: StudyState, composed: PerModality, options: Options) -> None:
    """Modalities that patience watches and that used up their rounds: are the last weights the best?"""
    waiting = [name for name in study.progress if any(modality_of(part) == name for part in study.best)]
    if not waiting:
        return
    composed.active = [part for name in waiting for part in parts_of(name, study.federation.fusion)]
    _evaluate(grid, study, composed, options)
    for name in waiting:
        progress = study.progress[name]
        before = progress.stop.best_round
        _watch(study, composed, name, progress.rounds, study.weights)
        if progress.stop.best_round == before:
            _restore_best(study, name)
        study.best = {part: own for part, own in study.best.items() if modality_of(part) != name}
    options.step(study, {"phase": "branches"})


def close_branches(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> None:
    """Score the final weights of every branch, and let each site keep their outputs for the fusion head."""
    federation = study.federation
    parts = [part for name in held(holders) for part in scoring_parts(name, federation.fusion)]
    if not parts:
        return
    strategies = {part: build_strategy(federation.modalities[modality_of(part)].federated) for part in parts}
    composed = PerModality(strategies, holders, options.timeout, study.traffic)
    _evaluate(grid, study, composed, options)
    for name in held(holders):
        progress = study.progress[name]
        is_new = len(progress.curve) <= progress.rounds  # else a resumed study scored these weights before
        if not progress.stop.patience and name not in study.frozen and is_new:
            _watch(study, composed, name, progress.rounds, study.weights)
            progress.stop.best_round = progress.rounds
    options.tell(study, {"phase": "closing evaluation"})


def _evaluate(grid: Grid, study: StudyState, composed: PerModality, options: Options) -> None:
    arrays = flatten({part: study.weights[part] for part in composed.active})
    messages = composed.configure_evaluate(1, arrays, ConfigRecord(), grid)
    composed.aggregate_evaluate(1, replies_in_order(grid, messages, options.timeout))
    note(study, composed.last.refused)
