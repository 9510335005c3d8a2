"""Made-up tumours of whole copies, purity 1, breakpoints at arm ends; and what each program would write of them."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modalities.cnv.arms import ARMS
from modalities.cnv.genome import assembly
from modalities.core.contract import Source

N_CASES = 60
CASE_IDS = tuple(f"case-{number:02d}" for number in range(1, N_CASES + 1))


def copies_of(seed: int = 7) -> np.ndarray:
    """Copies [case, arm], 1 to 9: in twenty-five of the arms the tumour's ploidy, 2, 3 or 4."""
    rng = np.random.default_rng(seed)
    copies = np.empty((N_CASES, len(ARMS)), dtype=np.int64)
    for case in range(N_CASES):
        ploidy = 2 + case % 3
        copies[case] = ploidy
        changed = rng.choice(len(ARMS), size=14, replace=False)
        copies[case, changed] = rng.choice([n for n in range(1, 10) if n != ploidy], size=14)
    return copies


def ploidy_of(case: int) -> int:
    """As `copies_of` made it."""
    return 2 + case % 3


def expected(values: str) -> np.ndarray:
    """Log2 of copies over ploidy, or the GDC's five categories, by case and arm; worked out cell by cell."""
    result = np.empty((N_CASES, len(ARMS)))
    for (case, arm), copies in np.ndenumerate(copies_of()):
        ploidy = ploidy_of(case)
        call = -1 if copies < ploidy else 0 if copies == ploidy else 2 if copies >= 2 * ploidy else 1
        result[case, arm] = call if values == "calls" else np.log2(copies / ploidy)
    return result


@dataclass(frozen=True)
class Written:
    """A format under test."""

    write: "Writer"
    """The cohort, in a folder and on an assembly."""
    assemblies: tuple[str, ...] = ("hg19", "hg38")
    log2_within: float = 1e-6
    """How far a log2 ratio may lie from the true one: what the format's decimals leave."""
    calls: str = "all"
    """`all` five; `signs`: lost, neutral, gained; `none`."""


Writer = Callable[[Path, str], Source]
Row = tuple[str, int, int, int, int]
"""Chromosome, first and last base (1-based), copies, the tumour's ploidy."""


def rows_of_case(case: int, on: str) -> list[Row]:
    """A segment an arm, and one of X."""
    genome = assembly(on)
    rows = [
        (arm[:-1], genome.arms[arm][0] + 1, genome.arms[arm][1], int(copies), ploidy_of(case))
        for arm, copies in zip(ARMS, copies_of()[case], strict=True)
    ]
    return [*rows, ("X", 1, genome.lengths["X"], 1, ploidy_of(case))]


def _table(path: Path, header: str, rows: list[list[object]], above: str = "") -> None:
    lines = ["\t".join(header.split()), *("\t".join(map(str, row)) for row in rows)]
    text = above + "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text, encoding="utf-8")


def _by_case(name: str, write: Callable[[Path, str, list[Row], str], None], asks_assembly: bool = False) -> Writer:
    """A file a case; `{}` in the name stands for it, `{on}` for the assembly."""

    def write_all(folder: Path, on: str) -> Source:
        for case, case_id in enumerate(CASE_IDS):
            write(folder / name.format(case_id, on=on), case_id, rows_of_case(case, on), on)
        return Source((folder,), assembly=on if asks_assembly else "")

    return write_all


def _gdc(header: str, tell: Callable[[Row], list[object]]) -> Writer:
    """The GDC's files are named by a number: a manifest says whose they are."""

    def write_all(folder: Path, on: str) -> Source:
        manifest = ["file,case_id"]
        for case, case_id in enumerate(CASE_IDS):
            name = f"{case:08x}-aliquot.seg.txt"
            rows = [[f"{case:08x}", f"chr{row[0]}", row[1], row[2], *tell(row)] for row in rows_of_case(case, on)]
            _table(folder / name, header, rows)
            manifest.append(f"{name},{case_id}")
        (folder / "manifest.csv").write_text("\n".join(manifest) + "\n")
        return Source((folder,))

    return write_all


