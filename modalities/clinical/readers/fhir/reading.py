"""Resources of a FHIR bulk export in the dictionary's terms: Patient, Condition, Observation.

The diagnosis is the first primary cancer condition: with a code of breast cancer (ICD-10 C50 or D05, SNOMED CT), or
else of mCODE's profile, which a patient's other cancers have too. A clinical T, N or stage is counted, not taken for a
pathologic one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modalities.clinical.dates import iso_day
from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.harmonise import File
from modalities.clinical.readers import codes
from modalities.clinical.readers.events import NOBODYS, OTHER, READ, Entries, Event
from modalities.clinical.readers.fhir.answers import answer_of, histology_in
from modalities.clinical.readers.fhir.resources import (
    LOINC,
    SNOMED,
    Coding,
    Json,
    codings,
    first_day,
    id_in,
    part,
    resources_in,
    text_at,
    texts,
)
from modalities.clinical.readers.mapped import nearest
from modalities.clinical.readers.people import CASE_ID, case_id_of, cases_in, merged
from modalities.core.contract import Source
from modalities.core.problems import Problem, gathering

NAME = "fhir"
_PEOPLE, _OTHERS, _VOID = "people", "other resources", "entries that were cancelled or entered in error"
_NOT_FINAL, _ANOTHER = "entries that are not final", "conditions of another cancer, or suspected only"
_NO_DATES = "dates of birth that cannot be read"
_NO_ENTRY = frozenset({"entered-in-error", "cancelled", "refuted"})
_PRELIMINARY = frozenset({"registered", "preliminary"})
_SUSPECTED = frozenset({"unconfirmed", "provisional", "differential"})
_PRIMARY = "mcode-primary-cancer-condition"
_SECONDARY = "mcode-secondary-cancer-condition"
_HISTOLOGY = "mcode-histology-morphology-behavior"
_BREAST = re.compile(r"(?:C50|D05)(?:\.?[0-9A-Z]*)?", re.IGNORECASE)
_ONSET = (("onsetDateTime",), ("onsetPeriod", "start"), ("recordedDate",))
_EFFECTIVE = (("effectiveDateTime",), ("effectivePeriod", "start"), ("effectiveInstant",), ("issued",))
_CLINICAL_WORD = re.compile(r"c[TN][0-9Xi]", re.IGNORECASE)


@dataclass(frozen=True)
class _Export:
    """What is known while resources are read."""

    source: Source
    listed: Mapping[str, str]
    has_list: bool
    people: Mapping[str, str]
    """Patient's id -> case, of the Patient resources."""
    entries: Entries
    own: Mapping[str, str]
    """The site's codes -> fields."""
    surest: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    """Case -> how sure the surest of its conditions is to be the cancer; False is surer."""

    def case(self, resource: Json) -> str:
        """Of the resource's patient; one without a Patient resource is called by the reference's id."""
        person = id_in(text_at(resource, "subject", "reference"))
        if person in self.people:
            return self.people[person]
        return "" if CASE_ID in self.source.columns else case_id_of(person, person, self.listed, self.has_list)

    def meaning(self, held: Sequence[Coding]) -> str:
        """The field of the first code that means one; what the site says comes first."""
        own = next((self.own[coding.code] for coding in held if coding.code in self.own), "")
        known = {LOINC: codes.LOINC, SNOMED: codes.SNOMED}
        found = (known.get(coding.system, {}).get(coding.code, "") for coding in held)
        return own or next(filter(None, found), "")


def read(paths: Sequence[Path], lists: Sequence[Path], source: Source, problems: list[Problem]) -> File | None:
    """The export as a file of entries; None where it has a problem."""
    with gathering(problems):
        own = _own_codes(source, problems)
        listed, entries, people = cases_in(lists), Entries(), {}
        for path in paths:
            for _, resource in resources_in(path, holding='"Patient"'):
                if resource["resourceType"] == "Patient":
                    _add_person(resource, source, listed, bool(lists), people, entries)
        problems += merged(people, paths[0].name)
        export = _Export(source, listed, bool(lists), people, entries, own)
        for path in paths:
            for _, resource in resources_in(path, holding='"Condition"'):
                _note_sureness(export, resource)
        for path in paths:
            for line, resource in resources_in(path):
                if resource["resourceType"] != "Patient":
                    _add(export, resource, path.name, line)
        remedy = "name the codes that mean a field in site.yaml as sources.clinical.concepts: {field: [code]}"
        entries.refuse_none(remedy, paths[0].name, problems)
        return entries.as_file(NAME, paths[0], source.index, problems)
    return None


def _own_codes(source: Source, problems: list[Problem]) -> dict[str, str]:
    known = (*BY_NAME, codes.DIAGNOSIS)
    for name in source.concepts:
        if name not in known:
            where = f"sources.clinical.concepts.{name}"
            problems.append(Problem(f"the dictionary has no field {name!r}", nearest(name, known), where=where))
    return {code: name for name, listed in source.concepts.items() for code in listed if name in known}


