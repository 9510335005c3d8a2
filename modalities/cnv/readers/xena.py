"""UCSC Xena's gene matrices of GISTIC2, thresholded (calls) and continuous (log2 ratios); Firehose's own are alike.

Source: https://xenabrowser.net/datapages/ (copy number (gene-level), gistic2 and gistic2_thresholded).
"""

from pathlib import Path

from modalities.cnv.readers.matrix import GeneValues, read_matrix

NAME_COLUMNS = ("Gene Symbol", "sample")
FILES = {"calls": "all_thresholded.by_genes", "log2": "all_data_by_genes"}
"""How the files' names end; Xena puts `Gistic2_CopyNumber_Gistic2_` before them."""


def read(path: Path) -> GeneValues:
    """The matrix."""
    return read_matrix(path, NAME_COLUMNS, "Xena")
