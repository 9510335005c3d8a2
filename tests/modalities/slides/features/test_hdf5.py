"""HDF5 files that point elsewhere, or claim what they do not hold: refused by name."""

import h5py
import numpy as np
import pytest

from modalities.slides.features.reading import read_features

TILES = np.arange(35, dtype=np.float32).reshape(5, 7)


def secret(folder):
    """Another file of the site, of 35 float32."""
    path = folder / "secret.bin"
    path.write_bytes(TILES.tobytes())
    return path


def other(folder):
    with h5py.File(folder / "other.h5", "w") as file:
        file["features"] = TILES
    return folder / "other.h5"


def external_storage(file, folder):
    file.create_dataset("features", TILES.shape, TILES.dtype, external=[(str(secret(folder)), 0, 140)])


def virtual(file, folder):
    layout = h5py.VirtualLayout(TILES.shape, TILES.dtype)
    layout[:] = h5py.VirtualSource(str(other(folder)), "features", shape=TILES.shape)
    file.create_virtual_dataset("features", layout)


def external_link(file, folder):
    file["features"] = h5py.ExternalLink(str(other(folder)), "features")


def soft_link(file, folder):
    file["hidden/link"] = h5py.ExternalLink(str(other(folder)), "features")
    file["features"] = h5py.SoftLink("/hidden/link")


def coords_elsewhere(file, folder):
    file["features"] = TILES
    file.create_dataset("coords", (5, 2), np.int64, external=[(str(secret(folder)), 0, 80)])


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (external_storage, "features keeps its values in other files, which are not read"),
        (virtual, "features keeps its values in other files, which are not read"),
        (external_link, "features is a link to somewhere else, which is not followed"),
        (soft_link, "features is a link to somewhere else, which is not followed"),
        (coords_elsewhere, "coords keeps its values in other files, which are not read"),
    ],
)
def test_no_other_file_of_the_site_is_read(tmp_path, write, problem):
    with h5py.File(tmp_path / "S.h5", "w") as file:
        write(file, tmp_path)
    with pytest.raises(ValueError, match=rf"^S\.h5: {problem}; extract the features again$"):
        read_features(tmp_path / "S.h5")


def test_a_hard_link_within_the_file_is_the_dataset_itself(tmp_path):
    with h5py.File(tmp_path / "S.h5", "w") as file:
        file["kept/here"] = TILES
        file["features"] = file["kept/here"]
    assert np.array_equal(read_features(tmp_path / "S.h5").features, TILES)


@pytest.mark.parametrize("shape", [(10**9, 2), (10, 10**9)])
def test_a_header_that_claims_gigabytes_is_refused_before_anything_is_read(tmp_path, shape):
    with h5py.File(tmp_path / "S.h5", "w") as file:
        file.create_dataset("features", shape, np.float32, chunks=(10, 2))
    assert (tmp_path / "S.h5").stat().st_size < 10_000
    claimed = " x ".join(map(str, shape))
    with pytest.raises(
        ValueError, match=rf"S\.h5: features claims {claimed} values, more than a file of this size can"
    ):
        read_features(tmp_path / "S.h5")


def test_tiles_that_are_packed_well_are_read(tmp_path):
    with h5py.File(tmp_path / "S.h5", "w") as file:
        file.create_dataset("features", data=np.zeros((4096, 64), np.float32), compression="gzip")
    assert len(read_features(tmp_path / "S.h5")) == 4096


def test_a_group_named_features_is_told(tmp_path):
    with h5py.File(tmp_path / "S.h5", "w") as file:
        file["features/uni"] = TILES
    with pytest.raises(ValueError, match=r"S\.h5: features is a group, not an array"):
        read_features(tmp_path / "S.h5")


@pytest.mark.parametrize("attributes", [{"patch_size_level0": "large"}, {"level0_width": [1, 2]}])
def test_attributes_of_another_type_name_the_file(tmp_path, attributes):
    with h5py.File(tmp_path / "S.h5", "w") as file:
        file["features"], file["coords"] = TILES, np.zeros((5, 2), dtype=int)
        file["coords"].attrs.update(attributes)
    with pytest.raises(ValueError, match=r"^S\.h5: not a feature file that can be read \("):
        read_features(tmp_path / "S.h5")
