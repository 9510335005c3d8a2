"""What a site answers to the questions of the evaluation phase, from its cases' labels and probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from strategies.evaluation.gain import gain_of, no_gain
from strategies.evaluation.names import COUNTS, FEDERATED, GAIN, LOCAL, SENT, Arrays, every, joined, parted
from strategies.evaluation.own import no_own, own_of
from strategies.evaluation.tally import (
    CONFUSION,
    NEGATIVES,
    POSITIVES,
    RELIABILITY,
    Labels,
    N,
    Probabilities,
    no_tally,
    tally_of,
    without_classes,
)

COUNTED = (COUNTS, N, POSITIVES, NEGATIVES, CONFUSION, RELIABILITY)
"""Arrays of which no number is below 0, or above the cases."""


@dataclass(frozen=True)
class Scored:
    """A site's cases of one SET, and what each model says of them."""

    labels: Labels
    probabilities: Mapping[str, Probabilities] = field(default_factory=dict)
    """`federated` and `local` -> a row a case, NaN where the model says nothing; absent: the site has no such model."""


ScoredCases = Mapping[tuple[str, str], Scored]
"""Cases (`test`, `training`) and SET -> what was scored; a SET of which the site has no case may be absent."""


def counts_of_nobody(modalities: list[str], n_classes: int) -> Arrays:
    """Template of the answer to `query.evaluable`: cases by class that each model says something of."""
    return joined({place: {COUNTS: np.zeros(n_classes)} for place in every(modalities, SENT)})


def counted(scored: ScoredCases, modalities: list[str], n_classes: int) -> Arrays:
    """The answer to `query.evaluable`, under masks."""
    answer = parted(counts_of_nobody(modalities, n_classes))
    for (cases, model, of), labels in _labels(scored).items():
        answer[cases, model, of][COUNTS] = np.bincount(labels, minlength=n_classes).astype(np.float64)
    return joined(answer)


def tallies_of_nobody(modalities: list[str], n_classes: int) -> Arrays:
    """Template of the answer to `query.evaluation`; and the answer of a site that shares nothing."""
    tallies = {place: no_tally(n_classes) for place in every(modalities, SENT)}
    return joined({**tallies, **{place: no_gain(n_classes) for place in every(modalities, [GAIN])}})


def tallied(
    scored: ScoredCases, modalities: list[str], n_classes: int, min_cell: int, totals: Mapping[str, np.ndarray]
) -> Arrays:
    """The answer to `query.evaluation`: tallies, and the gain.

    `totals` are the counts of all sites together under masks, or this site's own (`counted`) without: a SET of fewer
    cases in all than `min_cell` is left out, and of a class with fewer what is of that class alone.
    """
    answer, known = parted(tallies_of_nobody(modalities, n_classes)), parted(totals)
    for (cases, of), own in scored.items():
        for model, probabilities in own.probabilities.items():
            n_of = known[cases, model, of][COUNTS]
            if n_of.sum() >= min_cell:
                answer[cases, model, of] = without_classes(tally_of(probabilities, own.labels), n_of < min_cell)
        if {FEDERATED, LOCAL} <= own.probabilities.keys():
            n_of = known[cases, LOCAL, of][COUNTS]
            if n_of.sum() >= min_cell:
                gain = gain_of(own.probabilities[FEDERATED], own.probabilities[LOCAL], own.labels)
                answer[cases, GAIN, of] = without_classes(gain, n_of < min_cell)
    return joined(answer)


def problem_of_tallies(arrays: Mapping[str, np.ndarray], most_cases: float) -> str:
    """What is wrong with counts and tallies that have the template's names and sizes; empty if nothing is."""
    for place, own in parted(arrays).items():
        counts = [array for name, array in own.items() if name in COUNTED]
        if any((array < 0).any() or (array > most_cases).any() for array in counts):
            return f"{'.'.join(place)}: a count outside 0 to {most_cases:.0f}"
        if CONFUSION in own and own[CONFUSION].sum() > own[N][0] + 0.5:
            return f"{'.'.join(place)}: more cases in `confusion` than in all"
    return ""


def own_of_nobody(modalities: list[str], n_classes: int) -> Arrays:
    """Template of the answer to `query.own_evaluation` of a site whose policy says `full`."""
    return joined({place: no_own(n_classes) for place in every(modalities, (*SENT, GAIN))})


def own_answer(scored: ScoredCases, modalities: list[str], n_classes: int, min_cell: int) -> Arrays:
    """The answer to `query.own_evaluation` of such a site: its own AUROCs and gains, with variances, in the clear."""
    answer = parted(own_of_nobody(modalities, n_classes))
    for (cases, of), own in scored.items():
        answer |= {
            (cases, model, of): own_values
            for model, own_values in own_of(own.labels, own.probabilities, min_cell).items()
        }
    return joined(answer)


def _labels(scored: ScoredCases) -> dict[tuple[str, str, str], Labels]:
    return {
        (cases, model, of): own.labels[np.isfinite(probabilities).all(axis=1)]
        for (cases, of), own in scored.items()
        for model, probabilities in own.probabilities.items()
    }
