"""The harmonised clinical dictionary: the fields that all sites agree on, and how a case becomes a vector of them.

Left out on purpose:
- race, ethnicity, ancestry: social and administrative records of uneven quality. A model would learn each hospital's
  population and carry differences in care into a molecular call that the tumour itself should decide.
- sex: one case in a hundred is a man; too few to learn from, and a site's count of men would point at people.
- laterality: says nothing of biology; margins: say how the operation went; who was tested, when and where: the site.
- HER2:CEP17 ratio and signal counts: noted for a fifth of the cases and nothing is gained beyond the ISH result.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

Record = Mapping[str, float | str]
"""One case in the dictionary's terms: field -> number or state; an absent field is missing."""


@dataclass(frozen=True)
class Field:
    """One entry of the dictionary."""

    name: str
    kind: str
    """`numeric`, `ordinal` (a number whose steps are ranks) or `categorical`."""
    unit: str
    states: tuple[str, ...] = ()
    """Of a categorical field: what it may be. Equivocal and indeterminate are results, so states of their own."""
    low: float = 0.0
    high: float = 0.0
    """Of a number: the least and greatest that are believed."""
    is_receptor: bool = False
    """Left out by `inputs: no_ihc`."""
    is_input: bool = True
    """False: read and merged only to work out another field."""

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of the field: one a state, or the number itself."""
        return tuple(f"{self.name}={state}" for state in self.states) or (self.name,)

    @property
    def permitted(self) -> str:
        """What a site may write, for messages."""
        return ", ".join(self.states) if self.states else f"{self.low:g} to {self.high:g} ({self.unit})"

    def encode(self, value: float | str | None) -> list[float]:
        """Values of the field's columns; NaN in all of them where the field is missing."""
        if value is None:
            return [np.nan] * len(self.features)
        return [float(state == value) for state in self.states] or [float(value)]


_STATUS = ("positive", "negative", "equivocal", "indeterminate")
_RECEPTOR = ("positive", "negative", "indeterminate")
FIELDS = (
    Field("age", "numeric", "years at diagnosis", low=0.0, high=120.0),
    Field("menopause", "categorical", "status", ("pre", "peri", "post", "indeterminate")),
    Field("t", "ordinal", "pathologic T", low=0.0, high=4.0),
    Field("n", "ordinal", "pathologic N", low=0.0, high=3.0),
    Field("m", "ordinal", "M", low=0.0, high=1.0),
    Field("stage", "ordinal", "AJCC stage", low=0.0, high=4.0),
    Field("grade", "ordinal", "histologic grade", low=1.0, high=3.0),
    Field("nodes_examined", "numeric", "lymph nodes", low=0.0, high=150.0),
    Field("nodes_positive", "numeric", "lymph nodes", low=0.0, high=150.0),
    Field(
        "histology",
        "categorical",
        "type",
        ("ductal", "lobular", "mixed", "mucinous", "medullary", "metaplastic", "other"),
    ),
    Field("er", "categorical", "status by IHC", _RECEPTOR, is_receptor=True),
    Field("pr", "categorical", "status by IHC", _RECEPTOR, is_receptor=True),
    Field("er_percent", "numeric", "% of nuclei stained", low=0.0, high=100.0, is_receptor=True),
    Field("pr_percent", "numeric", "% of nuclei stained", low=0.0, high=100.0, is_receptor=True),
    Field("her2", "categorical", "status after IHC and ISH", _STATUS, is_receptor=True),
    Field("her2_ihc", "categorical", "status by IHC", _STATUS, is_receptor=True, is_input=False),
    Field("her2_ish", "categorical", "status by in-situ hybridisation", _STATUS, is_receptor=True, is_input=False),
    Field("her2_ihc_score", "categorical", "score", ("0", "1+", "2+", "3+"), is_receptor=True),
    Field("ki67_percent", "numeric", "% of nuclei stained", low=0.0, high=100.0, is_receptor=True),
)
BY_NAME = {field.name: field for field in FIELDS}


def inputs_of(inputs: str, exclude: Collection[str] = ()) -> tuple[Field, ...]:
    """The fields that make up the inputs `ihc` or `no_ihc` but the excluded ones, in their fixed order."""
    chosen = [field for field in FIELDS if field.is_input and (inputs == "ihc" or not field.is_receptor)]
    return tuple(field for field in chosen if field.name not in exclude)


def encode(record: Record, fields: tuple[Field, ...]) -> list[float]:
    """One case's values of these fields, column by column."""
    return [number for field in fields for number in field.encode(record.get(field.name))]


def with_her2(record: Record) -> Record:
    """The record with its overall HER2 status worked out, unless the site recorded that itself.

    A clear in-situ hybridisation result decides, then a clear immunohistochemistry status, then its score; what is
    left open by all of them stays equivocal or indeterminate.

    Source: ASCO/CAP HER2 testing guideline 2018, doi:10.1200/JCO.2018.77.8738.
    """
    ish, ihc, score = (record.get(name) for name in ("her2_ish", "her2_ihc", "her2_ihc_score"))
    by_score = {"0": "negative", "1+": "negative", "2+": "equivocal", "3+": "positive"}.get(str(score))
    found = [record.get("her2"), *(result for result in (ish, ihc, by_score) if result in ("positive", "negative"))]
    found += [ihc, ish, by_score]
    status = next((result for result in found if result is not None), None)
    return dict(record) if status is None else {**record, "her2": status}
