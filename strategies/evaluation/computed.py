"""From the sums of all sites to the numbers of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from strategies.evaluation import measures
from strategies.evaluation.equivalence import equivalence_of_estimate
from strategies.evaluation.gain import LEAST_POSITIVES, RECALL, SITES
from strategies.evaluation.names import FEDERATED, GAIN, PRIOR, SENT, TEST, TRAINING, Arrays, parted, sets_of
from strategies.evaluation.pooled import (
    Z,
    auroc_interval,
    correlation,
    macro_variance,
    pooled_auroc,
    within_sites,
)
from strategies.evaluation.results import Estimate, EvaluationResults, Gain, ModelOnSet
from strategies.evaluation.site_by_site import meta_of, site_results
from strategies.evaluation.tally import (
    CONFUSION,
    COVARIANCE,
    LOSSES,
    NEGATIVES,
    PAIRS,
    POSITIVES,
    RELIABILITY,
    WINS,
    N,
    tally_of,
)

NO_CASES = "no case, or fewer than min_cell of a site's policy asks for"
FEW = f"fewer than {LEAST_POSITIVES} cases of the class, or of the others, or a class of fewer than min_cell"
NO_PAIRS = "no site has two cases of a class and two others"


@dataclass(frozen=True)
class Evaluated:
    """What the sites sent, and what it takes to read it."""

    sums: Mapping[str, np.ndarray]
    """Of all sites that sent any, by the names of `strategies.evaluation.names`; empty: nobody did."""
    told: Mapping[str, Mapping[str, np.ndarray]]
    """Site -> what it told in the clear of its own cases."""
    shares: Mapping[str, str]
    """Site -> its `policy.evaluation`."""
    external: Sequence[str]
    """The sites that only evaluate."""
    modalities: Sequence[str]
    classes: Sequence[str]
    prior: np.ndarray
    """Training cases by class; all 0 where nobody knows."""
    margin: float
    seed: int


def results_of(evaluated: Evaluated) -> EvaluationResults:
    """Everything that can be said."""
    named = parted(evaluated.sums)
    models = {cases: _models(evaluated, named, cases) for cases in (TEST, TRAINING)}
    gain = {
        cases: {
            of: found
            for of in sets_of(evaluated.modalities)
            if (own := named.get((cases, GAIN, of))) and (found := gain_on(evaluated, own))
        }
        for cases in (TEST, TRAINING)
    }
    sites = site_results(evaluated.told, evaluated.shares, evaluated.external, evaluated.classes)
    return EvaluationResults(
        test=models[TEST],
        out_of_fold=models[TRAINING],
        gain={"test": gain[TEST], "out_of_fold": gain[TRAINING]},
        sites=sites,
        meta=meta_of(evaluated.told, evaluated.modalities),
    )


def _models(
    evaluated: Evaluated, named: Mapping[tuple[str, str, str], Arrays], cases: str
) -> dict[str, dict[str, ModelOnSet]]:
    tallies = {
        model: {of: named[cases, model, of] for of in sets_of(evaluated.modalities) if (cases, model, of) in named}
        for model in SENT
    }
    tallies[PRIOR] = {of: _of_prior(evaluated.prior, own) for of, own in tallies[FEDERATED].items()}
    found = {
        model: {of: model_on(evaluated, tally) for of, tally in own.items() if tally[N][0]}
        for model, own in tallies.items()
    }
    return {**found, PRIOR: {of: _exact(own) for of, own in found[PRIOR].items()}}


def _exact(tied: ModelOnSet) -> ModelOnSet:
    """The prior's AUROCs, which bins leave nothing open of: every pair is a tie."""
    by_class = {name: replace(own, bound=own.bound and 0.0) for name, own in tied.auroc.items()}
    return replace(tied, macro_auroc=replace(tied.macro_auroc, bound=tied.macro_auroc.bound and 0.0), auroc=by_class)


def _of_prior(prior: np.ndarray, federated: Arrays) -> Arrays:
    """The tally of a model that knows the shares of the classes and nothing of a case; empty where they are unknown."""
    labels = np.repeat(np.arange(len(prior)), np.rint(federated[CONFUSION].sum(axis=1)).astype(int))
    if not prior.sum():
        labels = labels[:0]
    return tally_of(np.tile(prior / max(prior.sum(), 1), (len(labels), 1)), labels)


