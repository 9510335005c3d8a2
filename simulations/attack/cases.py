"""The cases that an attack is about: every labelled case of every site, read once, and halves of them at random."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from client.study.session import site_folders
from modalities.core.contract import Cases
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import Federation
from modalities.core.site.store import SiteData

CONTROLS = 40


@dataclass(frozen=True)
class AttackedCases:
    """Cases of all sites in one order, and what each modality knows of those that hold it."""

    case_ids: tuple[str, ...]
    labels: Int64[np.ndarray, " case"]
    site_of: Int64[np.ndarray, " case"]
    """Place of the case's site among `sites`."""
    sites: tuple[str, ...]
    read: Mapping[str, Cases]
    """By modality, the cases that hold it, as read."""
    rows: Mapping[str, Int64[np.ndarray, " held"]]
    """By modality, where these stand among all cases."""

    def holders(self, modality: str) -> list[int]:
        """The sites that hold the modality, in their order."""
        return sorted({int(site) for site in self.site_of[self.rows[modality]]})


def read_cases(folder: Path, federation: Federation) -> AttackedCases:
    """All labelled training cases of the site folders below this one."""
    sites = [SiteData(path, federation) for path in site_folders(folder)]
    case_ids = [case_id for site in sites for case_id in site.folds.index]
    labels = [site.site.labels(list(site.folds.index)) for site in sites]
    owners = np.repeat(np.arange(len(sites)), [len(own) for own in labels])
    place = {case_id: row for row, case_id in enumerate(case_ids)}
    read = {name: Cases.join(_held(sites, name)) for name in federation.modalities}
    rows = {name: np.array([place[one] for one in held.case_ids], dtype=np.int64) for name, held in read.items()}
    names = tuple(site.site.name for site in sites)
    return AttackedCases(tuple(case_ids), np.concatenate(labels).astype(np.int64), owners, names, read, rows)


def _held(sites: Sequence[SiteData], modality: str) -> list[Cases]:
    return [site.values(modality) for site in sites if modality in site.modalities]


def halves(cases: AttackedCases, seed: int, number: int) -> Bool[np.ndarray, " case"]:
    """Who is a member of study `number`: of each class at each site a random half; the odd one by a coin.

    Members and non-members thus come from the same sites with the same mix of classes, and nothing but membership
    tells them apart.
    """
    generator = np.random.default_rng(seed_of(seed, "attack", "halves", number))
    chosen = np.zeros(len(cases.labels), dtype=bool)
    for site in range(len(cases.sites)):
        for label in np.unique(cases.labels):
            alike = generator.permutation(np.flatnonzero((cases.site_of == site) & (cases.labels == label)))
            chosen[alike[: (len(alike) + int(generator.integers(2))) // 2]] = True
    return chosen


def halves_anew(cases: AttackedCases, seed: int, studies: int, targets: int) -> Bool[np.ndarray, "draw target case"]:
    """Halves that none of so many studies learned from: what membership could have been, for so many of them."""
    numbers = studies + np.arange(CONTROLS * targets)
    return np.stack([halves(cases, seed, int(number)) for number in numbers]).reshape(CONTROLS, targets, -1)
