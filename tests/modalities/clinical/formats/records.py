"""The cohort as records: an OMOP CDM export and a FHIR bulk export."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from modalities.core.contract import IndexDate, Source
from tests.modalities.clinical.formats.cohort import Patient
from tests.modalities.clinical.formats.tables import write_csv

AT_DIAGNOSIS = IndexDate(date="diagnosis", take="nearest", within_days=180)
_POSITIVE, _NEGATIVE = 9191, 9189
_ER, _CODED = (
    2_000_000_001,
    {"er": 2_000_000_001, "pr": 2_000_000_002, "her2_ihc": 2_000_000_003, "her2_ish": 2_000_000_004},
)
_NUMBERS = {
    **{"er_percent": 2_000_000_011, "pr_percent": 2_000_000_012, "ki67_percent": 2_000_000_013},
    **{"nodes_examined": 2_000_000_014, "nodes_positive": 2_000_000_015, "grade": 2_000_000_016},
}
_SCORE, _MENOPAUSE, _EQUIVOCAL = 2_000_000_021, 2_000_000_022, 2_000_000_031
_CATEGORY = {  # concepts that say the value themselves, as the Cancer Modifier vocabulary's do
    **{("t", number): 2_000_000_100 + number for number in range(1, 4)},
    **{("n", number): 2_000_000_110 + number for number in range(4)},
    **{("m", number): 2_000_000_120 + number for number in range(2)},
    **{("stage", number): 2_000_000_130 + number for number in range(1, 5)},
}


def write_concepts(folder: Path) -> Path:
    """The site's map of concepts."""
    rows = [("concept", "field", "value")]
    rows += [(str(concept), field, "") for field, concept in {**_CODED, **_NUMBERS}.items()]
    rows += [
        (str(_SCORE), "her2_ihc_score", ""),
        (str(_MENOPAUSE), "menopause", ""),
        (str(_EQUIVOCAL), "", "equivocal"),
    ]
    rows += [
        (
            str(concept),
            field,
            f"{field if field == 'stage' else field.upper()} {number}".replace("T ", "T")
            .replace("N ", "N")
            .replace("M ", "M"),
        )
        for (field, number), concept in _CATEGORY.items()
    ]
    rows += [(code, "histology", code) for code in ("8500/3", "8520/3", "8522/3", "8480/3")] + [
        ("C50.9", "diagnosis", "")
    ]
    return write_csv(folder / "concepts.csv", rows)


def omop_tables(patients: Sequence[Patient]) -> dict[str, pd.DataFrame]:
    """The tables of the CDM, with the columns that an ETL fills and entries that are of no field."""
    person, conditions, measurements, observations = [], [], [], []
    for number, patient in enumerate(patients, start=101):
        born = patient.born
        parts = (born.year, born.month, born.day) if born else (None, None, None)
        person.append((number, 8532, *parts, patient.case_id))
        source = patient.morphology if "histology" in patient.record else "C50.9"
        conditions.append((number, 0, patient.diagnosed, source))
        conditions.append((number, 320128, patient.diagnosed - dt.timedelta(days=3000), "I10"))
        for day, concept, value, answer, text in _entries(patient):
            row = (number, concept, day, value, answer, text)
            (observations if concept == _MENOPAUSE else measurements).append(row)
        measurements.append((number, 3025315, patient.diagnosed, 71.0, 0, "71"))  # body weight
    columns = ("value_as_number", "value_as_concept_id", "value_source_value")
    frames = {
        "person": (
            person,
            ("gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth", "person_source_value"),
        ),
        "condition_occurrence": (
            conditions,
            ("condition_concept_id", "condition_start_date", "condition_source_value"),
        ),
        "measurement": (measurements, ("measurement_concept_id", "measurement_date", *columns)),
        "observation": (observations, ("observation_concept_id", "observation_date", *columns)),
    }
    tables = {name: pd.DataFrame(rows, columns=["person_id", *names]) for name, (rows, names) in frames.items()}
    for name in ("year_of_birth", "month_of_birth", "day_of_birth"):
        tables["person"][name] = tables["person"][name].astype("Int64")
    return tables


