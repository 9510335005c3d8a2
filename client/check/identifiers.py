"""Tells case ids that look like a patient's own number, date of birth or name from pseudonyms.

A warning and no error: nothing that leaves a site holds a case id, and a pseudonym may be a number of eight digits too.
"""

import re
from collections.abc import Sequence

from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, warning

_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-./]?(?:0[1-9]|1[0-2])[-./]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])[-./](?:0[1-9]|1[0-2])[-./](?:19|20)?\d\d)(?!\d)"
)
_HOSPITAL = re.compile(r"(?:(?:mrn|pid|nhs|hosp)[-_ :#]?)?\d{6,10}", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_]{2,}(?:-[^\W\d_]+)?(?:, ?| )[^\W\d_]{2,}(?: [^\W\d_]+)*")
_PSEUDONYMS = "run `tessera-client pseudonymise`: no file needs an edit"


def check_identifiers(file: str, case_ids: Sequence[str]) -> list[Problem]:
    """A warning for each kind of identifier that some ids look like; the lines are named, the ids are not."""
    lines: dict[str, list[str]] = {}
    for line, case_id in enumerate(case_ids, start=2):
        if (kind := kind_of(case_id)) is not None:
            lines.setdefault(kind, []).append(f"line {line}")
    return [
        warning(
            f"{len(own)} case ids look like {kind} ({listing(own)}): no id leaves the site, but they stand in the "
            "logs, reports and pages that Tessera writes here, which people pass on",
            _PSEUDONYMS,
            file=file,
            where="column case_id",
        )
        for kind, own in lines.items()
    ]


def kind_of(case_id: str) -> str | None:
    """What the id looks like; None for what may be a pseudonym."""
    text = case_id.strip()
    if _is_nhs_number(re.sub(r"[ -]", "", text)):
        return "NHS numbers"
    if _DATE.search(text):
        return "dates, of birth perhaps"
    if _HOSPITAL.fullmatch(text):
        return "hospital numbers"
    return "names" if _NAME.fullmatch(text) else None


def _is_nhs_number(digits: str) -> bool:
    """Ten digits of which the last is the check digit.

    Source: https://www.datadictionary.nhs.uk/attributes/nhs_number.html (modulus 11).
    """
    if not re.fullmatch(r"[0-9]{10}", digits):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    return (11 - total % 11) % 11 == int(digits[9])
