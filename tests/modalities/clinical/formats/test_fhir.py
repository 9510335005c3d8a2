"""FHIR bulk exports: a resource's value as a word, whose it is, and what is no pathologist's."""

import json

import numpy as np
import pytest

from modalities import clinical
from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.readers import codes
from modalities.clinical.values import parse
from modalities.core.contract import Source

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/"


def coded(code, system=LOINC, display=""):
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


def observed(code, person="Patient/1", system=LOINC, **more):
    own = {
        "resourceType": "Observation",
        "status": "final",
        "code": coded(code, system),
        "subject": {"reference": person},
    }
    return {**own, **more}


def patient(person="1", **more):
    return {"resourceType": "Patient", "id": person, **more}


@pytest.fixture
def read(tmp_path):
    def read_resources(*resources, **source):
        path = tmp_path / "export.ndjson"
        path.write_text("\n".join(json.dumps(resource) for resource in resources) + "\n", encoding="utf-8")
        return clinical.read(Source((path,), **source), clinical.Config())

    return read_resources


def known(cases, case_id="1"):
    row = zip(cases.features, cases.values[cases.case_ids.index(case_id)], strict=True)
    return {name: float(value) for name, value in row if not np.isnan(value) and not ("=" in name and value == 0)}


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (observed("85337-4", valueCodeableConcept=coded("LA6576-8")), {"er=positive": 1}),
        (observed("16113-3", valueCodeableConcept=coded("260385009", SNOMED)), {"pr=negative": 1}),
        (observed("16113-3", valueCodeableConcept=coded("x", "y", "Positive (qualifier value)")), {"pr=positive": 1}),
        (observed("85337-4", interpretation=[coded("NEG", "v3")]), {"er=negative": 1}),
        (observed("85330-9", valueQuantity={"value": 17.5, "unit": "%"}), {"ki67_percent": 17.5}),
        (observed("85330-9", valueQuantity={"value": 5, "comparator": "<", "code": "%"}), {"ki67_percent": 2.5}),
        (
            observed("14228-1", valueRange={"low": {"value": 80}, "high": {"value": 90, "unit": "%"}}),
            {"er_percent": 85},
        ),
        (observed("85319-2", valueString="2+"), {"her2=equivocal": 1, "her2_ihc_score=2+": 1}),
        (observed("31150-6", valueCodeableConcept={"text": "Not amplified"}), {"her2=negative": 1}),
        (observed("44648-4", valueCodeableConcept=coded("LA27824-4", display="Nottingham grade 2")), {"grade": 2}),
        (observed("371469007", system=SNOMED, valueCodeableConcept=coded("61026006", SNOMED)), {"grade": 3}),
        (observed("21899-0", valueCodeableConcept=coded("pT2", "ajcc", "pT2")), {"t": 2}),
        (observed("384625004", system=SNOMED, valueCodeableConcept=coded("1229859000", SNOMED)), {"t": 3}),
        (observed("21902-2", valueCodeableConcept=coded("3C", "ajcc", "IIIC")), {"stage": 3}),
        (observed("21907-1", valueCodeableConcept=coded("1229901006", SNOMED)), {"m": 0}),
        (observed("21893-3", valueQuantity={"value": 3.0, "unit": "{#}"}), {"nodes_positive": 3}),
        (observed("21894-1", valueInteger=14), {"nodes_examined": 14}),
    ],
)
def test_values_of_every_kind_become_words(read, observation, expected):
    assert known(read(patient(), observation)) == expected


def test_components_count_like_observations(read):
    panel = observed(
        "10000-0", component=[{"code": coded("85337-4"), "valueString": "positive"}, {"code": coded("1-1")}]
    )
    cases = read(patient(), panel)
    assert known(cases) == {"er=positive": 1}
    assert cases.notes["fhir: entries read"] == 1


