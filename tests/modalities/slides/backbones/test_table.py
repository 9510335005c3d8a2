"""The table of encoders, which needs neither timm nor torch."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from modalities.slides.backbones.table import Encoder, encoders, origin_of

DOCUMENTED = Path(__file__).resolve().parents[4] / "docs" / "slides.md"
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


def test_tiles_of_another_resolution_than_an_encoder_was_trained_at_are_pointed_out():
    said = encoders()["uni"].resolution(128.0)
    assert said.startswith(
        "uni sees 0.57 micrometres a pixel, as 224 pixels of 128 micrometres, and was trained at 0.5"
    )
    assert "`tile_um: 112.0, tile_px: 224`" in said
    assert encoders()["uni"].resolution(112.0) == ""
    assert encoders()["prov_gigapath"].resolution(128.0) == ""  # 256 pixels, of which it sees 224
    assert "tile_um: 224.0, tile_px: 448" in encoders()["conch"].resolution(256.0)
    assert encoders()["resnet18"].resolution(64.0) == ""


def test_documentation_has_the_same_rows():
    lines = DOCUMENTED.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines if line.startswith("| `")]
    shown = {
        row[0].strip("`"): (row[1], row[2].split(" ")[0], row[3], row[5])
        for row in cells
        if len(row) == 6 and row[0] != "`backbone`"
    }
    said = {"yes": "yes", "no": "no", "unconfirmed": "not known"}
    rows = encoders().values()
    assert shown == {row.name: (row.title, str(row.pixels), str(row.width), said[row.tcga]) for row in rows}


def test_reading_the_table_imports_neither_torch_nor_timm_nor_what_reads_slides():
    code = "import sys; from modalities.slides.backbones.table import encoders; encoders()"
    code += "; assert not {'torch', 'timm', 'cv2', 'openslide'} & set(sys.modules), 'heavy'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
