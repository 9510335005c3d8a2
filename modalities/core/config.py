"""The settings of a federation: structured, checked as a whole before anything runs, and digested."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

STRATEGIES = ("fedavg", "fedprox", "fedadam")
SCHEDULES = ("constant", "cosine")
OPTIMISERS = ("adam", "sgd")


def check(problems: list[str]) -> None:
    """Raise one ValueError that lists every problem, if there is any."""
    if problems:
        raise ValueError("; ".join(problems))


@dataclass(frozen=True)
class Training:
    """Pooled training of a branch: the centralised arm, and each site on its own."""

    lr: float = 3e-3
    """Learning rate of Adam."""
    weight_decay: float = 5e-4
    """Ridge for each input of a layer, so that 40 columns and 40,000 want the same; in federated training too."""
    epochs: int = 60
    """Most epochs; the stopping rule may choose fewer."""
    batch_size: int = 32
    """Cases in a batch."""
    schedule: str = "constant"
    """`constant`, or `cosine` from lr to zero over the epochs."""
    patience: int = 20
    """Epochs without a lower held-out loss before training stops; 0 trains all epochs."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(
            [f"lr must be positive, got {self.lr}"] * (not 0 < self.lr < math.inf)
            + [f"weight_decay must not be negative, got {self.weight_decay}"] * (not 0 <= self.weight_decay < math.inf)
            + [f"epochs must be at least 1, got {self.epochs}"] * (self.epochs < 1)
            + [f"batch_size must be at least 1, got {self.batch_size}"] * (self.batch_size < 1)
            + [f"schedule must be one of {SCHEDULES}, got {self.schedule!r}"] * (self.schedule not in SCHEDULES)
            + [f"patience must not be negative, got {self.patience}"] * (self.patience < 0)
        )


@dataclass(frozen=True)
class Federated:
    """Federated training of a branch."""

    strategy: str = "fedavg"
    """The rule that combines the sites' weights: fedavg, fedprox or fedadam."""
    rounds: int = 60
    """Most rounds; the stopping rule may choose fewer."""
    local_epochs: int = 1
    """Passes a site makes over its cases in a round."""
    optimiser: str = "adam"
    """The sites' optimiser, `adam` or `sgd`; fresh every round."""
    lr: float = 3e-3
    """Its learning rate."""
    batch_size: int = 32
    """Cases in a batch; 0 takes all of a site's cases at once, so that a round of sgd is one pooled gradient step."""
    schedule: str = "constant"
    """`constant`, or `cosine` from lr to zero over the rounds."""
    patience: int = 20
    """Rounds without a lower held-out loss, summed over sites, before the branch stops; 0 trains all rounds."""
    server_lr: float = 0.01
    """FedAdam's step on the server (eta)."""
    server_tau: float = 1e-3
    """FedAdam's adaptivity (tau)."""
    proximal_mu: float = 0.0
    """FedProx's pull towards the round's global model; must be positive for fedprox."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        fedprox_without_pull = self.strategy == "fedprox" and not 0 < self.proximal_mu < math.inf
        check(
            [f"strategy must be one of {STRATEGIES}, got {self.strategy!r}"] * (self.strategy not in STRATEGIES)
            + [f"rounds must be at least 1, got {self.rounds}"] * (self.rounds < 1)
            + [f"local_epochs must be at least 1, got {self.local_epochs}"] * (self.local_epochs < 1)
            + [f"optimiser must be one of {OPTIMISERS}, got {self.optimiser!r}"] * (self.optimiser not in OPTIMISERS)
            + [f"batch_size must not be negative, got {self.batch_size}"] * (self.batch_size < 0)
            + [f"lr must be positive, got {self.lr}"] * (not 0 < self.lr < math.inf)
            + [f"schedule must be one of {SCHEDULES}, got {self.schedule!r}"] * (self.schedule not in SCHEDULES)
            + [f"patience must not be negative, got {self.patience}"] * (self.patience < 0)
            + [f"server_lr must be positive, got {self.server_lr}"] * (not 0 < self.server_lr < math.inf)
            + [f"server_tau must be positive, got {self.server_tau}"] * (not 0 < self.server_tau < math.inf)
            + [f"fedprox needs proximal_mu > 0, got {self.proximal_mu}"] * fedprox_without_pull
        )


@dataclass(frozen=True)
class BranchConfig:
    """What every modality's section has; a plug-in derives its own `Config` from this."""

    kind: str = ""
    """The plug-in, by file name; empty means the section's own name."""
    preset: str = ""
    """A named group of settings of the plug-in; settings beside it win over it."""
    features: list[str] = field(default_factory=list)
    """The agreed columns, in order; empty in federation.yaml where `features_file` names them."""
    features_file: str = ""
    """JSON list of the agreed columns, read by the coordinator, relative to federation.yaml."""
    training: Training = field(default_factory=Training)
    """Pooled training: the centralised arm, and each site on its own."""
    federated: Federated = field(default_factory=Federated)
    """Federated training."""

    @property
    def known_features(self) -> Sequence[str]:
        """The columns, as far as the settings alone tell."""
        return self.features
