"""A site's data as tensors: read once, scaled once a state, and kept: in this process, and at a real site on disk."""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64
from torch import Tensor

from modalities.core.batches import Part, is_on_disk, parts
from modalities.core.contract import Cases, Source, State
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import read_site_config
from modalities.core.settings.training import BranchConfig, Federated, Training
from modalities.core.site.cases import NO_LABEL, Site, checked_sources, folds_of, open_site
from modalities.core.site.roll import Roll
from modalities.core.site.shelf import Shelf, code_digest

OWN_FOLDER = ".tessera"
"""In the site folder: what Tessera makes itself, and no raw file."""
_KEPT, _SMALL = 64, 2**14
"""Tables that are kept, and the bytes up to which one counts as a 64th: a simulation may have thousands of such."""
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

    def labelled(self, rows: Int64[Tensor, " batch"]) -> tuple[Any, Int64[Tensor, " batch"]]:
        """The same, with the labels."""
        return self.batch(rows), self.labels[rows]

    def parts(self, order: Int64[Tensor, " row"], batch_size: int) -> list[Part]:
        """These rows in batches of this size, each in as many parts as memory wants."""
        return parts(self.prepared, order, batch_size)

    @property
    def is_on_disk(self) -> bool:
        """Whether batches are read from a disk."""
        return is_on_disk(self.prepared)


class SiteData:
    """A site folder under one federation's settings; everything but site.yaml is opened when it is first asked for."""

    def __init__(
        self, folder: Path, federation: Federation, roll: Roll | None = None, shelf: Shelf | None = None
    ) -> None:
        """`roll` is that of the run, once it has one; `shelf` keeps what later processes would read again."""
        self.folder, self.federation = folder, federation
        self.config = read_site_config(folder / "site.yaml")
        self._given, self._shelf = roll, shelf
        self._cases: dict[str, Cases] = {}
        self._held = dict(roll.held) if roll else {}
        self._training: dict[tuple[str, str], BranchData] = {}

    @cached_property
    def site(self) -> Site:
        """The folder with its case list, as they are now."""
        return open_site(self.folder, self.federation.task, self.config)

    @cached_property
    def folds(self) -> pd.Series:
        """Fold of every labelled training case of the case list: 0 where nothing is held out."""
        fusion, seed, min_cell = self.federation.fusion, self.federation.seed, self.config.policy.min_cell
        if fusion.fit == "crossfit":
            return folds_of(self.site, seed, fusion.folds, min_cell)
        if fusion.fit == "tune":
            share = folds_of(self.site, seed, round(1 / fusion.held_out), min_cell)
            return share.where(share == 1, 2) if (share > 1).any() else share + 1  # too few cases: none is held out
        train = self.site.cases[(self.site.cases["split"] == "train") & (self.site.cases["label"] != NO_LABEL)]
        return pd.Series(0, index=train.index)

    @cached_property
    def listed(self) -> Roll:
        """The labelled training cases: as the run began, or else as the case list has them now, whatever they hold."""
        if self._given is not None:
            return self._given
        case_ids, folds = list(self.folds.index), self.folds.to_numpy(dtype=np.int64)
        return Roll(tuple(case_ids), self.site.labels(case_ids), folds, {}, self._case_list())

    @cached_property
    def roll(self) -> Roll:
        """The same, with what they hold of the modalities that the site offers and can read."""
        usable = [name for name in self._offered if name not in self.unusable] if self._given is None else ()
        if self.config.only_evaluates:
            usable = [name for name in usable if len(self.tests(name).case_ids) >= self._least]
        return replace(self.listed, held={**self.listed.held, **{name: self._rows(name) for name in usable}})

    @property
    def case_list_changed(self) -> bool:
        """Whether cases.csv is no longer the file that the roll was drawn up from."""
        return self.roll.case_list != self._case_list()

    @cached_property
    def modalities(self) -> list[str]:
        """The federation's modalities that this site takes part in: offered, and with a large enough cohort."""
        held = self.roll.held
        if self.config.only_evaluates:
            return [name for name in self._offered if name in held]
        return [name for name in self._offered if len(held.get(name, ())) >= self._least]

    @cached_property
    def unusable(self) -> dict[str, str]:
        """Why a modality that is offered cannot be used; one of them does not keep the site from the others.

        Raises:
            ValueError: every problem of site.yaml and cases.csv at once, which no modality can do without.
        """
        found: dict[str, str] = {}
        for name in self._offered if self.site else ():
            try:
                self.cases(name)
            except ValueError as error:
                found[name] = str(error)
        return found

    def cases(self, modality: str) -> Cases:
        """Every listed case that holds the modality, as read."""
        if modality not in self._cases:
            config, listed = self.federation.modalities[modality], self.site.cases
            key = (*self._reading(modality), tuple(listed.index), tuple(listed["label"]))
            self._cases[modality] = _keep(key, lambda: self.site.read(modality, config))
        return self._cases[modality]

    def training_cases(self, modality: str) -> list[str]:
        """The labelled training cases that hold the modality, in file order."""
        return [self.listed.case_ids[row] for row in self._rows(modality)]

    @cached_property
    def tested(self) -> pd.Series:
        """Class of every labelled case that is kept from training, by the case list and by the roll of the run."""
        cases = self.site.cases
        kept = cases.loc[(cases["split"] == "test") & (cases["label"] != NO_LABEL), "label"]
        return kept[~kept.index.isin(self.listed.case_ids)]

    def tests(self, modality: str) -> Cases:
        """Those of them that hold the modality, as read."""
        wanted = list(self.tested.index)
        return self._on_shelf(modality, "tests", wanted, lambda: _only(self.cases(modality), wanted))

    def values(self, modality: str) -> Cases:
        """The training cases that hold the modality, as read.

        Raises:
            ValueError: the run began with cases that the files, or the case list, no longer have.
        """
        return self._on_shelf(modality, "read", self._trained_on(modality, ""), lambda: self._select(modality))

    def training(self, modality: str, state: State, digest: str = "") -> BranchData:
        """The modality's training cases, scaled by the shared state, whose digest may be given if it is known."""
        key = (modality, digest or digest_of(state))
        if key not in self._training:
            config = self.federation.modalities[modality]
            module = plugin(config.kind)
            prepared = self._on_shelf(
                *(modality, "prepared", self._trained_on(modality, key[1])),
                lambda: module.prepare(self.values(modality), state, config),
                "read",
            )
            rows = self._rows(modality)
            labels, folds = torch.tensor(self.listed.labels[rows]), self.listed.folds[rows]
            self._training[key] = BranchData(
                tuple(self.training_cases(modality)), prepared, labels, folds, module.collate
            )
            self._cases.pop(modality, None)  # as large as what was made of it, and seldom asked for again
        return self._training[key]

    def training_digest(self) -> str:
        """Of all that this site has a say in of a model trained on its cases alone: files, cases, classes and folds."""
        files = [(name, *self._reading(name), self.training_cases(name)) for name in self.modalities]
        cases = self.listed.case_ids, self.listed.labels.tolist(), self.listed.folds.tolist()
        return hashlib.sha256(repr((code_digest(), self.config.name, files, cases)).encode()).hexdigest()

    def class_counts(self) -> np.ndarray:
        """Labelled training cases by class that hold at least one modality which takes part."""
        held = sorted({row for name in self.modalities for row in self.roll.held[name].tolist()})
        return np.bincount(self.roll.labels[held], minlength=self.federation.n_classes).astype(np.float64)

    @property
    def _least(self) -> int:
        """Cases without which a modality takes no part."""
        return max(1, self.config.policy.min_cohort)

    @property
    def _offered(self) -> list[str]:
        return self.config.offers(list(self.federation.modalities))

    def _rows(self, modality: str) -> Int64[np.ndarray, " case"]:
        """Where the modality's training cases stand among those listed, in file order."""
        if modality not in self._held:
            position = {case_id: row for row, case_id in enumerate(self.listed.case_ids)}
            rows = [position[case_id] for case_id in self.cases(modality).case_ids if case_id in position]
            self._held[modality] = np.array(rows, dtype=np.int64)
        return self._held[modality]

    def _select(self, modality: str) -> Cases:
        read, wanted = self.cases(modality), self.training_cases(modality)
        if gone := len(set(wanted) - set(read.case_ids)):
            raise ValueError(
                f"{modality}: {gone} cases that this study began with are gone from {self.config.cases} or from the "
                "files; put them back, or ask the coordinator for a new run"
            )
        return read.select(wanted)

    def _trained_on(self, modality: str, state: str) -> tuple:
        return self.training_cases(modality), state

    def _on_shelf(self, modality: str, what: str, of: Any, make: Callable[[], Any], instead_of: str = "") -> Any:
        """What the shelf has for these files and settings, `of` these cases, or else what `make` gives."""
        if self._shelf is None:
            return make()
        key = (code_digest(), *self._reading(modality), of)
        digest = hashlib.sha256(repr(key).encode()).hexdigest()
        before = f"{modality}.{instead_of}" if instead_of else ""
        return self._shelf.keep(f"{modality}.{what}", digest, make, before)

    def _reading(self, modality: str) -> tuple:
        """What decides what a modality's raw files are read and prepared as: how it is trained then does not matter."""
        source, config = self._sources[modality], self.federation.modalities[modality]
        reading: BranchConfig = replace(config, training=Training(), federated=Federated())
        return tuple(_stamps(source)), repr(replace(source, paths=())), repr(reading)

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return checked_sources(self.folder, self.config)

    def _case_list(self) -> tuple[int, int]:
        return _stamp(self.folder / self.config.cases)


