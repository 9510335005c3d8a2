"""Arrays of a feature file that are no tiles: told by type and shape."""

import h5py
import numpy as np
import pytest

from modalities.slides.features.reading import read_features


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"features": np.array(["a", "b"], dtype="S1")}, r"features holds \|S1, not numbers"),
        ({"features": np.zeros((3, 2), dtype=complex)}, "features holds complex128, not numbers"),
        (
            {"features": np.zeros(768)},
            r"features are one vector \(768 numbers\) of the whole slide, not a row a tile: for slide embeddings use "
            "a modality of kind `wsi_slide`",
        ),
        ({"features": np.float32(3)}, "features has the shape of one number"),
        ({"features": np.zeros((2, 3, 4))}, "features has the shape 2 x 3 x 4"),
        ({"features": np.zeros((3, 4)), "coords": np.zeros((3, 3))}, "coords has the shape 3 x 3"),
        ({"features": np.zeros((3, 4)), "tissue": np.zeros((3, 1))}, "tissue has the shape 3 x 1"),
        ({"features": np.full((2, 2), 1e300)}, "features are not all finite numbers"),
        ({"embeddings": np.zeros((3, 4))}, "holds embeddings, which is no layout of tile features"),
        ({"features": np.zeros((3, 4)), "coords": np.full((3, 2), np.nan)}, "coords are not all finite numbers"),
        ({"features": np.zeros((3, 4)), "coords": np.full((3, 2), 1e300)}, "coords are not all finite numbers"),
    ],
)
def test_arrays_that_are_no_tiles_are_told_by_type_and_shape(tmp_path, arrays, problem):
    with h5py.File(tmp_path / "S.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    with pytest.raises(ValueError, match=rf"^S\.h5: {problem}; "):
        read_features(tmp_path / "S.h5")
