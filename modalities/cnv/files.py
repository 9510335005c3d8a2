"""Finds a site's copy-number files and tells their format from their names and headers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modalities.cnv.readers import gdc_genes, gdc_segments
from modalities.cnv.readers.matrix import CBIOPORTAL, XENA
from modalities.core.contract import Source
from modalities.core.files.delimited import listing, rows_of
from modalities.core.files.header import header_of
from modalities.core.problems import unusable

MATRICES = {"cbioportal": CBIOPORTAL, "xena": XENA}
GENES, SEGMENTS = "gdc_genes", "gdc_segments"
FORMATS = ("auto", *MATRICES, GENES, SEGMENTS)
_NAMED = {
    SEGMENTS: re.compile(r"\.seg(\.v\d+)?\.txt(\.gz)?$"),
    GENES: re.compile(r"gene[_-]level_copy_number.*\.tsv(\.gz)?$"),
}
_ENDINGS = tuple(
    f"{ending}{packed}" for ending in (".txt", ".tsv", ".csv", ".seg", "by_genes") for packed in ("", ".gz")
)


@dataclass(frozen=True)
class Found:
    """The files to read: one matrix, or a file an aliquot."""

    format: str
    paths: tuple[Path, ...]
    folder: Path
    """Where a sample sheet may lie."""
    notes: dict[str, int]


def find(source: Source, values: str, takes_segments: bool) -> Found:
    """The files of the site's one path that give these values (`calls` or `log2`).

    In a folder, segments come first where they are wanted, being nearest to the measurement; then a matrix; then
    gene-level files.

    Raises:
        ValueError: no such file, several that compete, or a format that is not known.
    """
    path = source.paths[0]
    asked = [source.format] if source.format != "auto" else list(FORMATS[1:])
    if not path.is_dir():
        known = _named_format(path) or _format_of(path)
        chosen = asked[0] if len(asked) == 1 else known
        if chosen is None:
            raise ValueError(_unknown(path))
        return Found(chosen, (path,), path.parent, {})
    matrix = _matrix(path, values, [name for name in asked if name in MATRICES])
    if matrix is not None and not (takes_segments and SEGMENTS in asked):
        return matrix
    by_format = {name: found if name in asked else [] for name, found in aliquot_files(path).items()}
    if takes_segments and by_format[SEGMENTS]:
        beside = {"other tables beside the segments, not read": int(matrix is not None) + len(by_format[GENES])}
        return Found(SEGMENTS, tuple(by_format[SEGMENTS]), path, beside)
    if matrix is not None:
        return matrix
    for name in (GENES, SEGMENTS):
        if by_format[name]:
            return Found(name, tuple(by_format[name]), path, {})
    if not set(asked) & set(MATRICES):
        raise unusable(
            f"no file of the format {asked[0]}", "correct the path or the format in site.yaml", file=path.name
        )
    absent = path / MATRICES["cbioportal" if "cbioportal" in asked else "xena"].files[values]
    raise unusable("no such file", "correct the path in site.yaml", file=str(absent))


def _matrix(folder: Path, values: str, asked: Sequence[str]) -> Found | None:
    """The matrix that its name tells, or the only one there is."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().endswith(_ENDINGS))

    def named(kind: str) -> list[tuple[str, Path]]:
        return [(name, path) for name in asked for path in files if _is_named(path, MATRICES[name].files[kind])]

    found = named(values)
    if not found and not named("log2" if values == "calls" else "calls"):
        told = [(_format_of(path), path) for path in files if not _named_format(path)]
        found = [(name, path) for name, path in told if name is not None and name in asked]
    if len(found) > 1:
        many = listing([path.name for _, path in found])
        raise unusable(f"{len(found)} matrices of {values} ({many})", "name one file in site.yaml", file=folder.name)
    return Found(found[0][0], (found[0][1],), folder, {}) if found else None


def _is_named(path: Path, ending: str) -> bool:
    return path.name.lower().removesuffix(".gz").removesuffix(".txt").endswith(ending.removesuffix(".txt"))


def aliquot_files(folder: Path) -> dict[str, list[Path]]:
    """Files of one aliquot each, by format; in folders of their own too, as the GDC's client lays them."""
    found: dict[str, list[Path]] = {GENES: [], SEGMENTS: []}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name.lower().endswith(_ENDINGS):
            name = _named_format(path) or _format_of(path)
            if name in found:
                found[name].append(path)
    return found


def _named_format(path: Path) -> str | None:
    return next((name for name, pattern in _NAMED.items() if pattern.search(path.name.lower())), None)


def _format_of(path: Path) -> str | None:
    """The format that the header tells."""
    cells = header_of(path)
    if len(cells) < 2:
        return None
    matrix = next((name for name, matrix in MATRICES.items() if cells[0] in matrix.name_columns), None)
    columns = {GENES: gdc_genes.COLUMNS, SEGMENTS: gdc_segments.COLUMNS}
    return matrix or next((name for name, wanted in columns.items() if set(wanted) <= set(cells)), None)


def _unknown(path: Path) -> str:
    first = rows_of(path)[0][0]  # says itself what is wrong with a file that is no table
    names = [f"{' or '.join(matrix.name_columns)} ({name})" for name, matrix in MATRICES.items()]
    return (
        f"{path.name}: the first column must be {', '.join(names)}, gene_id (GDC genes) or GDC_Aliquot (GDC segments), "
        f"got {first!r}; is this a copy-number table?"
    )
