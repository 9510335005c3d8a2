"""Reads copy number from VCF: DRAGEN's, GATK's germline caller's, CNVkit's export, and what else has their fields.

A record is a segment from POS to INFO/END (else SVLEN bases long). Its value is FORMAT's or INFO's: CN is copies; SM
(DRAGEN), FC and FOLD_CHANGE are ratios, the first two where the header describes them so; LOG2 and its like log2
ratios. Every record counts, whatever FILTER says: a segment that a caller is not sure of is nearly unchanged. The base
before an event, which POS may be, makes no difference to a mean over megabases.

Source: https://samtools.github.io/hts-specs/VCFv4.4.pdf; DRAGEN's guide (CNV output); GATK 4,
PostprocessGermlineCNVCalls; CNVkit, skgenome and `export vcf`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from modalities.cnv.readers.coordinates import chromosomes_of, spans_of
from modalities.cnv.segments.build import assembly_of, fitting, said_by_header
from modalities.cnv.segments.profile import COPIES, LOG2, RATIO, Profile, profiles_of
from modalities.cnv.segments.units import known_units
from modalities.core.contract import Source
from modalities.core.files.tables.delimited import n_comments, numbers, rows_of
from modalities.core.files.tables.header import head_of
from modalities.core.problems import unusable

FORMAT = "vcf"
_FIELDS = {
    LOG2: ("LOG2", "LOG2R", "LOG2RATIO", "LOG2_RATIO", "LOG2FC"),
    RATIO: ("SM", "FC", "FOLD_CHANGE"),
    COPIES: ("CN",),
}
_DESCRIBED = {"SM": ("ratio", "fold change"), "FC": ("fold change",)}
"""Short names that others use too -> what a description of the ratio holds."""
_DECLARED = re.compile(r'^##(FORMAT|INFO)=<ID=([^,>]+)(?:.*Description="([^"]*)")?')
_TYPES = re.compile(r"CNV|DEL|DUP|LOH|CNLOH|GAINLOH|REF|DIP|CN\d+", re.IGNORECASE)
_FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_N_FIXED = len(_FIXED)
_HEADER = "##"


def is_copy_number(path: Path) -> bool:
    """Whether the file declares a field of copy number; a file of point mutations does not."""
    return bool(_declared(line for line in head_of(path) if line.startswith(_HEADER)))


def read_vcf(path: Path, source: Source) -> list[Profile]:
    """The samples of the file, in its order.

    Raises:
        ValueError: what is wrong with the file.
    """
    records = _records(path)
    lines = [records.lines[row] for row in records.kept]
    starts = [records.body[row][1] for row in records.kept]
    ends = [_end_of(records.body[row][1], records.infos[row]) for row in records.kept]
    chromosomes = chromosomes_of(path, [records.body[row][0] for row in records.kept], lines)
    genome = assembly_of(path, said_by_header(path, records.meta), source.assembly, fitting(chromosomes, ends))
    first, last = spans_of(path, chromosomes, starts, ends, lines, genome)
    profiles = []
    for column in range(_N_FIXED + 1, len(records.header)) or (None,):
        values = known_units(path, _values(records, column), source.units, " or ".join(records.named))
        sample = records.header[column].strip() if column else ""
        profiles += profiles_of(path, genome, [sample] * len(lines), chromosomes, first, last, values, lines)
    n_other = len(records.body) - len(lines)
    return [replace(profile, n_other=n_other) for profile in profiles]


@dataclass(frozen=True)
class _Records:
    """A file's rows, and which of them are segments."""

    path: Path
    meta: list[str]
    header: list[str]
    body: list[list[str]]
    infos: list[dict[str, str]]
    fields: Mapping[str, Sequence[tuple[str, str]]]

    @property
    def lines(self) -> range:
        """The body's line numbers."""
        return range(len(self.meta) + 2, len(self.meta) + 2 + len(self.body))

    @property
    def named(self) -> list[str]:
        """The fields' names, for messages."""
        return [name for fields in self.fields.values() for _, name in fields]

    @cached_property
    def kept(self) -> list[int]:
        """Places of the copy-number segments."""
        return [row for row, info in enumerate(self.infos) if _is_segment(self.body[row][4], info)]


