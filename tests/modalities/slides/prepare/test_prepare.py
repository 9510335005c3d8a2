"""A site's slides from file to features: what becomes of each, what is kept, and what an interrupt leaves."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from modalities.core.contract import Source
from modalities.core.files.atomic import remove_parts
from modalities.slides import cases
from modalities.slides.cases import cache_of
from modalities.slides.config import SlidesConfig
from modalities.slides.prepare.job import fingerprint
from modalities.slides.prepare.pipeline import prepare_all
from modalities.slides.prepare.state import SlideState, read_states, write_states
from tests.modalities.slides.prepare.preparing import CONFIG, features_in, good, run, same, source_of
from tests.slides import glass, read_slides, with_tissue, write_slide


@pytest.fixture(scope="module")
def prepared(raw, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    source = source_of(raw, cache)
    return source, cache, run(source)


def test_every_slide_has_a_state_and_a_reason_and_no_bad_one_stops_another(prepared):
    source, cache, states = prepared
    said = {name: (state.state, state.reason) for name, state in states.items()}
    assert said.pop("good") == said.pop("other") == ("done", "")
    assert said.pop("blank") == ("excluded", "blank: no tissue found")
    for name, state, reason in (
        ("pen", "excluded", "pen: ink covers 100% of the stained area"),
        ("blurred", "excluded", "out of focus: sharpness 0.0"),
        ("speck", "excluded", "too little tissue: 0 tiles of 64 micrometres"),
        ("coarse", "excluded", "resolution too low: 2 micrometres a pixel, and tiles want 0.5 (enlarged 4.0 times"),
        ("no_mpp", "failed", "no_mpp.svs: no microns-per-pixel in the slide's metadata; set `slides.default_mpp`"),
        ("broken", "failed", "broken.svs: not a slide that can be read"),
    ):
        found = said.pop(name)
        assert (found[0], found[1][: len(reason)]) == (state, reason)
    assert said == {}
    assert {state.slide: state.state for state in read_states(cache / "states.csv")} == {
        name: state.state for name, state in states.items()
    }
    cases, notes = read_slides(source, CONFIG)
    assert list(cases) == ["good", "other"]
    assert notes == {
        "slides left out (blank)": 1,
        "slides left out (pen)": 1,
        "slides left out (out of focus)": 1,
        "slides left out (too little tissue)": 1,
        "slides left out (resolution too low)": 1,
        "slides that could not be read": 2,
    }


def test_a_table_of_states_without_a_column_counts_as_none(tmp_path):
    path = tmp_path / "states.csv"
    write_states(path, [SlideState("ink", "P1", "excluded", "pen: ink covers 51%", cause="pen")])
    assert [state.cause for state in read_states(path)] == ["pen"]
    path.write_text(path.read_text().replace(",cause", ",why"))
    assert read_states(path) == []


def test_features_are_those_of_the_chosen_tiles(prepared):
    source, _, _ = prepared
    (slide,) = read_slides(source, CONFIG)[0]["good"]
    tiles = slide.tiles
    assert len(tiles) == 3
    assert (tiles.side0, tiles.mpp, tiles.size0) == (128, 0.5, (1100, 701))
    assert (tiles.tissue == 1).all()
    assert (tiles.coords % 128 == 0).all()
    assert len(tiles.names) == tiles.features.shape[1]
    at = tiles.names.index("nuclei_mm2")
    assert tiles.features[:, at] == pytest.approx(tiles.composition.sum(axis=1) / 0.064**2)


def test_what_is_prepared_is_not_prepared_again_until_something_changes(prepared, monkeypatch):
    source, cache, before = prepared
    done = []

    def watched(jobs, *how):
        done.extend(job.path.stem for job in jobs)
        return prepare_all(jobs, *how)

    monkeypatch.setattr(cases, "prepare_all", watched)
    assert run(source) == before
    assert done == []
    run(source, retry=True)
    assert sorted(done) == ["broken", "no_mpp"], "what failed is tried again when asked"
    done.clear()
    with_mpp = source_of(source.paths[0], cache, default_mpp=0.5)
    assert run(with_mpp)["no_mpp"].state == "done"
    assert "no_mpp" in done


def test_another_recipe_code_or_slide_means_other_features(raw, tmp_path, monkeypatch):
    write_slide(tmp_path / "slides" / "good.svs", good(1))
    source = source_of(tmp_path / "slides", tmp_path / "cache")
    first = run(source)["good"]
    assert run(source, SlidesConfig(n_tiles=4, tile_px=128, tile_um=64.0))["good"].recipe != first.recipe
    assert len(read_states(tmp_path / "cache" / "states.csv")) == 2, "both recipes keep their rows"
    write_slide(tmp_path / "slides" / "good.svs", good(7))
    replaced = run(source)["good"]
    assert (replaced.recipe, replaced.file != first.file) == (first.recipe, True)
    monkeypatch.setattr("modalities.slides.config.CODE_VERSION", 999)
    assert run(source)["good"].recipe != first.recipe


@pytest.mark.slow  # starts processes
def test_features_do_not_depend_on_where_a_slide_lies_or_how_many_work(raw, prepared, tmp_path):
    moved = tmp_path / "elsewhere" / "slides"
    moved.mkdir(parents=True)
    for name in ("good.svs", "other.svs", "broken.svs"):
        shutil.copy(raw / name, moved / name)
    states = run(source_of(moved, tmp_path / "cache"), workers=2)
    assert [states[name].state for name in ("good", "other", "broken")] == ["done", "done", "failed"]
    known = features_in(prepared[1])
    assert same(features_in(tmp_path / "cache"), {name: known[name] for name in ("good", "other")})


def test_cases_tiles_are_the_most_tissue_rich_of_all_its_slides(raw, tmp_path):
    folder = tmp_path / "slides"
    write_slide(folder / "S1.svs", good(1))
    write_slide(folder / "S2.svs", good(2))
    write_slide(folder / "S3.svs", with_tissue(glass(301, 301), 0, 0, 60, 120))
    (folder / "slides.csv").write_text("case_id,slide\nc1,S1\nc1,S2\nc1,S3\n")
    cases, _ = read_slides(source_of(folder, tmp_path / "cache"), CONFIG)
    found = {slide.slide: len(slide.tiles) for slide in cases["c1"]}
    assert sum(found.values()) == 3
    assert set(found) == {"S1", "S2"}, "the tiles of S3 are half empty; the ties are spread over the other two"
    cases, _ = read_slides(source_of(folder, tmp_path / "cache"), SlidesConfig(n_tiles=0, tile_px=128, tile_um=64.0))
    assert {slide.slide for slide in cases["c1"]} == {"S1", "S2", "S3"}


def test_cache_lies_beside_the_slides_where_no_site_says_where(raw, tmp_path):
    assert cache_of(Source((tmp_path / "slides",))) == tmp_path / ".tessera" / "slides"


def test_no_usable_slide_at_all_is_an_error_with_the_reasons(tmp_path):
    write_slide(tmp_path / "slides" / "blank.svs", glass(300, 300))
    with pytest.raises(ValueError, match="no slide could be used: blank: no tissue found"):
        read_slides(source_of(tmp_path / "slides", tmp_path / "cache"), CONFIG)


def test_fingerprint_is_of_the_content_not_of_the_name(tmp_path):
    content = np.random.default_rng(0).bytes(3_000_000)
    for name, held in (("a", content), ("b", content), ("c", content[:-1] + b"!")):
        (tmp_path / name).write_bytes(held)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b") != fingerprint(tmp_path / "c")


def test_parts_of_processes_that_are_no_more_are_cleared_away(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, os.getpid()):
        (tmp_path / f"x.h5.{pid}.part").write_bytes(b"half")
    remove_parts(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"x.h5.{os.getpid()}.part"]


def test_two_sources_of_one_cache_keep_each_others_rows(raw, tmp_path):
    for name, folder in (("blank.svs", "a"), ("speck.svs", "b")):
        (tmp_path / folder).mkdir()
        shutil.copy(raw / name, tmp_path / folder / name)
        run(source_of(tmp_path / folder, tmp_path / "cache"))
    assert [state.slide for state in read_states(tmp_path / "cache" / "states.csv")] == ["blank", "speck"]
