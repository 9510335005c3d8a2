"""A release as files: model.json names every other file with its SHA-256, and is read only if all are as released.

A branch's file depends on that branch alone, so adding or removing another modality leaves it byte for byte the same.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load

from modalities.core.fields import AUTO
from modalities.core.fusion.head import head_named
from modalities.core.model.predict import FittedBranch, FittedModel
from modalities.core.parts import modality_of, parts_of
from modalities.core.problems import unusable
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.supply.bill import BILL, LICENCES

FORMAT = 2
MODEL, HEAD, CALIBRATION = "model.json", "fusion.safetensors", "calibration.safetensors"
CARD = "README.md"
"""The model card."""
_TEXTS = {CARD, BILL, LICENCES}
"""What a release from before there was such a file lacks."""
STATE, WEIGHT = "state.", "weight."
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Release:
    """A release whose files are as model.json says."""

    model: Mapping[str, Any]
    """model.json."""
    federation: Federation
    content: Mapping[str, bytes]
    """File -> the bytes that were checked, so that nothing can change between check and use."""
    written: bytes
    """model.json as it was read, which the signature is of."""

    @property
    def digest(self) -> str:
        """SHA-256 of model.json."""
        return hashlib.sha256(self.written).hexdigest()

    @property
    def modalities(self) -> list[str]:
        """Those with a branch."""
        return list(self.model["modalities"])

    @cached_property
    def head_name(self) -> str:
        """The fusion head; a release from before there was a choice names none."""
        return str(_head_of(self.model, self.federation)["name"])

    @cached_property
    def out_of_fold_loss(self) -> dict[str, float]:
        """Of every head that was tried."""
        return dict(_head_of(self.model, self.federation)["out_of_fold_loss"])

    def weights(self, part: str) -> Arrays:
        """The weights of a branch or a fold copy."""
        return _below(load(self.content[file_of(part)]), WEIGHT)

    def state(self, modality: str) -> Arrays:
        """The shared statistics of a modality."""
        return _below(load(self.content[file_of(modality)]), STATE)

    @property
    def head(self) -> Arrays:
        """The fusion head's parameters."""
        return load(self.content[HEAD])

    @property
    def calibration(self) -> Arrays:
        """Temperature and thresholds."""
        return load(self.content[CALIBRATION])

    def branch(self, modality: str) -> FittedBranch:
        """One branch, ready to build."""
        return FittedBranch(self.federation.modalities[modality], self.state(modality), self.weights(modality))

    def fitted(self, device: str = AUTO) -> FittedModel:
        """The branches and the head, ready to predict; `device` is as `resources.device` of site.yaml."""
        branches = {name: self.branch(name) for name in self.federation.modalities if name in self.modalities}
        head = {key: torch.from_numpy(array) for key, array in self.head.items()}
        return FittedModel(self.federation, branches, head, self.head_name, self.calibration, device)


def open_release(folder: Path) -> Release:
    """The release in this folder.

    Raises:
        ValueError: model.json is none of this version, or a file is missing, differs from its digest in it, or holds
            what is no finite number; all of them are named.
    """
    try:
        written = (folder / MODEL).read_bytes()
        model = json.loads(written)
        federation = federation_from(model["federation"])
        expected = {file_of(part) for name in model["modalities"] for part in parts_of(name, federation.fusion)}
        head_named(_head_of(model, federation)["name"])
        if model["format"] != FORMAT or set(model["files"]) - _TEXTS != {*expected, HEAD, CALIBRATION}:
            raise ValueError("another format, or other files than its modalities need")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unusable(f"no release that this version reads: model.json: {error}", file=str(folder)) from error
    content = {name: _read(folder / name) for name in model["files"]}
    wrong = [name for name, digest in model["files"].items() if hashlib.sha256(content[name]).hexdigest() != digest]
    if wrong:
        raise unusable(f"missing or changed since the release: {', '.join(sorted(wrong))}", file=str(folder))
    if infinite := [name for name, held in content.items() if not _is_finite(name, held)]:
        raise unusable(f"holds numbers that are not finite: {', '.join(sorted(infinite))}", file=str(folder))
    return Release(model, federation, content, written)


def file_of(part: str) -> str:
    """Where in a release a branch or a fold copy lies."""
    return f"branches/{part}.safetensors" if part == modality_of(part) else f"crossfit/{part}.safetensors"


def _head_of(model: Mapping[str, Any], federation: Federation) -> Mapping[str, Any]:
    return model.get("head") or {"name": federation.fusion.head, "out_of_fold_loss": {}}


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _is_finite(name: str, content: bytes) -> bool:
    """A branch of NaN would predict one class for everybody."""
    arrays = load(content) if name not in _TEXTS else {}
    return all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f")


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
