"""What a word of a site may mean: a proposal for a person to look at, never a way of reading."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod

from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.words import judges
from modalities.clinical.words.meanings import MISSING, meanings_of
from modalities.clinical.words.terms import HISTOLOGY, MENOPAUSE, NUMBERS, RECEPTORS, STAGING
from modalities.clinical.words.tokens import Piece, pieces_of
from modalities.core.files.vocabulary import ASSESSED, DOUBTFUL, GENERAL, GLUE, NONE, NOT, Vocabulary
from modalities.core.files.vocabulary import MISSING as UNKNOWN_TO_ALL
from modalities.core.hooks import Proposal
from modalities.core.problems import Problem

_OF_EACH_UNEXPLAINED = 0.5
_LEAST = 0.3
"""Below this nothing is proposed."""
_GROUPS: Mapping[judges.Judge, Sequence[Mapping[str, str]]] = {
    judges.receptor: (RECEPTORS, NUMBERS),
    judges.score: (RECEPTORS, NUMBERS),
    judges.number: (NUMBERS, {name: STAGING[name] for name in ("node",)}, {"intensity": RECEPTORS["intensity"]}),
    judges.category: (STAGING,),
    judges.stage: (STAGING,),
    judges.grade: (STAGING,),
    judges.menopause: (MENOPAUSE,),
    judges.histology: (HISTOLOGY,),
}
_SAID_OF_MISSING = frozenset(
    {UNKNOWN_TO_ALL, ASSESSED, NOT, NONE, GLUE, "receptor", "er", "pr", "her2", "ihc", "ish", "stage", "grade", "node"}
    | {"histologic", "menopause", "carcinoma", "cells", "scoring"}
)


def propose(name: str, text: str) -> Proposal | None:
    """What a cell of this field may mean; None where nothing is near enough to be worth a look."""
    field = BY_NAME[name]
    pieces = pieces_of(text, _vocabulary(judges.BY_FIELD[name]))
    kinds = {piece.kind for piece in pieces}
    if not pieces or DOUBTFUL in kinds:
        return None
    if UNKNOWN_TO_ALL in kinds or (ASSESSED in kinds and kinds & {NOT, NONE}):
        return _proposal(name, text, pieces, judges.Judged(MISSING, _SAID_OF_MISSING))
    judged = judges.BY_FIELD[name](field, pieces, text)
    return _proposal(name, text, pieces, judged) if judged else None


def _proposal(name: str, text: str, pieces: Sequence[Piece], judged: judges.Judged) -> Proposal | None:
    asked = _OF_EACH_UNEXPLAINED if "?" in text else 1.0
    sureness = (
        asked
        * judged.sureness
        * prod(
            piece.sureness if piece.kind == GLUE or judges.is_explained(piece, judged) else _OF_EACH_UNEXPLAINED
            for piece in pieces
        )
    )
    problems: list[Problem] = []
    meanings_of({name: {text: judged.means}}, problems)
    return None if problems or sureness < _LEAST else Proposal(judged.means, sureness)


@cache
def _vocabulary(judge: judges.Judge) -> Vocabulary:
    terms: dict[str, str] = {}
    for group in (GENERAL, *_GROUPS[judge]):
        for concept, phrases in group.items():
            terms[concept] = f"{terms[concept]}, {phrases}" if concept in terms else phrases
    return Vocabulary(terms)
