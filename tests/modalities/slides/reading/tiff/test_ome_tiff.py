"""OME-TIFF pyramids: pixels, levels, micrometres a pixel, and what is refused."""

import cv2
import numpy as np
import openslide
import pytest
import tifffile

from modalities.slides.reading.reading import open_slide
from modalities.slides.reading.tiff.ome_tiff import OmeTiff
from tests.slides import glass, with_tissue

LOSSLESS = {"compression": "adobe_deflate", "predictor": True}
NANOMETRES = {"PhysicalSizeX": 252.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 250.0, "PhysicalSizeYUnit": "nm"}


@pytest.fixture(scope="module")
def pixels():
    return with_tissue(glass(1103, 1501), 100, 200, 700, 900)


def halved(pixels):
    return cv2.resize(pixels, (pixels.shape[1] // 2, pixels.shape[0] // 2), interpolation=cv2.INTER_AREA)


def write(path, *images, levels=3, tile=(256, 256), kind=None, **about):
    """An OME-TIFF of these images by tifffile's own writer, each a pyramid; `about` is metadata of the first."""
    kind = {**(kind or LOSSLESS), "photometric": "rgb", "tile": tile}
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as file:
        for number, image in enumerate(images):
            metadata = {"axes": "YXS", **(about if number == 0 else {"Name": f"label image {number}"})}
            file.write(image, subifds=levels - 1, metadata=metadata, **kind)
            for _ in range(levels - 1):
                image = halved(image)
                file.write(image, subfiletype=1, **kind)
    return path


def with_text(path, pixels, text):
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, photometric="rgb", tile=(256, 256), description=text.encode(), metadata=None)
    return path


@pytest.mark.parametrize("kind", [LOSSLESS, {"compression": "jpeg", "compressionargs": {"level": 90}}, {}])
def test_every_level_is_read_and_the_first_as_openslide_reads_it(tmp_path, pixels, kind):
    path = write(tmp_path / "P-01.ome.tiff", pixels, kind=kind or {"compression": None}, **NANOMETRES)
    with open_slide(path) as slide, openslide.OpenSlide(path) as plain:
        assert isinstance(slide._handle, OmeTiff)
        assert slide._handle.level_dimensions == ((1501, 1103), (750, 551), (375, 275))
        assert plain.level_count == 1, "OpenSlide sees no SubIFD: what it reads as one level is the first"
        assert slide.mpp == pytest.approx(0.251)
        for place in ((0, 0), (301, 517), (1290, 900)):
            wanted = np.asarray(plain.read_region(place, 0, (211, 203)))[..., :3]
            assert np.array_equal(slide.region(*place, 0, 211, 203), wanted)
        level = halved(pixels)[40:140, 60:260]
        assert np.abs(slide.region(120, 80, 1, 200, 100).astype(int) - level).max() <= (
            60 if "compressionargs" in kind else 0
        )


def test_a_tile_of_half_the_resolution_comes_from_the_second_level(tmp_path, pixels, monkeypatch):
    path = write(tmp_path / "a.ome.tif", pixels, **NANOMETRES)
    with open_slide(path) as slide:
        reads, region = [], slide.region
        monkeypatch.setattr(slide, "region", lambda *args: reads.append(args) or region(*args))
        found = slide.tile(600, 400, side0=256, tile_px=128)
    assert [read[2] for read in reads] == [1]
    assert np.abs(found.astype(int) - halved(pixels)[200:328, 300:428]).max() == 0


def test_what_lies_beyond_or_is_left_out_is_white(tmp_path, pixels):
    path = write(tmp_path / "a.ome.tiff", pixels, levels=1)
    with tifffile.TiffFile(path, mode="r+") as file:
        counts = list(file.pages.first.databytecounts)
        counts[1] = 0  # the second tile of the first row
        file.pages.first.tags["TileByteCounts"].overwrite(counts)
    with open_slide(path, mpp=0.5) as slide:
        assert (slide.region(256, 0, 0, 256, 256) == 255).all()
        assert np.array_equal(slide.region(250, 0, 0, 6, 20), pixels[:20, 250:256])
        beyond = slide.region(-5, 1100, 0, 12, 9)
    assert np.array_equal(beyond[:3, 5:], pixels[1100:, :7])
    assert (beyond[3:] == 255).all()
    assert (beyond[:, :5] == 255).all()


@pytest.mark.parametrize(
    ("said", "mpp"),
    [
        ({"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}, 0.5),  # the default is micrometres
        (
            {"PhysicalSizeX": 0.00025, "PhysicalSizeXUnit": "mm", "PhysicalSizeY": 0.00025, "PhysicalSizeYUnit": "mm"},
            0.25,
        ),
        ({"PhysicalSizeX": 4600.0, "PhysicalSizeXUnit": "Å", "PhysicalSizeY": 4600.0, "PhysicalSizeYUnit": "Å"}, 0.46),
    ],
)
def test_lengths_are_converted(tmp_path, pixels, said, mpp):
    with open_slide(write(tmp_path / "a.ome.tiff", pixels, levels=1, **said)) as slide:
        assert slide.mpp == pytest.approx(mpp)


def test_a_length_in_pixels_is_none(tmp_path, pixels):
    said = {"PhysicalSizeX": 1.0, "PhysicalSizeXUnit": "pixel", "PhysicalSizeY": 1.0, "PhysicalSizeYUnit": "pixel"}
    with pytest.raises(ValueError, match=r"a\.ome\.tiff: no microns-per-pixel in the slide's metadata; set"):
        open_slide(write(tmp_path / "a.ome.tiff", pixels, levels=1, **said))


def test_label_and_macro_are_not_read_and_two_scans_are_refused(tmp_path, pixels):
    label = np.zeros((300, 400, 3), dtype=np.uint8)
    with open_slide(write(tmp_path / "a.ome.tiff", pixels, label, Name="scan", **NANOMETRES)) as slide:
        assert np.array_equal(slide.region(0, 0, 0, 1501, 1103), pixels)
    for name, n_scans in (("Macro", 0), ("scan", 2)):
        with tifffile.TiffWriter(tmp_path / "b.ome.tiff", ome=True) as file:
            for called in (name, "Label" if name == "Macro" else "another"):
                file.write(pixels, photometric="rgb", tile=(256, 256), metadata={"axes": "YXS", "Name": called})
        with pytest.raises(ValueError, match=rf"{n_scans} images in it beside label and overview, where one is read"):
            open_slide(tmp_path / "b.ome.tiff")


def test_the_slide_need_not_be_the_first_image(tmp_path, pixels):
    with tifffile.TiffWriter(tmp_path / "a.ome.tiff", ome=True) as file:
        for name, image in (("Label", pixels[::-1]), ("macro image", pixels[:, ::-1]), ("20x", pixels)):
            file.write(image, photometric="rgb", tile=(256, 256), metadata={"axes": "YXS", "Name": name})
    with open_slide(tmp_path / "a.ome.tiff", mpp=0.5) as slide:
        assert np.array_equal(slide.region(0, 0, 0, 1501, 1103), pixels)


def test_files_that_are_no_single_scan_in_colour_are_refused_with_what_to_do(tmp_path, pixels):
    grey = tmp_path / "grey.ome.tiff"
    with tifffile.TiffWriter(grey, ome=True) as file:
        file.write(np.moveaxis(pixels, -1, 0), photometric="minisblack", tile=(256, 256), metadata={"axes": "CYX"})
    whole = tmp_path / "whole.ome.tiff"
    with tifffile.TiffWriter(whole, ome=True) as file:
        file.write(pixels, photometric="rgb", metadata={"axes": "YXS"})
    focus = tmp_path / "focus.ome.tiff"
    with tifffile.TiffWriter(focus, ome=True) as file:
        file.write(np.stack([pixels, pixels]), photometric="rgb", tile=(256, 256), metadata={"axes": "ZYXS"})
    for path, reason in (
        (grey, "tiles of 1 x 8 bits, where tiles of 3 x 8 bits side by side are read"),
        (whole, "one piece of 3 x 8 bits, where tiles"),
        (focus, "2 focal planes in it, where one is read"),
    ):
        with pytest.raises(
            ValueError, match=rf"^{path.name}: an OME-TIFF that is not read: {reason}.*raw2ometiff: --rgb"
        ):
            open_slide(path)


DECLARED = '<!DOCTYPE OME [<!ENTITY a "aaaaaaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
ENTITIES = f'<?xml version="1.0"?>{DECLARED}<OME><Image Name="&a;&b;"><Pixels/></Image></OME>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ENTITIES, "its OME-XML declares entities of its own"),
        ("<OME><Image><Pixels></Image></OME>", r"its OME-XML is damaged \(mismatched tag"),
        ("<OME></OME>", "0 images in it beside label and overview, where one is read"),
        ('<OME><BinaryOnly MetadataFile="a.companion.ome"/></OME>', "it leaves to another file what its images are"),
        (f"<OME>{' ' * (1 << 24)}</OME>", "16777227 characters of OME-XML, more than 16777216"),
        ('<OME><Image><Pixels><TiffData IFD="7"/></Pixels></Image></OME>', "a page is damaged"),
        ('<OME><Image><Pixels><TiffData IFD="x"/></Pixels></Image></OME>', "invalid literal for int"),
    ],
)
def test_text_that_cannot_be_trusted_is_refused(tmp_path, text, reason):
    path = with_text(tmp_path / "a.tif", glass(300, 300), text)
    with pytest.raises(ValueError, match=rf"^a\.tif: an OME-TIFF that is not read: {reason}"):
        open_slide(path)


def test_a_damaged_tile_is_an_error_of_the_slide(tmp_path, pixels):
    path = write(tmp_path / "a.ome.tiff", pixels, levels=1)
    with tifffile.TiffFile(path) as file:
        place = file.pages.first.dataoffsets[3]
    content = bytearray(path.read_bytes())
    content[place : place + 40] = bytes(40)
    path.write_bytes(content)
    with open_slide(path, mpp=0.5) as slide:
        with pytest.raises(ValueError, match=r"a\.ome\.tiff: the slide is damaged: its pixels cannot be read"):
            slide.region(768, 0, 0, 100, 100)
        assert np.array_equal(slide.region(0, 0, 0, 100, 100), pixels[:100, :100])


def test_a_plain_tiff_is_openslides(tmp_path, pixels):
    path = with_text(tmp_path / "a.tif", pixels, "a scan")
    with open_slide(path, mpp=0.5) as slide:
        assert isinstance(slide._handle, openslide.OpenSlide)
