"""Which files the GDC has: its API's endpoint `files`, by filters or by id.

Source: https://docs.gdc.cancer.gov/API/Users_Guide/Search_and_Retrieval/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from modalities.core.files.tables.delimited import listing
from modalities.core.problems import unusable
from simulations.download.asking import Manner, json_from
from simulations.download.entries import Entry, Sample, checked

ADDRESS = "https://api.gdc.cancer.gov"
_OF_SAMPLE = ("tissue_type", "tumor_descriptor", "specimen_type", "preservation_method")
_FIELDS = (
    *("file_id", "file_name", "md5sum", "file_size", "state", "access", "data_category", "data_type"),
    *("analysis.workflow_type", "associated_entities.entity_submitter_id", "associated_entities.entity_type"),
    *("cases.submitter_id", "cases.project.project_id", "cases.tissue_source_site.name", "cases.samples.submitter_id"),
    *(f"cases.samples.{name}" for name in _OF_SAMPLE),
)
_PAGE = 1000


async def files_by(
    client: httpx.AsyncClient, manner: Manner, address: str, wanted: Mapping[str, Sequence[str]]
) -> list[Entry]:
    """The files whose fields have one of the wanted values each, by id.

    Raises:
        ValueError: there is none, the server does not answer, or it names a file that must not be fetched.
    """
    fields = [{"op": "in", "content": {"field": name, "value": [*values]}} for name, values in wanted.items() if values]
    entries: list[Entry] = []
    while True:
        asked = {
            "filters": {"op": "and", "content": fields},
            "fields": ",".join(_FIELDS),
            "format": "JSON",
            "sort": "file_id:asc",
            "size": _PAGE,
            "from": len(entries),
        }
        url = f"{address}/files"
        told = await json_from(client, manner, "POST", url, json=asked)
        try:
            total = int(told["data"]["pagination"]["total"])
            page = [_entry_of(hit) for hit in told["data"]["hits"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise unusable(f"{url}: the answer is not one of the GDC", "correct --gdc") from None
        entries += page
        if not page or len(entries) >= total:
            return checked({entry.id: entry for entry in entries}.values(), url)


async def described(
    client: httpx.AsyncClient, manner: Manner, address: str, listed: Sequence[Entry]
) -> tuple[list[Entry], list[Entry]]:
    """A manifest's files with what the GDC says of them, and those that it does not know (any more)."""
    known: dict[str, Entry] = {}
    for first in range(0, len(listed), _PAGE):
        ids = [entry.id for entry in listed[first : first + _PAGE]]
        known |= {entry.id: entry for entry in await files_by(client, manner, address, {"file_id": ids})}
    changed = [e.name for e in listed if e.id in known and (known[e.id].name, known[e.id].md5) != (e.name, e.md5)]
    if changed:
        what = f"the GDC has another name or MD5 for {len(changed)} files of the manifest: {listing(changed)}"
        raise unusable(what, "load the manifest again from its portal")
    held = [replace(known[entry.id], state=entry.state) for entry in listed if entry.id in known]
    return held, [entry for entry in listed if entry.id not in known]


def _entry_of(hit: Mapping[str, Any]) -> Entry:
    cases = hit.get("cases") or []
    aliquots = {
        entity["entity_submitter_id"]
        for entity in hit.get("associated_entities") or []
        if entity.get("entity_type") == "aliquot"
    }
    return Entry(
        id=str(hit["file_id"]),
        name=str(hit["file_name"]),
        md5=str(hit["md5sum"]),
        size=int(hit["file_size"]),
        state=_text(hit, "state"),
        access=_text(hit, "access") or "open",
        category=_text(hit, "data_category"),
        type=_text(hit, "data_type"),
        workflow=_text(hit.get("analysis") or {}, "workflow_type"),
        project=", ".join(dict.fromkeys(_text(case.get("project") or {}, "project_id") for case in cases)),
        samples=tuple(sample for case in cases for sample in _samples_of(case, aliquots)),
    )


def _samples_of(case: Mapping[str, Any], aliquots: set[str]) -> list[Sample]:
    """The samples of one of the file's cases; a file of the case as a whole has one without an id."""
    case_id, site = str(case["submitter_id"]), _text(case.get("tissue_source_site") or {}, "name")
    samples = []
    for told in case.get("samples") or [{}]:
        sample_id = _text(told, "submitter_id")
        aliquot = max((name for name in aliquots if sample_id and name.startswith(sample_id)), default="")
        samples.append(Sample(case_id, sample_id, aliquot, *(_text(told, name) for name in _OF_SAMPLE), site_name=site))
    return samples


def _text(told: Mapping[str, Any], name: str) -> str:
    """A value in one line; blank where there is none."""
    return " ".join(str(told.get(name) or "").split())
