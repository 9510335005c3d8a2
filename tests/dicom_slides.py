"""DICOM slides for tests, written by wsidicomizer from made-up ones, and changed as scanners and archives differ."""

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import generate_uid

LOSSLESS, JPEG, RLE, JPEG_LS, PLAIN = "lossless", "jpeg", "rle", "jpeg_ls", "plain"
NAME, NUMBER, LABEL_TEXT = "Doe^Jane^Planted", "PID-0815-PLANTED", "S26-4711-PLANTED"
"""What is planted as the patient's name and number, and as the text of the label; none of it may turn up anywhere."""


def write_dicom_slide(folder: Path, source: Path, encoding: str = LOSSLESS, container: str = "") -> list[Path]:
    """The slide as wsidicomizer writes it: a file a level and a thumbnail; beside them a label and an overview.

    The patient is named in each. The largest level comes first.
    """
    from wsidicom.codec import Channels, Jpeg2kSettings, JpegLsSettings, JpegSettings, NumpySettings, RleSettings
    from wsidicomizer import WsiDicomizer
    from wsidicomizer.sources import TiffSlideSource

    settings = {
        LOSSLESS: Jpeg2kSettings(levels=0, channels=Channels.RGB),
        JPEG: JpegSettings(quality=90),
        RLE: RleSettings(),
        JPEG_LS: JpegLsSettings(),
        PLAIN: NumpySettings(),
    }[encoding]
    folder.mkdir(parents=True, exist_ok=True)
    written = WsiDicomizer.convert(
        source,
        folder,
        tile_size=256,
        add_missing_levels=True,
        metadata_post_processor=_patient(container),
        encoding=settings,
        preferred_source=TiffSlideSource,
        workers=1,
    )
    levels = sorted(map(Path, written), key=lambda path: -path.stat().st_size)
    return [*levels, *(_associated(levels[-1], flavour) for flavour in ("LABEL", "OVERVIEW"))]


def _associated(level: Path, flavour: str) -> Path:
    """A label or overview of the size of this level, whose place it would take if it were looked at."""
    path = level.with_name(f"{flavour}.dcm")
    path.write_bytes(level.read_bytes())

    def changed(dataset: Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", flavour, "NONE"]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()

    return change(path, changed)


def _patient(container: str) -> Dataset:
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID, dataset.LabelText = NAME, NUMBER, LABEL_TEXT
    dataset.BarcodeValue = LABEL_TEXT
    if container:
        dataset.ContainerIdentifier = container
    return dataset


def shows(path: Path) -> str:
    return pydicom.dcmread(path, stop_before_pixels=True).ImageType[2]


def change(path: Path, how: Callable[[Dataset], object]) -> Path:
    dataset = pydicom.dcmread(path)
    how(dataset)
    dataset.save_as(path)
    return path


def rename(files: Iterable[Path], folder: Path, names: Iterable[str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [file.rename(folder / name) for file, name in zip(files, names, strict=False)]


def divide(path: Path, first: int) -> list[Path]:
    """The file as a concatenation of two: `first` frames in one, the others in the other."""
    whole = pydicom.dcmread(path)
    frames = list(generate_frames(whole.PixelData, number_of_frames=whole.NumberOfFrames))
    identity, written = generate_uid(), []
    for number, held, offset in ((1, frames[:first], 0), (2, frames[first:], first)):
        part = copy.deepcopy(whole)
        part.SOPInstanceUIDOfConcatenationSource = whole.SOPInstanceUID
        part.ConcatenationUID, part.InConcatenationNumber, part.InConcatenationTotalNumber = identity, number, 2
        part.ConcatenationFrameOffsetNumber = offset
        part.SOPInstanceUID = part.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        part.NumberOfFrames, part.PixelData = len(held), encapsulate(held)
        written.append(path.with_name(f"{path.name}-{number}"))
        part.save_as(written[-1])
    path.unlink()
    return written


def thin(path: Path, kept: Sequence[int]) -> Path:
    """The file with these frames only, each of which says where it lies (TILED_SPARSE)."""
    dataset = pydicom.dcmread(path)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=dataset.NumberOfFrames))
    across = -(-dataset.TotalPixelMatrixColumns // dataset.Columns)
    dataset.PerFrameFunctionalGroupsSequence = [_place(frame, across, dataset) for frame in kept]
    dataset.DimensionOrganizationType = "TILED_SPARSE"
    dataset.NumberOfFrames, dataset.PixelData = len(kept), encapsulate([frames[frame] for frame in kept])
    dataset.save_as(path)
    return path


def _place(frame: int, across: int, dataset: Dataset) -> Dataset:
    position, content, group = Dataset(), Dataset(), Dataset()
    position.ColumnPositionInTotalImagePixelMatrix = frame % across * dataset.Columns + 1
    position.RowPositionInTotalImagePixelMatrix = frame // across * dataset.Rows + 1
    position.XOffsetInSlideCoordinateSystem = position.YOffsetInSlideCoordinateSystem = 0
    position.ZOffsetInSlideCoordinateSystem = 0
    content.DimensionIndexValues = [frame % across + 1, frame // across + 1]
    group.PlanePositionSlideSequence, group.FrameContentSequence = [position], [content]
    return group
