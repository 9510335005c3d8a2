"""The settings of a federation: structured, checked as a whole before anything runs, and digested."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from modalities.core.problems import check

ROBUST = ("fedmedian", "fedtrimmedavg", "krum", "multikrum")
STRATEGIES = ("fedavg", "fedprox", "fedadam", "fedyogi", "fedadagrad", "fedavgm", *ROBUST)
SCHEDULES = ("constant", "cosine")
OPTIMISERS = ("adam", "sgd")
ABSENT = ("wait", "skip")


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
    class_weight_exponent: float = 0.0
    """A case of class c weighs (N / n_c) to this power in the branch's loss, in [0, 1]; 0 weighs all alike, since more
    cost AUROC (docs/strategies.md); in federated training too."""
    prior_correction: float = 0.0
    """Share of the log ratio of a site's class shares to the study's that is added to its logits while it trains, in
    [0, 1], so that its own mix of classes does not pull the shared branch; for sites whose mixes differ a lot."""

    @property
    def needs_class_counts(self) -> bool:
        """Whether a site must know the study's summed class counts to train."""
        return self.class_weight_exponent > 0 or self.prior_correction > 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(
            [f"lr must be positive, got {self.lr}"] * (not 0 < self.lr < math.inf)
            + [f"weight_decay must not be negative, got {self.weight_decay}"] * (not 0 <= self.weight_decay < math.inf)
            + [f"epochs must be at least 1, got {self.epochs}"] * (self.epochs < 1)
            + [f"batch_size must be at least 1, got {self.batch_size}"] * (self.batch_size < 1)
            + [f"schedule must be one of {SCHEDULES}, got {self.schedule!r}"] * (self.schedule not in SCHEDULES)
            + [f"patience must not be negative, got {self.patience}"] * (self.patience < 0)
            + [f"class_weight_exponent must be in [0, 1], got {self.class_weight_exponent}"]
            * (not 0 <= self.class_weight_exponent <= 1)
            + [f"prior_correction must be in [0, 1], got {self.prior_correction}"]
            * (not 0 <= self.prior_correction <= 1)
        )


@dataclass(frozen=True)
class Federated:
    """Federated training of a branch."""

    strategy: str = "fedavg"
    """The rule that combines the sites' weights, one of STRATEGIES: see docs/strategies.md."""
    robust: str = ""
    """A rule of ROBUST that first makes one reply of all, for the step of `strategy` (which may be robust by itself);
    empty takes their mean, which one hostile site can move anywhere."""
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
    """The server's step (eta) of fedadam, fedyogi and fedadagrad."""
    server_tau: float = 1e-3
    """Their adaptivity (tau): updates well below it are not scaled up."""
    beta_1: float = 0.9
    """How much of the mean update fedadam and fedyogi keep from round to round, in [0, 1)."""
    beta_2: float = 0.99
    """How much of the squared update they keep, in [0, 1)."""
    server_momentum: float = 0.9
    """How much of the last step fedavgm repeats, in (0, 1); sites want a lower `lr` than with fedavg, by 1 minus it."""
    trim_share: float = 0.2
    """Share of the sites that fedtrimmedavg leaves out at each end, number by number, in (0, 0.5)."""
    n_hostile: int = 1
    """Hostile sites that krum and multikrum are to withstand; n sites withstand at most (n - 3) / 2."""
    proximal_mu: float = 0.0
    """FedProx's pull towards the round's global model; must be positive for fedprox."""
    min_holders: int = 1
    """A round counts only with usable replies of at least this many sites that hold the modality."""
    absent: str = "wait"
    """What becomes of a round with fewer, whose weights stay as they are: `wait` asks for it again once enough sites
    are there, and the study does not end without it; `skip` counts it, so that nobody waits for a site that is away."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        fedprox_without_pull = self.strategy == "fedprox" and not 0 < self.proximal_mu < math.inf
        twice = f"{self.strategy} is robust by itself: leave `robust` empty, got {self.robust!r}"
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
            + [f"robust must be empty or one of {ROBUST}, got {self.robust!r}"] * (self.robust not in ("", *ROBUST))
            + [twice] * (self.strategy in ROBUST and self.robust != "")
            + [f"beta_1 and beta_2 must be in [0, 1), got {self.beta_1}, {self.beta_2}"]
            * (not (0 <= self.beta_1 < 1 and 0 <= self.beta_2 < 1))
            + [f"server_momentum must be in (0, 1), got {self.server_momentum}"] * (not 0 < self.server_momentum < 1)
            + [f"trim_share must be in (0, 0.5), got {self.trim_share}"] * (not 0 < self.trim_share < 0.5)
            + [f"n_hostile must be at least 1, got {self.n_hostile}"] * (self.n_hostile < 1)
            + [f"min_holders must be at least 1, got {self.min_holders}"] * (self.min_holders < 1)
            + [f"absent must be one of {ABSENT}, got {self.absent!r}"] * (self.absent not in ABSENT)
        )

    @property
    def robust_rule(self) -> str:
        """The rule of ROBUST that makes one reply of all; empty for their mean."""
        return self.strategy if self.strategy in ROBUST else self.robust


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
