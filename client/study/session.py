"""What a site knows of a study: its own folder, the settings it was sent, and the statistics all sites share."""

import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from logging import getLogger
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from client.node.home import Home
from client.study.policy import refuse_run_config
from modalities.core.contract import State, Sums
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.site.cases import blurred
from modalities.core.site.example import write_example_site
from modalities.core.site.roll import Roll
from modalities.core.site.shelf import Shelf
from modalities.core.site.store import BranchData, SiteData

SETTINGS = "settings"
"""Where a node's context keeps the settings of its run."""
_LOG = getLogger("tessera.client")
_EXAMPLES, _DAY_S = "tessera-example-", 86400.0


@dataclass(frozen=True)
class ClientStudy:
    """A study as this site takes part in it."""

    data: SiteData
    states: Mapping[str, State]
    """Shared statistics by modality."""
    digests: Mapping[str, str]
    """SHA-256 of each state, so that tensors scaled by it are found again without hashing it every round."""
    class_counts: Sequence[float] = ()
    """The study's summed class counts; empty where no branch's loss needs them."""
    holders: Mapping[str, int] = field(default_factory=dict)
    """Sites that hold each modality, as the setup said."""
    home: Home | None = None
    """Where a real site keeps what it spent; None in a simulation."""

    @property
    def federation(self) -> Federation:
        """The settings."""
        return self.data.federation

    @property
    def device(self) -> str:
        """Where this site computes, as its site.yaml says."""
        return self.data.config.resources.device

    @property
    def min_cell(self) -> int:
        """How many cases a number that leaves must be of; under masks it is of other sites' cases too."""
        return 0 if self.federation.privacy.is_masked else self.data.config.policy.min_cell

    def training(self, modality: str) -> BranchData:
        """The modality's training cases, scaled."""
        return self.data.training(modality, self.states[modality], self.digests[modality])


@lru_cache(maxsize=32)
def federation_of(text: str) -> Federation:
    """The settings as they were sent; parsed once a process."""
    return federation_from(json.loads(text))


def site_data(folder: Path, text: str, roll: Mapping[str, Any] | None = None, shelf: Shelf | None = None) -> SiteData:
    """This folder under these settings; opened once a process, with the roll that the run began with if it has one."""
    opened = _opened(folder.parent, text)
    if folder not in opened:
        opened[folder] = SiteData(folder, federation_of(text), Roll.from_plain(roll) if roll else None, shelf)
    return opened[folder]


@lru_cache(maxsize=8)
def _opened(root: Path, text: str) -> dict[Path, SiteData]:
    """What was opened below a root: the sites of a simulation are kept, and forgotten, together."""
    del root, text
    return {}


def site_folder(node: Mapping[str, Any], run: Mapping[str, Any], federation: Federation) -> Path:
    """This node's site folder.

    A node with `site` in its node config is a real site, and no run config can point it elsewhere. A simulated node
    takes the folder of its partition below the run config's `site-root`, or writes itself a made-up site.

    Raises:
        ValueError: the node is neither, or the run config tries to point a real site elsewhere.
    """
    if "site" in node:
        refuse_run_config(run)
        return Path(str(node["site"]))
    if "partition-id" not in node:
        raise ValueError("this node has no site folder: start it with --node-config 'site=\"/path/of/folder\"'")
    partition, root = int(node["partition-id"]), str(run.get("site-root", ""))
    if not root:
        return write_example_site(_examples() / federation.digest, federation, partition)
    return _listed(root, Path(root).stat().st_mtime_ns)[partition]


@cache
def _examples() -> Path:
    """Where this process writes made-up sites: no other looks there, so none is seen half written.

    Ray ends its workers without a last word, so what they leave behind is cleared away by those of a later day.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_EXAMPLES}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _DAY_S:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_EXAMPLES))


@lru_cache(maxsize=8)
def _listed(root: str, changed_ns: int) -> list[Path]:
    """The site folders, listed again only once the root has changed: not at every message of a thousand sites."""
    del changed_ns
    return site_folders(Path(root))


def site_folders(root: Path) -> list[Path]:
    """The site folders below a root, by name: partition k of a simulation is the k-th.

    Raises:
        ValueError: there is none.
    """
    found = sorted(path.parent for path in root.glob("*/site.yaml"))
    if not found:
        raise ValueError(f"{root}: no folder with a site.yaml in it")
    return found


def sums_of(
    data: SiteData,
    modalities: Sequence[str],
    known: Mapping[str, Mapping[str, np.ndarray]] = MappingProxyType({}),
    exact: bool = False,
) -> dict[str, tuple[Sums, int]]:
    """The plug-ins' sums over the training cases, float64, with the number of cases; only of what this site holds.

    `known` says, under masks, how many cases of all sites have each feature: then `min_cell` is held against that.
    `exact` sums are held against nothing.
    """
    found = {}
    for name in modalities:
        if name in data.modalities:
            config, cases = data.federation.modalities[name], data.values(name)
            sums = plugin(config.kind).sums(cases, config)
            exact_sums = {key: np.asarray(value, dtype=np.float64) for key, value in sums.items()}
            few = _few(
                name, known.get(name, exact_sums).get("n", np.zeros(0)), 0 if exact else data.config.policy.min_cell
            )
            found[name] = _without(exact_sums, few), len(cases.case_ids)
    return found


def _few(modality: str, n_cases: np.ndarray, min_cell: int) -> np.ndarray:
    """Which features fewer than `min_cell` cases have: over one case, a sum is that case's own value."""
    few = (n_cases > 0) & (n_cases < min_cell)
    if few.any():
        _LOG.warning(
            "%s: %d of %d features are known of fewer than min_cell = %d cases; their sums stay here",
            *(modality, few.sum(), len(few), min_cell),
        )
    return few


def _without(sums: Sums, few: np.ndarray) -> Sums:
    """The sums without these features, which leave as if nobody here had them."""
    return {key: np.where(few, 0.0, own) if own.shape == few.shape else own for key, own in sums.items()}


def announced_cases(data: SiteData, modality: str) -> int:
    """Training cases as the coordinator is told: their number, or, under an epsilon, the public one of the settings."""
    privacy = data.federation.privacy
    return privacy.cases if privacy.epsilon and not data.config.only_evaluates else len(data.training_cases(modality))


def blurred_class_counts(data: SiteData) -> np.ndarray:
    """Training cases by class; a count from 1 to below the site's `min_cell` leaves as half of that."""
    return blurred(data.class_counts(), data.config.policy.min_cell)
