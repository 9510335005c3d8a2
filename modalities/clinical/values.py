"""From what sites write to the dictionary's values: `pT2a`, `Stage IIA`, `N0 (i-)`, `90-99%`, `Pos.`, `8520/3`."""

import re
from collections.abc import Callable, Mapping

from modalities.clinical.dictionary import Field
from modalities.core.files.spelling import cleaned

# "Not evaluated" and "not available" are both taken as missing: which of them is written says more about the hospital's
# form than about the tumour. A lone "-" is refused in status fields: it may mean negative or not done.
_MISSING = frozenset(
    {"", "na", "n/a", "n.a.", "nan", "null", "none", ".", "?", "unknown", "missing", "not available", "not evaluated"}
    | {"'--", "--", "not allowed to collect"}  # GDC's, whose apostrophe keeps a spreadsheet from reading a formula
    | {"not applicable", "not done", "not performed", "not reported", "not assessed", "[not available]", "[unknown]"}
    | {"[not evaluated]", "[not applicable]", "[discrepancy]", "[completed]", "[pending]", "[redacted]"}
)
_CANNOT_BE_ASSESSED = re.compile(r"(?:[cpyra]{0,3}[tnm]|g|stage |grade )x")

_POSITIVE = ("positive", "pos", "pos.", "+", "yes", "positve")  # the last one is METABRIC's
_NEGATIVE = ("negative", "neg", "neg.", "no")
_EQUIVOCAL = ("equivocal", "equiv", "borderline")
_INDETERMINATE = ("indeterminate", "inconclusive")
_RECEPTOR = {
    **dict.fromkeys((*_POSITIVE, "1"), "positive"),
    **dict.fromkeys((*_NEGATIVE, "0"), "negative"),
    **dict.fromkeys((*_INDETERMINATE, *_EQUIVOCAL), "indeterminate"),
}
# A bare 1 is a positive status to one hospital and a score of 1+, so negative, to another: HER2 does not take it.
_HER2 = {
    **dict.fromkeys((*_POSITIVE, "3+", "amplified"), "positive"),
    **dict.fromkeys((*_NEGATIVE, "0", "1+", "not amplified", "non-amplified"), "negative"),
    **dict.fromkeys((*_EQUIVOCAL, "2+"), "equivocal"),
    **dict.fromkeys(_INDETERMINATE, "indeterminate"),
}
_ISH = {**{text: state for text, state in _HER2.items() if text[-1:] != "+"}, "+": "positive", "1": "positive"}
_SCORE = {text: f"{n}+" if n else "0" for n in range(4) for text in (str(n), f"{n}+", f"{n}+ positive", f"score {n}")}

_NOTE = r"(?: ?\([a-z]*[+-]?\))*"
_ROMAN = {"i": 1.0, "ii": 2.0, "iii": 3.0, "iv": 4.0}
_WORDED_GRADE = {"well": 1.0, "low": 1.0, "moderate": 2.0, "intermediate": 2.0, "poor": 3.0, "high": 3.0}
_ORDINALS: Mapping[str, re.Pattern[str]] = {
    "t": re.compile(rf"[cpyra]{{0,3}}t?(is|[0-4])(?:mic?|[a-d])?{_NOTE}"),
    "n": re.compile(rf"[cpyra]{{0,3}}n?([0-3])(?:mic?|[a-c])?{_NOTE}"),
    "m": re.compile(rf"[cpyra]{{0,3}}m?([01])[a-e]?{_NOTE}"),
    "stage": re.compile(r"(?:stage )?(iv|i{1,3}|[0-4])(?:[a-d]|\.0)?"),
    "grade": re.compile(
        r"(?:grade |g)?(i{1,3}|[1-3])(?:\.0)?|(well|low|moderate|intermediate|poor|high)(?:ly)?(?: .*)?"
    ),
}

# Source: ICD-O-3.2, morphology of the breast.
_MORPHOLOGY = {
    **dict.fromkeys(("8500",), "ductal"),
    **dict.fromkeys(("8519", "8520"), "lobular"),
    **dict.fromkeys(("8522", "8523", "8524"), "mixed"),
    **dict.fromkeys(("8480", "8481"), "mucinous"),
    **dict.fromkeys(("8510", "8512", "8513"), "medullary"),
    **dict.fromkeys(("8032", "8070", "8571", "8572", "8575", "8980", "8982"), "metaplastic"),
}
_TYPES = {
    "ductal": r"\bduct(?:al)?\b|no special type|\bnst\b|\bidc\b",
    "lobular": r"lobular|\bilc\b",
    "mucinous": r"mucinous|colloid",
    "medullary": r"medullary",
    "metaplastic": r"metaplastic",
    "mixed": r"mixed",
    "other": r"other|papillary|tubular|cribriform|apocrine|neuroendocrine|secretory|adenoid cystic|\bphyl|\bdcis\b|"
    r"squamous|paget|inflammatory|benign|invasive (?:breast )?(?:carcinoma|tumou?r)|\bnos\b",
}

