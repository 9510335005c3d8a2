"""The closing evaluation: the final weights of every branch scored, and their outputs kept inside each site."""

from collections.abc import Sequence

from flwr.app import ConfigRecord
from flwr.serverapp import Grid

from modalities.core.parts import modality_of, scoring_parts
from server.phases.options import Options
from server.phases.replies import held, note
from server.state.study import StudyState
from strategies.aggregation import Aggregation
from strategies.exchange import Holder
from strategies.per_modality import PerModality
from strategies.streaming import replies_in_order
from strategies.wire import flatten


def score_final(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> PerModality:
    """Let these sites score the final weights of their branches and keep the outputs for the fusion head."""
    federation = study.federation
    names = [name for name in held(holders) if name in study.progress]
    parts = [part for name in names for part in scoring_parts(name, federation.fusion)]
    rules = {part: Aggregation(federation.modalities[modality_of(part)].federated) for part in parts}
    composed = PerModality(rules, holders, options.timeout, study.traffic)
    if parts:
        evaluate(grid, study, composed, options)
    return composed


def evaluate(grid: Grid, study: StudyState, composed: PerModality, options: Options) -> None:
    """One exchange that scores the active parts as they are."""
    arrays = flatten({part: study.weights[part] for part in composed.active})
    messages = composed.configure_evaluate(1, arrays, ConfigRecord(), grid)
    composed.aggregate_evaluate(1, replies_in_order(grid, messages, options.timeout))
    note(study, composed.last.refused)
