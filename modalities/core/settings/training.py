"""How a branch is trained: pooled, and over the sites."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictFloat

from modalities.core.fields import (
    Count,
    NotNegative,
    Positive,
    Share,
    ShareBelowOne,
    ShareBetween,
    Whole,
    settings,
)
from modalities.core.files.tables.delimited import listing

Schedule = Literal["constant", "cosine"]


def _named_once(features: list[str]) -> list[str]:
    if len(set(features)) < len(features):
        repeated = sorted(name for name, count in Counter(features).items() if count > 1)
        raise ValueError(f"names a feature twice: {listing(repeated)}")
    return features


Features = Annotated[list[str], Field(max_length=1_000_000), AfterValidator(_named_once)]


@settings
class Training:
    """Pooled training of a branch: the centralised arm, and each site on its own."""

    lr: Positive = 3e-3
    """Learning rate of Adam."""
    weight_decay: NotNegative = 5e-4
    """Ridge for each input of a layer, so that 40 columns and 40,000 want the same; in federated training too."""
    epochs: Count = 30
    """Most epochs; the stopping rule may choose fewer."""
    batch_size: Count = 32
    """Cases in a batch."""
    schedule: Schedule = "cosine"
    """`constant`, or `cosine` from lr to zero over the epochs."""
    patience: Whole = 0
    """Epochs without a lower held-out loss before training stops; 0 trains all epochs."""
    class_weight_exponent: Share = 0.0
    """A case of class c weighs (N / n_c) to this power in the branch's loss; 0 weighs all alike, since more
    cost AUROC (docs/strategies.md); in federated training too."""
    prior_correction: Share = 0.0
    """Share of the log ratio of a site's class shares to the study's that is added to its logits while it trains,
    so that its own mix of classes does not pull the shared branch; for sites whose mixes differ a lot."""

    @property
    def needs_class_counts(self) -> bool:
        """Whether a site must know the study's summed class counts to train."""
        return self.class_weight_exponent > 0 or self.prior_correction > 0


@settings
class Federated:
    """Federated training of a branch."""

    strategy: str = "fedadam"
    """The rule from the weights of a round to those of the next: a file of strategies/rules (docs/strategies.md)."""
    robust: str = ""
    """A robust rule whose result takes the place of the sites' mean in the step of `strategy`, unless that is robust
    by itself; empty takes the mean, which one hostile site can move anywhere."""
    rounds: Count = 60
    """Most rounds; the stopping rule may choose fewer."""
    local_epochs: Count = 1
    """Passes a site makes over its cases in a round."""
    optimiser: Literal["adam", "sgd"] = "sgd"
    """The sites' optimiser, `adam` or `sgd`; fresh every round."""
    lr: Positive = 0.02
    """Its learning rate."""
    batch_size: Whole = 0
    """Cases in a batch; 0 takes all of a site's cases at once, so that a round of sgd is one pooled gradient step."""
    schedule: Schedule = "constant"
    """`constant`, or `cosine` from lr to zero over the rounds."""
    patience: Whole = 0
    """Rounds without a lower held-out loss, summed over sites, before the branch stops; 0 trains all rounds."""
    server_lr: Positive = 0.02
    """The server's step (eta) of fedadam, fedyogi and fedadagrad."""
    server_tau: Positive = 1e-3
    """Their adaptivity (tau): updates well below it are not scaled up."""
    beta_1: ShareBelowOne = 0.9
    """How much of the mean update fedadam and fedyogi keep from round to round."""
    beta_2: ShareBelowOne = 0.99
    """How much of the squared update they keep."""
    server_momentum: ShareBetween = 0.9
    """How much of the last step fedavgm repeats; sites want a lower `lr` than with fedavg, by 1 minus it."""
    trim_share: Annotated[StrictFloat, Field(gt=0, lt=0.5)] = 0.2
    """Share of the sites that fedtrimmedavg leaves out at each end, number by number."""
    n_hostile: Count = 1
    """Hostile sites that krum and multikrum are to withstand; n sites withstand at most (n - 3) / 2."""
    proximal_mu: NotNegative = 0.0
    """FedProx's pull towards the round's global model; must be positive for fedprox."""
    min_holders: Count = 1
    """A round counts only with usable replies of at least this many sites that hold the modality."""
    absent: Literal["wait", "skip"] = "wait"
    """What becomes of a round with fewer, whose weights stay as they are: `wait` asks for it again once enough sites
    are there, and the study does not end without it; `skip` counts it, so that nobody waits for a site that is away."""


@settings
class BranchConfig:
    """What every modality's section has; a plug-in derives its own `Config` from this."""

    kind: str = ""
    """The plug-in, by file name; empty means the section's own name."""
    preset: str = ""
    """A named group of settings of the plug-in; settings beside it win over it."""
    features: Features = field(default_factory=list)
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

    @staticmethod
    def defaults(section: Mapping[str, Any]) -> Mapping[str, Any]:
        """Defaults that other settings of the section decide; a preset and what the section itself says win over them.

        `section` is as it was written: nothing in it is checked yet.
        """
        del section
        return {}
