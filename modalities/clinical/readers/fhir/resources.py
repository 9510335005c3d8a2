"""Lines of JSON as FHIR resources, and what is asked of one: its codes, its day, its patient."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modalities.clinical.dates import Day, iso_day
from modalities.core.files.tables.decoding import text_of
from modalities.core.problems import unusable

ENDINGS = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
Json = dict[str, Any]


@dataclass(frozen=True)
class Coding:
    """One code of a concept; blank where it does not say."""

    system: str
    code: str
    display: str


def is_fhir(path: Path) -> bool:
    """By its ending."""
    return path.name.lower().endswith(ENDINGS)


def resources_in(path: Path, holding: str = "") -> Iterator[tuple[int, Json]]:
    """Line and resource, one at a time; those of a bundle one after the other, and of lines with this text only.

    Raises:
        ValueError: a line is no resource, or the file is empty.
    """
    is_empty = True
    for line, text in enumerate(text_of(path).replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        if not text.strip():
            continue
        is_empty = False
        if holding not in text:
            continue
        for resource in _unbundled(_parsed(path, line, text)):
            if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
                what, remedy = "no FHIR resource", "export it as NDJSON, one resource a line"
                raise unusable(what, remedy, file=path.name, where=f"line {line}")
            yield line, resource
    if is_empty:
        raise unusable("the file is empty", "export it again", file=path.name)


def texts(value: Any) -> list[Any]:
    """A list as it stands; anything else, which a damaged file may hold in its place, as none."""
    return value if isinstance(value, list) else []


def part(resource: Any, *names: str) -> Any:
    """What stands below these names; None where one is absent."""
    for name in names:
        resource = resource.get(name) if isinstance(resource, dict) else None
    return resource


def text_at(resource: Any, *names: str) -> str:
    """The text or number that stands below these names; blank where there is none."""
    value = part(resource, *names)
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def codings(concept: Any) -> list[Coding]:
    """The codes of a CodeableConcept."""
    return [
        Coding(*(text_at(coding, name) for name in ("system", "code", "display")))
        for coding in texts(part(concept, "coding"))
    ]


def first_day(resource: Json, paths: Sequence[Sequence[str]]) -> Day | None:
    """The first of these dates that the resource has."""
    return next((day for path in paths if (day := iso_day(text_at(resource, *path)))), None)


def id_in(reference: str) -> str:
    """The id that a reference ends with: of Patient/17, urn:uuid:17 and https://host/Patient/17/_history/2 it is 17."""
    return reference.partition("/_history")[0].replace(":", "/").rpartition("/")[2]


def _parsed(path: Path, line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        what = "no JSON, or cut off"
        raise unusable(
            what, "export it as NDJSON, one resource a line", file=path.name, where=f"line {line}"
        ) from error


def _unbundled(resource: Any) -> Iterator[Any]:
    if part(resource, "resourceType") != "Bundle":
        yield resource
        return
    for entry in texts(part(resource, "entry")):
        yield part(entry, "resource")
