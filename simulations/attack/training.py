"""One branch trained on the members of a study, as sites and server do it, and the updates seen on the way.

A round in which every site takes one gradient step over all its cases is, once the server has taken the mean, one step
over the cases of all sites. So a study is trained on its members together, which a test holds against a study of real
messages, and single sites' updates are made where they are looked at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64

from client.study.training import learning_rate, optimiser_of, train_epoch
from modalities.core.blocks.branch import Branch, Weights, build_branch, load_weights, weights_of
from modalities.core.contract import State
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of, seed_torch
from modalities.core.settings.federation import Federation
from modalities.core.site.store import BranchData
from simulations.attack.cases import AttackedCases
from simulations.engines.stepping import Alone
from strategies.aggregation import Aggregation

SiteUpdates = dict[int, tuple[Weights, int]]
"""By site: its weights after the round, and the cases that it learned from."""
Step = Callable[[Branch, BranchData, Int64[np.ndarray, " row"], int], Weights]
"""A branch with the weights of a round, the data, the members' rows and the round -> what the replies combine to."""


@dataclass
class Study:
    """A branch's training: all that whoever sees the study could look at."""

    federation: Federation
    modality: str
    state: State
    data: BranchData
    weights: Weights = field(default_factory=dict)
    """Those of the release."""
    before: dict[int, Weights] = field(default_factory=dict)
    """The weights that a watched round begins with, by round."""
    updates: dict[int, SiteUpdates] = field(default_factory=dict)
    """What each site makes of them, by round."""

    def branch(self) -> Branch:
        """A network for weights of this study."""
        config = self.federation.modalities[self.modality]
        seed = seed_of(self.federation.seed, self.modality)
        return build_branch(config, self.state, self.federation.n_classes, seed)


def train(
    cases: AttackedCases,
    federation: Federation,
    modality: str,
    members: Bool[np.ndarray, " case"],
    rounds: Sequence[int] = (),
    step: Step | None = None,
) -> Study:
    """Train the modality's branch on the members; `rounds` are watched. `step` takes the place of the plain one."""
    settings, held = federation.modalities[modality].federated, cases.rows[modality]
    study = _prepared(cases, federation, modality, members[held], is_public=step is not None)
    take, rows, rule = step or _plain(study), np.flatnonzero(members[held]), Alone(Aggregation(settings).step)
    branch = study.branch()
    weights = weights_of(branch)
    for server_round in range(1, settings.rounds + 1):
        if server_round in rounds:
            study.before[server_round] = weights
            study.updates[server_round] = _by_site(study, branch, cases.site_of[held], rows, weights, server_round)
        load_weights(branch, weights)
        weights = rule.take(server_round, weights, take(branch, study.data, rows, server_round))
    study.weights = weights
    return study


def margins(branch: Branch, data: BranchData, rows: Int64[np.ndarray, " row"]) -> Float64[np.ndarray, " row"]:
    """log(p / (1 - p)) of each row's true class: the lower, the higher the loss, which is log(1 + exp(-margin)).

    Source: the statistic of Carlini et al. 2022, arXiv:2112.03570, section VI-A.
    """
    return margins_of(said_of(branch, data, rows)[1].double(), data.labels[torch.from_numpy(rows)])


@torch.no_grad()
def said_of(
    branch: Branch, data: BranchData, rows: Int64[np.ndarray, " row"]
) -> tuple[Float[torch.Tensor, "row embedding"], Float[torch.Tensor, "row class"]]:
    """Embedding and logits of each row."""
    branch.eval()
    pairs = [branch(data.batch(part.rows)) for part in data.parts(torch.from_numpy(rows), max(1, len(rows)))]
    embeddings, logits = (torch.cat(side) for side in zip(*pairs, strict=True))
    return embeddings, logits


def margins_of(logits: torch.Tensor, labels: torch.Tensor) -> Float64[np.ndarray, " row"]:
    """The same from logits, or from the logarithms of probabilities."""
    true = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(dim=1)
    return (true - others).numpy()


def rate(federation: Federation, modality: str, server_round: int) -> float:
    """The sites' learning rate in a round."""
    federated = federation.modalities[modality].federated
    return learning_rate(federated.schedule, federated.lr, server_round - 1, federated.rounds)


def _prepared(
    cases: AttackedCases, federation: Federation, modality: str, is_member: np.ndarray, is_public: bool
) -> Study:
    """Every case that holds the modality, scaled by the members' statistics, or by those that are public."""
    config, read = federation.modalities[modality], cases.read[modality]
    module = plugin(config.kind)
    if is_public:
        state = module.public_state(config)  # pyright: ignore[reportAttributeAccessIssue]  # its settings were checked
    else:
        chosen = read.select([read.case_ids[row] for row in np.flatnonzero(is_member)])
        state = module.finalise(module.sums(chosen, config), config)
    labels = torch.from_numpy(cases.labels[cases.rows[modality]])
    folds = np.zeros(len(labels), dtype=np.int64)
    prepared = module.prepare(read, state, config)
    return Study(federation, modality, state, BranchData(read.case_ids, prepared, labels, folds, module.collate))


def _plain(study: Study) -> Step:
    """One gradient step over the rows."""

    def step(branch: Branch, data: BranchData, rows: Int64[np.ndarray, " row"], server_round: int) -> Weights:
        training = study.federation.modalities[study.modality].training
        lr = rate(study.federation, study.modality, server_round)
        seed_torch(seed_of(study.federation.seed, "attack", study.modality, server_round))
        train_epoch(branch, data, rows, optimiser_of("sgd", branch, lr, training.weight_decay), max(1, len(rows)))
        return weights_of(branch)

    return step


def _by_site(
    study: Study, branch: Branch, owners: np.ndarray, rows: np.ndarray, weights: Weights, server_round: int
) -> SiteUpdates:
    """What each site with a member sends."""
    found: SiteUpdates = {}
    for site in sorted({int(owner) for owner in owners[rows]}):
        own = rows[owners[rows] == site]
        load_weights(branch, weights)
        found[site] = _plain(study)(branch, study.data, own, server_round), len(own)
    return found
