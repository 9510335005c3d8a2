"""A DICOM slide through OpenSlide, or through wsidicom where OpenSlide does not know the encoding.

Both see a folder of links to the files of this series that hold levels of the slide, and nothing else: label and
overview, where names stand, are not even opened, and the other files of a folder of thousands are not searched
again for each slide.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import openslide
from PIL.Image import Image

from modalities.core.problems import unusable
from modalities.slides.reading.dicom import slide_images
from modalities.slides.reading.handles import Handle

_SHOWN = (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y, openslide.PROPERTY_NAME_OBJECTIVE_POWER)


class LinkedDicom:
    """OpenSlide over a folder of links; of its properties those of the image alone, and none of the patient."""

    def __init__(self, files: list[Path]) -> None:
        """Raise OpenSlideError where OpenSlide does not know how the files are made."""
        self._folder = tempfile.TemporaryDirectory(prefix="tessera-dicom-")
        try:
            links = [Path(self._folder.name) / f"{number}.dcm" for number in range(len(files))]
            for link, file in zip(links, files, strict=True):
                link.symlink_to(file.resolve())
            self._handle = openslide.OpenSlide(links[0])
        except BaseException:
            self._folder.cleanup()
            raise
        self.dimensions = self._handle.dimensions
        self.level_dimensions = self._handle.level_dimensions
        self.level_downsamples = self._handle.level_downsamples
        held = self._handle.properties
        self.properties: Mapping[str, str] = {name: held[name] for name in _SHOWN if name in held}

    def read_region(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> Image:
        """As OpenSlide does."""
        return self._handle.read_region(location, level, size)

    def close(self) -> None:
        """With the links."""
        self._handle.close()
        self._folder.cleanup()


def open_dicom(path: Path) -> Handle:
    """The slide that the file is one of.

    Raises:
        ValueError: it holds no level of a slide, or nothing here can read how its pixels are encoded.
    """
    files = [image.path for image in slide_images(path)]
    if not files:
        raise unusable("no file of this series holds the slide itself", "export the series again", file=path.name)
    try:
        return LinkedDicom(files)
    except openslide.OpenSlideError as error:
        why = str(error).rpartition(".dcm: ")[2]  # without the link's path
    from modalities.slides.reading.wsidicom_slide import open_wsidicom

    try:
        return open_wsidicom(files)
    except Exception as error:  # of any kind; its text may hold what the file holds, a patient's name
        what = f"not a slide that can be read (OpenSlide: {why}; wsidicom: {type(error).__name__})"
        raise unusable(what, "export the whole series again, as JPEG or JPEG 2000", file=path.name) from None
