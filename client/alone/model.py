"""Branches, head and calibration from the training cases of some sites, with the code and the rules of a federation.

The centralised arm of a comparison takes all sites, the local arms one each; and a site of a study trains its own model
so, to say what it gains by taking part.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from client.alone.branch import BranchFit
from client.alone.head import calibrate, head_search
from client.alone.held_out import HeldOut, aligned, held_out_of
from client.alone.pooled import pooled_counts, pooled_data, pooled_state
from modalities.core.contract import State
from modalities.core.fusion.search import Search
from modalities.core.model.predict import FittedBranch, FittedModel
from modalities.core.settings.federation import Federation
from modalities.core.site.store import BranchData, SiteData

ALONE = "local:"
"""Names the seeds of a site's own model, before its name."""


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it came about."""

    model: FittedModel
    curves: Mapping[str, list[float]]
    """Held-out loss a case after each epoch, by modality."""
    stopped: Mapping[str, int]
    """The epoch that was kept, by modality."""
    held_out: HeldOut
    """What the branches say of the training cases that they never saw."""
    search: Search
    """Fits heads on that."""


def fit_pooled(sites: Sequence[SiteData], federation: Federation, arm: str) -> Fitted:
    """Branches and head from the pooled training cases of the sites; `arm` names the seeds."""
    fit = ModelFit(sites, federation, arm)
    fit.train()
    return fit.fitted()


class ModelFit:
    """A model in training; it may stop after any epoch, and go on in another process."""

    def __init__(
        self,
        sites: Sequence[SiteData],
        federation: Federation,
        arm: str,
        kept: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """`kept` is what `to_plain` gave before, of the same cases, settings and seeds."""
        self._sites, self._federation, self._arm = sites, federation, arm
        self._done: dict[str, Any] = dict(kept.get("done", {}))
        self._under_way: Mapping[str, Any] = kept.get("under_way", {})

    def to_plain(self) -> dict[str, Any]:
        """What a later process needs to go on, as `save_tensors` keeps it."""
        return {"done": self._done, "under_way": self._under_way}

    @property
    def epochs(self) -> dict[str, int]:
        """How many are trained, by modality."""
        under_way = {self._under_way["name"]: self._under_way} if self._under_way else {}
        return {name: len(own["curve"]) for name, own in (self._done | under_way).items()}

    @property
    def is_trained(self) -> bool:
        """Whether no branch is left to train."""
        return not self._left()

    def train(self, until: float = math.inf) -> bool:
        """Train the branches, beginning no epoch but the first after this moment of `time.monotonic`.

        Whether all are trained.
        """
        trained = 0
        for name in self._left():
            holders = self._holders(name)
            begun = self._under_way if self._under_way.get("name") == name else {}
            state = begun["state"] if begun else pooled_state(holders, name)
            data = pooled_data(holders, name, state)
            fit = BranchFit(self._federation, name, state, data, pooled_counts(self._sites), self._arm, self._device)
            if begun:
                fit.restore(begun)
            while not fit.is_done:
                if trained and time.monotonic() >= until:
                    self._under_way = {"name": name, "state": state, **fit.to_plain()}
                    return False
                fit.train_epoch()
                trained += 1
            self._finish(name, fit, state, data)
        return True

    def fitted(self) -> Fitted:
        """The whole model.

        Raises:
            RuntimeError: branches are left to train.
        """
        if left := self._left():
            raise RuntimeError(f"not trained yet: {', '.join(left)}")
        done = self._done
        branches = {
            name: FittedBranch(self._federation.modalities[name], own["state"], own["weights"])
            for name, own in done.items()
        }
        held_out = aligned({name: tuple(own["held_out"]) for name, own in done.items()}, self._sites)
        search = head_search(self._federation, held_out, self._sites)
        name, head, _ = search.settle(possible=len(done) > 1 and bool(held_out.case_ids))
        model = FittedModel(self._federation, branches, head, name, calibrate(name, head, held_out), self._device)
        curves, stopped = ({name: own[key] for name, own in done.items()} for key in ("curve", "best_epoch"))
        return Fitted(model, curves, stopped, held_out, search)

    def _finish(self, name: str, fit: BranchFit, state: State, data: BranchData) -> None:
        """Keep the branch and what its copies say; the copies themselves are of no more use."""
        said = held_out_of(self._federation, name, state, data, fit.best, self._device)
        self._done[name] = {
            "state": state,
            "weights": fit.best[name],
            "curve": fit.curve,
            "best_epoch": fit.best_epoch,
            "held_out": list(said),
        }
        self._under_way = {}

    @property
    def _device(self) -> str:
        """Sites that are pooled lie on one machine."""
        return self._sites[0].config.resources.device

    def _left(self) -> list[str]:
        return [name for name in self._federation.modalities if name not in self._done and self._holders(name)]

    def _holders(self, name: str) -> list[SiteData]:
        return [site for site in self._sites if name in site.modalities]
