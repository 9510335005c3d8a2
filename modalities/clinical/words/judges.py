"""Field by field, what the pieces of a cell come to; pieces that contradict each other come to nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from modalities.clinical.dictionary import Field
from modalities.clinical.words.tokens import NUMBER, Piece, ordinals, tnm
from modalities.core.files.vocabulary import NONE, NOT, UNKNOWN

_OF_SCORE = {"0": "negative", "1": "negative", "2": "equivocal", "3": "positive"}
_RECEPTOR_TALK = frozenset(
    {
        "receptor",
        "ihc",
        "ish",
        "scoring",
        "score",
        "intensity",
        "present",
        "low",
        "high",
        "cells",
        "percent",
        "range",
        "positive",
    }
    | {"negative", "expressed", "equivocal", "indeterminate", "plus", "minus", NOT, NONE}
)
_STAGE_TALK = frozenset({"stage", "t", "n", "m", "number", "histologic"})
_GRADE_TALK = frozenset(
    {"grade", "number", "histologic", "differentiated", "well", "moderate", "poor", "undifferentiated"}
    | {"low grade", "high grade"}
)
_TNM_TALK = frozenset({"t", "n", "m", "size", "fraction", "stage", "staging note", "histologic"})
_TYPES = ("ductal", "lobular", "mucinous", "medullary", "metaplastic")
_GRADES = {"well": 1.0, "low grade": 1.0, "moderate": 2.0, "poor": 3.0, "undifferentiated": 3.0, "high grade": 3.0}
_NUMBER_TALK = frozenset({"number", "percent", "range", "bound", "about", "above", "below", "cells", "low", "high"})


@dataclass(frozen=True)
class Judged:
    """What a cell comes to."""

    means: str
    """As it is written in site.yaml."""
    explained: frozenset[str]
    """Kinds of pieces that fit the rest."""
    sureness: float = 1.0
    texts: str = ""
    """Pattern of words that fit although no vocabulary has them, such as IIB."""


def receptor(field: Field, pieces: Sequence[Piece], text: str) -> Judged | None:
    """A status: its words, with what denies them; percentages and scores beside it must agree."""
    kinds = {piece.kind for piece in pieces}
    is_her2 = field.name.startswith("her2")
    states = _stated(field, pieces)
    if is_her2 and field.name != "her2_ish":
        states |= {_OF_SCORE[score] for score in _scores(pieces, field)}
        if {"low", "her2"} <= kinds and not states:
            return Judged("negative", frozenset({"her2", "low", "ihc"}))
    is_unclear = "unclear" in kinds and not states
    states = {"equivocal"} if is_unclear else states
    if len(states) != 1 or not _agrees(field, states, pieces):
        return None
    state = states.pop()
    is_hint = is_unclear or "minus" in kinds or kinds == {"plus"}
    explained = _RECEPTOR_TALK | {"unclear"} | _explained_numbers(field, pieces)
    return Judged(state if state in field.states else "indeterminate", explained, 0.7 if is_hint else 1.0)


def _explained_numbers(field: Field, pieces: Sequence[Piece]) -> set[str]:
    """The receptor's own name, and the numbers that a status may have beside it: a score, or a ratio of signals."""
    kinds = {piece.kind for piece in pieces}
    if not field.name.startswith("her2"):
        return {field.name, "number"} if "scoring" in kinds else {field.name}
    if "ratio" in kinds:
        return {"her2", "ratio", "bound", "number"}
    are_scores = all(piece.text in _OF_SCORE for piece in pieces if piece.kind == "number")
    return {"her2", "number"} if are_scores and field.name != "her2_ish" else {"her2"}


def _stated(field: Field, pieces: Sequence[Piece]) -> set[str]:
    """The states that the words name; `not` turns the next of them round."""
    states, is_denied = set(), False
    for piece in pieces:
        if piece.kind in (NOT, NONE):
            is_denied = True
        elif piece.kind in ("positive", "expressed", "negative", "equivocal", "indeterminate"):
            is_positive = piece.kind in ("positive", "expressed")
            if is_denied:
                states.add("negative" if is_positive else "contradicted")
            else:
                states.add("positive" if is_positive else piece.kind)
            is_denied = False
        elif piece.kind == "plus" and (len(piece.text) == 1 or not field.name.startswith("her2")):
            states.add("positive")
        elif piece.kind == "minus":
            states.add("negative")
    return states | ({"contradicted"} if is_denied else set())


