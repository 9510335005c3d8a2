"""The arrays of a feature file that the file itself holds: whoever made it must not point at other files of the site.

HDF5 can take a dataset's values from any file that the reader may open (external links, virtual datasets, external raw
storage), and soft links go wherever they like: only hard links to datasets stored in the file are followed. A header
can claim any size: it is held against the size of the file before anything is read.
"""

import zipfile
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from modalities.core.problems import Problem, ProblemsError

_MOST_PACKED = 100
"""How many times smaller than its values a file may be: what is claimed beyond that is not there."""
_SLACK_BYTES = 1 << 20
_NAMED = 10
_AGAIN = "extract the features again"


class FeatureFileError(ProblemsError):
    """What is wrong with a feature file, with its name and what to do."""


def datasets_in(file: h5py.File, path: Path, names: Collection[str]) -> dict[str, h5py.Dataset]:
    """The datasets of these names that are there.

    Raises:
        FeatureFileError: one is no dataset of numbers stored in this file, or claims more than the file can hold.
    """
    found, problems = {}, []
    for name in names:
        link = file.get(name, getlink=True)  # None where there is none; `in file` would follow it
        if link is not None and (problem := _problem_of(file, path, name, link)):
            problems.append(f"{name} {problem}")
        elif link is not None:
            found[name] = file[name]
    _refuse(path, problems)
    if "features" not in found:
        others = sorted(str(name) for name in islice(file, _NAMED))
        what = "places of tiles only" if others == ["coords"] else "the tiles' features must have that name"
        said = f"holds {', '.join(others) or 'nothing'}, but no `features`: {what}"
        raise FeatureFileError(Problem(said, "name the folder of the features in site.yaml", file=path.name))
    return found


def tensors_in(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """A file of torch's: a tensor, the features, or a dictionary with one named so; nothing else is ever unpacked.

    Raises:
        FeatureFileError: it holds no such tensor, or one claims more values than are stored.
    """
    _refuse_bomb(path)
    found = torch.load(path, map_location="cpu", weights_only=True)
    held = {name: found[name] for name in names if name in found} if isinstance(found, dict) else {"features": found}
    if not isinstance(held.get("features"), torch.Tensor):
        raise FeatureFileError(Problem("holds no tensor of features", _AGAIN, file=path.name))
    _refuse(path, [f"{name} {problem}" for name, own in held.items() if (problem := _problem_of_tensor(own))])
    return {name: (own.float() if own.dtype == torch.bfloat16 else own).detach().numpy() for name, own in held.items()}


def _problem_of(file: h5py.File, path: Path, name: str, link: Any) -> str:
    if not isinstance(link, h5py.HardLink):
        return "is a link to somewhere else, which is not followed"
    held = file[name]
    if not isinstance(held, h5py.Dataset):
        return "is a group, not an array"
    if held.is_virtual or held.external:
        return "keeps its values in other files, which are not read"
    if held.dtype.kind not in "fiu":
        return f"holds {held.dtype}, not numbers"
    if held.size * held.dtype.itemsize > _MOST_PACKED * path.stat().st_size + _SLACK_BYTES:
        return f"claims {' x '.join(map(str, held.shape))} values, more than a file of this size can hold"
    return ""


def _problem_of_tensor(held: Any) -> str:
    if not isinstance(held, torch.Tensor) or held.layout != torch.strided or held.is_quantized:
        return "is no plain tensor"
    if held.dtype.is_complex or held.dtype == torch.bool:
        return f"holds {held.dtype}, not numbers"
    if held.numel() * held.element_size() > held.untyped_storage().nbytes():
        return f"claims {' x '.join(map(str, held.shape))} values, more than are stored"
    return ""


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that unpacks to far more than it is."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _MOST_PACKED * path.stat().st_size + _SLACK_BYTES:
            _refuse(path, [f"it claims to unpack to {unpacked} bytes"])


def shape_problems(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """What is wrong with the arrays' shapes: [tile, feature], [tile, 2], [tile], [tile, class]."""
    wanted = {"features": 2, "coords": 2, "tissue": 1, "composition": 2}
    found = []
    for name, array in arrays.items():
        shape = " x ".join(map(str, array.shape)) or "of one number"
        if name == "features" and array.ndim == 1:
            found.append(
                f"features are one vector ({shape} numbers) of the whole slide, not a row a tile: for slide embeddings "
                "write a table with a row a case and use a modality of kind `table`"
            )
        elif array.ndim != wanted[name] or (name == "coords" and array.shape[1] != 2):
            found.append(f"{name} has the shape {shape}")
    return found


def _refuse(path: Path, problems: list[str]) -> None:
    if problems:
        raise FeatureFileError(Problem("; ".join(problems), _AGAIN, file=path.name))
