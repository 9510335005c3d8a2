"""The two assemblies of the human genome that copy number is measured on: lengths, centromeres, arms.

Sources and licences stand in the files of `reference/`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

AUTOSOMES = tuple(str(number) for number in range(1, 23))
SEX_CHROMOSOMES = ("X", "Y")
ASSEMBLIES = ("hg19", "hg38")
"""UCSC's names of GRCh37 and GRCh38."""
REFERENCE = Path(__file__).parent / "reference"


@dataclass(frozen=True)
class Assembly:
    """Where chromosomes end and arms begin; by chromosome, 1 to 22, X and Y."""

    name: str
    lengths: Mapping[str, int]
    """In bases."""
    centromeres: Mapping[str, int]
    """Where the centromere's two bands meet."""
    arms: Mapping[str, tuple[int, int]]
    """First and last base outside the centromere's bands, 0-based and half-open."""

    def arm_at(self, chromosome: str, position: int) -> str | None:
        """The arm of a place; None on no chromosome of the assembly."""
        centromere = self.centromeres.get(chromosome)
        return None if centromere is None else chromosome + ("p" if position <= centromere else "q")


@cache
def assembly(name: str) -> Assembly:
    """One of ASSEMBLIES."""
    table = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    arms = {arm: (first, last) for arm, (first, last) in table["arms"].items()}
    return Assembly(name, table["lengths"], table["centromeres"], arms)
