"""The clinical data of a cBioPortal study, by its API: the PAM50 subtype, which the GDC does not have, and receptors.

TCGA's Pan-Cancer Atlas study (`brca_tcga_pan_can_atlas_2018`) has the subtype and no receptors, the older one
(`brca_tcga`) the receptors by immunohistochemistry.

Source: https://www.cbioportal.org/api/swagger-ui/index.html (clinical attributes, clinical data);
https://docs.cbioportal.org/file-formats/#clinical-data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import unusable
from simulations.download.asking import Manner, json_from
from simulations.download.sheet import table

ADDRESS = "https://www.cbioportal.org/api"
LABEL = "SUBTYPE"
KINDS = {"PATIENT": "data_clinical_patient.txt", "SAMPLE": "data_clinical_sample.txt"}
"""A kind of clinical data and the file of a study download that holds it."""
_IDS = {
    "PATIENT": (("PATIENT_ID", "patientId"),),
    "SAMPLE": (("PATIENT_ID", "patientId"), ("SAMPLE_ID", "sampleId")),
}
_EVERYTHING = {"projection": "DETAILED", "pageSize": 10_000_000, "pageNumber": 0}


@dataclass(frozen=True)
class Clinical:
    """What a study says of its patients, or of its samples."""

    kind: str
    attributes: Sequence[Mapping[str, Any]]
    rows: Mapping[tuple[str, ...], Mapping[str, str]]
    """By patient, or by patient and sample: attribute -> value."""

    def text(self) -> str:
        """As a file of a study download: names, descriptions, types and priorities above the attribute ids."""
        ids = [name for name, _ in _IDS[self.kind]]
        names = [str(told["clinicalAttributeId"]) for told in self.attributes]
        above = [
            [*given, *(_text(told.get(key), usual) for told in self.attributes)]
            for key, usual, given in (
                ("displayName", "", ids),
                ("description", "", ids),
                ("datatype", "STRING", ["STRING"] * len(ids)),
                ("priority", "1", ["1"] * len(ids)),
            )
        ]
        commented = [["#" + row[0], *row[1:]] for row in above]
        body = [[*key, *(values.get(name, "") for name in names)] for key, values in sorted(self.rows.items())]
        return table([*commented, [*ids, *names], *body], "\t")


async def clinical_of(
    client: httpx.AsyncClient, manner: Manner, address: str, study: str, cases: frozenset[str]
) -> list[Clinical]:
    """A study's clinical data, of patients and of samples; of these cases alone, where any are given.

    Raises:
        ValueError: the server does not answer, or not as cBioPortal does.
    """
    url = f"{address}/studies/{study}"
    told = await json_from(client, manner, "GET", f"{url}/clinical-attributes", params=_EVERYTHING)
    found = []
    try:
        for kind, ids in _IDS.items():
            query = {"clinicalDataType": kind, **_EVERYTHING, "projection": "SUMMARY"}
            values = await json_from(client, manner, "GET", f"{url}/clinical-data", params=query)
            rows: dict[tuple[str, ...], dict[str, str]] = {}
            for value in values:
                if not cases or value["patientId"] in cases:
                    key = tuple(_text(value[field]) for _, field in ids)
                    rows.setdefault(key, {})[value["clinicalAttributeId"]] = _text(value.get("value"))
            own = [name for name in told if bool(name["patientAttribute"]) == (kind == "PATIENT")]
            found.append(Clinical(kind, sorted(own, key=lambda name: name["clinicalAttributeId"]), rows))
    except (KeyError, TypeError, AttributeError):
        raise unusable(f"{url}: the answer is not one of cBioPortal", "correct --cbioportal") from None
    return found


def labels_of(study: str, clinical: Sequence[Clinical]) -> dict[str, str]:
    """The label of each patient, without the name of the cancer that stands before it (BRCA_LumA).

    Raises:
        ValueError: the study has no such attribute.
    """
    labels = {}
    for part in clinical:
        for (patient, *sample), values in part.rows.items():
            if LABEL in values and (not sample or case_of(sample[0]) is not None):
                cancer, _, rest = values[LABEL].partition("_")
                is_named = cancer.lower() in study.partition("_")[0]  # COAD_ and READ_ in coadread
                labels[patient] = rest if rest and is_named else values[LABEL]
    if not labels:
        names = listing(sorted(str(told["clinicalAttributeId"]) for part in clinical for told in part.attributes))
        raise unusable(f"{study} has no values of {LABEL}; it has {names}", "name another study by --labels")
    return labels


def _text(value: Any, usual: str = "") -> str:
    """In one line."""
    return " ".join(str(value or "").split()) or usual
