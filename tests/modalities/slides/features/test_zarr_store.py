"""Arrays of zarr stores of both formats, and claims that their files do not bear out."""

import json
import zlib

import imagecodecs
import numpy as np
import pytest

from modalities.slides.features.zarr_store import array_in
from tests.modalities.lazyslide import write_array

VALUES = np.arange(35, dtype=np.float32).reshape(7, 5)


def second(path, encode, **more):
    """Format 2: `.zarray`, and a chunk of 4 x 3 in each of its files."""
    path.mkdir(parents=True)
    content = {"shape": [7, 5], "chunks": [4, 3], "dtype": "<f4", "compressor": None, "filters": None}
    (path / ".zarray").write_text(json.dumps({**content, "order": "C", "fill_value": 0, "zarr_format": 2, **more}))
    padded = np.pad(VALUES, ((0, 1), (0, 1)))
    for row in range(2):
        for column in range(2):
            part = np.ascontiguousarray(padded[row * 4 : row * 4 + 4, column * 3 : column * 3 + 3])
            (path / f"{row}.{column}").write_bytes(encode(part.tobytes()))


def changed(path, **content):
    file = path / "zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **content}))


@pytest.mark.parametrize("chunk", [(), (4, 3), (1, 5), (7, 1)])
def test_format_3_is_read_whatever_the_chunks(tmp_path, chunk):
    write_array(tmp_path / "s.zarr" / "X", VALUES, chunk)
    assert np.array_equal(array_in(tmp_path / "s.zarr", "X"), VALUES)


@pytest.mark.parametrize(
    ("compressor", "encode"),
    [
        (None, bytes),
        ({"id": "zlib", "level": 1}, zlib.compress),
        ({"id": "blosc", "cname": "lz4"}, imagecodecs.blosc_encode),
        ({"id": "zstd"}, imagecodecs.zstd_encode),
    ],
)
def test_format_2_is_read_with_the_compressors_that_it_had(tmp_path, compressor, encode):
    second(tmp_path / "s.zarr" / "X", encode, compressor=compressor)
    assert np.array_equal(array_in(tmp_path / "s.zarr", "X"), VALUES)


def test_a_chunk_without_a_file_is_filled(tmp_path):
    second(tmp_path / "s.zarr" / "X", bytes, fill_value=0.5)
    (tmp_path / "s.zarr" / "X" / "1.0").unlink()
    expected = VALUES.copy()
    expected[4:, :3] = 0.5
    assert np.array_equal(array_in(tmp_path / "s.zarr", "X"), expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"filters": [{"id": "pickle"}]}, "X has filters, which are not read"),
        ({"compressor": {"id": "pickle"}}, "X is stored by pickle, which is not read"),
        ({"dtype": "|O"}, "X holds object, not numbers"),
        ({"order": "F"}, "X is stored by columns, which is not read"),
        ({"dimension_separator": "/../"}, "X is described in a way that makes no sense"),
        ({"chunks": [4]}, "X is described in a way that makes no sense"),
        ({"chunks": [0, 3]}, "X has chunks of no value"),
        ({"shape": [10**9, 5]}, "X claims 1000000000 x 5 values, more than its files can hold"),
        ({"chunks": [10**9, 5]}, "X claims 7 x 5 values, more than its files can hold"),
        ({"shape": [100, 900], "chunks": [1, 1]}, "X claims 100 x 900 values, more than its files can hold"),
    ],
)
def test_what_is_not_plain_numbers_in_its_own_files_is_refused(tmp_path, content, problem):
    second(tmp_path / "s.zarr" / "X", bytes, **content)
    with pytest.raises(ValueError, match=rf"^s\.zarr: {problem}"):
        array_in(tmp_path / "s.zarr", "X")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"codecs": [{"name": "sharding_indexed"}]}, "X is stored by regular, sharding_indexed, which is not read"),
        (
            {"codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]},
            r"X is stored by .*numcodecs\.pickle, which is n",
        ),
        (
            {"chunk_grid": {"name": "other", "configuration": {"chunk_shape": [7, 5]}}},
            "X is stored by other, bytes, zs",
        ),
        ({"data_type": "bool"}, "X holds bool, not numbers"),
    ],
)
def test_codecs_and_types_of_format_3_that_are_not_read_are_named(tmp_path, content, problem):
    write_array(tmp_path / "s.zarr" / "X", VALUES)
    changed(tmp_path / "s.zarr" / "X", **content)
    with pytest.raises(ValueError, match=rf"^s\.zarr: {problem}"):
        array_in(tmp_path / "s.zarr", "X")


def test_a_chunk_that_unpacks_to_more_than_its_size_is_not_unpacked(tmp_path):
    write_array(tmp_path / "s.zarr" / "X", VALUES)
    (tmp_path / "s.zarr" / "X" / "c" / "0" / "0").write_bytes(imagecodecs.zstd_encode(bytes(50_000_000)))
    with pytest.raises(imagecodecs.ZstdError, match="too small"):
        array_in(tmp_path / "s.zarr", "X")