def test_clinical_t_and_stage_are_counted_and_not_taken(read):
    clinical_t = [
        observed("21905-5", valueString="cT3"),
        observed("399504009", system=SNOMED, valueString="cT3"),
        observed("78873005", system=SNOMED, valueCodeableConcept={"text": "cT3"}),
        observed("21908-9", valueString="Stage IIIA"),
    ]
    cases = read(patient(), *clinical_t, observed("21900-6", valueString="pN1"))
    assert known(cases) == {"n": 1}
    assert cases.notes["fhir: clinical T, N or stage"] == 4
    own = read(patient(), clinical_t[3], concepts={"stage": ("21908-9",)})
    assert known(own) == {"stage": 3}  # where the site says so


def test_what_was_cancelled_or_is_absent_is_nothing(read):
    resources = [
        observed("85337-4", valueString="positive", status="entered-in-error"),
        observed("85339-0", dataAbsentReason=coded("not-performed")),
        observed("85330-9", valueQuantity={"value": 20, "unit": "%"}),
    ]
    cases = read(patient(), *resources)
    assert known(cases) == {"ki67_percent": 20}
    assert cases.notes["fhir: entries that were cancelled or entered in error"] == 1


def test_a_preliminary_result_is_none(read):
    first = observed("85337-4", valueString="positive", status="preliminary")
    cases = read(patient(), first, observed("85337-4", valueString="negative"))
    assert known(cases) == {"er=negative": 1}
    assert cases.notes["fhir: entries that are not final"] == 1


@pytest.mark.parametrize("value", [{"valueInteger": 3}, {"valueString": "3"}, {"valueCodeableConcept": {"text": "3"}}])
def test_a_number_that_may_be_nottinghams_score_is_no_grade_however_it_is_written(read, value):
    with pytest.raises(ValueError, match=r"line 2, field 'grade': 'score 3' is not known"):
        read(patient(), observed("44648-4", **value))


@pytest.mark.parametrize(
    ("value", "text"),
    [({"valueBoolean": True}, "true"), ({"valueRatio": {"numerator": {}}}, "valueRatio")],
)
def test_a_kind_of_value_that_is_not_read_is_not_dropped_either(read, value, text):
    with pytest.raises(ValueError, match=rf"line 2, field 'er': '{text}' is not known"):
        read(patient(), observed("85337-4", **value))


@pytest.mark.parametrize(
    ("condition", "age"),
    [
        ({"code": coded("254837009", SNOMED), "onsetDateTime": "2019-05-02"}, 59),
        ({"code": coded("C50.4", "http://hl7.org/fhir/sid/icd-10-cm"), "recordedDate": "2019-01-02"}, 58),
        (
            {
                "code": coded("1", "x"),
                "meta": {"profile": [f"{MCODE}mcode-primary-cancer-condition"]},
                "onsetDateTime": "2020",
            },
            60,
        ),
        ({"code": coded("C34.1", "http://hl7.org/fhir/sid/icd-10-cm"), "onsetDateTime": "2019-05-02"}, None),
        (
            {
                "code": coded("254837009", SNOMED),
                "meta": {"profile": [f"{MCODE}mcode-secondary-cancer-condition"]},
                "onsetDateTime": "2019-05-02",
            },
            None,
        ),
    ],
)
def test_diagnosis_is_the_primary_cancer(read, condition, age):
    own = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, **condition}
    cases = read(patient(birthDate="1960-03-01"), own, observed("85337-4", valueString="positive"))
    assert known(cases).get("age") == age


def condition(code, day, status="", system="http://hl7.org/fhir/sid/icd-10-cm", **more):
    own = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "onsetDateTime": day}
    own["meta"] = {"profile": [f"{MCODE}mcode-primary-cancer-condition"]}
    verified = {"verificationStatus": coded(status, "x")} if status else {}
    return {**own, "code": coded(code, system), **verified, **more}


