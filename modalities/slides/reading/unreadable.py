"""Formats that nothing here reads, and what to do with files that cannot be opened."""

from pathlib import Path

_CONVERT = "export the slide as DICOM or TIFF, or convert it with bioformats2raw and then raw2ometiff --rgb"
UNREADABLE = {
    ".isyntax": "OpenSlide does not read Philips iSyntax; export the slide as DICOM or TIFF",
    ".i2syntax": "OpenSlide does not read Philips iSyntax; export the slide as DICOM or TIFF",
    ".vsi": f"OpenSlide does not read Olympus VSI; {_CONVERT}",
    ".lif": f"OpenSlide does not read Leica LIF; {_CONVERT}",
    ".qptiff": f"OpenSlide does not read Akoya QPTIFF; {_CONVERT}",
    ".nd2": f"OpenSlide does not read Nikon ND2; {_CONVERT}",
    ".zvi": f"OpenSlide does not read Zeiss ZVI; {_CONVERT}",
    ".kfb": "OpenSlide does not read KFBio's format; export the slide as SVS or TIFF with the scanner's software",
    ".sdpc": "OpenSlide does not read Sqray's format; export the slide as SVS or TIFF with the scanner's software",
    ".mds": "OpenSlide does not read Motic's format; export the slide as SVS or TIFF with the scanner's software",
    ".mdsx": "OpenSlide does not read Motic's format; export the slide as SVS or TIFF with the scanner's software",
    ".tmap": "OpenSlide does not read Unic's format; export the slide as SVS or TIFF with the scanner's software",
}
"""Endings of slides that are named and not read, and what to do."""
_REMEDIES = {
    ".czi": "OpenSlide reads CZI without compression or with Zstandard, not with JPEG XR: save it so in ZEN, "
    f"or {_CONVERT}",
    ".mrxs": "copy it again, together with the folder of the same name beside it",
    ".vms": "copy it again, together with the .jpg and .opt files beside it",
    ".vmu": "copy it again, together with the files beside it",
}


def remedy_of(path: Path) -> str:
    """What to do about a slide that does not open, by its ending."""
    return _REMEDIES.get(path.suffix.lower(), "copy it again, or take it out of the folder")


def irregular(path: Path) -> str:
    """Why an entry of a folder is no file, and what to do; empty for a file."""
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere; correct it or take it out"
    if path.exists() and not path.is_file():
        return "neither a file nor a link to one; take it out"
    return ""
