"""The header of a copy-number file, below the lines that some programs write above it."""

from pathlib import Path

from modalities.core.files.header import header_of

VCF_HEADER = "#CHROM"


def columns_in(path: Path) -> list[str]:
    """The first column names; [""] of a file that cannot be read, whose reader says why."""
    return header_of(path, is_comment=lambda line: line.startswith(("@", "#")) and not line.startswith(VCF_HEADER))
