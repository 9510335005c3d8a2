"""The evaluation that a study between hospitals ends with, of the out-of-fold predictions of all folds."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from modalities.core.settings.federation import Federation
from simulations.arms.evaluated import over_folds
from simulations.evidence.table import probabilities_of, rows_of
from simulations.scores.predictions import LOCAL as LOCAL_ARM
from strategies.evaluation.answers import Scored, ScoredCases, counted, own_answer, tallied
from strategies.evaluation.computed import Evaluated, results_of
from strategies.evaluation.names import COMPLETE, FEDERATED, FUSED, LOCAL, TEST, Arrays, sets_of
from strategies.evaluation.results import EvaluationResults
from strategies.evaluation.wire import FULL
from strategies.statistics import add_sums


def evaluation(
    predictions: pd.DataFrame, details: Mapping[str, Sequence[Mapping[str, Any]]], federation: Federation
) -> EvaluationResults | None:
    """As in a release; None where a fold's study was not evaluated.

    The federated model's tallies are the sums over the folds' studies, whose sites scored their own test cases. Sites'
    own models are those of the arm `local`, on their own out-of-fold cases, and so are the site-by-site results and the
    gain: all the cases of a site are paired, whichever fold they were tested in. A case that a site's own model cannot
    score has the site's class prior, as in that arm.
    """
    pooled = over_folds([fold.get("evaluation") or {} for fold in details.get(FEDERATED, ())])
    if pooled is None:
        return None
    scored = scored_by_site(predictions, predictions, federation)
    compared, _ = add_sums([("", _compared(own, federation)) for own in scored.values()], TEST)
    return results_of(
        Evaluated(
            sums={**compared, **pooled.sums},
            told=told_by(scored, federation),
            shares=dict.fromkeys(scored, FULL),
            external=pooled.external,
            modalities=list(federation.modalities),
            classes=list(federation.task.classes),
            prior=pooled.class_counts,
            margin=federation.evaluation.margin,
            seed=federation.seed,
        )
    )


def scored_by_site(federated: pd.DataFrame, local: pd.DataFrame, federation: Federation) -> dict[str, ScoredCases]:
    """By site, what the federated model says of its cases, and what its own model says of the same.

    Both are tables of predictions: of one run, or of two with other folds. A site that has no model of its own for its
    cases, as where whole sites are held out, has the federated model only.
    """
    found: dict[str, dict[tuple[str, str], Scored]] = {}
    names, n_classes = list(federation.modalities), federation.n_classes
    for of in sets_of(names):
        stored = FUSED if of == COMPLETE else of
        for site, rows in rows_of(federated, FEDERATED, of, names).groupby("site"):
            tables = {FEDERATED: probabilities_of(rows, n_classes)}
            own = rows_of(local, f"{LOCAL_ARM}{site}", stored, names).reindex(rows.index)
            if own["p_0"].notna().any():
                tables[LOCAL] = probabilities_of(own, n_classes)
            found.setdefault(str(site), {})[TEST, of] = Scored(rows["label"].to_numpy(int), tables)
    return dict(sorted(found.items()))


def told_by(scored: Mapping[str, ScoredCases], federation: Federation) -> dict[str, Arrays]:
    """What each site would tell of its own cases in the clear."""
    names, n_classes = list(federation.modalities), federation.n_classes
    return {site: own_answer(own, names, n_classes, 0) for site, own in scored.items()}


def _compared(scored: ScoredCases, federation: Federation) -> Arrays:
    names, n_classes = list(federation.modalities), federation.n_classes
    return tallied(scored, names, n_classes, 0, counted(scored, names, n_classes))
