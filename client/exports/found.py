"""What lies in a hospital's exports: which modality each file is of, and the tables whose columns have to be named."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modalities.core.files.tables.delimited import rows_of
from modalities.core.files.tables.header import header_of
from modalities.core.hooks import MAPPED, Recognises
from modalities.core.problems import unusable
from modalities.core.registry import plugin
from modalities.core.settings.training import BranchConfig
from modalities.slides.features.stores import files_below, is_store

_TABLES = (".csv", ".tsv", ".txt", ".seg", ".cns", ".xlsx")
_LARGE = 20_000_000
"""Bytes from which on a table is a matrix, of which the header says enough."""


@dataclass(frozen=True)
class Export:
    """One file."""

    path: Path
    modalities: tuple[str, ...] = ()
    """Those that can read it."""
    format: str = ""
    """As the first of them calls it; MAPPED of a table of which site.yaml has to say what its columns are."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of a table, its cells by column."""

    @property
    def is_to_map(self) -> bool:
        """Whether site.yaml has to say what its columns are."""
        return self.format == MAPPED


def exports_in(paths: Sequence[Path], configs: Mapping[str, BranchConfig]) -> list[Export]:
    """Every file of these files and folders, and which of the modalities reads it.

    Raises:
        ValueError: a path is not there, or nothing is.
    """
    absent = [str(path) for path in paths if not path.exists()]
    if absent:
        raise unusable(f"no such file or folder: {', '.join(absent)}", "correct what follows --from")
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    if not files:
        raise unusable(f"no file in {', '.join(map(str, paths))}", "name the files, or the folder, of your exports")
    return [_looked_at(file, configs) for file in files]


def described(export: Export) -> str:
    """What was found, in words."""
    if not export.modalities:
        return "not read by any modality"
    what = "a table of your own" if export.is_to_map else export.format
    return f"{what}, for {' and '.join(export.modalities)}"


def _files(path: Path) -> Iterable[Path]:
    """The file; or all in the folder but hidden ones and what a spreadsheet program keeps of an open workbook."""
    if not path.is_dir() or is_store(path):
        return [path]
    below = [file for file in sorted(files_below(path)) if file.is_file() or is_store(file)]
    return [file for file in below if not any(part[0] in ".~" for part in file.relative_to(path).parts)]


def _looked_at(path: Path, configs: Mapping[str, BranchConfig]) -> Export:
    formats = {name: found for name, own in configs.items() if (found := _format(path, own.kind))}
    as_it_stands = {name: found for name, found in formats.items() if found != MAPPED}
    readers = as_it_stands or formats
    return Export(path, tuple(readers), next(iter(readers.values()), ""), _columns(path))


def _format(path: Path, kind: str) -> str:
    module = plugin(kind)
    try:
        return module.recognised(path) if isinstance(module, Recognises) else ""
    except (ValueError, IsADirectoryError):  # damaged, no table at all, or a store
        return ""


def _columns(path: Path) -> Mapping[str, Sequence[str]]:
    """The cells by column, of a table that can be read."""
    if not path.name.lower().removesuffix(".gz").endswith(_TABLES):
        return {}
    if path.stat().st_size > _LARGE:
        return dict.fromkeys(header_of(path), ())
    try:
        header, *rows = rows_of(path)
    except ValueError:
        return {}
    return {name: [row[at].strip() for row in rows] for at, name in enumerate(header)}
