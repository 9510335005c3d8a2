"""What the tests of preparing share."""

import cv2
import pytest

from tests.modalities.slides.prepare.preparing import good
from tests.slides import glass, with_tissue, write_slide


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A slide of every kind."""
    folder = tmp_path_factory.mktemp("raw") / "slides"
    pen = glass(701, 1100)
    pen[100:600, 100:900] = (20, 60, 180)
    write_slide(folder / "good.svs", good(1))
    write_slide(folder / "other.svs", good(2, 1300))
    write_slide(folder / "blank.svs", glass(701, 1100))
    write_slide(folder / "pen.svs", pen)
    write_slide(folder / "blurred.svs", cv2.GaussianBlur(good(3), (0, 0), 4))
    write_slide(folder / "speck.svs", with_tissue(glass(701, 1100), 600, 1040, 20, 20))
    write_slide(folder / "coarse.svs", good(4), mpp=2.0)
    write_slide(folder / "no_mpp.svs", good(5), mpp=None)
    (folder / "broken.svs").write_text("no slide")
    return folder
