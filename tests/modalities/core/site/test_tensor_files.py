"""Nested tensors come back from a file as they were; no file can name code to run."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from modalities.core.blocks.streamed import Scale, ScaledRows
from modalities.core.contract import Cases
from modalities.core.files.rows import OpenFile, RowsOfFile
from modalities.core.site.tensor_files import load_tensors, save_tensors
from modalities.wsi_graph import PreparedGraph

TENSOR = torch.arange(7, dtype=torch.float32)


def again(tmp_path, value):
    save_tensors(tmp_path / "kept", value)
    return load_tensors(tmp_path / "kept")


def test_values_of_every_shape_come_back_as_they_were(tmp_path):
    value = {
        "bags": [torch.arange(6.0).reshape(2, 3), torch.zeros(0, 3), TENSOR[2:5]],
        "pair": (None, True, -3, 0.1, "é", []),
        "arrays": [np.arange(3, dtype=np.float64), np.array([True, False]), np.arange(6).reshape(2, 3).T],
    }
    found = again(tmp_path, value)
    assert found["pair"] == value["pair"]
    assert [type(array) for array in found["arrays"]] == [np.ndarray] * 3
    for kind in ("bags", "arrays"):
        for own, other in zip(value[kind], found[kind], strict=True):
            assert (own.dtype, own.shape, own.tolist()) == (other.dtype, other.shape, other.tolist())


def test_dataclasses_and_named_tuples_come_back_as_such(tmp_path):
    cases = Cases(("b", "a"), np.array([[1.5, np.nan], [3, 4]], dtype=np.float32), ("f", "g"), {"rows": 2})
    found = again(tmp_path, [cases, PreparedGraph(TENSOR, torch.zeros(2, 0, dtype=torch.int64))])
    assert (found[0].case_ids, found[0].features, found[0].notes) == (("b", "a"), ("f", "g"), {"rows": 2})
    assert np.array_equal(found[0].values, cases.values, equal_nan=True)
    assert type(found[1]) is PreparedGraph
    assert (found[1].nodes.tolist(), found[1].edges.shape) == (TENSOR.tolist(), (2, 0))


@pytest.mark.parametrize("value", [{1, 2}, object(), {3: TENSOR}, [b"bytes"]])
def test_anything_else_is_refused(tmp_path, value):
    with pytest.raises(TypeError, match="kept"):
        save_tensors(tmp_path / "kept", value)
    assert not list(tmp_path.iterdir())


ATOMIC = "modalities.core.files.atomic"


@pytest.mark.parametrize("name", ["os:system", "subprocess:Popen", "modalities.nowhere:X", f"{ATOMIC}:remove_parts"])
def test_a_file_cannot_name_code_to_run(tmp_path, name):
    tree = {"class": name, "fields": {"folder": "/"}}
    save_file({}, tmp_path / "kept", {"tree": json.dumps(tree)})
    with pytest.raises(ValueError, match=r"no class of Tessera's own|cannot be read"):
        load_tensors(tmp_path / "kept")


def test_rows_are_laid_out_in_the_file_and_what_they_share_is_written_once(tmp_path):
    (tmp_path / "halves").write_bytes(np.arange(600, dtype=np.float16).tobytes())
    rows = [RowsOfFile(OpenFile(tmp_path / "halves"), start, (300, 1), torch.float16) for start in (0, 600)]
    scale = Scale(torch.full((1,), 100.0), torch.full((1,), 0.5), 60.0)
    found = again(tmp_path, [ScaledRows(own, scale) for own in rows])
    assert (tmp_path / "kept").stat().st_size < 1200 + 8 + 1000  # the rows, one scale, and a header
    (tmp_path / "halves").unlink()
    read = torch.zeros(300, 1)
    found[1].read_into(read)
    assert read[:3].tolist() == [[60], [60], [60]]  # 300, 301 and 302, cut
    found[0].read_into(read)
    assert read[[0, 99, 250]].tolist() == [[-50], [-0.5], [60]]
    assert found[0].scale.mean is found[1].scale.mean


def test_rows_that_no_dataclass_wants_laid_out_are_refused(tmp_path):
    (tmp_path / "halves").write_bytes(b"12")
    with pytest.raises(TypeError, match="a RowsOfFile cannot be kept with tensors"):
        save_tensors(tmp_path / "kept", [RowsOfFile(OpenFile(tmp_path / "halves"), 0, (1, 1), torch.float16)])
