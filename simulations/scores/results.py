"""The types of results.json; `python -m simulations.scores.results` gives their schema, docs/results.schema.json."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

Json = Mapping[str, Any]
"""A part of results.json, as a section of the report looks into it."""
_CLOSED = with_config(ConfigDict(extra="forbid"))


@_CLOSED
class Estimate(TypedDict):
    """A value with its 95 % interval; None where it cannot be measured."""

    value: float | None
    low: float | None
    high: float | None


@_CLOSED
class MacroAuroc(Estimate, total=False):
    """With the number of classes that have enough cases."""

    classes_counted: int


@_CLOSED
class Recall(TypedDict):
    """The share of a class's cases that is found."""

    value: float | None
    n: int


class Scores(TypedDict, total=False):
    """Every metric of one arm on one SET; `ece` is without the excess that noise adds, `plain_ece` with it."""

    n: int
    n_sites: int
    macro_auroc: MacroAuroc
    balanced_accuracy: Estimate
    accuracy: Estimate
    macro_f1: Estimate
    ece: Estimate
    plain_ece: float | None
    log_loss: float | None
    recall: dict[str, Recall]
    auroc: dict[str, float | None]
    confusion: list[list[int]]


class BestSite(TypedDict):
    """The site whose own model does best on a SET."""

    site: str
    macro_auroc: float | None


class Equivalence(TypedDict):
    """Two one-sided tests of a difference in macro-AUROC: its 90 % interval, the larger p, and the verdict."""

    margin: float
    low: float
    high: float
    p: float
    verdict: str


class Gap(TypedDict, total=False):
    """A paired difference of two arms on a SET."""

    macro_auroc: Estimate
    balanced_accuracy: Estimate
    accuracy: Estimate
    equivalence: Equivalence
    site: str


class BestBranch(TypedDict):
    """The best branch of a subset of modalities."""

    name: str
    macro_auroc: float | None


class Subset(TypedDict, total=False):
    """One arm on the complete cases with all but some modalities hidden."""

    fused: Estimate
    best_branch: BestBranch
    difference: Estimate
    identical: bool


class Task(TypedDict, total=False):
    """What was predicted."""

    name: str
    classes: list[str]
    modalities: list[str]
    dropped: dict[str, int]


class Protocol(TypedDict, total=False):
    """How the comparison was made; `federation` is every setting."""

    name: str
    seed: int
    cv: str
    folds: int
    missing_rate: float | None
    margin: float
    engine: str
    labels_permuted: bool
    heads: list[str]
    notes: str
    masking: str
    epsilons: list[float]
    private: dict[str, Any]
    folds_file: str
    device: str
    noise: str
    versions: dict[str, str]
    federation: dict[str, Any]
    encoders: dict[str, str]


class Bytes(TypedDict):
    """What a site sent and received."""

    up: int
    down: int


class Lack(TypedDict):
    """What an external cohort lacks of a modality: the features that training cases have and none of it does."""

    held: bool
    features: list[str]
    of: int


class Made(TypedDict, total=False):
    """When the results were written, in UTC, and by which command line, where it was one."""

    date: str
    command: str


class LeftOut(TypedDict, total=False):
    """External cases that no arm could score, by site."""

    no_modality: dict[str, int]
    no_class: dict[str, int]


class UnderEpsilon(TypedDict):
    """What an epsilon promises and asks, and what the federated arm is worth under it.

    Noise is in bounds of one patient's part: `noise_multiplier` is what epsilon asks for, `noise_of_all_sites` what a
    sum has to which every site adds its share. `inputs` is by modality.
    """

    epsilon: float
    delta: float
    releases: int
    noise_multiplier: float
    epsilon_by_pld: float
    noise_of_all_sites: float
    inputs: dict[str, int]
    sets: dict[str, Scores]
    differences: dict[str, Gap]


class Privacy(TypedDict):
    """The federated arm `without` differential privacy, by SET, and under each epsilon."""

    without: dict[str, Scores]
    epsilons: dict[str, UnderEpsilon]


Arms = dict[str, dict[str, Scores | dict[str, dict[str, Scores]] | dict[str, BestSite]]]
"""ARM -> SET -> scores; `local`, the mean over sites, also has `sites` and `best_site`."""


@_CLOSED
class Results(TypedDict, total=False):
    """results.json: of a comparison, of a series of them, of a study, or of a change to a release."""

    task: Task
    protocol: Protocol
    arms: Arms
    differences: dict[str, dict[str, Gap]]
    subsets: dict[str, dict[str, Subset | list[str]]]
    site_by_class: dict[str, dict[str, int]]
    site_by_modality: dict[str, dict[str, int]]
    external: Arms
    external_differences: dict[str, dict[str, Gap]]
    external_left_out: LeftOut
    external_by_site: dict[str, dict[str, dict[str, Scores]]]
    external_lacks: dict[str, Lack]
    site_names: dict[str, str]
    made: Made
    bytes: dict[str, dict[str, Bytes]]
    seconds: dict[str, float]
    curves: dict[str, dict[str, list[list[float | None]]]]
    stopping: dict[str, dict[str, list[int | None]]]
    head: dict[str, list[str]]
    heads: dict[str, dict[str, Any]]
    calibration: dict[str, dict[str, Any]]
    conformal: dict[str, dict[str, Any]]
    error_correlation: dict[str, dict[str, Any]]
    site_probe: dict[str, dict[str, Any]]
    evaluation: dict[str, Any]
    fold_balance: dict[str, Any]
    privacy: Privacy
    runs: list[str]
    repeats: dict[str, Any]
    missing_rates: dict[str, Any]
    representations: dict[str, dict[str, Any]]
    convergence: dict[str, Any]
    robustness: dict[str, Any]
    attack: dict[str, Any]


RESULTS: TypeAdapter[Results] = TypeAdapter(Results)


def schema() -> str:
    """The JSON Schema of results.json."""
    return json.dumps(RESULTS.json_schema(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