def model_on(evaluated: Evaluated, tally: Arrays) -> ModelOnSet:
    """One model on one SET that has cases."""
    classes, n, seed = evaluated.classes, float(tally[N][0]), evaluated.seed
    n_of, right = tally[CONFUSION].sum(axis=1), np.diag(tally[CONFUSION])
    macro, auroc = _aurocs(tally, classes)
    known = n_of > 0
    cases, hits, confidence = tally[RELIABILITY]
    recall = {
        name: Estimate(*measures.share(right[place], n_of[place])) if known[place] else Estimate(reason=NO_CASES)
        for place, name in enumerate(classes)
    }
    return ModelOnSet(
        n=round(n),
        n_by_class={name: round(n_of[place]) for place, name in enumerate(classes)},
        macro_auroc=macro,
        auroc=auroc,
        auroc_within_sites=_within(tally),
        balanced_accuracy=Estimate(*measures.balanced(right[known], n_of[known], seed))
        if known.any()
        else Estimate(reason=NO_CASES),
        accuracy=Estimate(*measures.share(float(hits.sum()), n)),
        recall=recall,
        brier=Estimate(*measures.mean(tally[LOSSES][:2], n)),
        log_loss=Estimate(*measures.mean(tally[LOSSES][2:], n)),
        ece=Estimate(*measures.ece(tally[RELIABILITY], seed)),
        confusion=np.rint(tally[CONFUSION]).astype(int).tolist(),
        reliability=[
            {"confidence": confidence[b] / cases[b], "right": hits[b] / cases[b], "n": cases[b]}
            for b in np.flatnonzero(cases)
        ],
    )


def _aurocs(tally: Arrays, classes: Sequence[str]) -> tuple[Estimate, dict[str, Estimate]]:
    """The macro-AUROC and that of each class, from the histograms."""
    pooled = pooled_auroc(tally[POSITIVES], tally[NEGATIVES])
    n_least = np.minimum(tally[POSITIVES].sum(axis=1), tally[NEGATIVES].sum(axis=1))
    counted = n_least >= LEAST_POSITIVES
    by_class = {name: Estimate(reason=FEW) for name in classes}
    for place in np.flatnonzero(counted).tolist():
        value, bound, variance = (float(own[place]) for own in (pooled.value, pooled.bound, pooled.variance))
        by_class[classes[place]] = Estimate(value, *auroc_interval(value, variance, float(n_least[place])), bound=bound)
    if not counted.any():
        return Estimate(reason=FEW), by_class
    value = float(pooled.value[counted].mean())
    variance = macro_variance(pooled.variance, correlation(tally[COVARIANCE]), counted)
    ends = auroc_interval(value, variance, float(n_least[counted].min()))
    return Estimate(value, *ends, bound=float(pooled.bound[counted].mean())), by_class


def _within(sums: Arrays) -> Estimate:
    """The macro-AUROC of pairs within sites; or, of a gain's sums, the difference of two."""
    counted = sums[PAIRS] > 0
    if not counted.any():
        return Estimate(reason=NO_PAIRS)
    value, variance = within_sites(sums[PAIRS], sums[WINS], sums[COVARIANCE], counted)
    half = Z * float(np.sqrt(variance))
    return Estimate(value, value - half, value + half)


def gain_on(evaluated: Evaluated, sums: Arrays) -> Gain | None:
    """Federated minus local on one SET; None without cases that both score."""
    n, classes = float(sums[N][0]), evaluated.classes
    if not n:
        return None
    macro = _within(sums)
    by_class = {
        name: _within({key: sums[key][np.ix_(*[[place]] * sums[key].ndim)] for key in (PAIRS, WINS, COVARIANCE)})
        for place, name in enumerate(classes)
    }
    tested = None
    if macro.value is not None and macro.high is not None and macro.high > macro.value:
        tested = equivalence_of_estimate(macro.value, (macro.high - macro.value) / Z, evaluated.margin)
    cases, difference, squares = sums[RECALL][sums[RECALL][:, 0] > 0].T
    return Gain(
        n=round(n),
        macro_auroc=macro,
        auroc=by_class,
        balanced_accuracy=_mean_of_means(cases, difference, squares),
        brier=Estimate(*measures.mean(sums[LOSSES][:2], n)),
        log_loss=Estimate(*measures.mean(sums[LOSSES][2:], n)),
        sites=round(sums[SITES][0]),
        sites_that_gain=round(sums[SITES][1]),
        sites_that_lose=round(sums[SITES][2]),
        margin=evaluated.margin,
        equivalence={"low": tested.low, "high": tested.high, "p": tested.p} if tested else None,
        verdict=str(tested.verdict) if tested else "",
    )


def _mean_of_means(cases: np.ndarray, totals: np.ndarray, squares: np.ndarray) -> Estimate:
    """The mean over classes of a mean over their cases, normal."""
    if not len(cases):
        return Estimate(reason=NO_CASES)
    means = totals / cases
    variance = np.maximum(squares / cases - means**2, 0) / np.maximum(cases - 1, 1)
    value, half = float(means.mean()), Z * float(np.sqrt(variance.sum())) / len(cases)
    return Estimate(value, value - half, value + half)
