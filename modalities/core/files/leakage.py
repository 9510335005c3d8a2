"""Refuses columns that give the answer away, or that another modality or the future owns.

A column is judged by its name, and where its values are at hand by them too: a column of subtype names is the label
whatever it is called, and so is a column of few numbers that tells one class from all others without an exception.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

_SHARE_THAT_TELLS = 0.8
_FEWEST_CASES = 10  # on either side: by chance one column in 90,000 parts ten cases from ten others
_FEWEST_OF_A_CLASS = 5
_MOST_STATES = 10  # a measured quantity may part the classes; a column of few states that does is a copy of the label


@dataclass(frozen=True)
class _Group:
    name: str
    reason: str
    pattern: re.Pattern[str]


def _group(name: str, reason: str, *patterns: str) -> _Group:
    return _Group(name, reason, re.compile("|".join(patterns)))


# Patterns meet the name in lower case, its words apart: `DaysToDeath` and `days_to_death` are both `days to death`.
# The first group that matches gives the reason.
_GROUPS = (
    _group(
        "label",
        "it holds the molecular subtype or clusters derived from it: a label, and no input",
        r"pam ?50|(?<!histologic )(?<!histological )(?<!morphologic )(?<!morphological )\bsub ?type|nature ?2012",
        r"int(?:egrative)? ?clust|i ?cluster|sig ?clust|claudin|intrinsic|\bluminal\b|\bbasal like\b",
        r"(?:integrated|rna|methylation|rppa|\bcn) (?:\w+ )*clusters?\b|molecular (?:class|group|type)",
        r"(?:three|3) ?gene\b|\bpancan (?:\w+ )*(?:pancan|brca)\b",
    ),
    _group(
        "expression",
        "it is derived from RNA or protein arrays, which also define the subtype",
        r"hypoxia|\bbuffa\b|\bragnum\b|\bm?rnas?\b|mirna|rna ?seq|\bhi ?seq|transcriptom|gene (?:expression|signature)",
        r"microarray|\brppa\b|cibersort|ssgsea|oncotype|mamma ?print|prosigna|endo ?predict|recurrence score",
        r"risk of recurrence|\bror (?:[spct]|score)\b",
    ),
    _group(
        "mutation",
        "it is derived from mutations: a molecular modality of its own, not a clinical record",
        r"\btmb\b|mutation|\bmutated\b|\bmsi\b|\bmsi ?sensor|microsatellite|\bsnvs?\b",
    ),
    _group(
        "copy_number",
        "it is derived from copy number: it belongs to a copy-number modality",
        r"genome altered|\bfga\b|aneuploid|\bploidy\b|genome doubling|\bwgd\b|\bloh\b|\bhrd\b|gistic|\bcn[av]s?\b",
        r"\bsnp ?6\b|break ?load|chromosomal instability|(?:tumou?r|sample) purity|^purity$",
        r"^(?!.*(?:her2|erbb2|cep ?17|cent)).*copy ?number",
    ),
    _group(
        "outcome",
        "it is an outcome, known only after the call has to be made",
        r"surviv|\b(?:os|dfs|pfs|dss|pfi|dfi|rfs|bcss|d?d?mfs|idfs)\b|vital|\bdeath|\bdead\b|\bdied\b|deceased",
        r"\balive\b|last (?:contact|known|communication)|follow ?ups?\b|(?:tumou?r|neoplasm cancer) status",
        r"new (?:tumou?r|neoplasm)|\bnte\b|recurren|recurred|relapse|progress(?:ion|ed)|(?:disease|event) free",
        r"metastatic br|mtsttc|days to (?!birth|collection|initial|diagnosis)|complete response|\bpcr\b",
    ),
    _group(
        "treatment",
        "it is a treatment, chosen with the subtype in mind",
        r"radiation|radiotherap|chemo|\btherap|pharmaceutical|adjuvant|treatment|\bdrug|\brx\b|surger(?:y|ies)",
        r"\bresponse|surgical proc|mastectom|lumpectom|tamoxifen|letrozole|anastrozole|exemestane|trastuzumab",
    ),
)
GROUPS = tuple(group.name for group in _GROUPS)
"""What is looked for: label, expression, mutation, copy_number, outcome, treatment."""

_REASONS = {group.name: group.reason for group in _GROUPS}
_SUBTYPES = frozenset(
    {"luma", "luminala", "lumb", "luminalb", "basal", "basallike", "her2", "her2enriched", "her2e", "claudinlow"}
)
_ALSO_SUBTYPES = frozenset(("normal", "normallike"))
_OUTCOMES = frozenset(
    {"alive", "living", "dead", "deceased", "died", "0living", "1deceased", "0alive", "1dead", "withtumor", "tumorfree"}
    | {"diseasefree", "0diseasefree", "recurred", "1recurredprogressed", "recurredprogressed", "1deadwithtumor"}
    | {"0aliveordeadtumorfree", "0censored", "1progression", "relapse", "norelapse", "norecurrence"}
)
_MISSING = frozenset(("", "na", "nan", "none", "notavailable", "unknown", "notapplicable", "notevaluated", "null"))


def refuse(
    columns: Mapping[str, Iterable[object] | None],
    *,
    classes: Collection[str] = (),
    allowed: Collection[str] = (),
) -> dict[str, str]:
    """The columns that must not be inputs, each with the reason; the others are absent.

    Args:
        columns: name -> values, or None to judge by the name alone.
        classes: the task's class names, where they are not PAM50's.
        allowed: groups (of `GROUPS`) that are no leak here, such as copy_number for a table of copy-number summaries.

    Raises:
        ValueError: `allowed` names no such group.
    """
    unknown = sorted(set(allowed) - set(GROUPS))
    if unknown:
        raise ValueError(f"allowed: no such group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    labels = _SUBTYPES | {_squeezed(name) for name in classes}
    found = {
        name: _group_of_name(name, allowed) or _group_of_values(values, labels) for name, values in columns.items()
    }
    return {name: _REASONS[group] for name, group in found.items() if group is not None and group not in allowed}


def columns_that_tell(
    values: Float[np.ndarray, "case feature"], labels: Int[np.ndarray, " case"], n_classes: int
) -> list[int]:
    """Columns of few states, NaN aside, in which every case of one class lies above, or below, those of all others.

    None unless every class of the task is there: with Basal and LumA alone, an honest ER status parts them.
    """
    found: set[int] = set()
    if np.bincount(labels, minlength=n_classes).min() < _FEWEST_OF_A_CLASS:
        return []
    for label in np.unique(labels) if values.size else ():
        own, others = values[labels == label], values[labels != label]
        enough = np.minimum(np.isfinite(own).sum(axis=0), np.isfinite(others).sum(axis=0)) >= _FEWEST_CASES
        if enough.any():
            below = np.fmax.reduce(own) < np.fmin.reduce(others)
            above = np.fmin.reduce(own) > np.fmax.reduce(others)
            found |= {int(column) for column in np.flatnonzero(enough & (below | above))}
    return sorted(column for column in found if _states(values[:, column]) <= _MOST_STATES)


def _states(values: Float[np.ndarray, " case"]) -> int:
    return len(np.unique(values[np.isfinite(values)]))


def _group_of_name(name: str, allowed: Collection[str]) -> str | None:
    return next((group for group in _groups_of_name(name) if group not in allowed), None)


@lru_cache(maxsize=65_536)
def _groups_of_name(name: str) -> tuple[str, ...]:
    """Every group that the name belongs to; kept, since the tables of many sites have the same columns."""
    spaced = re.sub(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])", " ", name).casefold().strip()
    return tuple(group.name for group in _GROUPS if group.pattern.search(spaced))


def _group_of_values(values: Iterable[object] | None, labels: Collection[str]) -> str | None:
    """`label` where nearly all values are subtype names, two of them at least; `outcome` likewise."""
    squeezed = [text for text in map(_squeezed, values or ()) if text not in _MISSING]
    enough = _SHARE_THAT_TELLS * len(squeezed)
    if squeezed and sum(text in labels or text in _ALSO_SUBTYPES for text in squeezed) >= enough:
        return "label" if len(set(squeezed) & set(labels)) >= 2 else None
    return "outcome" if squeezed and sum(text in _OUTCOMES for text in squeezed) >= enough else None


def _squeezed(value: object) -> str:
    """The value without case, blanks, signs or the cancer's prefix: `BRCA_LumA` and `Lum-A` are `luma`."""
    return re.sub(r"[^a-z0-9]+", "", str(value).casefold()).removeprefix("brca")
