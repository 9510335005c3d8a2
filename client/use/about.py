"""What stands above predictions: which release they are of, and how good it was measured to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modalities.core.release.release import Release

_METRICS = {
    "macro_auroc": "macro-AUROC",
    "balanced_accuracy": "balanced accuracy",
    "ece": "calibration error",
}
_MODEL, _SET = "federated", "fused"


@dataclass(frozen=True)
class Measured:
    """The fused model's accuracy on cases that it had not learned from."""

    n: int
    on: str
    """Which cases these are."""
    metrics: Mapping[str, str]
    """Name -> value and interval in words, or why there is none."""
    recall: Mapping[str, str]
    """Class -> the share of its cases that was found, likewise."""


@dataclass(frozen=True)
class About:
    """Facts of a release, for the head of a page."""

    task: str
    names: Mapping[str, str]
    """Class -> in full, where the study says it."""
    digest: str
    """SHA-256 of model.json: what the signature is of."""
    cases: Mapping[str, int]
    """Modality -> training cases."""
    measured: Measured | None
    """None: the release holds no evaluation."""
    signer: str = ""
    """Fingerprint of the key that signed it; empty where no signature was checked."""
    site: str = ""
    """Whose cases these are."""


def about(release: Release) -> About:
    """The facts of this release."""
    task, model = release.federation.task, release.model
    return About(task.name, task.names, release.digest, dict(model["cases"]), measured_of(model))


def measured_of(model: Mapping[str, Any]) -> Measured | None:
    """The federated model's numbers in the section `evaluation` of model.json: of the test cases, else out of fold."""
    found = model.get("evaluation") or {}
    for scored, on in (
        (found, "test cases of the study's sites"),
        (
            found.get("out_of_fold") or {},
            "training cases of the study's sites, scored by copies that never saw them",
        ),
    ):
        own = (scored.get(_MODEL) or {}).get(_SET)
        if own and own["n"]:
            metrics = {words: _in_words(own.get(name) or {}) for name, words in _METRICS.items()}
            recall = {name: _in_words(value) for name, value in (own.get("recall") or {}).items()}
            return Measured(int(own["n"]), on, metrics, recall)
    return None


def _in_words(estimate: Mapping[str, Any]) -> str:
    if estimate.get("value") is None:
        return f"n/a{': ' + estimate['reason'] if estimate.get('reason') else ''}"
    low, high = estimate.get("low"), estimate.get("high")
    interval = f" (95 % interval {low:.2f} to {high:.2f})" if low is not None and high is not None else ""
    return f"{estimate['value']:.2f}{interval}"
