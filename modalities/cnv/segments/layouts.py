"""The tables of segments that programs write: their columns and units, and what else they say.

Sources: https://docs.gdc.cancer.gov/Data/Bioinformatics_Pipelines/CNV_Pipeline/ (masked and allele-specific segments);
https://cnvkit.readthedocs.io/en/stable/fileformats.html; GATK 4, CallCopyRatioSegments and ModelSegments;
https://github.com/mskcc/facets (emcncf); https://github.com/VanLoo-lab/ascat;
https://software.broadinstitute.org/software/igv/SEG (its last column may hold anything).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from modalities.cnv.segments.profile import CALLS, COPIES, LOG2, RATIO

UNSAID = ""
"""The unit of a column that may hold any: the site says it, in `sources.cnv.units`."""
PLACE = ("chromosome", "start", "end")
_MEANS = ("seg.mean", "Segment_Mean", "mean", "seg_mean", "value")


@dataclass(frozen=True)
class Layout:
    """One program's table; names of columns are compared without regard to capitals."""

    format: str
    """What site.yaml calls it."""
    program: str
    columns: Mapping[str, Sequence[str]]
    """`sample`, `chromosome`, `start` and `end` -> what the column may be called."""
    values: Mapping[str, Sequence[tuple[str, ...]]]
    """Unit -> its column by the first name that is there; of several names, the columns are added up."""
    marks: Sequence[str] = ()
    """Further columns that tell the table from others."""
    assembly: str = ""
    """Where all files of the format are of one."""
    first_base: int = 1
    comment: str = ""
    """What lines above the header begin with."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Signs that stand for calls."""
    is_shared: bool = False
    """Whether a file may hold several samples, which a column then names."""
    names_cases: bool = True
    """Whether the sample's name, or the file's, is the site's; the GDC's is a random number."""
    is_numbered: bool = True
    """Whether X and Y may be 23 and 24."""
    is_whole: bool = False
    """Whether copies are whole by definition."""
    nothing_below: float = -inf
    """A log2 ratio below this says that nothing was read there."""

    def place_of(self, header: Sequence[str], key: str) -> int | None:
        """Where the column of `sample`, `chromosome`, `start` or `end` stands."""
        names = _plain(header)
        return next((names.index(name) for name in _plain(self.columns.get(key, ())) if name in names), None)

    def values_in(self, header: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Unit -> where its columns stand, of the units that the header has."""
        names, found = _plain(header), {}
        for unit, alternatives in self.values.items():
            held = next((columns for columns in map(_plain, alternatives) if set(columns) <= set(names)), None)
            if held is not None:
                found[unit] = tuple(names.index(column) for column in held)
        return found

    def lacking(self, header: Sequence[str]) -> list[str]:
        """What the header has none of: the names that the column goes by."""
        needed = [*PLACE, "sample"] if self.is_shared else PLACE
        absent = [" or ".join(self.columns[key]) for key in needed if self.place_of(header, key) is None]
        absent += [mark for mark in self.marks if mark.casefold() not in _plain(header)]
        if not self.values_in(header):
            absent.append(" or ".join(" and ".join(names) for each in self.values.values() for names in each))
        return absent

    def fits(self, header: Sequence[str]) -> bool:
        """Whether the header is this table's."""
        return not self.lacking(header)


_GDC = {"sample": ("GDC_Aliquot",), "chromosome": ("Chromosome",), "start": ("Start",), "end": ("End",)}
LAYOUTS = (
    Layout(
        "gdc_segments", "GDC masked copy-number segments", _GDC, {LOG2: [("Segment_Mean",)]},
        marks=("GDC_Aliquot",), assembly="hg38", names_cases=False, is_numbered=False,
    ),
    Layout(
        "gdc_ascat", "GDC allele-specific copy-number segments", _GDC, {COPIES: [("Copy_Number",)]},
        marks=("GDC_Aliquot",), assembly="hg38", names_cases=False, is_numbered=False, is_whole=True,
    ),
    Layout(
        "ascat", "ASCAT segments",
        {"sample": ("sample",), "chromosome": ("chr",), "start": ("startpos",), "end": ("endpos",)},
        {COPIES: [("nMajor", "nMinor")]}, is_shared=True, is_whole=True,
    ),
    Layout(
        "cnvkit", "CNVkit segments",
        {"chromosome": ("chromosome",), "start": ("start",), "end": ("end",)},
        {LOG2: [("log2",)], COPIES: [("cn",)]}, marks=("gene", "probes"), first_base=0, is_whole=True,
        nothing_below=-15.0,  # it writes -20 and centres the sample afterwards
    ),
    Layout(
        "gatk", "GATK copy-ratio segments",
        {"chromosome": ("CONTIG",), "start": ("START",), "end": ("END",)},
        {LOG2: [("MEAN_LOG2_COPY_RATIO",), ("LOG2_COPY_RATIO_POSTERIOR_50",)], CALLS: [("CALL",)]},
        comment="@", words={"+": "1", "-": "-1", "0": "0"}, is_numbered=False,
    ),
    Layout(
        "facets", "FACETS segments (cncf)",
        {"sample": ("ID", "sample"), "chromosome": ("chrom",), "start": ("start", "loc.start"),
         "end": ("end", "loc.end")},
        {LOG2: [("cnlr.median",)], COPIES: [("tcn.em",), ("tcn",)]},
        marks=("cnlr.median", "num.mark", "nhet"), is_whole=True,
    ),
    Layout(
        "seg", "segments (SEG)",
        {"sample": ("ID", "'ID", "Sample", "sampleid", "sample_id", "sampleName", "track_name"),
         "chromosome": ("chrom", "chromosome", "chr"), "start": ("loc.start", "start", "start_position"),
         "end": ("loc.end", "end", "end_position")},
        {LOG2: [("log2",), ("log2ratio",), ("log2_ratio",), ("log2.ratio",), ("Segment_Mean_log2",)],
         RATIO: [("ratio",), ("copy_ratio",)],
         COPIES: [("Copy_Number",), ("copynumber",), ("CN",), ("total_cn",)],
         CALLS: [("call",), ("segment_call",)],
         UNSAID: [(name,) for name in _MEANS]},
        comment="#", words={"+": "1", "-": "-1", "0": "0"}, is_shared=True,
    ),
)  # fmt: skip
TABLES = tuple(dict.fromkeys(layout.format for layout in LAYOUTS))
"""What `format` may name, of tables."""


def layout_of(header: Sequence[str], layouts: Sequence[Layout] = LAYOUTS) -> Layout | None:
    """The first table that the header fits."""
    return next((layout for layout in layouts if layout.fits(header)), None)


def with_own_names(layout: Layout, columns: Mapping[str, str]) -> Layout:
    """The layout with the site's names of columns, where site.yaml gives them."""
    named = {key: (columns[key], *layout.columns.get(key, ())) for key in (*PLACE, "sample") if key in columns}
    value = {UNSAID: [(columns["value"],)]} if "value" in columns else layout.values
    return replace(layout, columns={**layout.columns, **named}, values=value)


def _plain(names: Sequence[str]) -> list[str]:
    return [name.strip().casefold() for name in names]
