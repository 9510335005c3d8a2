"""What METABRIC writes in ways of its own, in cBioPortal's web export and in its study download alike.

- Its receptors are no pathologist's word but for `ER status measured by IHC` (`ER_IHC`): ER, PR and HER2 status come
  from expression arrays, and `HER2 status measured by SNP6` (`HER2_SNP6`), which is not read, is copy number. ER by IHC
  is taken where it is known, and ER from the array elsewhere.
- In the study download `-` is a negative status; elsewhere it may mean that nobody tested.
- It has neither T nor N, but the tumour's size in millimetres and the positive nodes, from which they follow.

Source: Curtis et al. 2012, doi:10.1038/nature10983; AJCC Cancer Staging Manual, 7th edition (T and N of the breast).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from modalities.clinical.harmonise import File
from modalities.clinical.readers.layout import Layout

NOTE = "cases of METABRIC, whose PR and HER2 status (and a few ER) are from expression arrays, not from IHC"
_MARKS = frozenset({"HER2_SNP6", "INTCLUST"})
_SIZE, _NODES = ("Tumor Size", "TUMOR_SIZE"), ("Lymph nodes examined positive", "LYMPH_NODES_EXAMINED_POSITIVE")
_T_UP_TO_MM = {"T1": 20.0, "T2": 50.0, "T3": 1000.0}
"""T by the greatest size; T4 is told by skin or chest wall, not by size."""
_N_UP_TO = {"N0": 0.0, "N1": 3.0, "N2": 9.0, "N3": 150.0}


def is_metabric(file: File) -> bool:
    """Told by a study's columns, or, where a file has none of its own, by the first cell of its rows.

    Not by `ER_IHC`, which any study may have: its tumours may be measured in centimetres, and its `-` mean not done.
    """
    return bool(_MARKS & set(file.header)) or any(row[0].startswith(("MB-", "brca_metabric")) for row in file.body)


def adapted(layout: Layout) -> Layout:
    """A layout of cBioPortal, for METABRIC's values."""
    columns = {**layout.columns}
    columns["t"] = (*columns["t"], *_SIZE)
    columns["n"] = (*columns["n"], *_NODES)
    convert: dict[tuple[str, str], Callable[[str], str]] = {("t", column): _category(_T_UP_TO_MM) for column in _SIZE}
    convert |= {("n", column): _category(_N_UP_TO) for column in _NODES}
    convert |= {(name, column): _status for name in ("er", "pr", "her2") for column in columns[name]}
    return replace(layout, columns=columns, convert={**layout.convert, **convert}, note=NOTE)


def _category(up_to: Mapping[str, float]) -> Callable[[str], str]:
    """The first category whose limit a number does not exceed; what is no such number stays as it is, to be judged."""

    def category(text: str) -> str:
        number = float(text) if re.fullmatch(r" *[0-9]+([.][0-9]+)? *", text) else float("nan")
        return next((name for name, limit in up_to.items() if number <= limit), text)

    return category


def _status(text: str) -> str:
    return "negative" if text.strip() == "-" else text
