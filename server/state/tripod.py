"""The items of TRIPOD+AI, and what a study between hospitals adds, as far as facts of the study answer them.

The items stand here by topic and in other words than the checklists': whoever reports a study works with those.
Sources: TRIPOD+AI, BMJ 2024;385:e078378; TRIPOD-Cluster, BMJ 2023;380:e071018.
"""

from collections.abc import Mapping

YOURS = "yours to write"
TRIPOD_AI = (
    "Title",
    "Abstract",
    "Background, purpose, known inequalities",
    "Objectives",
    "Where the data come from, and from when",
    "Participants: setting, eligibility, treatment",
    "How data were prepared",
    "Outcome: what is predicted, and how it was assessed",
    "Predictors",
    "Sample size",
    "Missing data",
    "How the model was made and evaluated",
    "Class imbalance",
    "Fairness",
    "What the model puts out",
    "Training against evaluation data",
    "Ethical approval",
    "Funding, interests, protocol, registration, data and code",
    "Patients' and the public's part",
    "Participants: flow and characteristics",
    "Cases and events in each analysis",
    "The model in full",
    "Performance, with intervals and by group",
    "Updating of the model",
    "Interpretation",
    "Limitations",
    "Use in practice, quality of input, next steps",
)
"""Items 1 to 27, in order."""
CLUSTER = (
    "That the data come from several hospitals, in title and abstract",
    "How hospitals were chosen",
    "Differences in definitions and measurement between hospitals",
    "Number of hospitals, and size of each",
    "How differences between hospitals entered the making of the model",
    "Missing data by hospital",
    "How the model was validated across hospitals",
    "Performance by hospital, and how much it varies",
    "Expected performance at a new hospital",
    "What it means for hospitals that took no part",
)
"""What reporting data of several hospitals adds, by topic."""


def answered(items: tuple[str, ...], facts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Every item with the study's facts, or marked as the authors' to write.

    Raises:
        ValueError: a fact answers no item.
    """
    unknown = sorted(set(facts) - set(items))
    if unknown:
        raise ValueError(f"no such items: {', '.join(unknown)}")
    return [(item, facts.get(item) or YOURS) for item in items]
