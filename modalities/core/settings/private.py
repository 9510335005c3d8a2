"""What settings may ask where a study keeps an epsilon: nothing that tells of a patient and is not accounted for."""

from collections.abc import Iterator, Mapping
from typing import Any

from modalities.core.fusion.settings import Fusion
from modalities.core.hooks import PublicScale
from modalities.core.problems import Problem, gathering
from modalities.core.registry import plugin
from modalities.core.settings.privacy import Privacy
from modalities.core.settings.training import BranchConfig, Federated

PRIVATE_TRAINING: Mapping[str, Any] = {
    "training": {"weight_decay": 1e-3},
    "federated": {
        "strategy": "fedavgm",
        "server_momentum": 0.9,
        "rounds": 60,
        "local_epochs": 1,
        "optimiser": "sgd",
        "batch_size": 0,
        "lr": 0.05,
        "schedule": "cosine",
        "patience": 0,
    },
}
"""Part of every plug-in's preset `private`: momentum and a falling step average the noise of the rounds away."""
REMEDY = "or take `preset: private`"


def releases_of(configs: Mapping[str, BranchConfig]) -> int:
    """How many noised sums a patient who holds every modality is in: one a round of each branch."""
    return sum(config.federated.rounds for config in configs.values())


def private_problems(privacy: Privacy, fusion: Fusion | None, configs: Mapping[str, Any]) -> list[Problem]:
    """What would spend beside the accountant, or cannot be done in one noised sum a round; none without an epsilon."""
    if not privacy.epsilon:
        return []
    problems = list(_of_whole(privacy, fusion))
    for name, config in configs.items():
        if config is not None:
            problems += _of_branch(f"modalities.{name}", config)
    return problems


def _of_whole(privacy: Privacy, fusion: Fusion | None) -> Iterator[Problem]:
    if privacy.masked_bits != 64:
        what = f"noise needs the grid of 64 bits, got {privacy.masked_bits}"
        yield Problem(what, "leave it at 64", where="privacy.masked_bits")
    if fusion is not None and fusion.fit != "none":
        what = f"{fusion.fit} learns from held-out cases, which epsilon does not account for"
        yield Problem(what, f"set `fit: none` and `head: mean`, {REMEDY}", where="fusion.fit")


def _of_branch(where: str, config: BranchConfig) -> list[Problem]:
    problems = [
        Problem(what, f"{remedy}, {REMEDY}", where=f"{where}.{place}")
        for place, what, remedy in (*_of_rounds(config.federated), *_of_training(config))
    ]
    module = plugin(config.kind)
    if not isinstance(module, PublicScale):
        what = f"{config.kind} has no scale that is public: its statistics would tell of patients"
        problems.append(Problem(what, "leave it out", where=f"{where}.kind"))
    else:
        with gathering(problems, where=where):
            module.public_state(config)
    return problems


def _of_rounds(settings: Federated) -> Iterator[tuple[str, str, str]]:
    """What is no single step over all cases, or looks at losses."""
    step = "a private round is one step over all cases"
    if settings.patience:
        yield "federated.patience", f"{settings.patience}: held-out losses would tell of patients", "set 0"
    if settings.local_epochs != 1:
        yield "federated.local_epochs", f"{step}, got {settings.local_epochs}", "set 1"
    if settings.batch_size:
        yield "federated.batch_size", f"{step}, got batches of {settings.batch_size}", "set 0"
    if settings.optimiser != "sgd":
        yield "federated.optimiser", f"{step}, got {settings.optimiser}", "set sgd"
    if settings.proximal_mu:
        yield "federated.proximal_mu", f"{step}, which nothing pulls back, got {settings.proximal_mu:g}", "set 0"


def _of_training(config: BranchConfig) -> Iterator[tuple[str, str, str]]:
    for name in ("class_weight_exponent", "prior_correction"):
        if value := getattr(config.training, name):
            yield f"training.{name}", f"{value:g}: class counts would tell of patients", "set 0"
