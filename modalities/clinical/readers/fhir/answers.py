"""The value of an observation as a word: a coded answer, a quantity, a text, or the interpretation."""

from typing import Any

from modalities.clinical.readers.codes import ANSWERS, MORPHOLOGY, NOTTINGHAM_SCORE, as_score, number_of, word_of
from modalities.clinical.readers.fhir.resources import Coding, codings, part, text_at, texts

_READ = ("valueCodeableConcept", "valueQuantity", "valueString", "valueInteger", "valueRange")


def answer_of(field: str, observation: Any) -> str:
    """What the observation, or a component of it, says of the field; "" where it says nothing."""
    text = _answer(field, observation)
    is_score = field == "grade" and any(c.code == NOTTINGHAM_SCORE for c in codings(part(observation, "code")))
    return as_score(text) if is_score else text


def _answer(field: str, observation: Any) -> str:
    if text := _concept(field, part(observation, "valueCodeableConcept")):
        return text
    if quantity := part(observation, "valueQuantity"):
        return _number(field, quantity)
    for name in ("valueString", "valueInteger"):
        if text := text_at(observation, name):
            return word_of(field, text)
    if text := _range(field, part(observation, "valueRange")):
        return text
    if other := next((name for name in observation if name.startswith("value") and name not in _READ), ""):
        return str(observation[other]).lower() if isinstance(observation[other], bool) else other
    if part(observation, "dataAbsentReason"):
        return ""
    return next(
        (text for concept in texts(part(observation, "interpretation")) if (text := _concept(field, concept))), ""
    )


def histology_in(concept: Any) -> str:
    """The ICD-O code of a concept, or its name."""
    held = codings(concept)
    for coding in held:
        if "icd-o" in coding.system.lower() or "icdo" in coding.system.lower() or ".43.1" in coding.system:
            return coding.code
        if coding.code in MORPHOLOGY:
            return MORPHOLOGY[coding.code]
    return _name(held, concept)


def _concept(field: str, concept: Any) -> str:
    held = codings(concept)
    if field == "histology":
        return histology_in(concept)
    known = next((ANSWERS[coding.code] for coding in held if coding.code in ANSWERS), "")
    return known or word_of(field, _name(held, concept))


def _name(held: list[Coding], concept: Any) -> str:
    """A coding's display, else the concept's text, else the bare code."""
    named = next((coding.display for coding in held if coding.display), "")
    return named or text_at(concept, "text") or next((coding.code for coding in held if coding.code), "")


def _number(field: str, quantity: Any) -> str:
    number = text_at(quantity, "value").removesuffix(".0")
    unit = text_at(quantity, "unit") or text_at(quantity, "code")
    return number_of(field, number, unit, text_at(quantity, "comparator")) if number else ""


def _range(field: str, value: Any) -> str:
    low, high = (text_at(value, end, "value") for end in ("low", "high"))
    unit = text_at(value, "high", "unit") or text_at(value, "low", "unit")
    if low and high:
        return number_of(field, f"{low}-{high}", unit)
    return number_of(field, low or high, unit, ">=" if low else "<=") if low or high else ""
