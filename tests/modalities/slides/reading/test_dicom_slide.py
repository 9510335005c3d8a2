"""DICOM slides: the pixels of the slide that they were made of, and nothing of the patient."""

import logging
import os
from functools import cache
from pathlib import Path

import numpy as np
import openslide
import pytest

from modalities.core.contract import SlideSettings, Source
from modalities.slides.cases import prepare_slides
from modalities.slides.config import SlidesConfig
from modalities.slides.prepare.job import fingerprint
from modalities.slides.reading.dicom_slide import LinkedDicom
from modalities.slides.reading.manifest import listed_files
from modalities.slides.reading.reading import open_slide
from modalities.slides.reading.wsidicom_slide import WsiDicomSlide
from tests import dicom_slides
from tests.dicom_slides import (
    JPEG,
    JPEG_LS,
    LOSSLESS,
    PLAIN,
    RLE,
    change,
    divide,
    rename,
    shows,
    thin,
    write_dicom_slide,
)

SIDE = 1000
PLACES = [(0, 0), (311, 402), (513, 700), (701, 650)]


@pytest.fixture(scope="module")
def level0(made_up_slide):
    with openslide.OpenSlide(made_up_slide) as slide:
        return np.asarray(slide.read_region((0, 0), 0, slide.dimensions))[..., :3]


@pytest.fixture(scope="module")
def written(made_up_slide, tmp_path_factory):
    """The slide in an encoding, the largest level first, written once for all tests."""
    return cache(lambda encoding: write_dicom_slide(tmp_path_factory.mktemp(encoding), made_up_slide, encoding))


@pytest.fixture
def files(written, tmp_path):
    """Of a slide without loss; a test may change them."""
    copies = [tmp_path / "slide" / path.name for path in written(LOSSLESS)]
    copies[0].parent.mkdir()
    for copy, path in zip(copies, written(LOSSLESS), strict=True):
        copy.write_bytes(path.read_bytes())
    return copies


def whole(path):
    with open_slide(path) as slide:
        return slide.region(0, 0, 0, SIDE, SIDE)


@pytest.mark.parametrize("encoding", [LOSSLESS, PLAIN, RLE, JPEG_LS, JPEG])
def test_tiles_are_those_of_the_slide_that_it_was_made_of(made_up_slide, written, encoding):
    with open_slide(written(encoding)[0]) as slide, open_slide(made_up_slide) as made_of:
        assert isinstance(slide._handle, WsiDicomSlide if encoding in (RLE, JPEG_LS) else LinkedDicom)
        assert (slide.width, slide.height, slide.mpp) == (SIDE, SIDE, 0.5)
        for x, y in PLACES:
            for side0, tile_px in ((256, 256), (300, 150)):
                wanted, found = (one.tile(x, y, side0, tile_px).astype(int) for one in (made_of, slide))
                if encoding == JPEG:
                    assert np.abs(wanted - found).mean() < 3
                elif tile_px == side0:
                    assert np.array_equal(wanted, found)
                else:  # a level of its own stands for half of the resolution, made by another filter
                    assert np.abs(wanted - found).mean() < 4


@pytest.mark.parametrize("encoding", [LOSSLESS, RLE])
def test_what_lies_beyond_the_slide_is_white(written, level0, encoding):
    with open_slide(written(encoding)[0]) as slide:
        found = slide.region(-7, SIDE - 13, 0, 40, 30)
        assert (slide.region(SIDE + 5, 0, 0, 8, 9) == 255).all()
    assert (found[:, :7] == 255).all()
    assert (found[13:] == 255).all()
    assert np.array_equal(found[:13, 7:], level0[SIDE - 13 :, :33])


def test_every_level_is_there_whichever_of_its_files_is_opened(files):
    sizes = [(1000, 1000), (500, 500), (250, 250)]
    for path in files:
        with open_slide(path) as slide:
            assert [tuple(size) for size in slide._handle.level_dimensions] == sizes