def _only(cases: Cases, wanted: Collection[str]) -> Cases:
    kept = set(wanted)
    return cases.select([case_id for case_id in cases.case_ids if case_id in kept])


def digest_of(arrays: State) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype}|{array.shape}|".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _stamps(source: Source) -> Iterator[tuple[str, int, int]]:
    """The raw files, those in a folder too, and what tells that one was replaced: size and time of each."""
    for path in source.paths:
        if not path.is_dir():
            yield str(path), *_stamp(path)
        for folder, below, files in os.walk(path):
            below[:] = sorted(set(below) - {OWN_FOLDER})
            yield from ((str(Path(folder, name)), *_stamp(Path(folder, name))) for name in sorted(files))


def _stamp(path: Path) -> tuple[int, int]:
    """Size, and time of the last change; of what is not there, as behind a dangling link, neither."""
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _keep(key: tuple, make: Callable[[], Cases]) -> Cases:
    """The cases read for this key before, or read now; the least recently used of many are forgotten."""
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    made = _kept[key] = make()
    while len(_kept) > _KEPT and sum(map(_weight, _kept.values())) > _KEPT:
        _kept.popitem(last=False)
    return made


def _weight(cases: Cases) -> float:
    return 1 / 64 if isinstance(cases.values, np.ndarray) and cases.values.nbytes <= _SMALL else 1.0
