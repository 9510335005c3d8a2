"""The evaluation that a study between hospitals ends with, of the out-of-fold predictions of all folds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from modalities.core.settings.federation import Federation
from simulations.arms.evaluated import Gathered, over_folds
from simulations.evidence.table import probabilities_of, rows_of
from simulations.scores.predictions import LOCAL as LOCAL_ARM
from strategies.evaluation.answers import Scored, ScoredCases, counted, own_of_nobody, tallied
from strategies.evaluation.computed import Evaluated, results_of
from strategies.evaluation.gain import LEAST_POSITIVES, RECALL, SITES
from strategies.evaluation.names import (
    COMPLETE,
    FEDERATED,
    FUSED,
    GAIN,
    LOCAL,
    TEST,
    Arrays,
    joined,
    parted,
    sets_of,
)
from strategies.evaluation.own import AUROC, MACRO, VARIANCE, no_own
from strategies.evaluation.pooled import within_sites
from strategies.evaluation.results import EvaluationResults
from strategies.evaluation.tally import COVARIANCE, PAIRS, POSITIVES, WINS, N
from strategies.evaluation.wire import FULL
from strategies.statistics import add_sums


def evaluation(
    predictions: pd.DataFrame, details: Mapping[str, Sequence[Mapping[str, Any]]], federation: Federation
) -> EvaluationResults | None:
    """As in a release; None where a fold's study was not evaluated.

    The federated model's tallies are the sums over the folds' studies, whose sites scored their own test cases. Sites'
    own models are those of the arm `local`, on their own out-of-fold cases, and so are the site-by-site results and the
    gain. A case that a site's own model cannot score has the site's class prior, as in that arm.
    """
    pooled = over_folds([fold.get("evaluation") or {} for fold in details.get(FEDERATED, ())])
    return None if pooled is None else results_by_site(predictions, predictions, federation, pooled)


def results_by_site(
    federated: pd.DataFrame, local: pd.DataFrame, federation: Federation, pooled: Gathered | None = None
) -> EvaluationResults:
    """The federated model and sites' own, each on the site's own cases, from predictions of one run or of two.

    A hospital has one model of its own, and a run one a fold, so that only cases of the same fold are ranked against
    each other. Without `pooled` the sums, too, are of these predictions.
    """
    sums = {
        site: sums_of_site(folds, federation) for site, folds in scored_by_site(federated, local, federation).items()
    }
    compared, _ = add_sums(list(sums.items()), TEST)
    return results_of(
        Evaluated(
            sums={**compared, **(pooled.sums if pooled else {})},
            told={site: told_by(own, federation) for site, own in sums.items()},
            shares=dict.fromkeys(sums, FULL),
            external=pooled.external if pooled else [],
            modalities=list(federation.modalities),
            classes=list(federation.task.classes),
            prior=pooled.class_counts if pooled else np.zeros(federation.n_classes),
            margin=federation.evaluation.margin,
            seed=federation.seed,
        )
    )


def scored_by_site(
    federated: pd.DataFrame, local: pd.DataFrame, federation: Federation
) -> dict[str, list[ScoredCases]]:
    """By site and fold, what the federated model says of its cases, and what its own model says of the same.

    The folds are those of the site's own model. Where it has none, as where whole sites are held out, they are those
    of the federated one.
    """
    found: dict[str, dict[int, dict[tuple[str, str], Scored]]] = {}
    names, n_classes = list(federation.modalities), federation.n_classes
    by_arm = {str(arm): rows for arm, rows in local.groupby("arm")}  # once: not looked through for each of many sites
    nothing = local.iloc[:0]
    for of in sets_of(names):
        stored = FUSED if of == COMPLETE else of
        for site, rows in rows_of(federated, FEDERATED, of, names).groupby("site"):
            alone = by_arm.get(f"{LOCAL_ARM}{site}", nothing)
            own = alone[alone["set"] == stored].set_index("case_id").reindex(rows.index)
            tables = {FEDERATED: probabilities_of(rows, n_classes)}
            if own["fold"].notna().any():
                tables[LOCAL] = probabilities_of(own, n_classes)
            labels, folds = rows["label"].to_numpy(int), own["fold"].fillna(rows["fold"]).to_numpy(int)
            for fold in sorted(set(folds.tolist())):
                in_fold = {model: table[folds == fold] for model, table in tables.items()}
                by_set = found.setdefault(str(site), {}).setdefault(fold, {})
                by_set[TEST, of] = Scored(labels[folds == fold], in_fold)
    return {site: list(folds.values()) for site, folds in sorted(found.items())}


def sums_of_site(folds: Sequence[ScoredCases], federation: Federation) -> Arrays:
    """Tallies and gains of a site's cases, of which those of the same fold are paired."""
    names, n_classes = list(federation.modalities), federation.n_classes
    each = [tallied(own, names, n_classes, 0, counted(own, names, n_classes)) for own in folds]
    sums, _ = add_sums([("", own) for own in each], TEST)
    named = parted(sums)
    for (_, model, _), own in named.items():
        if model == GAIN and own[N][0]:  # of the site's folds together it is one site that gains
            gain = _told(own)[MACRO][0]
            own[SITES] = np.array([np.isfinite(gain), gain > 0, gain < 0], dtype=np.float64)
    return joined(named)


def told_by(sums: Arrays, federation: Federation) -> Arrays:
    """What a site would tell of its own cases in the clear, by the pairs of its sums."""
    told, named = parted(own_of_nobody(list(federation.modalities), federation.n_classes)), parted(sums)
    for place in [place for place in told if named[place][N][0]]:
        told[place] = _told(named[place])
    return joined(told)


def _told(sums: Arrays) -> Arrays:
    """The AUROCs of one site on one SET, or the gain: of the classes with enough cases at the site, and pairs."""
    n_of = sums[RECALL][:, 0] if RECALL in sums else sums[POSITIVES].sum(axis=1)
    paired = (sums[PAIRS] > 0) & (np.minimum(n_of, sums[N][0] - n_of) >= LEAST_POSITIVES)
    told = no_own(len(n_of))
    told[N] = sums[N]
    if paired.any():
        told[AUROC][paired] = sums[WINS][paired] / sums[PAIRS][paired]
        told[VARIANCE][paired] = np.diag(sums[COVARIANCE])[paired] / np.square(sums[PAIRS][paired])
        told[MACRO][:] = within_sites(sums[PAIRS], sums[WINS], sums[COVARIANCE], paired)
    return told
