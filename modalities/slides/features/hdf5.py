"""The arrays that an HDF5 file itself holds: whoever made it must not point at other files of the site.

HDF5 can take a dataset's values from any file that the reader may open (external links, virtual datasets, external raw
storage), and soft links go wherever they like: only hard links to datasets stored in the file are followed. A header
can claim any size: it is held against the size of the file before anything is read.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py

from modalities.core.files.packed import MOST_PACKED
from modalities.slides.features.arrays import SLACK_BYTES, refuse, size_of


def datasets_in(file: h5py.File, path: Path, names: Collection[str], kinds: str = "fiu") -> dict[str, h5py.Dataset]:
    """The datasets of these names that are there, of these kinds of numbers (NumPy's letters).

    Raises:
        FeatureFileError: one is no dataset of numbers stored in this file, or claims more than the file can hold.
    """
    held, problems = {}, []
    for name in names:
        link = file.get(name, getlink=True)  # None where there is none; `in file` would follow it
        if link is not None and (problem := _problem_of(file, path, name, link, kinds)):
            problems.append(f"{name} {problem}")
        elif link is not None:
            held[name] = file[name]
    refuse(path, problems)
    return held


def _problem_of(file: h5py.File, path: Path, name: str, link: Any, kinds: str) -> str:
    if not isinstance(link, h5py.HardLink):
        return "is a link to somewhere else, which is not followed"
    held = file[name]
    if not isinstance(held, h5py.Dataset):
        return "is a group, not an array"
    if held.is_virtual or held.external:
        return "keeps its values in other files, which are not read"
    if held.dtype.kind not in kinds:
        return f"holds {held.dtype}, not numbers"
    if held.size * held.dtype.itemsize > MOST_PACKED * path.stat().st_size + SLACK_BYTES:
        return f"claims {size_of(held.shape)} values, more than a file of this size can hold"
    return ""
