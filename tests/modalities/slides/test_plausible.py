"""Slides that can hardly be what they are said to be, and what became of each file."""

import shutil

import numpy as np
import pytest

from modalities.core.contract import SlideSettings, Source
from modalities.slides.config import SlidesConfig
from modalities.slides.plausible import plausibility
from modalities.slides.synthetic import write_slides
from tests.modalities.dicom import write_dicom

CONFIG = SlidesConfig(n_tiles=3)


@pytest.fixture
def folder(tmp_path):
    """Two made-up slides of .5 micrometres a pixel."""
    write_slides(tmp_path / "slides", ["c1", "c2"], [0, 1], np.random.default_rng(4))
    return tmp_path / "slides"


def said(folder, **settings):
    slides = SlideSettings(cache=str(folder.parent / "cache"), **settings)
    return plausibility(Source((folder,), slides=slides), CONFIG)


def listed(folder, *rows):
    (folder / "slides.csv").write_text("\n".join(["case_id,slide,mpp", *rows]) + "\n")


def test_sound_slides_are_told_nothing_and_shown_with_their_pictures(folder):
    found = said(folder)
    assert list(found.problems) == []
    assert [(file.name, file.case_id, file.state, file.reason) for file in found.files] == [
        ("c1.svs", "c1", "used", ""),
        ("c2.svs", "c2", "used", ""),
    ]
    assert all(file.picture is not None and file.picture.is_file() for file in found.files)
    resolution, nuclei = found.quantities
    assert resolution.values.tolist() == [0.5, 0.5]
    assert (nuclei.values > nuclei.low).all()


def test_another_resolution_in_slides_csv_than_in_the_slide_is_told(folder):
    listed(folder, "c1,c1,0.25", "c2,c2,0.52")
    (problem,) = said(folder).problems
    assert problem.what == (
        "slides.csv gives another size of a pixel than the slide's own metadata in 1 of 2 slides (c1.svs): one of the "
        "two is wrong, and slides.csv counts"
    )


def test_a_magnification_for_a_resolution_is_told(folder):
    """40 for 40x; that the slides themselves say .5 is not told again."""
    listed(folder, "c1,c1,40", "c2,c2,40")
    (magnified,) = said(folder).problems
    assert "the magnification may stand where micrometres a pixel should" in magnified.what
    assert "in 2 of 2 slides (c1.svs, c2.svs)" in magnified.what


def test_one_slide_under_two_cases_is_told(folder):
    shutil.copy(folder / "c1.svs", folder / "c3.svs")
    (problem,) = said(folder).problems
    assert problem.what.startswith("the very same slide under two cases (c1.svs of c1, c3.svs of c3): one patient")


def test_files_that_are_no_slides_are_not_taken_for_one_another(folder):
    """A PACS exports radiology beside the slides."""
    for number in (1, 2):
        write_dicom(folder / f"CT{number}", f"1.2.{number}", kind="1.2.840.10008.5.1.4.1.1.2")
    found = said(folder)
    assert list(found.problems) == []
    assert {file.state for file in found.files if file.name.startswith("CT")} == {"left out"}


def test_slides_that_cannot_be_read_say_why(folder, tcga_data):
    """A real one without micrometres a pixel, a damaged one, and one of a kind that nothing here reads."""
    for name, source in (("c3.svs", "tcga-cr-7395-01a-01-ts1.svs"), ("c4.svs", "broken.svs")):
        shutil.copy(tcga_data / "slides" / source, folder / name)
    (folder / "c5.vsi").write_bytes(b"x")
    found = {file.name: (file.state, file.reason) for file in said(folder).files}
    assert found["c3.svs"][1].startswith("c3.svs: no microns-per-pixel in the slide's metadata")
    assert found["c4.svs"][1].startswith("c4.svs: not a slide that can be read")
    assert found["c5.vsi"][1].startswith(
        "c5.vsi: OpenSlide does not read Olympus VSI; export the slide as DICOM or TIFF, or convert it with"
    )
    assert {found[name][0] for name in ("c3.svs", "c4.svs", "c5.vsi")} == {"not readable"}
    assert found["c1.svs"] == ("used", "")


def test_nothing_is_told_of_a_source_that_cannot_be_read(tmp_path):
    assert said(tmp_path / "nowhere").files == ()
