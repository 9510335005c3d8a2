"""One study's members, and what each view of it says of every case: numbers to be judged later, in one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float64

from modalities.core.blocks.branch import Branch, Weights, load_weights
from modalities.core.fusion.head import head_named
from modalities.core.model.predict import align
from modalities.core.settings.federation import Federation
from simulations.attack.cases import AttackedCases, halves
from simulations.attack.counts import class_counts
from simulations.attack.private import private_step
from simulations.attack.sums import group_of, opened, ring
from simulations.attack.training import Study, margins, margins_of, rate, said_of, train
from simulations.scores.predictions import FUSED

MEMBERS, RELEASE, COUNTS, INPUTS = "members", "release", "counts", "inputs"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Attacked:
    """A federation and its cases, and what is looked at."""

    cases: AttackedCases
    federation: Federation
    sums: tuple[int, ...] = ()
    """Sizes of the groups whose sum is opened; 1 is a site's plain update."""
    rounds: tuple[int, ...] = ()
    """Whose updates are looked at."""
    private: Mapping[float, tuple[AttackedCases, Federation]] = field(default_factory=dict)
    """By epsilon, the same cases under the settings of a private study."""


def update_view(size: int, server_round: int) -> str:
    """The name of what is seen of a round."""
    return f"sum-{size}@{server_round}"


def release_view(epsilon: float = 0.0) -> str:
    """The name of a release, under an epsilon where there is one."""
    return f"{RELEASE}-{epsilon:g}" if epsilon else RELEASE


def look(attacked: Attacked, number: int) -> Arrays:
    """Study `number`: its members, `<modality>/<view>` with a number a case, `counts/<modality>/<view>` by site.

    Of a release the number is a case's margin, of an update by how much it raises that. NaN for a case not in it.
    """
    cases, federation = attacked.cases, attacked.federation
    members = halves(cases, federation.seed, number)
    found: Arrays = {MEMBERS: members}
    trained = {}
    for modality in federation.modalities:
        trained[modality] = study = train(cases, federation, modality, members, attacked.rounds)
        found[f"{INPUTS}/{modality}"] = np.array(study.weights["head.weight"].shape[1])
        for server_round in attacked.rounds:
            found |= _of_updates(attacked, study, members, server_round)
    found |= _of_release(cases, trained, release_view())
    for epsilon, (own, private) in attacked.private.items():
        found |= _of_release(own, _privately(own, private, members, number), release_view(epsilon))
    return found


def _privately(
    cases: AttackedCases, federation: Federation, members: Bool[np.ndarray, " case"], number: int
) -> dict[str, Study]:
    return {
        name: train(
            cases, federation, name, members, step=private_step(federation, name, len(cases.holders(name)), number)
        )
        for name in federation.modalities
    }


def _of_release(cases: AttackedCases, trained: Mapping[str, Study], view: str) -> Arrays:
    """Margins under each branch, and under the mean of the branches: what the release of a study says."""
    found, outputs = {}, {}
    for name, study in trained.items():
        branch = study.branch()
        load_weights(branch, study.weights)
        every, rows = np.arange(len(study.data.labels)), cases.rows[name]
        found[f"{name}/{view}"] = _spread(cases, rows, margins(branch, study.data, every))
        embedding, logits = said_of(branch, study.data, every)
        outputs[name] = (study.data.case_ids, logits.double(), embedding.double())
    if len(trained) > 1:
        sizes = {name: (own[1].shape[1], own[2].shape[1]) for name, own in outputs.items()}
        joined = align(outputs, cases.case_ids, sizes)
        scores = head_named("mean").logits({}, joined)
        held = (joined.n_present > 0).numpy()
        fused = margins_of(scores, torch.from_numpy(cases.labels))
        found[f"{FUSED}/{view}"] = np.where(held, fused, np.nan)
    return found


def _of_updates(attacked: Attacked, study: Study, members: Bool[np.ndarray, " case"], server_round: int) -> Arrays:
    """By size of the group: what each site's cases gain by the sum that its site is in, and the classes guessed."""
    cases, name, found = attacked.cases, study.modality, {}
    rows, order = cases.rows[name], ring(cases.holders(name), attacked.federation.seed, name)
    owners = cases.site_of[rows]
    branch, before = study.branch(), study.before[server_round]
    start = _margins_under(study, branch, before, np.arange(len(rows)))
    guessed = _mean_probabilities(study, branch, before, ~members[rows])
    for size in [size for size in attacked.sums if size <= len(order)]:
        gained, counts = np.full(len(rows), np.nan), np.full((len(cases.sites), 3, len(guessed)), np.nan)
        for site in order:
            group = group_of(site, order, size)
            mean = opened(study.updates[server_round], group)
            if mean is not None:
                own = np.flatnonzero(owners == site)
                gained[own] = _margins_under(study, branch, mean[0], own) - start[own]
                lr = rate(study.federation, name, server_round)
                total = class_counts(before, mean[0], mean[1], lr, guessed)
                counts[site] = _counts(cases, rows[members[rows]], site, group, total)
        found[f"{name}/{update_view(size, server_round)}"] = _spread(cases, rows, gained)
        found[f"{COUNTS}/{name}/{update_view(size, server_round)}"] = counts
    return found


def _counts(
    cases: AttackedCases, learned: np.ndarray, site: int, group: Sequence[int], total: Float64[np.ndarray, " class"]
) -> Float64[np.ndarray, "three class"]:
    """A site's true classes, what its share of the group's would be, and how far off the group's are."""
    owners, labels = cases.site_of[learned], cases.labels[learned]
    true = np.bincount(labels[owners == site], minlength=len(total)).astype(np.float64)
    of_group = np.bincount(labels[np.isin(owners, group)], minlength=len(total)).astype(np.float64)
    return np.stack([true, total * true.sum() / of_group.sum(), total - of_group])


def _margins_under(study: Study, branch: Branch, weights: Weights, rows: np.ndarray) -> np.ndarray:
    load_weights(branch, weights)
    return margins(branch, study.data, rows)


def _mean_probabilities(study: Study, branch: Branch, weights: Weights, is_own: np.ndarray) -> np.ndarray:
    """Of cases that the attacker has: those that the study did not learn from."""
    load_weights(branch, weights)
    logits = said_of(branch, study.data, np.flatnonzero(is_own))[1]
    return logits.double().softmax(dim=1).mean(dim=0).numpy()


def _spread(cases: AttackedCases, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Over all cases; NaN where there is none."""
    spread = np.full(len(cases.labels), np.nan)
    spread[rows] = values
    return spread