def _scores(pieces: Sequence[Piece], field: Field) -> set[str]:
    """HER2 scores: `2+`, `++`, and a number after `score` or beside a word of the status."""
    scores = {piece.text[0] for piece in pieces if piece.kind == "score"}
    least = 1 if field.name == "her2_ihc_score" else 2
    scores |= {str(len(piece.text)) for piece in pieces if piece.kind == "plus" and len(piece.text) >= least}
    kinds = {piece.kind for piece in pieces}
    if kinds & {"scoring", "ihc", "positive", "negative", "equivocal"} and "ratio" not in kinds:
        scores |= {piece.text for piece in pieces if piece.kind == "number"}
    return scores & _OF_SCORE.keys()


def _agrees(field: Field, states: set[str], pieces: Sequence[Piece]) -> bool:
    """Whether the shares of stained nuclei that stand beside a status fit it: 1 % and more is positive."""
    if "contradicted" in states:
        return False
    if field.name not in ("er", "pr"):
        return True
    for piece in pieces:
        if piece.kind in ("percent", "range"):
            highest = max(float(number.replace(",", ".")) for number in re.findall(NUMBER, piece.text))
            is_below = piece.text.startswith(("<", "≤"))
            is_positive = highest > 1 or (highest == 1 and not is_below)
            if is_positive != (states == {"positive"}):
                return False
        if piece.kind == "score" and (piece.text[0] != "0") != (states == {"positive"}):
            return False
    return True


def score(field: Field, pieces: Sequence[Piece], text: str) -> Judged | None:
    """A HER2 score, with the status that may stand beside it."""
    scores = _scores(pieces, field) | {piece.text for piece in pieces if piece.kind == "number"}
    if len(scores) != 1 or not scores <= _OF_SCORE.keys():
        return None
    (only,) = scores
    states = _stated(field, [piece for piece in pieces if piece.kind != "plus"])
    if states - {_OF_SCORE[only]}:
        return None
    return Judged(f"{only}+" if only != "0" else "0", _RECEPTOR_TALK | {"her2", "number"})


def menopause(field: Field, pieces: Sequence[Piece], text: str) -> Judged | None:
    """Before, around or after; `not menopausal` is before."""
    kinds = [piece.kind for piece in pieces]
    states = {kind for kind in kinds if kind in ("pre", "peri", "post")}
    if "menopause" in kinds:
        states |= {"pre"} if "before" in kinds else {"post"} if "after" in kinds else set()
    if NOT in kinds:
        states = {"pre"} if states == {"post"} else set()
    if len(states) != 1:
        return None
    explained = frozenset({"pre", "peri", "post", "menopause", "woman", "before", "after", NOT})
    return Judged(states.pop(), explained)


def histology(field: Field, pieces: Sequence[Piece], text: str) -> Judged | None:
    """One type, or `mixed`; invasive carcinoma of no special type is ductal."""
    kinds = {piece.kind for piece in pieces}
    types = {kind for kind in _TYPES if kind in kinds}
    if "unspecific" in kinds or ("special" in kinds and kinds & {NOT, NONE}):
        types.add("ductal")
    elif kinds & {NOT, NONE}:
        return None
    explained = frozenset({*_TYPES, "mixed", "other type", "invasive", "carcinoma", "unspecific", "special", NOT, NONE})
    if "in situ" in kinds:
        is_pure = "invasive" not in kinds and len(types) <= 1 and "mixed" not in kinds
        return Judged("other", explained | {"in situ"}, 0.8 if is_pure else 0.4)
    if "metaplastic" in types:
        return Judged("metaplastic", explained, 1.0 if len(types) == 1 else 0.7)
    if "mixed" in kinds or len(types) > 1:
        return Judged("mixed", explained)
    named = [*types, *(["other"] if "other type" in kinds else [])]
    return Judged(named[0], explained, 1.0 if len(named) == 1 else 0.7) if named else None


def stage(field: Field, pieces: Sequence[Piece], text: str) -> Judged | None:
    """One AJCC stage, Roman or Arabic."""
    ranks = ordinals(text, highest=4)
    if len(ranks) != 1 or any(piece.kind == "range" for piece in pieces):
        return None
    return Judged(f"{ranks.pop():g}", _STAGE_TALK, texts=r"(?:iv|i{1,3})?[a-d]?\d?")


