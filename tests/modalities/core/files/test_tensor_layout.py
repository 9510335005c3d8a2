"""The file is what the safetensors library reads and writes."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from modalities.core.files.rows import Rows
from modalities.core.files.tensor_layout import Layout, size_of, write_leaves


class Halves(Rows):
    """Five rows, in blocks of two."""

    values = torch.arange(15.0).reshape(5, 3).half()
    shape = (5, 3)
    dtype = torch.float16

    def blocks(self) -> Iterator[torch.Tensor]:
        """All of them."""
        yield from self.values.split(2)


ARRAYS = [np.array([True, False, True]), np.arange(4, dtype=np.float64), np.zeros((2, 0), np.float32), np.int8([[7]])]


def test_the_library_reads_what_was_written_and_every_number_is_aligned(tmp_path):
    write_leaves(tmp_path / "file", [*ARRAYS, Halves()], {"tree": "é"})
    held = load_file(tmp_path / "file")
    for name, array in enumerate(ARRAYS):
        assert (held[str(name)].dtype, held[str(name)].tolist()) == (array.dtype, array.tolist())
        assert held[str(name)].flags.aligned
    assert held["4"].tolist() == Halves.values.tolist()


def test_rows_are_read_from_where_they_lie(tmp_path):
    write_leaves(tmp_path / "file", [ARRAYS[0], Halves(), ARRAYS[1]], {})
    rows = Layout(tmp_path / "file").rows("1")
    assert (rows.shape, rows.dtype) == ((5, 3), torch.float16)
    assert torch.cat(list(rows.blocks())).tolist() == Halves.values.tolist()


def test_sizes_are_in_bytes():
    assert [size_of(leaf) for leaf in (*ARRAYS, Halves())] == [3, 32, 0, 1, 30]


def test_a_type_that_the_format_lacks_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match="numbers of type complex128 cannot be kept"):
        write_leaves(tmp_path / "file", [np.zeros(2, complex)], {})
    assert not list(tmp_path.iterdir())
