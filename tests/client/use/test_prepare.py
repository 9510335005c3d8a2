"""`tessera-client prepare`: what a data manager sees."""

import re
from dataclasses import dataclass
from io import StringIO
from typing import Any, cast

import pytest
import torch
from omegaconf import OmegaConf
from rich.console import Console
from typer.testing import CliRunner

from client.cli import app
from client.use.prepare import Recipe, _announce, _summarise, recipes_of
from modalities.core.contract import Source
from modalities.core.site.cases import open_sources
from modalities.slides.config import SlidesConfig
from modalities.slides.prepare.state import SlideState
from tests.slides import glass, with_tissue, write_slide
from tests.support import small_federation


def prepare(site, *options):
    return CliRunner().invoke(app, ["prepare", str(site), "--workers", "1", *options], env={"COLUMNS": "200"})


@pytest.fixture
def site(tmp_path):
    for number in range(2):
        pixels = with_tissue(glass(601, 701, number), 30, 30, 550, 600, number)
        write_slide(tmp_path / "slides" / f"c{number}.svs", pixels)
    write_slide(tmp_path / "slides" / "stranger.svs", glass(300, 300))
    (tmp_path / "cases.csv").write_text("case_id,label\nc0,LumA\nc1,\nc2,LumB\n")
    (tmp_path / "site.yaml").write_text(
        "name: here\nsources:\n  wsi_image: {paths: [slides]}\n  wsi_graph: {paths: [slides]}\n"
    )
    return tmp_path


def test_slides_are_prepared_once_for_both_modalities_and_the_summary_counts_them(site):
    found = prepare(site)
    assert found.exit_code == 0, found.output
    assert "wsi_image, wsi_graph: backbone stain (no weights)" in found.output
    assert "2 slides done (2 cases, 8 tiles), 1 excluded, 0 failed" in found.output
    assert re.search(
        r"8 tiles encoded, [\d.]+ a second; slowest stage: (reading|nuclei and sharpness|encoding)\n", found.output
    )
    assert "its case is not in cases.csv" in found.output
    cache = site / ".tessera" / "slides"
    assert len(list(cache.glob("*/*.h5"))) == 2
    sheet = (cache / "contact_sheet_wsi_image_wsi_graph.html").read_text()
    assert sheet.count("data:image/jpeg;base64,") == 2
    assert "<b>stranger</b> (stranger)<br>excluded" in sheet
    assert "http" not in sheet


def test_parts_prepared_by_themselves_come_together(site):
    """Of three slides the stranger is used by nobody; the others are one a part."""
    for part in ("1/2", "2/2"):
        found = prepare(site, "--shard", part)
        assert found.exit_code == 0, found.output
        assert "1 slides done (1 cases, 4 tiles)" in found.output
        assert "4 tiles encoded, " in found.output
        assert "contact sheet" not in found.output
    whole = prepare(site)
    assert "2 slides done (2 cases, 8 tiles), 1 excluded, 0 failed" in whole.output
    assert "tiles encoded" not in whole.output, "nothing was left to do"
    assert {path.name for path in (site / ".tessera" / "slides").glob("*.*")} == {
        "states.csv",
        "contact_sheet_wsi_image_wsi_graph.html",
    }
    refused = prepare(site, "--shard", "3/2")
    assert refused.exit_code == 1
    assert "--shard 3/2: no part of a whole; give its number and how many there are, such as 3/16" in refused.output


def test_slide_that_failed_ends_in_exit_code_1_after_the_others_are_done(site):
    (site / "slides" / "c2.svs").write_text("[no slide]")
    found = prepare(site)
    assert found.exit_code == 1
    assert "2 slides done (2 cases, 8 tiles), 1 excluded, 1 failed" in found.output
    assert "c2.svs: not a slide that can be read" in found.output


