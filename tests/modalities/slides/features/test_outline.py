"""Feature files are large: a site reads each once, whatever it asks of it."""

import os
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from client.cli import app
from modalities.core.contract import SlideSettings, Source
from modalities.core.settings.site import Policy, write_site
from modalities.slides.config import SlidesConfig
from modalities.slides.features import outline
from modalities.slides.features.outline import outline_of, tiles_in
from tests.modalities.wsi import write_trident
from tests.slides import read_slides

CASES = ("case-0", "case-1", "case-2")


@pytest.fixture
def reads(monkeypatch):
    """How often each file was read."""
    counted, read = Counter(), outline.read_features

    def counting(path):
        counted[path.stem] += 1
        return read(path)

    monkeypatch.setattr(outline, "read_features", counting)
    return counted


@pytest.fixture
def source(tmp_path):
    folder = write_trident(tmp_path / "site" / "features", CASES, [0, 1, 0], np.random.default_rng(1))
    return Source((folder,), slides=SlideSettings(cache=str(tmp_path / "cache")))


def test_a_study_reads_each_feature_file_once(source, reads):
    cases, _ = read_slides(source, SlidesConfig())
    assert tuple(cases) == CASES
    assert reads == dict.fromkeys(CASES, 1)


def test_check_reads_each_feature_file_once_and_names_the_damaged_one(source, reads, tmp_path):
    (source.paths[0] / "case-1.h5").write_bytes(b"damaged")
    listed = pd.DataFrame({"case_id": CASES, "label": ["LumA", "LumB", "LumA"], "split": "train"})
    write_site(tmp_path / "site", "site", listed, {"wsi_image": source}, Policy(min_cohort=1, min_cell=0))
    (tmp_path / "federation.yaml").write_text("modalities: {wsi_image: {}}\n")
    federation = str(tmp_path / "federation.yaml")
    found = CliRunner().invoke(app, ["check", str(tmp_path / "site"), "--federation", federation, "--offline"])
    assert "case-1.h5: not a feature file that can be read" in " ".join(found.output.split())
    assert (reads["case-0"], reads["case-2"]) == (1, 1)


def test_a_file_that_changed_is_read_again(source, reads):
    path = source.paths[0] / "case-0.h5"
    assert outline_of(path).n_tiles == len(tiles_in(path))
    os.utime(path, ns=(1, 1))
    assert np.isnan(outline_of(path).nuclei)
    assert outline_of(path).mpp == 0.25
    assert reads == {"case-0": 3}
