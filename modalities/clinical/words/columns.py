"""Which field of the dictionary a column of a site's table may hold, by its name and then by what stands in it."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.readers.ages import BIRTH, DIAGNOSIS
from modalities.clinical.readers.mapped import CASE_ID
from modalities.clinical.values import parse
from modalities.clinical.words.proposals import propose
from modalities.clinical.words.terms import COLUMNS, MENOPAUSE, NUMBERS, RECEPTORS, STAGING
from modalities.core.files.vocabulary import GENERAL, GLUE, Vocabulary, words_of
from modalities.core.hooks import Proposal

_FIELD_OF: Mapping[frozenset[str], str] = {
    frozenset(concepts.split("+")): field
    for field, sets in {
        "age": ("age",),
        "menopause": ("menopause",),
        "t": ("t", "t+stage", "t+tumour"),
        "n": ("n", "n+stage", "n+node"),
        "m": ("m", "m+stage", "m+metastasis"),
        "stage": ("stage", "stage+tumour"),
        "grade": ("grade", "grade+histologic", "grade+tumour"),
        "histology": ("histology", "histology+tumour"),
        "nodes_positive": ("node+positive", "node+positive node", "node+metastasis"),
        "nodes_examined": ("node+examined node",),
        "er": ("er", "er+ihc"),
        "pr": ("pr", "pr+ihc"),
        "er_percent": ("er+percent",),
        "pr_percent": ("pr+percent",),
        "her2": ("her2",),
        "her2_ihc": ("her2+ihc",),
        "her2_ihc_score": ("her2+scoring", "her2+scoring+ihc"),
        "her2_ish": ("her2+ish", "ish"),
        "ki67_percent": ("ki67", "ki67+percent", "ki67+index", "ki67+index+percent"),
        CASE_ID: ("patient", "patient+id"),
        BIRTH: ("birth",),
        DIAGNOSIS: ("diagnosis date",),
    }.items()
    for concepts in sets
}
_TAKEN_AS_READ = frozenset({GLUE, "at diagnosis", "years", "receptor", "count", "expressed"})
_BY_CONTENT: Mapping[str, tuple[str, ...]] = {
    "er": ("er", "er_percent"),
    "pr": ("pr", "pr_percent"),
    "her2": ("her2", "her2_ihc_score"),
    "her2_ihc": ("her2_ihc", "her2_ihc_score"),
}
"""Names that stand for two fields: the first whose values the column holds."""
_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?!\d)")
_OF_EACH_UNEXPLAINED = 0.5
_FITS = 0.8
_FEWEST_FIT = 0.5


def field_named(column: str) -> Proposal | None:
    """The field that a column's name speaks of."""
    said = column.replace("%", " percent ").replace("_", " ")
    meant = _vocabulary().meant(words_of(said))
    said_of = {piece.concept for piece in meant if piece.concept}
    concepts = said_of - _TAKEN_AS_READ
    unexplained = sum(
        not piece.concept for piece in meant if not piece.text.isdigit() or not concepts & {"ki67", "her2"}
    )
    field = _FIELD_OF.get(frozenset(concepts)) or (DIAGNOSIS if said_of - {GLUE} == {"at diagnosis"} else None)
    if field is None or unexplained > 1:
        return None
    sureness = min((piece.sureness for piece in meant if piece.concept), default=1.0)
    return Proposal(field, sureness * _OF_EACH_UNEXPLAINED**unexplained)


def field_held(column: str, cells: Sequence[str]) -> Proposal | None:
    """The same, surer or less so by what stands in the column."""
    named = field_named(column)
    if named is None or not (held := [cell.strip() for cell in cells if cell.strip()]):
        return None
    if named.means == CASE_ID:
        is_distinct = len(set(held)) == len(cells)
        return Proposal(CASE_ID, named.sureness * (1.0 if is_distinct else _OF_EACH_UNEXPLAINED))
    if named.means in (BIRTH, DIAGNOSIS):
        return named if sum(bool(_DATE.match(cell)) for cell in held) >= _FITS * len(held) else None
    shares = {field: _share(field, held) for field in _BY_CONTENT.get(named.means, (named.means,))}
    field = next((field for field, share in shares.items() if share >= _FITS), named.means)
    fit = 1.0 if shares[field] >= _FEWEST_FIT else _OF_EACH_UNEXPLAINED
    return Proposal(field, named.sureness * fit)


def _share(field: str, cells: Sequence[str]) -> float:
    """The share of the cells that the dictionary reads, or for which there is a proposal."""
    return sum(_is_value(field, cell) for cell in cells) / len(cells)


@cache
def _is_value(field: str, cell: str) -> bool:
    try:
        parse(BY_NAME[field], cell)
    except ValueError:
        return propose(field, cell) is not None
    return True


@cache
def _vocabulary() -> Vocabulary:
    """Names of columns, before what else their words may mean."""
    terms = {
        concept: dict.fromkeys(" ".join(words_of(phrase)) for phrase in text.split(","))
        for concept, text in _GROUPS.items()
    }
    taken: set[str] = set()
    for phrases in terms.values():
        for phrase in [phrase for phrase in phrases if phrase in taken]:
            del phrases[phrase]
        taken |= set(phrases)
    return Vocabulary({concept: ",".join(phrases) for concept, phrases in terms.items() if phrases})


_GROUPS: Mapping[str, str] = {
    **COLUMNS,
    **{name: RECEPTORS[name] for name in ("er", "pr", "her2", "receptor", "ihc", "ish", "scoring", "expressed")},
    **{name: NUMBERS[name] for name in ("percent", "years")},
    **{name: STAGING[name] for name in ("stage", "grade", "histologic", "node", "metastasis")},
    **{"menopause": MENOPAUSE["menopause"], "positive": GENERAL["positive"], GLUE: GENERAL[GLUE]},
}
