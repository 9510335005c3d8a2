"""Batches of what lies on a disk: in parts that fit in memory, the next one read while one is used."""

import threading

import numpy as np
import pytest
import torch

from modalities.core import batches
from modalities.core.batches import is_on_disk, parts, read_ahead
from modalities.core.blocks.streamed import Scale, ScaledRows
from tests.modalities.core.blocks.test_streamed import Lying

SCALE = Scale(torch.zeros(2), torch.ones(2), 4.0)


def case(n_rows):
    return ScaledRows(Lying(np.zeros((n_rows, 2), np.float32)), SCALE)


def test_a_batch_in_memory_is_one_part():
    for prepared in (torch.zeros(7, 3), [torch.zeros(9, 2)] * 7):
        found = parts(prepared, torch.tensor([6, 0, 2, 5, 1]), 2)
        assert [part.rows.tolist() for part in found] == [[6, 0], [2, 5], [1]]
        assert {(part.share, part.is_first, part.is_last) for part in found} == {(1.0, True, True)}
        assert not is_on_disk(prepared)
    assert parts(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), 2) == []


def test_a_batch_on_the_disk_is_cut_where_memory_ends_and_a_case_never(monkeypatch):
    monkeypatch.setattr(batches, "PART_BYTES", 80)  # ten rows of two floats
    prepared = [case(size) for size in (4, 6, 30, 1, 9)] + [torch.zeros(2, 2)]
    found = parts(prepared, torch.tensor([0, 1, 5, 2, 3, 4]), 5)
    assert is_on_disk(prepared)
    assert [part.rows.tolist() for part in found] == [[0, 1], [5], [2], [3], [4]]
    assert [part.share for part in found] == pytest.approx([0.4, 0.2, 0.2, 0.2, 1])
    assert [part.is_first for part in found] == [True, False, False, False, True]
    assert [part.is_last for part in found] == [False, False, False, True, True]


def test_the_next_is_made_while_the_caller_works_with_this_one():
    made, began = [], {number: threading.Event() for number in range(4)}

    def make(rows):
        began[int(rows)].set()
        made.append(int(rows))
        return -rows

    for number, given in enumerate(read_ahead(make, torch.arange(4))):
        assert int(given) == -number
        if number < 3:
            assert began[number + 1].wait(10), "only begun once the caller comes back"
    assert made == [0, 1, 2, 3]


def test_no_more_than_the_next_is_made_ahead_and_an_error_comes_to_the_caller():
    made = []

    def make(rows):
        made.append(int(rows))
        if rows == 2:
            raise ValueError("a file is gone")
        return rows

    reading = read_ahead(make, torch.arange(5))
    assert int(next(reading)) == 0
    assert int(next(reading)) == 1
    assert set(made) <= {0, 1, 2}
    with pytest.raises(ValueError, match="a file is gone"):
        next(reading)
