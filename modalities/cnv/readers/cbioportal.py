"""cBioPortal's copy-number matrices: `data_cna.txt` of GISTIC calls, `data_log2_cna.txt` of log2 ratios.

Source: https://docs.cbioportal.org/file-formats/ (discrete and log2 copy-number data).
"""

from pathlib import Path

from modalities.cnv.readers.matrix import GeneValues, read_matrix

NAME_COLUMNS = ("Hugo_Symbol", "Entrez_Gene_Id")
FILES = {"calls": "data_cna.txt", "log2": "data_log2_cna.txt"}


def read(path: Path) -> GeneValues:
    """The matrix; a gene without symbol goes by its Entrez id."""
    return read_matrix(path, NAME_COLUMNS, "cBioPortal")