@pytest.mark.parametrize(
    "other",
    [
        condition("C18.7", "2001-05-02"),  # mCODE's profile is that of every primary cancer
        condition("C50.4", "2001-05-02", "provisional"),
        condition("C50.4", "2001-05-02", "refuted"),
        condition("C50.4", "2001-05-02", verificationStatus="refuted"),  # STU3
        condition("C50.4", "2001-05-02", verificationStatus={"text": "Provisional"}),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_another_cancer_and_a_suspicion_do_not_date_the_diagnosis(read, other, is_first):
    breast = condition("C50.4", "2019-05-02", "confirmed")
    cases = read(patient(birthDate="1960-03-01"), *([other, breast] if is_first else [breast, other]))
    assert known(cases) == {"age": 59}
    alone = read(patient(birthDate="1960-03-01"), condition("C50.4", "2019-05-02", "provisional"))
    assert known(alone) == {"age": 59}  # nothing surer is known


def test_histology_is_that_of_the_condition(read):
    url = f"{MCODE}mcode-histology-morphology-behavior"
    own = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    lobular = {
        **own,
        "code": coded("254837009", SNOMED),
        "extension": [{"url": url, "valueCodeableConcept": coded("8520/3", "icd-o-3")}],
    }
    assert known(read(patient(), lobular)) == {"histology=lobular": 1}
    assert known(read(patient(), {**own, "code": coded("408643008", SNOMED)})) == {"histology=ductal": 1}


@pytest.mark.parametrize(
    "reference", ["Patient/1", "https://fhir.example/r4/Patient/1", "urn:uuid:1", "Patient/1/_history/3"]
)
def test_references_of_every_kind_are_followed(read, reference):
    assert read(patient(), observed("85337-4", reference, valueString="positive")).case_ids == ("1",)


def test_case_is_the_identifier_that_the_site_names(read):
    identifiers = [
        {"system": "https://x.example/mrn", "value": "123456"},
        {"system": "https://x.example/study", "value": "S-7"},
    ]
    resources = patient(identifier=identifiers), observed("85337-4", valueString="positive")
    assert read(*resources, columns={"case_id": "https://x.example/study"}).case_ids == ("S-7",)
    assert read(*resources, columns={"case_id": "identifier"}).case_ids == ("123456",)
    other = observed("85337-4", "Patient/2", valueString="positive")
    cases = read(*resources, other, columns={"case_id": "identifier"})
    assert cases.notes["fhir: entries of people without a case"] == 1


def test_bundles_are_taken_apart(read):
    entries = [
        {"resource": patient()},
        {"resource": observed("85337-4", valueString="positive")},
        {"resource": {"resourceType": "Claim"}},
    ]
    cases = read({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert known(cases) == {"er=positive": 1}
    assert cases.notes["fhir: other resources"] == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"resourceType": "Obs', r"export.ndjson, line 2: no JSON, or cut off; export it as NDJSON"),
        ("[1, 2]", r"export.ndjson, line 2: no FHIR resource"),
        (
            json.dumps(observed("85337-4", valueString="weak")),
            r"export.ndjson, line 2, field 'er': 'weak' is not known",
        ),
        (
            json.dumps(observed("85330-9", valueQuantity={"value": 0.2, "unit": "1"})),
            r"field 'ki67_percent': '0.2 1' is not",
        ),
        (json.dumps(observed("44648-4", valueQuantity={"value": 3})), r"field 'grade': 'score 3' is not known"),
        (json.dumps(observed("85337-4", valueCodeableConcept=coded("77", "x"))), r"field 'er': '77' is not known"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, line, message):
    path = tmp_path / "export.ndjson"
    path.write_text(json.dumps(patient()) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        clinical.read(Source((path,)), clinical.Config())


def test_every_known_answer_is_a_word_of_some_field():
    fields = [BY_NAME[name] for name in ("t", "n", "m", "stage", "grade", "er", "her2", "her2_ihc_score")]
    for code, word in codes.ANSWERS.items():
        assert any(_reads(field, word) for field in fields), (code, word)


def _reads(field, word):
    try:
        parse(field, word)
    except ValueError:
        return False
    return True


def test_two_people_of_one_identifier_are_refused(read):
    twice = [patient(person, identifier=[{"value": "S-7"}]) for person in ("1", "2")]
    with pytest.raises(ValueError, match=r"export.ndjson: 1 cases are several persons each: S-7; keep one person"):
        read(*twice, observed("85337-4", valueString="positive"), columns={"case_id": "identifier"})


def test_dates_of_birth_that_are_none_are_counted(read):
    cases = read(patient(birthDate="1960-02-31"), observed("85337-4", valueString="positive"))
    assert cases.notes["fhir: dates of birth that cannot be read"] == 1
