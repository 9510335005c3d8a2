"""Which image of an OME-TIFF is the slide, and how large its pixels are.

The text comes with the file, so it is not trusted: it is bounded in size, and declarations of its own, by which a
text may grow without bound or ask for other files, are refused.

Source: the OME data model, schema 2016-06.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MOST_CHARACTERS = 1 << 24
_BESIDE_THE_SLIDE = ("label", "macro", "overview", "thumbnail", "barcode")
"""Words in the names of images that are no scan of the tissue."""
_UM = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6, "Å": 1e-4, "mm": 1e3, "cm": 1e4, "m": 1e6, "in": 25.4e3}
"""Micrometres of a unit; OME's default is the first. Others (`pixel`, `reference frame`) are no lengths."""


@dataclass
class OmeImage:
    """One image of the file."""

    name: str = ""
    pixels: Mapping[str, str] = field(default_factory=dict)
    """Attributes of its `Pixels`: sizes, and lengths of a pixel."""
    ifds: list[int] = field(default_factory=list)
    """Numbers of its pages in the file; empty where the text does not say."""

    def count(self, axis: str) -> int:
        """Its extent along Z, C or T; 1 where the text does not say."""
        text = self.pixels.get(f"Size{axis}", "")
        return int(text) if text.isascii() and text.isdigit() else 1

    def um(self, axis: str) -> float:
        """Micrometres a pixel along X or Y; 0 where the text does not say, or says it in no unit of length."""
        try:
            length = float(self.pixels.get(f"PhysicalSize{axis}", "0"))
        except ValueError:
            return 0.0
        return length * _UM.get(self.pixels.get(f"PhysicalSize{axis}Unit", "µm"), 0.0)


class _Document:
    """What the elements say, gathered as they begin."""

    def __init__(self) -> None:
        self.images: list[OmeImage] = []
        self.powers: set[str] = set()

    def begin(self, element: str, attributes: dict[str, str]) -> None:
        name = element.rpartition(":")[2]
        if name == "Image":
            self.images.append(OmeImage(attributes.get("Name", "")))
        elif name == "Objective":
            self.powers.add(attributes.get("NominalMagnification", ""))
        elif name == "BinaryOnly":
            raise ValueError("it leaves to another file what its images are")
        elif self.images and name == "Pixels":
            self.images[-1].pixels = attributes
        elif self.images and name == "TiffData":
            self.images[-1].ifds.append(int(attributes.get("IFD", "0")))


def slide_in(text: str) -> tuple[OmeImage, str]:
    """The image that is the slide, and the objective's power, empty where the text does not say.

    Raises:
        ValueError: the reason alone: the text is damaged, or has no slide, or several.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"{len(text)} characters of OME-XML, more than {MOST_CHARACTERS}")
    document, parser = _Document(), expat.ParserCreate(encoding="utf-8")
    parser.StartElementHandler = document.begin
    parser.StartDoctypeDeclHandler = _refuse_declarations
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, UnicodeEncodeError) as error:
        raise ValueError(f"its OME-XML is damaged ({error})") from error
    scans = [image for image in document.images if not any(word in image.name.lower() for word in _BESIDE_THE_SLIDE)]
    if len(scans) != 1:
        raise ValueError(f"{len(scans)} images in it beside label and overview, where one is read")
    several = [f"{scans[0].count(axis)} {of}" for axis, of in (("Z", "focal planes"), ("T", "times"))]
    several = [text for text in several if not text.startswith("1 ")]
    if several:
        raise ValueError(f"{' and '.join(several)} in it, where one is read")
    return scans[0], document.powers.pop() if len(document.powers) == 1 else ""


def _refuse_declarations(*_: object) -> None:
    raise ValueError("its OME-XML declares entities of its own, which no scanner does")
