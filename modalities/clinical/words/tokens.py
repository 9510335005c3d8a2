"""What stands in a clinical cell, piece by piece: numbers with their signs, TNM, and words with what they mean."""

import re
from dataclasses import dataclass

from modalities.core.files.vocabulary import UNKNOWN, Vocabulary, folded, words_of

NUMBER = r"\d+(?:[.,]\d+)?"
_HER2 = r"c?-?erb-?b-?2|her-? ?2(?: ?/? ?neu)?"
_PIECES = re.compile(
    r"(?P<fraction>(?<![\d.,])\d+(?: ?n\+?)? ?/ ?\d+ ?n?(?![\d.,%+]))"
    r"|(?P<t>(?<![a-z])[cpyra]{0,3} ?t ?(?:is|[0-4])(?:mic?|[a-d])?(?![a-z\d]|-\d)|(?<![a-z])t[0-4][a-d]?(?=[nm]\d))"
    r"|(?P<n>(?<![a-z])[cpyra]{0,3} ?n ?[0-3](?:mic?|[a-c])?(?![a-z\d]|-\d)|(?<![a-z])n[0-3][a-c]?(?=m\d))"
    r"|(?P<m>(?<![a-z])[cpyra]{0,3} ?m ?[01](?![a-z\d]|-\d))"
    rf"|(?P<size>{NUMBER} ?(?:mm|cm)\b|\b(?:mm|cm) ?{NUMBER})"
    rf"|(?P<range>{NUMBER} ?%? ?(?:-|\u2013|to|bis) ?{NUMBER}(?: ?%)?)"
    rf"|(?P<percent>(?:<=?|>=?|≤|≥)? ?{NUMBER} ?%)"
    r"|(?P<grade>(?<![a-z])g ?[1-3](?![a-z\d]|-\d))"
    rf"|(?P<her2>(?<![a-z])(?:{_HER2})(?![\d.,]))"
    r"|(?P<score>(?<![\d.,])[0-3] ?\+(?!\+))"
    r"|(?P<plus>\+{1,3})"
    rf"|(?P<bound>(?:<=?|>=?|≤|≥) ?{NUMBER})"
    rf"|(?P<number>{NUMBER})"
    r"|(?P<word>[a-z]+)"
    r"|(?P<minus>-$)"
)


@dataclass(frozen=True)
class Piece:
    """One piece of a cell."""

    kind: str
    """A kind of number or sign, or the concept of a word; UNKNOWN for a word of no meaning."""
    text: str
    sureness: float = 1.0


def pieces_of(text: str, vocabulary: Vocabulary) -> list[Piece]:
    """The pieces in their order; phrases of several words are one, and punctuation is none."""
    pieces: list[Piece] = []
    words: list[str] = []
    for match in _PIECES.finditer(folded(text)):
        kind = match.lastgroup or UNKNOWN
        if kind == "word" or kind == "her2":
            words += words_of(match[0])
            continue
        pieces += _meant(words, vocabulary)
        words = []
        pieces.append(Piece(kind, match[0].strip()))
    return pieces + _meant(words, vocabulary)


def _meant(words: list[str], vocabulary: Vocabulary) -> list[Piece]:
    return [Piece(meant.concept, meant.text, meant.sureness) for meant in vocabulary.meant(words)]


def tnm(pieces: list[Piece], letter: str) -> set[float]:
    """The categories of T, N or M that the pieces name; Tis is 0."""
    digits = [re.search(r"is|\d", piece.text.rpartition(letter)[2]) for piece in pieces if piece.kind == letter]
    return {0.0 if digit[0] == "is" else float(digit[0]) for digit in digits if digit}


def ordinals(text: str, highest: int) -> set[float]:
    """The stages or grades in a text, Roman or Arabic, with or without a letter: `IIB`, `3 c`, `II A`."""
    roman = {"i": 1.0, "ii": 2.0, "iii": 3.0, "iv": 4.0}
    found = re.findall(r"(?<![a-z\d.,])(iv|i{1,3}|[0-4])(?: ?[a-d]\d?)?(?![a-z\d.,])", folded(text))
    ranks = {roman[rank] if rank in roman else float(rank) for rank in found}
    return {rank for rank in ranks if rank <= highest}
