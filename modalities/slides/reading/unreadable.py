"""Formats that nothing here reads, and what to do with files that cannot be opened."""

from pathlib import Path

_CONVERT = "export it as DICOM or TIFF, or convert it with bioformats2raw and then raw2ometiff --rgb"
UNREADABLE = {
    ".isyntax": f"Philips iSyntax is not read; {_CONVERT.split(', or ')[0]} from the image management system",
    ".i2syntax": f"Philips iSyntax is not read; {_CONVERT.split(', or ')[0]} from the image management system",
    ".vsi": f"Olympus VSI is not read; {_CONVERT}",
    ".lif": f"Leica LIF is not read; {_CONVERT}",
    ".qptiff": f"Akoya QPTIFF is not read; {_CONVERT}",
    ".nd2": f"Nikon ND2 is not read; {_CONVERT}",
    ".zvi": f"Zeiss ZVI is not read; {_CONVERT}",
    ".kfb": "KFBio's format is not read; export it as SVS or TIFF with the scanner's software",
    ".sdpc": "Sqray's format is not read; export it as SVS or TIFF with the scanner's software",
    ".mds": "Motic's format is not read; export it as SVS or TIFF with the scanner's software",
    ".mdsx": "Motic's format is not read; export it as SVS or TIFF with the scanner's software",
    ".tmap": "Unic's format is not read; export it as SVS or TIFF with the scanner's software",
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
