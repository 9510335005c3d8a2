"""The codes of LOINC and SNOMED CT that mean a field of the dictionary, and the words of coded answers.

Clinical T, N and stage are told apart: the dictionary's are pathologic. M is taken from either, since a pathologist
rarely says it.

Source: HL7 FHIR mCODE implementation guide, STU1 to STU4 (tumour marker tests, TNM staging types, histologic grade),
http://hl7.org/fhir/us/mcode; the breast cancer value sets of ICHOM; OHDSI standardised vocabularies.
"""

import re
from collections.abc import Mapping

DIAGNOSIS, CLINICAL = "diagnosis", "clinical T, N or stage"
"""What a code may mean beside a field: the cancer itself, and what the dictionary does not hold."""

LOINC: Mapping[str, str] = {
    **dict.fromkeys(("16112-5", "40556-3", "85337-4"), "er"),
    **dict.fromkeys(("14228-1", "85329-1"), "er_percent"),
    **dict.fromkeys(("16113-3", "40557-1", "85339-0"), "pr"),
    **dict.fromkeys(("14230-7", "85325-9"), "pr_percent"),
    "48676-1": "her2",
    **dict.fromkeys(("18474-7", "85319-2"), "her2_ihc"),
    **dict.fromkeys(("31150-6", "85318-4"), "her2_ish"),
    **dict.fromkeys(("29593-1", "85330-9"), "ki67_percent"),
    **dict.fromkeys(("33732-9", "44648-4"), "grade"),
    "21893-3": "nodes_positive",
    "21894-1": "nodes_examined",
    "21899-0": "t",
    "21900-6": "n",
    **dict.fromkeys(("21901-4", "21907-1"), "m"),
    "21902-2": "stage",
    **dict.fromkeys(("21905-5", "21906-3", "21908-9"), CLINICAL),
}
SNOMED: Mapping[str, str] = {
    **dict.fromkeys(("78873005", "384625004"), "t"),
    **dict.fromkeys(("277206009", "371494008"), "n"),
    **dict.fromkeys(("277208005", "371497001", "399387003"), "m"),
    **dict.fromkeys(("399390009", "399588009"), "stage"),
    **dict.fromkeys(("399504009", "399534004", "399537006"), CLINICAL),
    "371469007": "grade",
    **dict.fromkeys(("254837009", "408643008", "278054005"), DIAGNOSIS),
}
MORPHOLOGY: Mapping[str, str] = {"82711006": "8500/3", "408643008": "8500/3", "278054005": "8520/3"}
"""Histologic types of SNOMED CT, as morphologies and as disorders, in ICD-O."""
NOTTINGHAM_SCORE = "44648-4"
"""Its number may be the grade or the score of 3 to 9 that the grade is made from: a 3 is grade 3, or 1."""

_AJCC: Mapping[str, tuple[str, ...]] = {  # word -> codes of SNOMED CT
    "pTX": ("1228950008",),
    "pT0": ("1228951007",),
    "pTis": ("1228954004", "1228956002"),
    "pT1": ("1228957006",),
    "pT2": ("1229852009",),
    "pT3": ("1229859000",),
    "pT4": ("1229864001",),
    "pNX": ("1229945006",),
    "pN0": ("1229947003",),
    "pN1": ("1229951001",),
    "pN2": ("1229957002", "1229959004", "1229960009"),
    "pN3": ("1229962001", "1229963006", "1229964000", "1229965004"),
    "M0": ("1229901006",),
    "M1": ("1229903009", "1229916009"),
    "stage 0": ("1222605001", "1222722006"),
    "stage I": ("1222723001", "1222724007", "1222728005"),
    "stage II": ("1222765007", "1222766008", "1222769001"),
    "stage III": ("1222801008", "1222802001", "1222805004", "1222806003"),
    "stage IV": ("1222837003",),
    "G1": ("54102005", "1155708003"),
    "G2": ("1663004", "1286893008"),
    "G3": ("61026006", "1155707008"),
}
ANSWERS: Mapping[str, str] = {
    **{code: word for word, codes in _AJCC.items() for code in codes},
    **dict.fromkeys(("10828004", "52101004", "416053008", "416561008", "427685000", "LA6576-8"), "positive"),
    **dict.fromkeys(("260385009", "2667000", "441117001", "441118006", "431396003", "LA6577-6"), "negative"),
    **dict.fromkeys(("42425007", "280414007"), "equivocal"),
    "82334004": "indeterminate",
    "LA11841-6": "1+",
    "LA11842-4": "2+",
    "LA11843-2": "3+",
    "LA27824-4": "G2",
    **dict.fromkeys(("261665006", "416237000", "UNK", "NI", "unknown", "not-applicable", "not-performed"), "unknown"),
    **{"POS": "positive", "NEG": "negative", "IND": "indeterminate", "E": "equivocal"},
}
"""Codes of answers, of SNOMED CT, LOINC, null flavours and interpretations -> what the dictionary knows."""

_TAG = re.compile(r" \((?:qualifier value|finding|disorder|morphologic abnormality|observable entity)\)$")
_IN_WORDS: Mapping[str, re.Pattern[str]] = {
    "t": re.compile(r"\b([cpyra]{0,3}T(?:is|X|[0-4])(?:mic?|[a-d])?)(?![a-z0-9])", re.IGNORECASE),
    "n": re.compile(r"\b([cpyra]{0,3}N(?:X|[0-3])(?:mic?|[a-c])?)(?![a-z0-9])", re.IGNORECASE),
    "m": re.compile(r"\b([cpyra]{0,3}M(?:X|[01])[a-e]?)(?![a-z0-9])", re.IGNORECASE),
    "stage": re.compile(r"\bstage (?:group )?(0|IV|I{1,3})[A-D]?[0-9]?\b", re.IGNORECASE),
    "grade": re.compile(r"\b(?:grade |G)([1-3]|I{1,3})\b", re.IGNORECASE),
}
_COUNTED = frozenset(
    {"", "1", "{#}", "#", "[#]", "count", "nodes", "lymph nodes", "a", "year", "years", "yr", "{score}"}
)
_PERCENT = frozenset({"%", "percent"})


def word_of(field: str, text: str) -> str:
    """The text of a coded answer without the words around it: `AJCC pT3 (qualifier value)` as pT3."""
    bare = _TAG.sub("", " ".join(text.split()))
    match = _IN_WORDS[field].search(bare) if field in _IN_WORDS else None
    if match is None:
        return bare
    return f"{field} {match[1]}" if field in ("stage", "grade") else match[1]


def number_of(field: str, number: str, unit: str, comparator: str = "") -> str:
    """A measured number as text; with its unit, and so unknown to the dictionary, where that is not the field's."""
    written = unit.strip().casefold()
    if field.endswith("_percent"):
        return f"{comparator}{number}%" if written in _PERCENT or not written else f"{comparator}{number} {unit}"
    return f"{comparator}{number}" if written in _COUNTED else f"{comparator}{number} {unit}"


def as_score(text: str) -> str:
    """A bare number under NOTTINGHAM_SCORE, as what no dictionary knows; a word stays as it is."""
    return f"score {text}" if re.fullmatch(r"[0-9]+(?:[.]0+)?", text.strip()) else text


def field_of(field: str, text: str) -> str:
    """The field of an immunohistochemical result of HER2: a score stands in the place of a status at many sites."""
    return "her2_ihc_score" if field == "her2_ihc" and re.fullmatch(r" *[0-3]\+? *", text) else field
