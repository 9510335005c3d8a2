"""Files of torch's, as CLAM and TRIDENT write them (`.pt`): the features alone, or a dictionary of tensors."""

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modalities.core.files.packed import MOST_PACKED
from modalities.slides.bags import TileFeatures
from modalities.slides.features.arrays import SLACK_BYTES, refuse, size_of, tiles_of

_BEGINNINGS = (b"PK\x03\x04", b"\x80")
"""An archive, or in old ones a pickle, of which tensors alone are unpacked."""


def is_of_torch(path: Path) -> bool:
    """Whether a file begins as those of torch do."""
    with path.open("rb") as file:
        return file.read(4).startswith(_BEGINNINGS)


def read(path: Path) -> TileFeatures:
    """The tiles of a `.pt` file; they have places only where the dictionary has `coords`."""
    return tiles_of(path, tensors_in(path, ("features", "coords")))


def tensors_in(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """A tensor, the features, or a dictionary with one named so; nothing else is ever unpacked.

    Raises:
        FeatureFileError: it holds no such tensor, or one claims more values than are stored.
    """
    _refuse_bomb(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        content = {"features": content}
    held = {name: content[name] for name in names if name in content}
    if not isinstance(held.get("features"), torch.Tensor):
        refuse(path, ["holds no tensor of features"])
    refuse(path, [f"{name} {problem}" for name, tensor in held.items() if (problem := _problem_of(tensor))])
    return {
        name: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
        for name, tensor in held.items()
    }


def _problem_of(held: Any) -> str:
    if not isinstance(held, torch.Tensor) or held.layout != torch.strided or held.is_quantized:
        return "is no plain tensor"
    if held.dtype.is_complex or held.dtype == torch.bool:
        return f"holds {held.dtype}, not numbers"
    if held.numel() * held.element_size() > held.untyped_storage().nbytes():
        return f"claims {size_of(held.shape)} values, more than are stored"
    return ""


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that unpacks to far more than it is."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MOST_PACKED * path.stat().st_size + SLACK_BYTES:
            refuse(path, [f"it claims to unpack to {unpacked} bytes"])
