"""What a site's site.yaml says is read, refused with a reason, and written as it was."""

from dataclasses import replace

import pandas as pd
import pytest

from modalities.core.contract import IndexDate, SlideSettings, Source
from modalities.core.settings.site import Policy, read_site_config, write_site
from modalities.core.site.cases import NO_LABEL, open_site
from tests.modalities.core.site.test_cases import SITE, TABLE, TASK


def test_how_slides_are_read_is_written_and_read_back_with_absolute_folders(tmp_path):
    (tmp_path / "slides").mkdir()
    slides = SlideSettings(0.25, str((tmp_path / "made").resolve()), str((tmp_path / "weights").resolve()))
    cases = pd.DataFrame({"case_id": ["c1"], "label": ["A"], "split": ["train"]})
    source = Source((tmp_path / "slides",), slides=slides)
    write_site(tmp_path / "site", "south", cases, {"wsi_image": source}, Policy())
    assert "cache: ../made" in (tmp_path / "site" / "site.yaml").read_text()
    assert open_site(tmp_path / "site", TASK).sources["wsi_image"].slides == slides


def test_where_to_compute_is_written_and_read_back_and_anything_else_is_refused(tmp_path):
    cases = pd.DataFrame({"case_id": ["c1"], "label": ["A"], "split": ["train"]})
    write_site(tmp_path / "usual", "south", cases, {}, Policy())
    assert "resources" not in (tmp_path / "usual" / "site.yaml").read_text()
    assert read_site_config(tmp_path / "usual" / "site.yaml").resources.device == "auto"
    write_site(tmp_path / "other", "south", cases, {}, Policy(), device="cuda:1")
    assert read_site_config(tmp_path / "other" / "site.yaml").resources.device == "cuda:1"
    (tmp_path / "site.yaml").write_text(SITE + "resources: {device: gpu}\n")
    with pytest.raises(ValueError, match=r"site\.resources\.device: must be auto, cpu, cuda, .* got 'gpu'"):
        read_site_config(tmp_path / "site.yaml")


def test_setting_of_a_source_left_blank_keeps_its_default(tmp_path):
    (tmp_path / "site.yaml").write_text("name: north\nsources: {hif: {paths: [a.csv], format: , columns: }}\n")
    source = read_site_config(tmp_path / "site.yaml").sources["hif"]
    assert (source.paths, source.format, source.columns) == (["a.csv"], "auto", {})


def test_negative_resolution_is_refused(tmp_path):
    (tmp_path / "site.yaml").write_text(SITE + "slides: {default_mpp: -1}\n")
    with pytest.raises(ValueError, match=r"site\.slides\.default_mpp: must be at least 0, got -1"):
        read_site_config(tmp_path / "site.yaml")


def test_written_site_reads_back_the_same(tmp_path):
    raw = tmp_path / "raw" / "table.csv"
    raw.parent.mkdir()
    raw.write_text(TABLE)
    cases = pd.DataFrame({"case_id": ["c1", "c2"], "label": ["A", ""], "split": ["train", "test"]})
    policy = Policy(["hif"], 3, 5)
    said = {"columns": {"case_id": "x"}, "sheet": "A", "dates": "day first", "assembly": "hg19", "units": "log2"}
    said |= {"values": {"er": {"positiv": "positive"}}, "concepts": {"er": ("1", "2")}}
    source = Source((raw,), **said, index=IndexDate("diagnosis", within_days=9))
    write_site(tmp_path / "sites" / "south", "south", cases, {"hif": source}, policy)
    site = open_site(tmp_path / "sites" / "south", TASK)
    cache = str((tmp_path / "sites" / "south" / ".tessera" / "slides").resolve())
    assert site.sources["hif"] == replace(source, paths=(raw.resolve(),), slides=SlideSettings(cache=cache))
    assert read_site_config(tmp_path / "sites" / "south" / "site.yaml").policy == policy
    assert list(site.cases["label"]) == [0, NO_LABEL]