def _records(path: Path) -> _Records:
    rows = rows_of(path, "\t", _HEADER)
    above = n_comments(rows, _HEADER)
    header, body, meta = rows[above], rows[above + 1 :], ["\t".join(row) for row in rows[:above]]
    if tuple(header[:_N_FIXED]) != _FIXED:
        raise unusable(f"its columns must begin with {' '.join(_FIXED)}", "is this a VCF file?", file=path.name)
    fields = _declared(meta)
    if not fields:
        known = ", ".join(name for names in _FIELDS.values() for name in names)
        what = f"its header declares no field of copy number, such as {known}"
        raise unusable(what, "is this a VCF of copy number?", file=path.name)
    infos = [_info_of(row[_N_FIXED - 1]) for row in body]
    records = _Records(path, meta, header, body, infos, fields)
    if not records.kept:
        what = "no record of a copy-number segment (SVTYPE or ALT, and END or SVLEN)"
        raise unusable(what, "is this a VCF of copy number?", file=path.name)
    return records


def _declared(meta: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Unit -> the fields of it, as (FORMAT or INFO, name), best first."""
    known: dict[tuple[str, str], str] = {}
    for line in meta:
        if match := _DECLARED.match(line):
            known[match.group(1), match.group(2)] = (match.group(3) or "").casefold()
    found = {}
    for unit, names in _FIELDS.items():
        fields = [(where, name) for name in names for where in ("FORMAT", "INFO") if (where, name) in known]
        held = [field for field in fields if _is_described(field[1], known[field])]
        found |= {unit: held} if held else {}
    return found


def _is_described(name: str, description: str) -> bool:
    return name not in _DESCRIBED or any(word in description for word in _DESCRIBED[name])


def _info_of(cell: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in cell.strip().split(";"))}


def _is_segment(alt: str, info: Mapping[str, str]) -> bool:
    """Whether a record is a stretch of the genome with a copy number: of a type that has one, or unchanged."""
    if not ({"END", "SVLEN"} & set(info)):
        return False
    types = [info["SVTYPE"]] if info.get("SVTYPE") else [part.strip("<>") for part in alt.split(",") if part != "."]
    return all(_TYPES.fullmatch(part.partition(":")[0]) for part in types)


def _end_of(start: str, info: Mapping[str, str]) -> str:
    """INFO/END, or the base that SVLEN leads to."""
    if info.get("END"):
        return info["END"]
    length = info.get("SVLEN", "").split(",")[0].lstrip("-")
    return str(int(start) + int(length)) if start.isdecimal() and length.isdecimal() else info.get("SVLEN", "")


def _values(records: _Records, column: int | None) -> dict[str, Float[np.ndarray, " record"]]:
    """The segments' values of a sample by unit; NaN where the record has none."""
    n_fields = len(records.named)
    cells = [[""] * n_fields for _ in records.body]
    for row in records.kept:
        keys = records.body[row][_N_FIXED].split(":") if column else []
        own = dict(zip(keys, records.body[row][column].split(":"), strict=False)) if column else {}
        held = {"FORMAT": own, "INFO": records.infos[row]}
        fields = [field for fields in records.fields.values() for field in fields]
        cells[row] = [held[where].get(name, "").strip() for where, name in fields]
    found = numbers(records.path, cells, records.named, first_line=records.lines[0]).astype(np.float64)
    result, place = {}, 0
    for unit, fields in records.fields.items():
        own_columns = found[records.kept, place : place + len(fields)]
        known = np.isfinite(own_columns)
        first = np.argmax(known, axis=1)
        result[unit] = np.where(known.any(axis=1), own_columns[np.arange(len(first)), first], np.nan)
        place += len(fields)
    return result