# What is in situ beside an invasive type, and by itself no invasive type; what is denied; two grades or states.
_IN_SITU = re.compile(
    r"(?:(?:intra)?duct(?:al)?|lobular)?(?: breast)?(?: carcinoma| cancer)?,? ?\b"
    r"in[ -]situ(?: ductal| lobular)?(?: carcinoma)?"
)
_NOT_INVASIVE, _INVASIVE = re.compile(r"\bnon-? ?(?:invasive|infiltrating)\b"), re.compile(r"invas|infiltrat")
_DENIED = re.compile(r"\b(?:no|not|without)\b(?! (?:special|otherwise|specified))")
_GRADES_SAID = re.compile(r"\b(well|low|moderate|intermediate|poor|high)(?:ly)?\b")
_STATES_SAID = re.compile(r"\b(pre|peri|post)(?:\b|-?menopaus)")

# An English word within another language is no English name: "ductal y lobulillar" is mixed, "kein ductales" none.
_NOT_ENGLISH = re.compile(
    r"dutt|dukt|canalaire|lobul(?:ill|ai|ä|ae)|gemischt|\bmi(?:st|xt)[aeo]\b|"
    r"\b(?:und|et|y|e|kein\w*|nicht|sans|pas|sin|senza)\b"
)

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_SINGLE = re.compile(rf"{_NUMBER} ?%?")
_RANGE = re.compile(rf"{_NUMBER} ?%? ?(?:-|to) ?{_NUMBER} ?%?")
_BOUND = re.compile(rf"(<=?|>=?|≤|≥) ?{_NUMBER} ?%?|{_NUMBER}()\+")


def is_missing(text: str) -> bool:
    """Whether the text says that a value is not there."""
    return " ".join(text.split()).casefold() in _MISSING


def parse(field: Field, text: str) -> float | str | None:
    """The value in the dictionary's terms; None where it is missing or could not be assessed.

    Raises:
        ValueError: the dictionary does not know the value; the message says what may be written.
    """
    word = cleaned(text)
    if word in _MISSING or _CANNOT_BE_ASSESSED.fullmatch(word):
        return None
    value = _PARSERS[field.name](field, word)
    if value is None or (isinstance(value, float) and not field.low <= value <= field.high):
        raise ValueError(f"write {field.permitted}, or leave it empty")
    return value


def _number(field: Field, text: str) -> float | None:
    """A number, the middle of a range, or of an open one: `<10%` is 5; an age above 89 counts as 89."""
    if match := _SINGLE.fullmatch(text):
        return _float(match[1])
    if match := _RANGE.fullmatch(text):
        return (_float(match[1]) + _float(match[2])) / 2
    if match := _BOUND.fullmatch(text):
        bound = _float(match[2] or match[3])
        if field.high != 100:
            return bound
        return (bound + (field.low if (match[1] or ">")[0] in "<≤" else field.high)) / 2
    return None


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _ordinal(field: Field, text: str) -> float | None:
    match = _ORDINALS[field.name].fullmatch(text)
    if match is None:
        return None
    rank = next(group for group in match.groups() if group)
    if len({_WORDED_GRADE[word] for word in _GRADES_SAID.findall(text)}) > 1:
        return None
    return {**_ROMAN, **_WORDED_GRADE, "is": 0.0}[rank] if rank.isalpha() else float(rank)


def _menopause(field: Field, text: str) -> str | None:
    if text.startswith("indeterminate"):
        return "indeterminate"
    match = re.match(r"(pre|peri|post)(?:[ -]?menopaus(?:e|al))?(?![a-z])", text)
    is_one = len(set(_STATES_SAID.findall(re.sub(r"\(.*?\)", "", text)))) < 2
    return match[1] if match and is_one else None


def _histology(field: Field, text: str) -> str | None:
    """An ICD-O morphology code, or a name; two types in one name are `mixed`, a code off the list is `other`.

    So is what is in situ alone; beside an invasive type it says nothing.
    """
    if match := re.fullmatch(r"([89]\d{3})(?:/(\d))?", text):
        return _MORPHOLOGY.get(match[1], "other") if match[2] in (None, "3") else "other"
    if _NOT_ENGLISH.search(text) or _DENIED.search(text):
        return None
    text, n_in_situ = _IN_SITU.subn("dcis", _NOT_INVASIVE.sub("in situ", text))
    if n_in_situ and not _INVASIVE.search(text):
        return "other"
    found = [name for name, pattern in _TYPES.items() if re.search(pattern, text)]
    if "metaplastic" in found:
        return "metaplastic"
    named = [name for name in found if name != "other"]
    return "mixed" if len(named) > 1 else next(iter([*named, *found]), None)


def _one_of(states: Mapping[str, str]) -> Callable[[Field, str], str | None]:
    return lambda field, text: states.get(text)


_PARSERS: Mapping[str, Callable[[Field, str], float | str | None]] = {
    **dict.fromkeys(("age", "nodes_examined", "nodes_positive", "er_percent", "pr_percent", "ki67_percent"), _number),
    **dict.fromkeys(_ORDINALS, _ordinal),
    **dict.fromkeys(("er", "pr"), _one_of(_RECEPTOR)),
    **dict.fromkeys(("her2", "her2_ihc"), _one_of(_HER2)),
    "her2_ish": _one_of(_ISH),
    "her2_ihc_score": _one_of(_SCORE),
    "menopause": _menopause,
    "histology": _histology,
}