def _add_person(
    resource: Json, source: Source, listed: Mapping[str, str], has_list: bool, people: dict[str, str], entries: Entries
) -> None:
    entries.count(_PEOPLE)
    person = text_at(resource, "id")
    case_id = case_id_of(person, _own_id(resource, source.columns.get(CASE_ID, "id")), listed, has_list)
    people[person] = case_id
    written = text_at(resource, "birthDate")
    if case_id and (birth := iso_day(written)):
        entries.births[case_id] = birth
    elif written:
        entries.count(_NO_DATES)


def _own_id(resource: Json, where: str) -> str:
    """The patient's `id`, first `identifier`, or identifier of a system, as the site says."""
    if where == "id":
        return text_at(resource, "id")
    held = texts(part(resource, "identifier"))
    fitting = [identifier for identifier in held if where in ("identifier", text_at(identifier, "system"))]
    return text_at(fitting[0], "value") if fitting else ""


def _add(export: _Export, resource: Json, file: str, line: int) -> None:
    """One resource; each counts once, whatever it holds."""
    add = _KINDS.get(resource["resourceType"])
    if add is None:
        export.entries.count(_OTHERS)
        return
    if _NO_ENTRY & _status(resource):
        export.entries.count(_VOID)
        return
    kind = add(export, resource, export.case(resource), file, line)
    export.entries.count(kind)
    if kind == OTHER:
        export.entries.others[next((coding.code for coding in codings(part(resource, "code"))), "")] += 1


def _status(resource: Json) -> set[str]:
    """Its status and how far it is verified, which R4 says as a concept and earlier versions as a bare code."""
    verified = part(resource, "verificationStatus")
    said = {text_at(resource, "status"), text_at(resource, "verificationStatus"), text_at(verified, "text").lower()}
    return said | {coding.code for coding in codings(verified)}


def _sureness(export: _Export, condition: Json) -> tuple[bool, bool] | None:
    """Whether it is told by mCODE's profile alone, and suspected only; None where it is no primary cancer."""
    held = codings(part(condition, "code"))
    profiles = " ".join(text for text in texts(part(condition, "meta", "profile")) if isinstance(text, str))
    is_named = export.meaning(held) in (codes.DIAGNOSIS, "histology")
    is_named = is_named or any("icd-10" in coding.system and _BREAST.fullmatch(coding.code) for coding in held)
    if not (is_named or _PRIMARY in profiles) or _SECONDARY in profiles:
        return None
    return not is_named, bool(_SUSPECTED & _status(condition))


def _note_sureness(export: _Export, resource: Json) -> None:
    if resource["resourceType"] == "Condition" and not _NO_ENTRY & _status(resource):
        case_id, sureness = export.case(resource), _sureness(export, resource)
        if sureness is not None:
            export.surest[case_id] = min(export.surest.get(case_id, sureness), sureness)


def _add_condition(export: _Export, resource: Json, case_id: str, file: str, line: int) -> str:
    held, sureness = codings(part(resource, "code")), _sureness(export, resource)
    if sureness is None:
        return OTHER
    if not case_id:
        return NOBODYS
    if sureness > export.surest.get(case_id, sureness):
        return _ANOTHER
    day = first_day(resource, _ONSET)
    export.entries.diagnose(case_id, day, file, line)
    types = [extension for extension in texts(part(resource, "extension")) if _HISTOLOGY in text_at(extension, "url")]
    texts_held = [histology_in(part(extension, "valueCodeableConcept")) for extension in types]
    texts_held += [codes.MORPHOLOGY[coding.code] for coding in held if coding.code in codes.MORPHOLOGY and not types]
    texts_held += [histology_in(part(resource, "code"))] * (export.meaning(held) == "histology")
    for text in texts_held:
        export.entries.measured.append((Event(case_id, "histology", text, file, line), day))
    return READ


def _add_observation(export: _Export, resource: Json, case_id: str, file: str, line: int) -> str:
    """The observation and its components, each of which may be of a field."""
    if text_at(resource, "status") in _PRELIMINARY:
        return _NOT_FINAL
    day = first_day(resource, _EFFECTIVE)
    kinds = []
    for observation in (resource, *texts(part(resource, "component"))):
        held = codings(part(observation, "code"))
        field = export.meaning(held)
        text = answer_of(field, observation) if field in BY_NAME else ""
        if field == codes.CLINICAL or (
            field in ("t", "n") and _CLINICAL_WORD.match(text) and not _is_own(export, held)
        ):
            kinds.append(codes.CLINICAL)
        elif field in BY_NAME:
            kinds.append(READ if case_id else NOBODYS)
            if case_id:
                event = Event(case_id, codes.field_of(field, text), text, file, line)
                export.entries.measured.append((event, day))
    return next((kind for kind in (READ, NOBODYS, codes.CLINICAL) if kind in kinds), OTHER)


def _is_own(export: _Export, held: Sequence[Coding]) -> bool:
    return any(coding.code in export.own for coding in held)


_KINDS: Mapping[str, Callable[[_Export, Json, str, str, int], str]] = {
    "Condition": _add_condition,
    "Observation": _add_observation,
}