def _log2(row: Row) -> float:
    return float(np.log2(row[3] / row[4]))


def _seg(name: str, header: str, value: Callable[[Row], str], units: str = "", asks_assembly: bool = False) -> Writer:
    """All cases in one file; chromosome X is 23."""

    def write_all(folder: Path, on: str) -> Source:
        rows = [
            [case_id, "23" if row[0] == "X" else row[0], row[1], row[2], 99, value(row)]
            for case, case_id in enumerate(CASE_IDS)
            for row in rows_of_case(case, on)
        ]
        _table(folder / name.format(on=on), header, rows)
        return Source((folder,), assembly=on if asks_assembly else "", units=units)

    return write_all


def _write_cnvkit(path: Path, case_id: str, rows: list[Row], on: str) -> None:
    cells = [[f"chr{c}", first - 1, last, "A,B", f"{_log2((c, first, last, n, p)):.6g}", n, 210.5, 99, 0.9]
             for c, first, last, n, p in rows]  # fmt: skip
    if ".call." in path.name:
        _table(path, "chromosome start end gene log2 cn depth probes weight", cells)
    else:
        _table(path, "chromosome start end gene log2 depth probes weight", [[*row[:5], *row[6:]] for row in cells])


def _write_gatk(path: Path, case_id: str, rows: list[Row], on: str) -> None:
    lengths = assembly(on).lengths
    contigs = [f"@SQ\tSN:chr{name}\tLN:{length}" for name, length in lengths.items()]
    above = "\n".join(["@HD\tVN:1.6\tSO:coordinate", *contigs, f"@RG\tID:GATKCopyNumber\tSM:{case_id}"]) + "\n"
    cells = [[f"chr{c}", first, last, 99, f"{_log2((c, first, last, n, p)):.6f}", "-0+"[int(np.sign(n - p)) + 1]]
             for c, first, last, n, p in rows]  # fmt: skip
    _table(path, "CONTIG START END NUM_POINTS_COPY_RATIO MEAN_LOG2_COPY_RATIO CALL", cells, above)


def _write_facets(path: Path, case_id: str, rows: list[Row], on: str) -> None:
    header = (
        "chrom seg num.mark nhet cnlr.median mafR segclust cnlr.median.clust mafR.clust start end cf.em tcn.em lcn.em"
    )
    cells = [[23 if c == "X" else c, seg, 99, 9, f"{_log2((c, first, last, n, p)):.15g}", 0.1, 1,
              f"{_log2((c, first, last, n, p)):.15g}", 0.1, first, last, 1, n, "NA"]
             for seg, (c, first, last, n, p) in enumerate(rows, start=1)]  # fmt: skip
    _table(path, header, cells)


_VCF = """##fileformat=VCFv4.2
##source={source}
##ALT=<ID=DEL,Description="Deletion relative to the reference">
##ALT=<ID=DUP,Description="Region of elevated copy number, relative to the reference">
##INFO=<ID=END,Number=1,Type=Integer,Description="End position of the variant described in this record">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type of structural variant">
{fields}
{contigs}
"""
_VCF_COLUMNS = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT "


def _vcf(
    source: str, fields: Mapping[str, str], sample: Callable[[Row], str], info: Callable[[Row], str] = lambda _: ""
):
    def write(path: Path, case_id: str, rows: list[Row], on: str) -> None:
        contigs = "\n".join(f"##contig=<ID=chr{name},length={n}>" for name, n in assembly(on).lengths.items())
        declared = "\n".join(f"##{field},{said}>" for field, said in fields.items())
        cells = []
        for row in rows:
            chromosome, first, last, copies, ploidy = row
            alt = "<DUP>" if copies > ploidy else "<DEL>" if copies < ploidy else "."
            kind = "" if alt == "." else f"SVTYPE={'CNV' if source == 'DRAGEN_CNV' else alt.strip('<>')};"
            names = ":".join(field.split("ID=")[1] for field in fields if field.startswith("FORMAT"))
            cells.append([f"chr{chromosome}", first, ".", "N", alt, 60, "PASS", f"{kind}END={last}{info(row)}",
                          f"GT:{names}", f"./.:{sample(row)}"])  # fmt: skip
        _table(path, _VCF_COLUMNS + case_id, cells, _VCF.format(source=source, fields=declared, contigs=contigs))

    return write


