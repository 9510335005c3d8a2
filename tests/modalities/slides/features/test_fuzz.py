"""Damaged files of every layout: read as numbers, or one clear error that names the file; nothing else ever."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from modalities.slides.features.arrays import FeatureFileError
from modalities.slides.features.embeddings import read_embeddings
from modalities.slides.features.reading import read_features
from tests.modalities.lazyslide import write_lazyslide
from tests.modalities.wsi import (
    write_clam,
    write_stamp,
    write_stamp_embeddings,
    write_trident,
    write_trident_embeddings,
)

READERS = {
    "trident": (write_trident, read_features),
    "clam": (write_clam, read_features),
    "stamp": (write_stamp, read_features),
    "lazyslide": (write_lazyslide, read_features),
    "trident_embeddings": (write_trident_embeddings, read_embeddings),
    "stamp_embeddings": (write_stamp_embeddings, read_embeddings),
}


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, or with some bytes changed, most of them in the first part, where headers stand."""
    if rng.random() < 0.25:
        return content[: int(rng.integers(0, len(content)))]
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 20))):
        changed[int(len(changed) * rng.random() ** 3)] = int(rng.integers(256))
    return bytes(changed)


def one_of(place: Path) -> Path:
    """The feature file, or the store, that was written."""
    return next(path for path in sorted(place.rglob("*")) if path.stem == "case" and path.suffix != ".pt")


def damage(path: Path, rng: np.random.Generator) -> None:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    chosen = files[int(rng.integers(len(files)))]
    chosen.write_bytes(damaged(chosen.read_bytes(), rng))


def expect_numbers_or_a_clear_error(path, read):
    problems, values = [], np.zeros(1)
    try:
        found = read(path)
        values = found.features if read is read_features else found[0].values
    except FeatureFileError as error:
        problems += error.problems
    assert np.isfinite(values).all()
    assert all(problem.file == path.name and problem.what and problem.remedy for problem in problems)


@pytest.mark.parametrize("n_files", [30, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("layout", READERS)
def test_damaged_files_give_numbers_or_an_error_that_names_the_file(tmp_path, layout, n_files):
    write, read = READERS[layout]
    write(tmp_path / "whole", ["case"], [0], np.random.default_rng(0))
    whole = one_of(tmp_path / "whole")
    rng = np.random.default_rng(n_files)
    for number in range(n_files):
        copy = tmp_path / str(number) / whole.name
        copy.parent.mkdir()
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, copy)
        damage(copy, rng)
        expect_numbers_or_a_clear_error(copy, read)
        shutil.rmtree(copy.parent)


@pytest.mark.parametrize("n_files", [30, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("read", [read_features, read_embeddings])
def test_damaged_files_of_torch_do_too(tmp_path, read, n_files):
    shape = (9, 7) if read is read_features else (7,)
    torch.save(torch.randn(shape, generator=torch.Generator().manual_seed(0)), tmp_path / "whole.pt")
    rng = np.random.default_rng(n_files)
    for _ in range(n_files):
        (tmp_path / "case.pt").write_bytes(damaged((tmp_path / "whole.pt").read_bytes(), rng))
        expect_numbers_or_a_clear_error(tmp_path / "case.pt", read)
