"""The table of encoders, which needs neither timm nor torch."""

import dataclasses
import subprocess
import sys

import pytest

from modalities.slides.backbones.table import Encoder, encoders, origin_of

WANTED = [
    *("resnet18", "resnet50", "vgg16", "inception_v3", "dinov2", "uni", "uni2_h", "virchow", "virchow2"),
    *("h_optimus_0", "h_optimus_1", "h0_mini", "prov_gigapath", "phikon", "phikon_v2", "hibou_b", "hibou_l"),
    *("kaiko_vits16", "kaiko_vits8", "kaiko_vitb16", "kaiko_vitb8", "kaiko_vitl14", "midnight", "conch"),
]
SEEN_TCGA = {"h0_mini", "phikon", "phikon_v2", "midnight", *(name for name in WANTED if name.startswith("kaiko"))}


def test_every_encoder_that_was_asked_for_has_a_row():
    assert list(encoders()) == WANTED


def test_encoders_that_saw_tcga_say_so_and_those_of_which_nobody_can_say_do_not_deny_it():
    assert {row.name for row in encoders().values() if row.tcga == "yes"} == SEEN_TCGA
    assert "scores on TCGA flatter it" in origin_of("phikon")
    assert origin_of("uni").endswith("by its authors' word not on TCGA")
    assert "could not be confirmed" in origin_of("virchow2")
    assert "seen no slide" in origin_of("stain")
    assert "not known to this version" in origin_of("resnet999")


@pytest.mark.parametrize("row", encoders().values(), ids=list(encoders()))
def test_row_is_whole_and_holds_together(row):
    fields = {field.name for field in dataclasses.fields(Encoder)}
    assert set(row.unconfirmed) <= fields
    assert (row.tcga == "unconfirmed") == ("tcga" in row.unconfirmed)
    assert row.pixels <= row.resized <= 448
    assert all(0 < value < 1 for value in (*row.mean, *row.std))
    assert row.sources
    assert all(source.startswith(("https://", "arXiv:", "doi:")) for source in row.sources)
    if row.access == "gated":
        assert row.hub is None
    if row.hub:
        assert f"https://huggingface.co/{row.hub['repo']}" in row.sources
    assert (row.um_px is None) == (row.name in ("resnet18", "resnet50", "vgg16", "inception_v3", "dinov2"))


def test_reading_the_table_imports_neither_torch_nor_timm():
    code = "import sys; from modalities.slides.backbones.table import encoders; encoders()"
    code += "; assert not {'torch', 'timm'} & set(sys.modules), 'heavy'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
