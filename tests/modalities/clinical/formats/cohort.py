"""Sixty made-up patients in the dictionary's terms: what every format must give, as far as it has the fields."""

import datetime as dt
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from modalities.clinical.config import Config
from modalities.clinical.dictionary import encode, inputs_of, with_her2

RECEPTORS = ("er", "pr", "er_percent", "pr_percent", "her2_ihc", "her2_ish", "her2_ihc_score")
TNM = ("t", "n", "m", "stage")
ALL = ("age", "menopause", *TNM, "grade", "nodes_examined", "nodes_positive", "histology", *RECEPTORS, "ki67_percent")
_MISSING_SHARE = 0.08
_HISTOLOGY = {"8500/3": "ductal", "8520/3": "lobular", "8522/3": "mixed", "8480/3": "mucinous"}
_IHC = {"0": "negative", "1+": "negative", "2+": "equivocal", "3+": "positive"}
STAGES = {1: "IA", 2: "IIB", 3: "IIIC", 4: "IV"}


@dataclass(frozen=True)
class Patient:
    """One patient; `record` lacks what is not known, and an unknown age leaves the day of birth unknown."""

    case_id: str
    record: dict[str, float | str]
    morphology: str
    born: dt.date | None
    diagnosed: dt.date
    later_er: str
    """Of a recurrence 700 days later, "" if there was none: it must not count."""

    @property
    def recurred(self) -> dt.date:
        return self.diagnosed + dt.timedelta(days=700)

    def number(self, field: str) -> str:
        """A number without a point where it is whole; "" where missing."""
        return f"{self.record[field]:g}" if field in self.record else ""

    def word(self, field: str) -> str:
        return str(self.record.get(field, ""))


def cohort() -> list[Patient]:
    rng = random.Random(14)
    return [_patient(number, rng) for number in range(1, 61)]


def expected(patients: Sequence[Patient], fields: Collection[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Case ids in order and values, of these fields alone."""
    columns = inputs_of("ihc")
    known = {patient.case_id: _held(patient, fields) for patient in patients}
    return tuple(sorted(known)), np.array([encode(known[case], columns) for case in sorted(known)], dtype=np.float32)


def config() -> Config:
    return Config()


def _held(patient: Patient, fields: Collection[str]) -> dict[str, float | str]:
    whole = with_her2(patient.record)
    return {**with_her2({name: value for name, value in whole.items() if name in fields})}


def _patient(number: int, rng: random.Random) -> Patient:
    diagnosed = dt.date(2010, 1, 1) + dt.timedelta(days=rng.randrange(4000))
    age = rng.randint(28, 88)
    birthday = dt.date(diagnosed.year - age, diagnosed.month, min(diagnosed.day, 28))
    born = birthday - dt.timedelta(days=rng.randint(0, 200))  # had the birthday of that age up to 200 days before
    is_er, is_her2 = rng.random() < 0.75, rng.random() < 0.2
    positive = rng.choice((0, 0, 0, 1, 2, 5, 11))
    morphology = rng.choice(list(_HISTOLOGY))
    pr, is_m1 = rng.choice(("positive", "negative", "indeterminate")), rng.random() < 0.1
    score = rng.choice(("2+", "3+") if is_her2 else ("0", "1+", "2+"))
    whole: dict[str, float | str] = {
        "age": float(age),
        "menopause": "post" if age > 51 else "pre",
        "t": float(rng.randint(1, 3)),
        "n": float((positive > 0) + (positive > 3) + (positive > 9)),
        "m": float(is_m1),
        "stage": 4.0 if is_m1 else float(rng.randint(1, 3)),
        "grade": float(rng.randint(1, 3)),
        "nodes_examined": float(positive + rng.randint(1, 15)),
        "nodes_positive": float(positive),
        "histology": _HISTOLOGY[morphology],
        "er": "positive" if is_er else "negative",
        "pr": pr,
        "er_percent": float(rng.randint(10, 100) if is_er else 0),
        "pr_percent": float({"positive": rng.randint(10, 100), "negative": 0, "indeterminate": rng.randint(1, 9)}[pr]),
        "her2_ihc": _IHC[score],
        "her2_ish": ("positive" if is_her2 else "negative") if score == "2+" else "",
        "her2_ihc_score": score,
        "ki67_percent": rng.randint(2, 160) / 2,
    }
    record = {name: value for name, value in whole.items() if value != "" and rng.random() >= _MISSING_SHARE}
    record.pop("n", None)
    if "nodes_positive" in record:
        record["n"] = whole["n"]  # METABRIC's N is told by them: both are known or none
    later = ("negative" if record.get("er") == "positive" else "positive") if number % 3 == 0 and "er" in record else ""
    return Patient(f"P-{number:03d}", record, morphology, born if "age" in record else None, diagnosed, later)
