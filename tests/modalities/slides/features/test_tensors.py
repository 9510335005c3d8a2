"""Files of torch's that hold something else, or would run code: refused by name."""

import pickle
import zipfile

import numpy as np
import pytest
import torch

from modalities.slides.features.reading import read_features

TILES = np.arange(35, dtype=np.float32).reshape(5, 7)


@pytest.mark.parametrize(
    ("held", "problem"),
    [
        (torch.zeros(1, 1).expand(10**9, 100), "features claims 1000000000 x 100 values, more than are stored"),
        ({"features": torch.zeros(3, 4), "coords": [1, 2, 3]}, "coords is no plain tensor"),
        ({"features": torch.zeros(3, 4).to_sparse()}, "features is no plain tensor"),
        (torch.zeros(3, 4, dtype=torch.complex64), r"features holds torch\.complex64, not numbers"),
        (torch.zeros(768), r"features are one vector \(768 numbers\) of the whole slide"),
        ({"other": torch.zeros(3, 4)}, "holds no tensor of features"),
    ],
)
def test_tensors_that_are_no_tiles_are_told(tmp_path, held, problem):
    torch.save(held, tmp_path / "S.pt")
    with pytest.raises(ValueError, match=rf"^S\.pt: {problem}"):
        read_features(tmp_path / "S.pt")


def test_half_precision_tensors_are_read(tmp_path):
    for dtype in (torch.bfloat16, torch.float16):
        torch.save(torch.from_numpy(TILES).to(dtype), tmp_path / "S.pt")
        assert np.array_equal(read_features(tmp_path / "S.pt").features, TILES)  # 0 to 34 are exact in both


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "S.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(50_000_000))
    with pytest.raises(ValueError, match=r"^S\.pt: it claims to unpack to 5000\d+ bytes; extract"):
        read_features(tmp_path / "S.pt")


def test_pt_that_would_run_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"features": Trap()}, tmp_path / "S.pt")
    with pytest.raises(ValueError, match=r"S\.pt: not a feature file that can be read"):
        read_features(tmp_path / "S.pt")
    assert not (tmp_path / "ran").exists()
