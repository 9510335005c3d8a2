"""Files in a plain zip with a manifest of their SHA-256: written whole or not at all, and unpacked only if whole.

Nothing of an archive decides where or as what it is written but names, which are checked: no link, no mode, no owner.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from modalities.core.files.atomic import replacing
from modalities.core.files.journal import last_line
from modalities.core.keyfiles import PRIVATE_MODE
from modalities.core.problems import Problem, check, unusable

MANIFEST = "manifest.json"
_FORMAT = 1
_PIECE = 2**20
_LARGEST_MANIFEST = 2**26
_DAMAGED = "damaged since it was written"
_ANOTHER_COPY = "take another copy, or an earlier backup"


def pack(file: Path, contents: Mapping[str, Path], facts: Mapping[str, Any]) -> int:
    """Write an archive that only its owner can read; how many files are in it: one that is gone by now is left out.

    `contents` is by name. A file that is replaced meanwhile is taken as it was or as it is now, and of a log that grows
    the lines that are whole.

    Raises:
        ValueError: there is such an archive already, or a file has a name that could not be unpacked.
        OSError: something cannot be read, or the archive not written.
    """
    there = Problem("is there already", "name a new file", file=str(file))
    odd = [name for name in contents if not _is_safe(name)]
    problems = [Problem("a name that no backup can hold", "rename it", file=ascii(name)) for name in odd]
    check([there] * os.path.lexists(file) + problems)
    with replacing(file) as beside:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE))
        files = {}
        with ZipFile(beside, "w", ZIP_STORED) as archive:
            for name, path in contents.items():
                with suppress(FileNotFoundError), path.open("rb") as source:
                    files[name] = _added(archive, name, _pieces(path, source))
            manifest = {"format": _FORMAT, **facts, "files": files}
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
    return len(files)


def _pieces(path: Path, source: BinaryIO) -> Iterator[bytes]:
    """What the file holds now, without a line that is just being written."""
    left = os.fstat(source.fileno()).st_size
    if {".log", ".jsonl"} & set(path.suffixes):
        left -= len(last_line(source.fileno())[1])
    while piece := source.read(min(_PIECE, left)):
        left -= len(piece)
        yield piece


def _added(archive: ZipFile, name: str, pieces: Iterable[bytes]) -> str:
    """Write one file; its SHA-256."""
    digest = hashlib.sha256()
    with archive.open(ZipInfo(name), "w", force_zip64=True) as member:
        for piece in pieces:
            digest.update(piece)
            member.write(piece)
    return digest.hexdigest()


def unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Write everything into a folder, for its owner alone, where no such file may be; the manifest.

    Raises:
        ValueError: all that is wrong with the archive; the folder then holds a part of it.
        OSError: the disk is full, or fails.
    """
    try:
        archive = ZipFile(file)
    except FileNotFoundError:
        raise unusable("no such file", file=str(file)) from None
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise unusable(f"no backup, or only a part of one: {error}", _ANOTHER_COPY, file=str(file)) from None
    with archive:
        manifest = _manifest(archive, file)
        files: dict[str, str] = manifest["files"]
        wrong = list(_misfits(archive, files, file))
        unsound = {name for name, _ in wrong}
        for info in archive.infolist():
            if info.filename in files and info.filename not in unsound:
                what = _extracted(archive, info, folder / info.filename, files[info.filename])
                wrong += [(info.filename, what)] * bool(what)
    check(Problem(what, _ANOTHER_COPY, file=str(file), where=_shown(name)) for name, what in wrong)
    return manifest


def _manifest(archive: ZipFile, file: Path) -> dict[str, Any]:
    try:
        if archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
            raise ValueError("too large")
        found = json.loads(archive.read(MANIFEST))
        files = found["files"]
        if not all(isinstance(value, str) for value in files.values()) or type(found["format"]) is not int:
            raise ValueError("files and their SHA-256 are not listed")
    except (KeyError, ValueError, TypeError, AttributeError, BadZipFile, NotImplementedError, RuntimeError) as error:
        raise unusable(f"{MANIFEST} cannot be read: {error}", _ANOTHER_COPY, file=str(file)) from None
    if found["format"] > _FORMAT:
        raise unusable(f"its format {found['format']} is of a newer version", "update this one first", file=str(file))
    return cast(dict[str, Any], found)


def _misfits(archive: ZipFile, files: Mapping[str, str], file: Path) -> Iterator[tuple[str, str]]:
    """What must not be unpacked, or cannot, by name."""
    members = archive.infolist()
    names = [info.filename for info in members]
    if sum(info.file_size for info in members) > file.stat().st_size:
        yield from ((name, "claims more bytes than the archive has") for name in files)
    for info in members:
        if info.compress_type != ZIP_STORED or info.flag_bits & 1:
            yield info.filename, "compressed or encrypted, which no backup is"
    yield from ((name, "is there twice") for name in sorted({name for name in names if names.count(name) > 1}))
    yield from ((name, "not in the manifest") for name in names if name not in {*files, MANIFEST})
    yield from ((name, "missing") for name in files if name not in names)
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    yield from ((name, "no name that a backup gives a file") for name in files if not _is_safe(name) or name in folders)


def _is_safe(name: str) -> bool:
    """Whether it names a file below the folder, and nothing else."""
    parts = name.split("/")
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(parts)


def _extracted(archive: ZipFile, info: ZipInfo, path: Path, expected: str) -> str:
    """Write one file, and wait for the disk; what is wrong with it, or nothing."""
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as written:
        try:
            with archive.open(info) as member:
                while piece := member.read(_PIECE):
                    digest.update(piece)
                    written.write(piece)
        except (BadZipFile, EOFError):  # its checksum, or its end
            return _DAMAGED
        written.flush()
        os.fsync(descriptor)
    return "" if digest.hexdigest() == expected else _DAMAGED


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)
