"""Clinical records of entries, for the same tests as the tables: OMOP, FHIR, REDCap and GDC's tests.

Every row, resource or entry is in the notes: read, of other codes, of nobody's case, or of no primary tumour.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet

from modalities import clinical
from modalities.core.contract import Cases, IndexDate, Source
from tests.fuzz.format import Format
from tests.fuzz.rows import rows_in

_PERSON = """\
person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,person_source_value
1,8532,1960,4,3,P-1
2,8532,1971,,,P-2
3,8532,1955,12,24,P-3
"""
_CONDITION = """\
person_id,condition_concept_id,condition_start_date,condition_source_value
1,4112853,2019-05-02,C50.9
2,4112853,2020-01-31,C50.4
2,320128,2001-01-01,I10
"""
_MEASUREMENT = """\
person_id,measurement_concept_id,measurement_date,value_as_number,value_as_concept_id,value_source_value
1,101,2019-05-12,,9191,
1,101,2021-05-12,,9189,
2,101,2020-02-11,,0,neg.
2,102,2020-02-11,12.5,0,12.5
3,102,2020-02-11,40,0,40
3,3025315,2020-02-11,71,0,71
"""
_CONCEPTS = "concept,field,value\n4112853,diagnosis,\n101,er,\n102,ki67_percent,\n"
_OMOP = {"person": _PERSON, "condition_occurrence": _CONDITION, "measurement": _MEASUREMENT, "concepts": _CONCEPTS}
_NEAREST = IndexDate(date="diagnosis", take="nearest")


def _beside(texts: Mapping[str, str], damaged: str) -> Callable[[Path], Path]:
    """Writes all the files, and gives the one to damage."""

    def write(folder: Path) -> Path:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder / damaged

    return write


def _counted(cases: Cases, name: str, *kinds: str) -> int:
    return sum(cases.notes[f"{name}: {kind}"] for kind in kinds)


def _omop(table: str) -> Format:
    texts = {f"{name}.csv": text for name, text in _OMOP.items()}

    def read(path: Path) -> Cases:
        paths = tuple(path.with_name(name) for name in texts)
        source = Source(paths, "omop", {"case_id": "person_source_value"}, index=_NEAREST)
        return clinical.read(source, clinical.Config())

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        entries = _counted(cases, "omop", "entries read", "entries of other codes", "entries of people without a case")
        held = {name: len(rows_in(path.with_name(f"{name}.csv"))) - 1 for name in _OMOP}
        return {
            "people": held["person"] - _counted(cases, "omop", "people"),
            "entries": held["condition_occurrence"] + held["measurement"] - entries,
        }

    return Format(_beside(texts, f"{table}.csv"), read, ",", unaccounted, beside=tuple(texts))


def _omop_parquet() -> Format:
    """The measurements as Parquet: damaged bytes of it are refused, whole ones read."""
    texts = {f"{name}.csv": text for name, text in _OMOP.items() if name != "measurement"}

    def write(folder: Path) -> Path:
        _beside(texts, "person.csv")(folder)
        path = folder / "measurement.parquet"
        pd.read_csv(io.StringIO(_MEASUREMENT)).to_parquet(path)
        return path

    def read(path: Path) -> Cases:
        paths = (path, *(path.with_name(name) for name in texts))
        source = Source(paths, "omop", {"case_id": "person_source_value"}, index=_NEAREST)
        return clinical.read(source, clinical.Config())

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        entries = _counted(cases, "omop", "entries read", "entries of other codes", "entries of people without a case")
        held = (
            pyarrow.parquet.read_metadata(path).num_rows + len(rows_in(path.with_name("condition_occurrence.csv"))) - 1
        )
        return {"entries": held - entries}

    return Format(write, read, None, unaccounted, beside=tuple(texts))


def _resources() -> dict[str, list[dict]]:
    def of(person: str, code: str, day: str, **value) -> dict:
        subject = {"reference": f"Patient/{person}"}
        coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
        own = {"resourceType": "Observation", "status": "final", "code": coded, "subject": subject}
        return {**own, "effectiveDateTime": day, **value}

    positive = {"valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "10828004"}]}}
    negative = {"valueCodeableConcept": {"text": "Negative"}}
    percent = {"valueQuantity": {"value": 12.5, "unit": "%", "comparator": "<"}}
    malignant = {"coding": [{"system": "http://snomed.info/sct", "code": "254837009"}]}
    condition = {"resourceType": "Condition", "code": malignant, "subject": {"reference": "Patient/1"}}
    return {
        "Patient.ndjson": [
            {"resourceType": "Patient", "id": "1", "birthDate": "1960-04-03"},
            {"resourceType": "Patient", "id": "2", "birthDate": "1971"},
        ],
        "Condition.ndjson": [{**condition, "onsetDateTime": "2019-05-02"}, {**condition, "code": {"text": "flu"}}],
        "Observation.ndjson": [
            of("1", "85337-4", "2019-05-12", **positive),
            of("1", "16112-5", "2021-05-12T08:00:00Z", **negative),
            of("2", "85330-9", "2020-02-11", **percent),
            of("2", "21905-5", "2020-02-11", valueString="cT2"),
            of("2", "29463-7", "2020-02-11", valueQuantity={"value": 71, "unit": "kg"}),
        ],
    }


def _fhir(name: str) -> Format:
    texts = {file: "".join(json.dumps(one) + "\n" for one in held) for file, held in _resources().items()}

    def read(path: Path) -> Cases:
        paths = tuple(path.with_name(file) for file in texts)
        return clinical.read(Source(paths, "fhir", index=_NEAREST), clinical.Config())

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        kinds = ("people", "entries read", "entries of other codes", "entries of people without a case")
        kinds += ("other resources", "entries that were cancelled or entered in error", "clinical T, N or stage")
        counted = sum(cases.notes.get(f"fhir: {kind}", 0) for kind in kinds)
        lines = [line for file in texts for line in _lines_of(path.with_name(file)) if line.strip()]
        return {"resources": len(lines) - counted}

    return Format(_beside(texts, name), read, None, unaccounted, beside=tuple(texts))


def _lines_of(path: Path) -> Sequence[str]:
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


_DICTIONARY = """\
Variable / Field Name,Form Name,Field Type,Field Label,"Choices, Calculations, OR Slider Labels"
record_id,base,text,Record ID,
er_status,path,radio,Estrogen receptor,"1, Positive | 0, Negative"
hist,path,checkbox,Histology,"1, Ductal | 2, Lobular"
ki67,path,text,Ki-67,
"""
_EXPORT = """\
record_id,redcap_event_name,er_status,hist___1,hist___2,ki67
P-1,base_arm_1,1,1,0,12.5
P-1,late_arm_1,,0,0,
P-2,base_arm_1,0,1,1,
"""


def _redcap(damaged: str) -> Format:
    texts = {"dictionary.csv": _DICTIONARY, "export.csv": _EXPORT}
    columns = {"er": "er_status", "histology": "hist", "ki67_percent": "ki67"}

    def read(path: Path) -> Cases:
        paths = tuple(path.with_name(name) for name in texts)
        return clinical.read(Source(paths, "redcap", columns), clinical.Config())

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        counted = _counted(cases, "redcap", "rows used", "rows repeated", "rows that are no primary tumour")
        return {"rows": len(rows_in(path.with_name("export.csv"))) - 1 - counted}

    return Format(_beside(texts, damaged), read, ",", unaccounted, beside=tuple(texts))


_TESTS = """\
cases.submitter_id\tfollow_ups.follow_up_id\tmolecular_tests.gene_symbol\tmolecular_tests.molecular_analysis_method\t\
molecular_tests.test_result\tmolecular_tests.days_to_test
TCGA-AA-0001\tf1\tESR1\tIHC\tPositive\t12
TCGA-AA-0001\tf2\tESR1\tIHC\tNegative\t900
TCGA-AA-0002\tf3\tERBB2\tFISH\tNegative\t'--
TCGA-AA-0002\tf4\tTP53\tSequencing, NOS\tPositive\t'--
"""
_NODES = """\
cases.submitter_id\tpathology_details.pathology_detail_id\tpathology_details.lymph_nodes_tested
TCGA-AA-0001\td1\t13
TCGA-AA-0002\td2\t'--
"""


def _gdc(name: str, text: str, kinds: Sequence[str]) -> Format:
    def read(path: Path) -> Cases:
        return clinical.read(Source((path,), index=_NEAREST), clinical.Config())

    def unaccounted(path: Path, cases: Cases) -> Mapping[str, int]:
        counted = sum(count for key, count in cases.notes.items() if key.endswith(tuple(kinds)))
        return {"rows": len(rows_in(path)) - 1 - counted}

    return Format(_beside({name: text}, name), read, "\t", unaccounted)


ENTRIES: dict[str, Format] = {
    **{f"clinical omop {table}": _omop(table) for table in _OMOP},
    "clinical omop parquet": _omop_parquet(),
    **{f"clinical fhir {name.partition('.')[0]}": _fhir(name) for name in _resources()},
    "clinical redcap export": _redcap("export.csv"),
    "clinical redcap dictionary": _redcap("dictionary.csv"),
    "clinical gdc follow_up": _gdc(
        "follow_up.tsv",
        _TESTS,
        (": rows with a test", ": rows without a known test", ": rows that are no primary tumour"),
    ),
    "clinical gdc pathology": _gdc("pathology_detail.tsv", _NODES, (": rows used", ": rows repeated")),
}
