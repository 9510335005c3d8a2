"""Rows that stay on a disk: read by offset, from a file that may be replaced meanwhile."""

import pickle

import numpy as np
import pytest
import torch

from modalities.core.files import rows
from modalities.core.files.rows import OpenFile, RowsOfFile, blocks_of

VALUES = np.arange(21, dtype=np.float16).reshape(7, 3)


@pytest.fixture
def path(tmp_path):
    """Five bytes of something else, then seven rows of three halves."""
    (tmp_path / "rows").write_bytes(b"other" + VALUES.tobytes())
    return tmp_path / "rows"


def lying_in(path, n_rows=7):
    return RowsOfFile(OpenFile(path), 5, (n_rows, 3), torch.float16)


def test_rows_come_in_blocks_that_end_with_the_rows(path, monkeypatch):
    monkeypatch.setattr(rows, "_BLOCK_BYTES", 24)  # two rows of three floats
    blocks = list(lying_in(path).blocks())
    assert [len(block) for block in blocks] == [2, 2, 2, 1]
    assert torch.cat(blocks).tolist() == VALUES.tolist()
    assert blocks[0].dtype == torch.float16


def test_rows_stay_those_of_the_file_that_was_opened_when_another_takes_its_place(path):
    held = lying_in(path)
    path.unlink()
    path.write_bytes(b"new")
    assert np.concatenate(list(blocks_of(held))).tolist() == VALUES.tolist()


def test_another_process_opens_the_file_anew(path):
    first, second = pickle.loads(pickle.dumps([lying_in(path), lying_in(path)]))
    for held in (first, second):
        assert (held.shape, held.dtype) == ((7, 3), torch.float16)
        assert np.concatenate(list(blocks_of(held))).tolist() == VALUES.tolist()


def test_a_file_that_is_too_short_says_where_it_ends(path):
    with pytest.raises(ValueError, match="rows: ends at byte 47 where 53 are due"):
        list(lying_in(path, 8).blocks())


def test_rows_in_memory_are_one_block():
    assert [block is VALUES for block in blocks_of(VALUES)] == [True]
