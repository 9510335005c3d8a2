"""Files of the GDC: what its manifests and its API say of one, checked before any of it becomes a path."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modalities.core.files.tables.delimited import refuse_any, refuse_repeated, rows_of
from modalities.core.problems import Problem, check, unusable

COLUMNS = ("id", "filename", "md5", "size", "state")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]+")
_LONGEST_NAME = 200
"""In bytes: with an ending of its own, a name stays within the 255 of every file system."""


@dataclass(frozen=True)
class Sample:
    """Where a file comes from, in the GDC's words."""

    case_id: str
    sample_id: str = ""
    aliquot: str = ""
    tissue_type: str = ""
    tumor_descriptor: str = ""
    specimen_type: str = ""
    preservation_method: str = ""
    site_name: str = ""
    """Of the tissue source site."""


@dataclass(frozen=True)
class Entry:
    """A file of the GDC."""

    id: str
    name: str
    md5: str
    size: int
    state: str = "released"
    access: str = "open"
    category: str = ""
    type: str = ""
    workflow: str = ""
    project: str = ""
    samples: tuple[Sample, ...] = ()

    @property
    def folder(self) -> str:
        """Where files of its type lie: the type as a plain name."""
        return re.sub(r"[^a-z0-9]+", "_", self.type.lower()).strip("_") or "files"

    @property
    def path(self) -> Path:
        """Below the data folder, in a folder of its own as the GDC's client lays files."""
        return Path(self.folder, self.id, self.name)


def problems_of_entry(entry: Entry) -> list[str]:
    """Why the file must not be fetched: a name that is more than a name, or a checksum that is none."""
    name = entry.name
    is_plain = _NAME.fullmatch(name) and not name.startswith(".") and len(name.encode()) <= _LONGEST_NAME
    return (
        [f"{entry.id!r} is no id of the GDC"] * (not _ID.fullmatch(entry.id))
        + [f"{name!r} is no plain file name"] * (not is_plain)
        + [f"{name!r}: {entry.md5!r} is no MD5"] * (not _MD5.fullmatch(entry.md5))
        + [f"{name!r}: a size of {entry.size} bytes"] * (entry.size < 0)
    )


def checked(entries: Iterable[Entry], origin: str) -> list[Entry]:
    """The entries, by id.

    Raises:
        ValueError: every one that must not be fetched, at once.
    """
    held = sorted(entries, key=lambda entry: entry.id)
    remedy = "nothing was fetched: report it to whoever runs the server, or take the line out"
    check(Problem(what, remedy, file=origin) for entry in held for what in problems_of_entry(entry))
    return held


def read_manifest(path: Path) -> list[Entry]:
    """The files that a manifest of the GDC's portal lists.

    Raises:
        ValueError: it is none, repeats a file, or names one that must not be fetched.
    """
    header, *rows = rows_of(path, "\t")
    lacking = [name for name in COLUMNS[:4] if name not in header]
    refuse_any(path, lacking, "no column {}", "give a manifest as the GDC's portal writes it: " + ", ".join(COLUMNS))
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    wrong = [f"line {line}" for line, row in enumerate(cells, start=2) if not row["size"].isdecimal()]
    refuse_any(path, wrong, "the size is no number of bytes in {}", "load the manifest again", are_places=True)
    refuse_repeated(path, [row["id"] for row in cells], "files", "keep one line a file")
    if not cells:
        raise unusable("a header and no file", "load the manifest again", file=path.name)
    return checked(
        [Entry(row["id"], row["filename"], row["md5"], int(row["size"]), state=row.get("state", "")) for row in cells],
        path.name,
    )


def manifest_of(entries: Sequence[Entry]) -> str:
    """The entries as the GDC's portal writes them, for its own client too."""
    rows = [COLUMNS, *((entry.id, entry.name, entry.md5, str(entry.size), entry.state) for entry in entries)]
    return "".join("\t".join(row) + "\n" for row in rows)
