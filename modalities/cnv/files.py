"""Finds a site's copy-number files and tells their format from their headers, else from their names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from modalities.cnv.readers import gdc_genes
from modalities.cnv.readers.header import VCF_HEADER, columns_in
from modalities.cnv.readers.matrix import CBIOPORTAL, XENA
from modalities.cnv.segments import vcf
from modalities.cnv.segments.layouts import LAYOUTS, TABLES, layout_of, with_own_names
from modalities.core.contract import Source
from modalities.core.files.tables.delimited import listing, rows_of
from modalities.core.problems import ProblemsError, unusable

MATRICES = {"cbioportal": CBIOPORTAL, "xena": XENA}
GENES = "gdc_genes"
SEGMENTS = (*TABLES, vcf.FORMAT)
FORMATS = ("auto", *MATRICES, GENES, *SEGMENTS)
_SHARED = "seg"
"""The format whose files hold several samples."""
_MASKED, _ALLELIC = "gdc_segments", "gdc_ascat"
_GATK, _FOR_IGV = "gatk", (".igv.seg", ".igv.seg.gz")
"""GATK leaves its segments once more for IGV to show, in one file as ratios, in another as allele fractions."""
_NAMED = {
    _MASKED: re.compile(r"\.seg(\.v\d+)?\.txt(\.gz)?$"),
    GENES: re.compile(r"gene[_-]level_copy_number.*\.tsv(\.gz)?$"),
}
_STEPS = (
    (".bintest.cns", 9), (".call.cns", 0), (".cns", 1),
    (".called.seg", 0), (".modelfinal.seg", 1), (".cr.seg", 2), (".modelbegin.seg", 9),
)  # fmt: skip
"""How far on in its program's work a file is; the lowest of a sample is read, and 9 never where there is another."""
_ENDINGS = tuple(
    f"{ending}{packed}"
    for ending in (".txt", ".tsv", ".csv", ".seg", ".cns", ".vcf", ".xlsx", "by_genes")
    for packed in ("", ".gz")
)
_PLACES = {"chr", "chrom", "chromosome", "contig"}
_BEGINNINGS = ", ".join(f"{' or '.join(matrix.name_columns)} ({name})" for name, matrix in MATRICES.items())
_REMEDY = (
    f"a matrix begins with {_BEGINNINGS}; genes and segments name chromosome, start and end: "
    "compare with docs/modalities/cnv.md, and correct the path, or `format` and `columns`, in site.yaml"
)


@dataclass(frozen=True)
class Found:
    """The files to read: one matrix, or files of genes or segments."""

    format: str
    paths: tuple[Path, ...]
    folder: Path
    """Where a sample sheet may lie."""
    notes: dict[str, int]


def find(source: Source, values: str, segments_first: bool) -> Found:
    """The files of the site's one path that give these values (`calls` or `log2`).

    In a folder, segments come first where arms are wanted, being nearest to the measurement; then a matrix; then
    gene-level files; then segments.

    Raises:
        ValueError: no such file, several that compete, or a format that is not known.
    """
    path = source.paths[0]
    asked = [source.format] if source.format != "auto" else list(FORMATS[1:])
    if not path.is_dir():
        chosen = asked[0] if len(asked) == 1 else _format_of(path, source.sheet) or _named_format(path)
        if chosen is None:
            raise _unknown(path)
        return Found(chosen, (path,), path.parent, {})
    matrix = _matrix(path, values, [name for name in asked if name in MATRICES], source)
    if matrix is not None and not (segments_first and set(SEGMENTS) & set(asked)):
        return matrix
    by_format = {name: files for name, files in files_in(path).items() if name in asked}
    by_format = by_format or _by_own_names(path, asked, source.columns)
    genes, segments = by_format.pop(GENES, []), _segments(path, by_format, values)
    if segments_first and segments is not None:
        beside = {"other tables beside the segments, not read": int(matrix is not None) + len(genes)}
        return replace(segments, notes={**segments.notes, **beside})
    if matrix is not None:
        return matrix
    if genes:
        return Found(GENES, tuple(genes), path, {})
    if segments is not None:
        return segments
    raise _nothing(path, asked, values)


def recognised(path: Path) -> str:
    """The format of a file of copy number; empty for any other."""
    is_table = path.name.lower().endswith(_ENDINGS)
    return (_format_of(path) or _named_format(path) or "") if is_table else ""


def _segments(folder: Path, by_format: Mapping[str, list[Path]], values: str) -> Found | None:
    """The files of segments that give the values.

    Raises:
        ValueError: they are of several formats.
    """
    unwanted = _unwanted(by_format, values)
    formats = {name: files for name, files in by_format.items() if name != unwanted or len(by_format) == 1}
    if len(formats) > 1:
        named = ", ".join(f"{len(files)} of {name}, such as {files[0].name}" for name, files in formats.items())
        remedy = f"name one file, or say `format: {next(iter(formats))}` under sources.cnv in site.yaml"
        raise unusable(f"segments of {len(formats)} formats ({named})", remedy, file=folder.name)
    for name, files in formats.items():
        last = _last_steps(files)
        notes = {
            "files of earlier steps, not read": len(files) - len(last),
            "segments of another format, not read": len(by_format.get(unwanted, [])) * (name != unwanted),
        }
        return Found(name, tuple(last), folder, {what: count for what, count in notes.items() if count})
    return None


