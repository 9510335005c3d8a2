"""The header of a copy-number file, below the lines that some programs write above it."""

from pathlib import Path

from modalities.core.files.tables.header import header_of

VCF_HEADER = "#CHROM"
_LISTS = (".csv", ".xlsx")


def columns_in(path: Path, sheet: str = "") -> list[str]:
    """The first column names; [""] of a file that cannot be read, whose reader says why."""
    return header_of(path, sheet, lambda line: line.startswith(("@", "#")) and not line.startswith(VCF_HEADER))


def lists_below(folder: Path) -> list[Path]:
    """Files that may list samples or aliquots, as somebody at the site has typed them."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _LISTS and path.is_file())
