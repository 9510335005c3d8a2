"""Deals a folder of slides, or of their tile features, out to sites: by links, since slides are too large to copy."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from modalities.core.contract import SlideSettings, Source
from modalities.core.files.tables.delimited import refuse_any
from modalities.slides.reading.dicom import is_dicom
from modalities.slides.reading.manifest import Listed, composition_tables, listed_files

_OF_SEVERAL_FILES = (".mrxs", ".vms", ".vmu")


def deal_slides(folder: Path, site_of: Mapping[str, str], folders: Mapping[str, Path]) -> dict[str, Path]:
    """A folder a site, with a link to each slide of its cases and a slides.csv that says whose each is.

    Tables of nuclear composition go to every site; slides that are left out by the lists go to none.

    Raises:
        ValueError: there is no slide, or one is of several files, which a single link would tear apart.
    """
    source = Source((folder,))
    by_site: dict[str, list[Listed]] = {}
    for entry in listed_files(source):
        site = site_of.get(entry.case_id)
        if site and not entry.left_out:
            by_site.setdefault(site, []).append(entry)
    torn = [entry.path.name for held in by_site.values() for entry in held if _is_of_several(entry.path)]
    remedy = "extract their features, and name the folder of these in dataset.yaml"
    refuse_any(folder, torn, "slides of several files each are not dealt out: {}", remedy)
    written = {}
    for site, entries in by_site.items():
        written[site] = folders[site] / folder.name
        for path in [*(entry.path for entry in entries), *composition_tables(source)]:
            _link(written[site] / path.relative_to(folder), path)
        rows = [(entry.case_id, str(entry.path.relative_to(folder)), entry.mpp or "") for entry in entries]
        table = pd.DataFrame(rows, columns=pd.Index(["case_id", "slide", "mpp"]))
        table.to_csv(written[site] / "slides.csv", index=False)
    return written


def settings_of(folder: Path) -> SlideSettings:
    """What is made of the slides is kept beside the folder that they come from, and so made once for all runs."""
    return SlideSettings(cache=str((folder.parent / ".tessera" / "slides").resolve()))


def _is_of_several(path: Path) -> bool:
    return path.suffix.lower() in _OF_SEVERAL_FILES or is_dicom(path)


def _link(link: Path, path: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(path.resolve())