def _entries(patient: Patient) -> Iterator[tuple[dt.date, int, float | None, int, str]]:
    """Day, concept, number, coded answer and the site's own text."""
    day = patient.diagnosed + dt.timedelta(days=9)
    for field, concept in _CODED.items():
        state = patient.word(field)
        if state in ("positive", "negative", "equivocal"):
            yield day, concept, None, {"positive": _POSITIVE, "negative": _NEGATIVE, "equivocal": _EQUIVOCAL}[state], ""
        elif state:
            yield day, concept, None, 0, state.capitalize()  # never mapped
    for field, concept in _NUMBERS.items():
        if field in patient.record:
            yield day, concept, float(patient.record[field]), 0, patient.number(field)
    for field in ("t", "n", "m", "stage"):
        if field in patient.record:
            yield day, _CATEGORY[field, int(float(patient.record[field]))], None, 0, ""
    if patient.word("her2_ihc_score"):
        yield day, _SCORE, None, 0, patient.word("her2_ihc_score")
    if patient.word("menopause"):
        yield patient.diagnosed, _MENOPAUSE, None, 0, patient.word("menopause") + "menopausal"
    if patient.later_er:
        yield patient.recurred, _ER, None, {"positive": _POSITIVE, "negative": _NEGATIVE}[patient.later_er], ""


def write_omop(ending: str):
    def write(folder: Path, patients: Sequence[Patient]) -> Source:
        (folder / "omop").mkdir()
        for name, frame in omop_tables(patients).items():
            path = folder / "omop" / f"{name}{ending}"
            frame.to_parquet(path) if ending == ".parquet" else frame.to_csv(path, index=False)
        paths = (folder / "omop", write_concepts(folder))
        return Source(paths, columns={"case_id": "person_source_value"}, index=AT_DIAGNOSIS)

    return write


def write_omop_with_list(folder: Path, patients: Sequence[Patient]) -> Source:
    """The case list says whose person is whose case."""
    source = write_omop(".csv")(folder, patients)
    rows = [("case_id", "person_id", "label"), *((p.case_id, str(n), "A") for n, p in enumerate(patients, start=101))]
    return Source((*source.paths, write_csv(folder / "cases.csv", rows)), index=AT_DIAGNOSIS)


_LOINC, _SNOMED = "http://loinc.org", "http://snomed.info/sct"
_MARKERS = {"er": "85337-4", "pr": "85339-0", "her2_ihc": "85319-2", "her2_ish": "85318-4", "her2_ihc_score": "85319-2"}
_QUANTITIES = {"er_percent": "85329-1", "pr_percent": "85325-9", "ki67_percent": "85330-9"}
_STATES = {"positive": "10828004", "negative": "260385009", "equivocal": "42425007", "indeterminate": "82334004"}
_AJCC = {1: "1222724007", 2: "1222769001", 3: "1222806003", 4: "1222837003"}


def _concept(system: str, code: str, display: str = "") -> dict:
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


def _observation(patient: Patient, code: dict, day: dt.date, **value) -> dict:
    subject = {"reference": f"Patient/id-{patient.case_id}"}
    own = {"resourceType": "Observation", "status": "final", "code": code, "subject": subject}
    return {**own, "effectiveDateTime": f"{day.isoformat()}T09:30:00+01:00", **value}


