"""A made-up slide that readers of other formats get theirs from."""

from pathlib import Path

import pytest

from modalities.slides.synthetic import write_slide


@pytest.fixture(scope="session")
def made_up_slide(tmp_path_factory) -> Path:
    """Of 4 x 4 tiles, since wsidicomizer halves no odd number of them."""
    path = tmp_path_factory.mktemp("source") / "made-up.svs"
    write_slide(path, 0, 11, 1000)
    return path
