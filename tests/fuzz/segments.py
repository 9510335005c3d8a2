"""The formats of copy-number segments under test: every row of a file is a segment, or counted as none."""

import gzip
from collections.abc import Callable, Mapping
from itertools import dropwhile
from pathlib import Path

from modalities.cnv.segments.profile import Profile
from modalities.cnv.segments.tables import read_table
from modalities.cnv.segments.vcf import read_vcf
from modalities.core.contract import Cases, Source
from modalities.core.registry import plugin
from tests.fuzz.format import Format
from tests.fuzz.rows import rows_in

_WHOLE = (
    (1, 248),
    (2, 242),
    (3, 197),
    (4, 190),
    (5, 180),
    (6, 170),
    (7, 158),
    (8, 145),
    (9, 138),
    (10, 133),
    (23, 155),
)
"""Chromosomes and their millions of bases, on either assembly; together more than half of the autosomes."""
_CONTIGS = {"1": 248956422, "8": 145138636, "17": 83257441}


def _rows(form: str) -> str:
    """A row a chromosome, filled in: `c`, `x` (with X for 23), `start`, `end`, `n` copies, `log2`, `call`."""
    rows = []
    for number, (chromosome, millions) in enumerate(_WHOLE):
        copies = (2, 2, 3, 2, 1)[number % 5]
        log2 = {1: -1.0, 2: 0.01, 3: 0.585}[copies]
        x = "X" if chromosome == 23 else chromosome
        values = {"c": chromosome, "x": x, "end": millions * 1_000_000, "n": copies, "log2": log2}
        rows.append(form.format(start=10_001 + number, call="-0+"[copies - 1], ratio=copies / 2, **values))
    return "\n".join(rows) + "\n"


_SEG = "ID\tchrom\tloc.start\tloc.end\tnum.mark\tseg.mean\n" + _rows("p1\t{c}\t{start}\t{end}\t99\t{log2}")
_SEG += _rows("TCGA-AA-0001-01\t{c}\t{start}\t{end}\t99\t{log2}") + "TCGA-AA-0001-11\t1\t1\t9\t1\t0\n"
_ASCAT = "GDC_Aliquot\tChromosome\tStart\tEnd\tCopy_Number\tMajor_Copy_Number\tMinor_Copy_Number\n"
_ASCAT += _rows("a-1\tchr{x}\t{start}\t{end}\t{n}\t{n}\t0")
_CNVKIT = "chromosome\tstart\tend\tgene\tlog2\tcn\tdepth\tprobes\tweight\n"
_CNVKIT += (
    _rows("chr{x}\t{start}\t{end}\tA,B\t{log2}\t{n}\t9.5\t99\t0.9") + "chrUn_KI270742v1\t0\t9\t-\t0\t2\t1\t1\t1\n"
)
_GATK = "@HD\tVN:1.6\n" + "".join(f"@SQ\tSN:chr{name}\tLN:{length}\n" for name, length in _CONTIGS.items())
_GATK += "@RG\tID:GATKCopyNumber\tSM:p1\nCONTIG\tSTART\tEND\tNUM_POINTS_COPY_RATIO\tMEAN_LOG2_COPY_RATIO\tCALL\n"
_GATK += _rows("chr{x}\t{start}\t{end}\t99\t{log2}\t{call}")
_FACETS = "chrom\tseg\tnum.mark\tnhet\tcnlr.median\tmafR\tsegclust\tstart\tend\tcf.em\ttcn.em\tlcn.em\n"
_FACETS += _rows("{c}\t1\t99\t9\t{log2}\t0.1\t1\t{start}\t{end}\t1\t{n}\tNA")
_VCF = "##fileformat=VCFv4.2\n" + "".join(f"##contig=<ID=chr{name},length={n}>\n" for name, n in _CONTIGS.items())
_VCF += '##INFO=<ID=END,Number=1,Type=Integer,Description="End, 1-based">\n'
_COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp1\n"
_DRAGEN = _VCF + '##FORMAT=<ID=SM,Number=1,Type=Float,Description="Linear copy ratio of the segment mean">\n' + _COLUMNS
_DRAGEN += _rows("chr{x}\t{start}\t.\tN\t<DUP>\t9\tPASS\tSVTYPE=CNV;END={end}\tGT:SM:BC\t./.:{ratio}:9")
_DRAGEN += "chr8\t146000000\t.\tA\tC\t9\tPASS\tDP=3\tGT\t0/1\n"
_GCNV = _VCF + '##FORMAT=<ID=CN,Number=1,Type=Integer,Description="Copy number">\n' + _COLUMNS
_GCNV += _rows("chr{x}\t{start}\t.\tN\t.\t9\t.\tEND={end}\tGT:CN:NP\t0:{n}:9")


def _write(name: str, text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        raw = text.encode()
        path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)
        return path

    return write


def _segments(form: str, name: str, text: str, comment: str = "#", assembly: str = "", units: str = "") -> Format:
    def source(path: Path) -> Source:
        return Source((path,), form, assembly=assembly, units=units)

    def read(path: Path) -> Cases:
        return plugin("cnv").read(source(path), plugin("cnv").Config(values="arms"))

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        profiles: list[Profile]
        profiles = read_vcf(path, source(path)) if form == "vcf" else read_table(path, source(path), form)
        rows = list(dropwhile(lambda row: row[0].startswith(comment), rows_in(path, comment)))
        n_segments = sum(len(profile) + profile.n_beside for profile in profiles) + profiles[0].n_other
        refused = sum(count for what, count in cases.notes.items() if what.startswith("aliquots refused"))
        return {"rows": len(rows) - 1 - n_segments, "samples": len(profiles) - len(cases.case_ids) - refused}

    return Format(_write(name, text), read, "\t", unaccounted)


SEGMENTS: dict[str, Format] = {
    "cnv seg": _segments("seg", "kohorte.seg", _SEG, assembly="hg19", units="log2"),
    "cnv ascat": _segments("gdc_ascat", "TCGA-AA-0001-01A.ascat3.allelic_specific.seg.txt", _ASCAT),
    "cnv cnvkit": _segments("cnvkit", "p1.call.cns", _CNVKIT, assembly="hg38"),
    "cnv gatk": _segments("gatk", "p1.called.seg", _GATK, comment="@"),
    "cnv facets": _segments("facets", "p1.cncf.hg19.txt", _FACETS),
    "cnv vcf of dragen": _segments("vcf", "p1.cnv.vcf", _DRAGEN, comment="##"),
    "cnv vcf.gz of gatk": _segments("vcf", "p1.vcf.gz", _GCNV, comment="##"),
}