def test_names_and_endings_do_not_matter(files, tmp_path, level0):
    moved = rename(files, tmp_path / "pacs", [f"IM{number:06d}" for number in range(9)])
    assert np.array_equal(whole(moved[3]), level0)
    endings = rename(moved, tmp_path / "other", ["a.tif", "b.svs", "1.2.840.7", "c", "d", "e", "f"])
    assert np.array_equal(whole(endings[0]), level0)


def test_label_overview_and_thumbnail_are_not_even_opened(files, level0):
    label = next(path for path in files if shows(path) == "LABEL")
    with open_slide(label) as slide:
        assert isinstance(slide._handle, LinkedDicom)
        folder = Path(slide._handle._folder.name)
        linked = {link.resolve() for link in folder.iterdir()}
        assert {shows(path) for path in linked} == {"VOLUME"}
        assert len(linked) == len(files) - 3
        assert np.array_equal(slide.region(0, 0, 0, SIDE, SIDE), level0)
    assert not folder.exists()


def test_a_pipe_beside_it_does_not_hold_it_up(files, level0):
    os.mkfifo(files[0].with_name("pipe"))
    assert np.array_equal(whole(files[0]), level0)


def test_a_level_of_several_files_is_one(files, level0):
    parts = divide(files[0], first=11)
    assert np.array_equal(whole(parts[1]), level0)


def test_frames_that_were_left_out_are_white_and_the_others_where_they_belong(files, level0):
    kept = [14, 1, 7, 8, 15]  # of 4 x 4
    thin(files[0], kept)
    wanted = np.full_like(level0, 255)
    for frame in kept:
        rows, columns = (slice(256 * place, 256 * place + 256) for place in divmod(frame, 4))
        wanted[rows, columns] = level0[rows, columns]
    assert np.array_equal(whole(files[0]), wanted)


def test_an_encoding_that_nothing_reads_is_named_without_a_word_of_the_header(files):
    def as_video(dataset):
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"  # MPEG-4

    change(files[0], as_video)
    with pytest.raises(ValueError, match=r"not a slide that can be read \(OpenSlide: Unsupported transfer syntax") as e:
        open_slide(files[0])
    assert "; export the whole series again, as JPEG or JPEG 2000" in str(e.value)
    assert "Doe" not in str(e.value)


def test_fingerprint_is_of_all_levels_and_of_nothing_else(files, tmp_path):
    before = fingerprint(files[0])
    assert {fingerprint(path) for path in files} == {before}
    next(path for path in files if shows(path) == "LABEL").unlink()
    moved = rename([path for path in files if path.exists()], tmp_path / "elsewhere", "abcdefg")
    for path in moved:
        change(path, lambda dataset: setattr(dataset, "PatientName", "Roe^Richard"))
    assert fingerprint(moved[0]) == before
    content = bytearray(moved[1].read_bytes())
    content[-9] ^= 255
    moved[1].write_bytes(content)
    assert fingerprint(moved[0]) != before


def test_nothing_of_the_patient_is_kept_or_said(made_up_slide, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    folder, moved = tmp_path / "pacs", []
    for number, encoding in enumerate((PLAIN, RLE, JPEG)):
        container = f"{dicom_slides.NUMBER}-{number}"
        files = write_dicom_slide(tmp_path / str(number), made_up_slide, encoding, container)
        moved = rename(files, folder, [f"IM{number}{index}" for index in range(9)])
    caplog.clear()
    capfd.readouterr()
    moved[0].write_bytes(moved[0].read_bytes()[:-60_000])  # the third is cut off
    used = Source((folder,), slides=SlideSettings(cache=str(tmp_path / "cache")))
    states = [state for _, state in prepare_slides(listed_files(used), used, SlidesConfig(n_tiles=7))]
    assert sorted(state.state for state in states) == ["done", "done", "failed"]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    said = "".join(capfd.readouterr()) + caplog.text + repr(states)
    for word in ("Planted", "PLANTED", "Doe", "0815", "4711"):
        assert word.encode() not in kept
        assert word not in said
