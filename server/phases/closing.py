"""The closing evaluation: the final weights of every branch scored, and their outputs kept inside each site."""

from collections.abc import Sequence

from flwr.app import ConfigRecord

from modalities.core.parts import modality_of, scoring_parts
from server.phases.sites import Sites, held
from strategies.aggregation import Aggregation
from strategies.checks import Holder
from strategies.per_modality import PerModality
from strategies.streaming import replies_in_order
from strategies.wire import flatten


def score_final(sites: Sites, holders: Sequence[Holder]) -> PerModality:
    """Let these sites score the final weights of their branches and keep the outputs for the fusion head."""
    study, federation = sites.study, sites.study.federation
    names = [name for name in held(holders) if name in study.progress]
    parts = [part for name in names for part in scoring_parts(name, federation.fusion)]
    rules = {part: Aggregation(federation.modalities[modality_of(part)].federated) for part in parts}
    composed = PerModality(rules, holders, sites.options.timeout, study.traffic, sites.exchange)
    if parts:
        evaluate(sites, composed)
    return composed


def evaluate(sites: Sites, composed: PerModality) -> None:
    """One exchange that scores the active parts as they are."""
    arrays = flatten({part: sites.study.weights[part] for part in composed.active})
    messages = composed.configure_evaluate(1, arrays, ConfigRecord(), sites.grid)
    composed.aggregate_evaluate(1, replies_in_order(sites.grid, messages, sites.options.timeout))
    sites.refuse(composed.last.refused)
