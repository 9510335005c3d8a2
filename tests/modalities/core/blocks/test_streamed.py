"""Rows that are read when they are wanted are scaled as those in memory are."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from modalities.core.blocks.ragged import means_of_rows, scaled, sums_of_rows
from modalities.core.blocks.streamed import Scale, ScaledRows, one_after_the_other
from modalities.core.files.rows import Rows

STATE = {"mean": np.array([1.0, -2.0]), "inverse_scale": np.array([0.5, 4.0])}


class Lying(Rows):
    """Rows as if they lay somewhere, in blocks of three."""

    dtype = torch.float32

    def __init__(self, values: np.ndarray) -> None:
        self.values = torch.from_numpy(values)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.values), self.values.shape[1]

    def blocks(self) -> Iterator[torch.Tensor]:
        yield from self.values.split(3)


def made(n_rows, seed):
    return np.random.default_rng(seed).normal(0, 3, (n_rows, 2)).astype(np.float32)


def test_rows_are_scaled_and_cut_as_they_are_read():
    values = np.array([[3, -2], [1, -1.5], [-99, -1.875], [2, 99]], dtype=np.float32)
    read = torch.full((4, 2), torch.nan)
    rows = ScaledRows(Lying(values), Scale.of(STATE, 2.5))
    rows.read_into(read)
    assert read.tolist() == [[1, 0], [0, 2], [-2.5, 0.5], [0.5, 2.5]]
    assert rows.mean().tolist() == [-0.25, 1.25]


def test_cases_of_both_kinds_lie_one_after_the_other_as_if_all_were_in_memory():
    values = [made(size, size) for size in (5, 1, 7)]
    memory = [scaled(case, STATE, 4.0) for case in values]
    scale = Scale.of(STATE, 4.0)
    mixed = [ScaledRows(Lying(values[0]), scale), memory[1], ScaledRows(Lying(values[2]), scale)]
    assert torch.allclose(one_after_the_other(mixed), torch.cat(memory), atol=1e-5)
    assert torch.equal(one_after_the_other(memory), torch.cat(memory))
    for streamed, own in zip(mixed, memory, strict=True):
        assert torch.allclose(streamed.mean() if isinstance(streamed, ScaledRows) else own.mean(0), own.mean(0))


def test_sums_and_means_are_those_of_rows_in_memory():
    values = [made(size, size) for size in (5, 1, 7)]
    lying = [Lying(values[0]), values[1], Lying(values[2])]
    expected = sums_of_rows(values)
    for name, own in sums_of_rows(lying).items():
        assert own == pytest.approx(expected[name], rel=1e-12)
    assert expected["sum"] == pytest.approx(sum(case.astype(float).mean(axis=0) for case in values))
    assert means_of_rows(lying) == pytest.approx(means_of_rows(values), rel=1e-6)


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match="2 features where the other cases of the study have 3; use the backbone"):
        ScaledRows(Lying(made(4, 0)), Scale.of({"mean": np.zeros(3), "inverse_scale": np.ones(3)}, 4.0))
