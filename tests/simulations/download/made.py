"""A small TCGA as a portal has it, and the command run on it in this process."""

import asyncio
import random
import uuid
from pathlib import Path

from simulations.download.asking import Manner
from simulations.download.download import Wanted, download
from tests.simulations.download.portal import File, Portal

FAST = Manner(tries=4, parallel=2, pause_s=0.01, longest_pause_s=0.05, stall_s=0.5)
LABELS, CLINICAL = "brca_tcga_pan_can_atlas_2018", "brca_tcga"
CASES = ("TCGA-A1-A0SB", "TCGA-A1-A0SD", "TCGA-BH-A0B3")
SUBTYPES = ("BRCA_LumA", "BRCA_Basal", "BRCA_LumA")
_RECEPTORS = {CASES[0]: "Positive", CASES[1]: "Negative"}
_CHROMOSOMES = {"1": (3_301_765, 247_650_984, 0.5), "8": (400_000, 145_000_000, -0.25)}


def id_of(number: int) -> str:
    return str(uuid.UUID(int=number))


def file_of(number: int, n_bytes: int, **more: object) -> File:
    """Random bytes, the same for a number; each of a case of its own."""
    more = {"case_id": f"TCGA-A1-A{number:03}", **more}
    name = str(more.pop("name", f"aliquot_{number}.nocnv_grch38.seg.v2.txt"))
    return File(id_of(number), name, random.Random(number).randbytes(n_bytes), **more)  # pyright: ignore


def segments_of(number: int, case_id: str) -> File:
    """A file of masked segments, which names nobody."""
    lines = ["GDC_Aliquot\tChromosome\tStart\tEnd\tNum_Probes\tSegment_Mean"]
    lines += [
        f"{id_of(number)}\t{name}\t{first}\t{last}\t1000\t{mean * number}"
        for name, (first, last, mean) in _CHROMOSOMES.items()
    ]
    name = f"aliquot_{number}.nocnv_grch38.seg.v2.txt"
    return File(id_of(number), name, ("\n".join(lines) + "\n").encode(), case_id=case_id)


def portal_of(files: list[File]) -> Portal:
    """The files, and two studies of cBioPortal: one with subtypes, one with receptors of two of the three cases."""
    subtype = {"clinicalAttributeId": "SUBTYPE", "displayName": "Subtype", "patientAttribute": True}
    er = {"clinicalAttributeId": "ER_STATUS_BY_IHC", "displayName": "ER Status By IHC", "patientAttribute": True}
    age = {"clinicalAttributeId": "AGE", "displayName": "Diagnosis Age", "datatype": "NUMBER", "patientAttribute": True}
    kind = {"clinicalAttributeId": "SAMPLE_TYPE", "displayName": "Sample Type", "patientAttribute": False}
    common = [{"description": 'said "so",\tin two\nlines', "datatype": "STRING", "priority": "1", **er}, age, kind]
    samples = [_value(case, "SAMPLE_TYPE", "Primary", sampleId=f"{case}-01") for case in CASES]
    return Portal(
        files,
        attributes={LABELS: [subtype], CLINICAL: common},
        values={
            LABELS: [_value(case, "SUBTYPE", label) for case, label in zip(CASES, SUBTYPES, strict=True)],
            CLINICAL: [
                *(_value(case, "ER_STATUS_BY_IHC", value) for case, value in _RECEPTORS.items()),
                *(_value(case, "AGE", str(50 + number % 30)) for number, case in enumerate(CASES)),
                *samples,
            ],
        },
    )


def make(portal: Portal, out: Path, manner: Manner = FAST, **options: object) -> None:
    """Run the command's work."""
    given = {"labels": LABELS, "clinical": CLINICAL, "gdc": portal.address, "cbioportal": f"{portal.address}/api"}
    asyncio.run(download(Wanted(out, **{**given, **options}), manner))  # pyright: ignore


def _value(case_id: str, attribute: str, value: str, **more: str) -> dict:
    return {"patientId": case_id, "studyId": "x", "clinicalAttributeId": attribute, "value": value, **more}
