"""`tessera-server backup` and `restore`: a study, or its private keys, in a file, and back on any machine."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from modalities.core.console import say, show
from modalities.core.files.journal import sync_folder
from modalities.core.keyfiles import write_private
from modalities.core.problems import check, unusable
from server.backup.archive import pack, unpack
from server.backup.contents import database_copied, files_of
from server.backup.keys import fits, lacking_keys, public_half
from server.coordinator.commands import Folder
from server.coordinator.folder import Study, write_gateway
from server.state.status import read_status, stage
from strategies.bundle import version_of_source

_STUDY, _KEYS = "study", "keys"
"""What an archive holds."""


def backup(
    folder: Folder,
    to: Annotated[Path, typer.Option(help="The file to write, a zip that only you can read.")],
    keys_to: Annotated[
        Path | None, typer.Option(help="Another file, for the private keys: keep it elsewhere, under lock and key.")
    ] = None,
) -> None:
    """Copy the study into one file, while it runs or not. Private keys are not in it."""
    study = Study(folder)
    study.settings()
    _refuse_places(folder, [path for path in (to, keys_to) if path])
    files, keys = files_of(study, with_keys=keys_to is not None)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"study": folder.resolve().name, "time": now, "tessera": version_of_source()}
    with tempfile.TemporaryDirectory(dir=to.resolve().parent, prefix=".tessera-") as beside:
        held = dict(sorted({**files, **database_copied(study, Path(beside))}.items()))
        n_files = pack(to, held, {"holds": _STUDY, **facts, "keys": sorted(keys)})
    where = stage(read_status(study.run), "not begun")
    say(f"{to}: {n_files} files of {facts['study']} ({where}), {to.stat().st_size / 1e6:.1f} MB")
    if keys_to is None:
        say(f"without its private keys ({', '.join(keys) or 'none are here'}): --keys-to FILE writes them elsewhere")
    else:
        pack(keys_to, keys, {"holds": _KEYS, **facts})
        say(f"{keys_to}: {', '.join(keys) or 'no key is here'}; whoever has this file can be the coordinator")


def _refuse_places(folder: Path, places: list[Path]) -> None:
    """Where a backup must not go, before any of it is written."""
    within, there = "within the study's folder, which is what may be lost: name another place", "is there already"
    check(
        [f"{path}: {within}" for path in places if path.resolve().is_relative_to(folder.resolve())]
        + [f"{path}: {there}; name a new file" for path in places if os.path.lexists(path)]
        + ["study and keys go into two files: name another with --keys-to"]
        * (len({path.resolve() for path in places}) < len(places))
    )


def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote: the study, or afterwards its keys.")],
    to: Annotated[Path, typer.Option(help="The study's folder: a new one; for the keys, the one that was restored.")],
) -> None:
    """Make a study's folder of a backup, whole or not at all; or put its keys back. What is there is never replaced."""
    to.absolute().parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    part.mkdir()
    try:
        manifest = unpack(file, part)
        if manifest.get("holds") == _KEYS:
            _bring_keys(part, manifest, Study(to))
        else:
            _put_in_place(part, manifest, to)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for problem in lacking_keys(Study(to)):
        show(problem)
    say(f"then: tessera-server start {to}, the gateway, and tessera-server resume {to}")


def _put_in_place(part: Path, manifest: Mapping[str, Any], to: Path) -> None:
    """The whole folder, under its name in one step.

    Raises:
        ValueError: something is there already.
    """
    study = Study(part)
    study.settings()
    for folder in (study.sites, study.release_key.parent):
        folder.mkdir(exist_ok=True)
    if os.path.lexists(to) and not (to.is_dir() and not any(to.iterdir())):
        raise unusable("is there already, and is never replaced", "name a new folder", file=str(to))
    part.replace(to)
    sync_folder(to.absolute().parent)
    write_gateway(Study(to))
    where = stage(read_status(Study(to).run), "not begun")
    say(f"{to}: {manifest.get('study')} as of {manifest.get('time')} ({where}), {len(manifest['files'])} files")


def _bring_keys(part: Path, manifest: Mapping[str, Any], study: Study) -> None:
    """Those that are not there, and are of this study.

    Raises:
        ValueError: there is no study.
    """
    study.settings()
    for name in manifest["files"]:
        here, public = study.folder / name, public_half(study, study.folder / name)
        if os.path.lexists(here):
            say(f"{here}: is there already, and stays")
        elif public is not None and not fits(part / name, public):
            say(f"{here}: left out, since it is not the key of {public.name}")
        else:
            write_private(here, (part / name).read_bytes())
            say(f"{here}: is back")
