"""A site that has no slides needs none of their packages."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[4]
CODE = """
import sys
for name in ("cv2", "h5py", "imagecodecs", "openslide", "tifffile"):
    sys.modules[name] = None  # as if it were not installed
import client.cli
from modalities.core.contract import Source
from modalities.slides.config import SlidesConfig
from modalities.slides.reading.source import read_case_by_case
try:
    read_case_by_case(Source(()), SlidesConfig(), {})
except ValueError as error:
    print(error)
"""


@pytest.mark.slow  # starts a process that imports torch
def test_extra_is_asked_for_only_once_a_slide_is_read():
    found = subprocess.run([sys.executable, "-c", CODE], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("slides need the packages of the `slides` extra, and ")
    assert "is not installed: run `pip install 'tessera[slides]'`" in found.stdout