def grade(field: Field, pieces: Sequence[Piece], text: str) -> Judged | None:
    """One grade: a number, how well it is differentiated, or both where they agree."""
    kinds = {piece.kind for piece in pieces}
    if "range" in kinds or kinds & {NOT, NONE}:
        return None
    said = {float(piece.text[-1]) for piece in pieces if piece.kind == "grade" and piece.text[-1:].isdigit()}
    said |= ordinals(text, highest=3)
    worded = {rank for kind, rank in _GRADES.items() if kind in kinds}
    if len(said | worded) != 1 or 0.0 in said:
        return None
    is_whole = bool(said) or bool(kinds & {"differentiated", "grade", "undifferentiated", "low grade", "high grade"})
    is_phrase = any(" " in piece.text for piece in pieces if piece.kind in _GRADES)
    sureness = 1.0 if is_whole or is_phrase else 0.7
    return Judged(f"{(said | worded).pop():g}", _GRADE_TALK, sureness, texts=r"iv|i{1,3}")


def category(field: Field, pieces: Sequence[Piece], text: str) -> Judged | None:
    """A category of T, N or M, or words for nodes and metastases that are not there."""
    named, kinds = tnm(list(pieces), field.name), {piece.kind for piece in pieces}
    explained, sureness = _TNM_TALK, 1.0
    denied = kinds & {NOT, NONE}
    if field.name == "n" and ("node negative" in kinds or {"node", "negative"} <= kinds):
        named |= {0.0} if not denied and "positive" not in kinds else {0.0, 1.0}
        explained |= {"node", "negative", "node negative"}
    if field.name == "m" and "metastasis" in kinds:
        named.add(0.0 if denied else 1.0)
        explained |= {"metastasis", "distant", NOT, NONE}
        sureness = 1.0 if denied or (len(named) == 1 and "m" in kinds) else 0.7
    positive = [not piece.text.startswith("0") for piece in pieces if piece.kind == "fraction"]
    if len(named) != 1 or (field.name == "n" and positive and positive != [named != {0.0}]):
        return None  # pN1 (0/12)
    return Judged(f"{named.pop():g}", explained, sureness, texts="m|i|sn|a")


def number(field: Field, pieces: Sequence[Piece], text: str) -> Judged | None:
    """One number with what is said of it; `none` of a count is 0, `2/15` are the positive and the examined nodes."""
    kinds = {piece.kind for piece in pieces}
    numeric = [piece for piece in pieces if piece.kind in ("number", "percent", "range", "bound", "fraction")]
    explained = _NUMBER_TALK | {"intensity"} | ({"node"} if field.name.startswith("nodes") else set())
    explained |= {"years"} if field.name == "age" else set()
    is_count = field.name.startswith("nodes")
    if not numeric and kinds & {NONE} and is_count:
        return Judged("0", explained | {NONE})
    if len(numeric) != 1 or kinds & {NOT, NONE}:
        return None
    kind, written = numeric[0].kind, re.sub(r"[%\s]", "", numeric[0].text).replace(",", ".")
    if kind == "fraction":
        parts = re.findall(r"\d+", written)
        means = parts[0] if field.name == "nodes_positive" else parts[1]
        return Judged(means, explained | {"fraction"}, 0.8) if is_count else None
    if kind == "range":
        low, high = re.findall(NUMBER, written)
        return Judged(f"{low}-{high}", explained)
    is_share = field.name.endswith("percent")
    bound = ">" if "above" in kinds else "<" if "below" in kinds else ""
    if (kind == "percent" and not is_share) or (kind == "bound" and bound):
        return None
    return Judged(bound + written, explained)


Judge = Callable[[Field, Sequence[Piece], str], Judged | None]
BY_FIELD: Mapping[str, Judge] = {
    **dict.fromkeys(("er", "pr", "her2", "her2_ihc", "her2_ish"), receptor),
    **dict.fromkeys(("t", "n", "m"), category),
    **dict.fromkeys(("age", "nodes_examined", "nodes_positive", "er_percent", "pr_percent", "ki67_percent"), number),
    **{"her2_ihc_score": score, "menopause": menopause, "histology": histology, "stage": stage, "grade": grade},
}


def is_explained(piece: Piece, judged: Judged) -> bool:
    """Whether a piece fits what the cell comes to."""
    return piece.kind in judged.explained or (
        piece.kind == UNKNOWN and bool(judged.texts) and re.fullmatch(judged.texts, piece.text) is not None
    )
