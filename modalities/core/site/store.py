"""A site's data as tensors: read once a process, scaled once a state, kept by digest."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64
from torch import Tensor

from modalities.core.contract import Cases, State
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from modalities.core.settings.training import Federated, Training
from modalities.core.site.cases import NO_LABEL, Site, folds_of, open_site

_KEPT = 64
_kept: OrderedDict[tuple, Cases] = OrderedDict()


@dataclass(frozen=True)
class BranchData:
    """One modality's labelled training cases of one site, ready for batches."""

    case_ids: tuple[str, ...]
    prepared: Any
    labels: Int64[Tensor, " case"]
    folds: np.ndarray
    """Fold of each case, 1 to n."""
    collate: Callable[[Any, Tensor], Any]

    def batch(self, rows: Int64[Tensor, " batch"]) -> Any:
        """The encoder's input for these rows."""
        return self.collate(self.prepared, rows)


class SiteData:
    """A site folder under one federation's settings."""

    def __init__(self, folder: Path, federation: Federation) -> None:
        """Open the folder; raw files are read when first asked for."""
        self.folder = folder
        self.federation = federation
        self.site: Site = open_site(folder, federation.task)
        self.folds: pd.Series = self._folds()
        self._cases: dict[str, Cases] = {}
        self._training: dict[tuple[str, str], BranchData] = {}

    @cached_property
    def modalities(self) -> list[str]:
        """The federation's modalities that this site takes part in: offered, and with a large enough cohort."""
        offered = self.site.offers(list(self.federation.modalities))
        readable = [name for name in offered if name not in self.unusable]
        return [name for name in readable if len(self.training_cases(name)) >= max(1, self.site.policy.min_cohort)]

    @cached_property
    def unusable(self) -> dict[str, str]:
        """Why a modality that is offered cannot be used; one of them does not keep the site from the others."""
        found = {}
        for name in self.site.offers(list(self.federation.modalities)):
            try:
                self.cases(name)
            except ValueError as error:
                found[name] = str(error)
        return found

    def cases(self, modality: str) -> Cases:
        """Every listed case that holds the modality, as read."""
        if modality not in self._cases:
            config = self.federation.modalities[modality]
            reading = replace(config, training=Training(), federated=Federated())  # how it is trained is no matter
            key = (_files(self.site, modality), repr(reading), tuple(self.site.cases.index))
            self._cases[modality] = _keep(key, lambda: self.site.read(modality, config))
        return self._cases[modality]

    def training_cases(self, modality: str) -> list[str]:
        """The labelled training cases that hold the modality, in file order."""
        return [case_id for case_id in self.cases(modality).case_ids if case_id in self.folds.index]

    def training(self, modality: str, state: State, digest: str = "") -> BranchData:
        """The modality's training cases, scaled by the shared state, whose digest may be given if it is known."""
        key = (modality, digest or digest_of(state))
        if key not in self._training:
            case_ids = self.training_cases(modality)
            config = self.federation.modalities[modality]
            module = plugin(config.kind)
            prepared = module.prepare(self.cases(modality).select(case_ids), state, config)
            labels = torch.tensor(self.site.labels(case_ids))
            folds = self.folds[case_ids].to_numpy()
            self._training[key] = BranchData(tuple(case_ids), prepared, labels, folds, module.collate)
        return self._training[key]

    def class_counts(self) -> np.ndarray:
        """Labelled training cases by class that hold at least one modality which takes part."""
        held = sorted({case_id for name in self.modalities for case_id in self.training_cases(name)})
        return np.bincount(self.site.labels(held), minlength=self.federation.n_classes).astype(np.float64)

    def _folds(self) -> pd.Series:
        fusion, seed = self.federation.fusion, self.federation.seed
        if fusion.fit == "crossfit":
            return folds_of(self.site, seed, fusion.folds)
        if fusion.fit == "tune":
            share = folds_of(self.site, seed, round(1 / fusion.held_out))
            return share.where(share == 1, 2)
        train = self.site.cases[(self.site.cases["split"] == "train") & (self.site.cases["label"] != NO_LABEL)]
        return pd.Series(0, index=train.index)


def digest_of(arrays: State) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype}|{array.shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _files(site: Site, modality: str) -> tuple:
    """The raw files, those in a folder too, and what tells that one was replaced: size and time of each."""
    source = site.sources[modality]
    paths = [file for path in source.paths for file in ([path, *sorted(path.rglob("*"))] if path.is_dir() else [path])]
    stats = [(str(path), path.stat()) for path in paths]
    files = tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)
    return files, source.format, tuple(source.columns.items()), source.slides


def _keep(key: tuple, make: Callable[[], Cases]) -> Cases:
    """The cases read for this key before, or read now; the least recently used of many are forgotten."""
    if key not in _kept:
        _kept[key] = make()
    _kept.move_to_end(key)
    while len(_kept) > _KEPT:
        _kept.popitem(last=False)
    return _kept[key]