_CN = 'Number=1,Type=Integer,Description="Estimated copy number"'
_DRAGEN = _vcf(
    "DRAGEN_CNV",
    {"FORMAT=<ID=SM": 'Number=1,Type=Float,Description="Linear copy ratio of the segment mean"', "FORMAT=<ID=CN": _CN},
    lambda row: f"{row[3] / row[4]:.6f}:{row[3]}",
)
_GCNV = _vcf(
    "PostprocessGermlineCNVCalls",
    {"FORMAT=<ID=CN": _CN, "FORMAT=<ID=NP": 'Number=1,Type=Integer,Description="Number of points in the segment"'},
    lambda row: f"{row[3]}:99",
)
_CNVKIT_VCF = _vcf(
    "CNVkit v0.9.10",
    {"FORMAT=<ID=CN": _CN, "INFO=<ID=FOLD_CHANGE": 'Number=1,Type=Float,Description="Fold change"'},
    lambda row: str(row[3]),
    lambda row: f";FOLD_CHANGE={row[3] / row[4]:.6f}",
)
_SEG = "ID chrom loc.start loc.end num.mark seg.mean"

FORMATS: dict[str, Written] = {
    "GDC masked": Written(
        _gdc("GDC_Aliquot Chromosome Start End Num_Probes Segment_Mean", lambda row: [99, f"{_log2(row):.4f}"]),
        ("hg38",), 5.1e-5, "none",
    ),
    "GDC allele-specific": Written(
        _gdc("GDC_Aliquot Chromosome Start End Copy_Number Major_Copy_Number Minor_Copy_Number",
             lambda row: [row[3], row[3], 0]),
        ("hg38",),
    ),
    "ASCAT": Written(
        _by_case("{}.ascat.txt", lambda path, case_id, rows, on: _table(
            path, "sample chr startpos endpos nMajor nMinor",
            [[case_id, c, first, last, n - n // 2, n // 2] for c, first, last, n, _ in rows],
        ), asks_assembly=True),
    ),
    "IGV SEG, log2": Written(
        _seg("cohort.seg", _SEG, lambda row: f"{_log2(row):.4f}", units="log2", asks_assembly=True),
        log2_within=5.1e-5, calls="none",
    ),
    "IGV SEG, ratios": Written(
        _seg("cohort.seg", _SEG, lambda row: f"{row[3] / row[4]:.6f}", units="ratio", asks_assembly=True),
        log2_within=5e-6, calls="none",
    ),
    "IGV SEG, copies": Written(
        _seg("cohort.{on}.seg", _SEG.replace("seg.mean", "Copy_Number"), lambda row: str(row[3])),
    ),
    "cBioPortal": Written(
        _seg("data_cna_{on}.seg", _SEG, lambda row: f"{_log2(row):.6f}", units="log2"),
        calls="none", log2_within=1.1e-6,
    ),
    "CNVkit": Written(_by_case("{}.cns", _write_cnvkit, asks_assembly=True), log2_within=6e-6, calls="none"),
    "CNVkit, called": Written(_by_case("{}.call.cns", _write_cnvkit, asks_assembly=True), log2_within=6e-6),
    "GATK": Written(_by_case("{}.called.seg", _write_gatk), log2_within=1.1e-6, calls="signs"),
    "FACETS": Written(_by_case("{}.cncf.{on}.txt", _write_facets)),
    "VCF of DRAGEN": Written(_by_case("{}.cnv.vcf.gz", _DRAGEN), log2_within=5e-6),
    "VCF of GATK": Written(_by_case("genotyped-segments-{}.vcf", _GCNV)),
    "VCF of CNVkit": Written(_by_case("{}.vcf.gz", _CNVKIT_VCF), log2_within=5e-6),
}  # fmt: skip