def test_resolution_and_cache_of_the_site_are_its_own(site):
    write_slide(site / "slides" / "c2.svs", with_tissue(glass(601, 701), 30, 30, 550, 600), mpp=None)
    assert prepare(site).exit_code == 1
    with (site / "site.yaml").open("a") as file:
        file.write("slides: {default_mpp: 0.5, cache: made}\n")
    found = prepare(site)
    assert found.exit_code == 0, found.output
    assert len(list((site / "made").glob("*/*.h5"))) == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_asked_for_and_not_there_is_said_before_any_slide(site):
    asked = OmegaConf.create({"modalities": {"wsi_image": {"slides": {"backbone": "resnet18"}}}})
    OmegaConf.save(asked, site / "federation.yaml")
    with (site / "site.yaml").open("a") as file:
        file.write("resources: {device: cuda}\n")
    found = prepare(site, "--federation", str(site / "federation.yaml"))
    assert found.exit_code == 1
    assert "resources.device: cuda: torch" in found.output
    assert "finds no GPU here; set auto or cpu" in found.output
    assert prepare(site).exit_code == 0  # `stain` has no network


def test_federation_without_slide_modality_is_said(site):
    OmegaConf.save(small_federation().to_dict(), site / "federation.yaml")
    found = prepare(site, "--federation", str(site / "federation.yaml"))
    assert found.exit_code == 1
    assert "no slides to prepare: sources in site.yaml must have the name of a slide modality" in found.output


def test_setting_that_nobody_knows_is_refused_with_the_nearest(site):
    with (site / "site.yaml").open("a") as file:
        file.write("slides: {defaultmpp: 0.5}\n")
    found = prepare(site)
    assert found.exit_code == 1
    assert "site.slides.defaultmpp: no such setting; did you mean 'default_mpp'?" in found.output


def test_recipe_is_the_default_without_a_federation_and_folders_are_absolute(site):
    _, sources = open_sources(site)
    (recipe,) = recipes_of({**sources, "cnv": Source((site,))}, None)
    assert recipe.modalities == ("wsi_image", "wsi_graph")
    assert recipe.config == SlidesConfig()
    assert recipe.source.slides.cache == str((site / ".tessera" / "slides").resolve())


def summary(states):
    console = Console(width=120, record=True, file=StringIO())
    _summarise(states, console)
    return console.export_text().splitlines()


def test_a_summary_shows_failed_slides_before_excluded_ones_and_no_more_than_twenty():
    done = [SlideState(f"d{number}", f"case {number // 2}", "done", n_tiles=7) for number in range(3)]
    left = [SlideState("x1", "", "excluded", "no [tissue]"), SlideState("f1", "q", "failed", "cut short")]
    shown = summary([*done, *left])
    assert shown[0] == "3 slides done (2 cases, 21 tiles), 1 excluded, 1 failed"
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown if line.startswith("│")]
    assert rows == [["f1", "q", "failed", "cut short"], ["x1", "-", "excluded", "no [tissue]"]]

    many = [SlideState(f"x{number}", "", "excluded", "no tissue") for number in range(20)]
    assert len([line for line in summary(many) if line.startswith("│ x")]) == 20
    assert not any("more" in line for line in summary(many))
    assert summary([*many, *left])[-1] == "and 2 more: see states.csv beside the contact sheet"
    assert len([line for line in summary([*many, *left]) if line.startswith(("│ x", "│ f"))]) == 20


def test_a_summary_of_slides_that_are_all_done_has_no_table():
    assert summary([SlideState("a", "a", "done", n_tiles=1)]) == [
        "1 slides done (1 cases, 1 tiles), 0 excluded, 0 failed"
    ]


@dataclass
class Announced:
    name: str = "uni"
    licence: str = "its licence"
    digest: str = "ab12"


def announced(**recipe):
    said, backbone = StringIO(), cast(Any, Announced())
    config = SlidesConfig(backbone="uni", **recipe)
    _announce(Recipe(("wsi_image",), Source(()), config), backbone, Console(file=said, width=80))
    first, *more = said.getvalue().splitlines()
    assert first == "wsi_image: backbone uni (its licence)"
    return more


def test_an_encoder_that_sees_another_resolution_than_it_was_trained_at_is_said_so():
    (said,) = announced(weights_digest="ab12")
    assert said.startswith(
        "uni sees 0.57 micrometres a pixel, as 224 pixels of 128 micrometres, and was trained at 0.5:"
    )
    assert announced(weights_digest="ab12", tile_um=112.0) == []


def test_weights_that_no_federation_agreed_on_are_said_so_with_the_line_to_add():
    (said,) = announced(tile_um=112.0)
    assert "`weights_digest: ab12` in the section slides of federation.yaml makes all use these weights" in said