def _observations(patient: Patient) -> Iterator[dict]:
    day = patient.diagnosed + dt.timedelta(days=9)
    for field, code in _MARKERS.items():
        state = patient.word(field)
        if state in _STATES:
            yield _observation(
                patient, _concept(_LOINC, code), day, valueCodeableConcept=_concept(_SNOMED, _STATES[state])
            )
        elif state:
            yield _observation(patient, _concept(_LOINC, code), day, valueString=state)
    for field, code in _QUANTITIES.items():
        if field in patient.record:
            quantity = {"value": patient.record[field], "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}
            yield _observation(patient, _concept(_LOINC, code), day, valueQuantity=quantity)
    for field, code in (("nodes_positive", "21893-3"), ("nodes_examined", "21894-1")):
        if field in patient.record:
            yield _observation(patient, _concept(_LOINC, code), day, valueInteger=int(float(patient.record[field])))
    for field, code, prefix in (("t", "384625004", "pT"), ("n", "371494008", "pN"), ("m", "399387003", "cM")):
        if field in patient.record:
            display = f"American Joint Committee on Cancer {prefix}{patient.number(field)} (qualifier value)"
            yield _observation(
                patient, _concept(_SNOMED, code), day, valueCodeableConcept=_concept(_SNOMED, "1", display)
            )
    if "t" in patient.record:  # a clinical T, which is not the dictionary's
        yield _observation(
            patient, _concept(_SNOMED, "399504009"), day, valueCodeableConcept=_concept(_SNOMED, "1", "cT4")
        )
    if "stage" in patient.record:
        stage = _concept(_SNOMED, _AJCC[int(float(patient.record["stage"]))])
        yield _observation(patient, _concept(_LOINC, "21902-2"), day, valueCodeableConcept=stage)
    if "grade" in patient.record:
        text = f"Nottingham grade {patient.number('grade')}"
        yield _observation(patient, _concept(_LOINC, "44648-4"), day, valueCodeableConcept={"text": text})
    if patient.word("menopause"):
        status = {"text": f"{patient.word('menopause')}menopausal"}
        yield _observation(patient, _concept("https://st-anna.example/codes", "MENO"), day, valueCodeableConcept=status)
    if patient.later_er:
        state = {
            "valueCodeableConcept": _concept(_LOINC, {"positive": "LA6576-8", "negative": "LA6577-6"}[patient.later_er])
        }
        yield _observation(patient, _concept(_LOINC, "16112-5"), patient.recurred, **state)
    yield _observation(patient, _concept(_LOINC, "29463-7"), day, valueQuantity={"value": 71, "unit": "kg"})


def _condition(patient: Patient) -> dict:
    mcode = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-"
    url = f"{mcode}histology-morphology-behavior"
    morphology = _concept("http://terminology.hl7.org/CodeSystem/icd-o-3", patient.morphology)
    return {
        "resourceType": "Condition",
        "meta": {"profile": [f"{mcode}primary-cancer-condition"]},
        "verificationStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "code": _concept(_SNOMED, "254837009", "Malignant neoplasm of breast"),
        "subject": {"reference": f"Patient/id-{patient.case_id}"},
        "onsetDateTime": patient.diagnosed.isoformat(),
        **({"extension": [{"url": url, "valueCodeableConcept": morphology}]} if "histology" in patient.record else {}),
    }


def write_fhir(folder: Path, patients: Sequence[Patient]) -> Source:
    people = [
        {
            "resourceType": "Patient",
            "id": f"id-{patient.case_id}",
            "identifier": [{"system": "https://st-anna.example/study", "value": patient.case_id}],
            **({"birthDate": patient.born.isoformat()} if patient.born else {}),
        }
        for patient in patients
    ]
    kinds = {
        "Patient": people,
        "Condition": [_condition(patient) for patient in patients],
        "Observation": [observation for patient in patients for observation in _observations(patient)],
        "Encounter": [{"resourceType": "Encounter", "id": "e-1"}],
    }
    for name, resources in kinds.items():
        lines = [json.dumps(resource) for resource in resources]
        (folder / f"{name}.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns = {"case_id": "https://st-anna.example/study"}
    return Source((folder,), columns=columns, concepts={"menopause": ("MENO",)}, index=AT_DIAGNOSIS)