def _unwanted(by_format: Mapping[str, list[Path]], values: str) -> str:
    """The format that is there beside the one to read: of the GDC's two, masked segments serve log2 ratios."""
    if _GATK in by_format and all(path.name.lower().endswith(_FOR_IGV) for path in by_format.get(_SHARED, ())):
        return _SHARED
    return _ALLELIC if values == "log2" and _MASKED in by_format else _MASKED if values == "calls" else ""


def _last_steps(files: Sequence[Path]) -> list[Path]:
    """Of each sample the file that its program made last, where it leaves those of every step in the folder."""
    kept: dict[tuple[Path, str], tuple[int, Path]] = {}
    for path in files:
        name = path.name.lower().removesuffix(".gz")
        ending, step = next(((end, step) for end, step in _STEPS if name.endswith(end)), ("", 0))
        key = (path.parent, name.removesuffix(ending) if ending else path.name)
        kept[key] = min(kept.get(key, (step, path)), (step, path))
    return sorted(path for _, path in kept.values())


def _matrix(folder: Path, values: str, asked: Sequence[str], source: Source) -> Found | None:
    """The matrix that its name tells, or the only one there is; a list with a column of cases is none."""
    files = _tables_in(folder, "*")

    def named(kind: str) -> list[tuple[str, Path]]:
        return [(name, path) for name in asked for path in files if _is_named(path, MATRICES[name].files[kind])]

    found = named(values)
    if not found and not named("log2" if values == "calls" else "calls"):
        listing_cases = source.columns.get("case_id", "case_id")
        tables = [path for path in files if listing_cases not in columns_in(path, source.sheet) and not _is_other(path)]
        told = [(_format_of(path, source.sheet), path) for path in tables]
        found = [(name, path) for name, path in told if name is not None and name in asked]
    if len(found) > 1:
        many = listing([path.name for _, path in found])
        raise unusable(f"{len(found)} matrices of {values} ({many})", "name one file in site.yaml", file=folder.name)
    return Found(found[0][0], (found[0][1],), folder, {}) if found else None


def _is_other(path: Path) -> bool:
    """Whether it is a study's table of something else by gene, such as expression, whose header is the same."""
    name = path.name.lower()
    return name.startswith("data_") and "cna" not in name


def _is_named(path: Path, ending: str) -> bool:
    return path.name.lower().removesuffix(".gz").removesuffix(".txt").endswith(ending.removesuffix(".txt"))


def aliquot_files(folder: Path) -> dict[str, list[Path]]:
    """Files of one aliquot each, by format."""
    return {name: files for name, files in files_in(folder).items() if name != _SHARED}


def files_in(folder: Path) -> dict[str, list[Path]]:
    """Files of genes and of segments, by format; in folders of their own too, as the GDC's client lays them."""
    found: dict[str, list[Path]] = {}
    for path in _tables_in(folder, "**/*"):
        name = _format_of(path) or _named_format(path)
        if name is not None and name not in MATRICES:
            found.setdefault(name, []).append(path)
    return found


def _by_own_names(folder: Path, asked: Sequence[str], columns: Mapping[str, str]) -> dict[str, list[Path]]:
    """Files of the one format that is asked for, by the names that the site's columns have."""
    own = [with_own_names(layout, columns) for layout in LAYOUTS if [layout.format] == asked]
    files = [path for path in _tables_in(folder, "**/*") if own and layout_of(columns_in(path), own)]
    return {asked[0]: files} if files else {}


def _tables_in(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file() and path.name.lower().endswith(_ENDINGS))


def _named_format(path: Path) -> str | None:
    return next((name for name, pattern in _NAMED.items() if pattern.search(path.name.lower())), None)


def _format_of(path: Path, sheet: str = "") -> str | None:
    """The format that the header tells."""
    cells = columns_in(path, sheet)
    if len(cells) < 2:
        return None
    if cells[0] == VCF_HEADER:
        return vcf.FORMAT if vcf.is_copy_number(path) else None
    if set(gdc_genes.COLUMNS) <= set(cells):
        return GENES
    layout = layout_of(cells)
    if layout is not None:
        return layout.format
    if _PLACES & {
        cell.casefold() for cell in cells
    }:  # segments of another program; Xena's matrices too begin with sample
        return None
    return next((name for name, matrix in MATRICES.items() if cells[0] in matrix.name_columns), None)


def _unknown(path: Path) -> ProblemsError:
    """Of a file without a known format; its reader says itself what is wrong with one that is no table."""
    header = next(row for row in rows_of(path, comment="##") if not row[0].startswith("##"))
    columns = listing([repr(cell) for cell in header])
    return unusable(f"no copy-number table that is known: its columns are {columns}", _REMEDY, file=path.name)


def _nothing(folder: Path, asked: Sequence[str], values: str) -> ProblemsError:
    """Of a folder without a file of a format that is asked for: what is in it, and what its tables begin with."""
    inside = sorted(path for path in folder.rglob("*") if path.is_file())
    told = [f"{path.name} ({_format_of(path) or listing(columns_in(path)[:4]) or 'no table'})" for path in inside]
    what = f"no copy number of {' or '.join(asked) if len(asked) == 1 else values} in this folder"
    held = f"it holds {listing(told)}" if told else "it is empty"
    return unusable(f"{what}; {held}", _REMEDY, file=folder.name)
