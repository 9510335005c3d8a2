"""OMOP CDM exports: what an entry means is the site's to say; what it does not mean is counted."""

import gzip

import pandas as pd
import pytest

from modalities import clinical
from modalities.core.contract import IndexDate, Source

PERSON = "person_id,year_of_birth,month_of_birth,day_of_birth,birth_datetime,person_source_value\n"
PEOPLE = PERSON + "1,1960,4,3,,P-1\n2,1971,,,1971-12-24 00:00:00,P-2\n3,1955,,,,P-3\n"
CONDITIONS = """\
person_id,condition_concept_id,condition_start_date,condition_source_value
1,4112853,2019-05-02,C50.9
1,4112853,2019-04-02,C50.9
2,4112853,2020-12-23,C50.4
3,4112853,2020-08-01,C50.4
"""
HEADER = "person_id,measurement_concept_id,measurement_date,operator_concept_id,value_as_number,value_as_concept_id"
HEADER += ",unit_source_value,value_source_value,measurement_source_value\n"
MEASURED = HEADER + "1,101,2019-05-12,,,9191,,,\n2,102,2020-02-11,4171756,10,0,%,,\n9,101,2019-05-12,,,9191,,,\n"
MAP = "concept,field,value\n4112853,diagnosis,\n101,er,\n102,ki67_percent,\n"
INDEX = IndexDate(date="diagnosis")


@pytest.fixture
def export(tmp_path):
    def write(folder="omop", **texts):
        (tmp_path / folder).mkdir(exist_ok=True)
        whole = {"person": PEOPLE, "condition_occurrence": CONDITIONS, "measurement": MEASURED, "map": MAP, **texts}
        for name, text in whole.items():
            if text:
                (tmp_path / folder / f"{name}.csv").write_text(text, encoding="utf-8")
        return tmp_path / folder

    return write


def read(*paths, columns={"case_id": "person_source_value"}, **source):  # noqa: B006 - never changed
    return clinical.read(Source(paths, columns=columns, **source), clinical.Config())


def row_of(cases, case_id):
    return dict(zip(cases.features, cases.values[cases.case_ids.index(case_id)], strict=True))


def test_age_is_counted_at_the_first_diagnosis_as_exactly_as_birth_is_known(export):
    cases = read(export())
    assert {case: row_of(cases, case)["age"] for case in cases.case_ids} == {"P-1": 58, "P-2": 48, "P-3": 65}
    assert (
        cases.notes["omop: ages from a year or month alone, up to a year off"] == 1
    )  # P-3, born in the middle of 1955


def test_everything_is_counted(export):
    folder = export(
        drug_exposure="person_id,drug_concept_id\n1,7\n", visit_occurrence="person_id,visit_concept_id\n1,7\n"
    )
    notes = read(folder).notes
    assert {kind: notes[f"omop: {kind}"] for kind in ("people", "entries read", "tables without a field")} == {
        "people": 3,
        "entries read": 6,
        "tables without a field": 2,
    }
    assert notes["omop: entries of people without a case"] == 1
    assert notes["omop: entries of other codes"] == 0


def test_operator_and_unit_belong_to_the_number(export):
    assert row_of(read(export()), "P-2")["ki67_percent"] == 5  # below 10 %
    measured = HEADER + "2,102,2020-02-11,,0.15,0,ratio,,\n"
    with pytest.raises(ValueError, match=r"measurement.csv, line 2, field 'ki67_percent': '0.15 ratio' is not known"):
        read(export(measurement=measured))


def test_the_unit_of_a_percentage_may_stand_as_a_concept_alone(export):
    header = HEADER.replace("unit_source_value", "unit_source_value,unit_concept_id")
    percent = export(measurement=header + "2,102,2020-02-11,,15,0,,8554,,\n")
    assert row_of(read(percent), "P-2")["ki67_percent"] == 15
    message = r"measurement.csv, line 2, field 'ki67_percent': '0.15 of unit concept 8523' is not known"
    with pytest.raises(ValueError, match=message):
        read(export(measurement=header + "2,102,2020-02-11,,0.15,0,,8523,,\n"))


def test_a_number_that_may_be_nottinghams_score_is_no_grade_unless_the_site_says_so(export):
    measured = HEADER + "1,,2019-05-12,,3,0,,,44648-4\n"
    with pytest.raises(ValueError, match=r"measurement.csv, line 2, field 'grade': 'score 3' is not known"):
        read(export(measurement=measured))
    assert row_of(read(export(measurement=measured, map=MAP + "44648-4,grade,\n")), "P-1")["grade"] == 3
    concept = "concept_id,concept_name,vocabulary_id,concept_code\n700,Nottingham,LOINC,44648-4\n"
    with pytest.raises(ValueError, match=r"'score 3' is not known"):
        read(export(measurement=HEADER + "1,700,2019-05-12,,3,0,,,\n", concept=concept))


def test_without_a_column_of_case_ids_the_case_is_the_person(export):
    assert read(export(), columns={}).case_ids == ("1", "2", "3")


def test_the_case_list_says_whose_case_a_person_is(export, write):
    listed = write.text("cases.csv", "case_id,label,person_id\nX-1,LumA,1\nX-2,LumB,2\n")
    cases = read(export(), listed, columns={})
    assert cases.case_ids == ("X-1", "X-2")
    assert cases.notes["omop: entries of people without a case"] == 2
    twice = write.text("cases.csv", "case_id,label,person_id\nX-1,LumA,1\nX-2,LumB,1\n")
    with pytest.raises(ValueError, match=r"cases.csv, line 3: person_id 1 stands for two cases; keep one of them"):
        read(export(), twice, columns={})


def test_entries_that_were_never_mapped_are_told_by_the_sites_own_code(export):
    measured = HEADER + "1,0,2019-05-12,,,0,,schwach positiv,OER\n"
    folder = export(measurement=measured, map=MAP + "OER,er,\n")
    with pytest.raises(ValueError, match=r"line 2, field 'er': 'schwach positiv' is not known"):
        read(folder)
    assert row_of(read(folder, values={"er": {"schwach positiv": "positive"}}), "P-1")["er=positive"] == 1


def test_vocabulary_tells_loinc_and_names_answers(export):
    vocabulary = (
        "concept_id,concept_name,vocabulary_id,concept_code\n4112853,Malignant neoplasm of breast,SNOMED,254837009\n"
    )
    vocabulary += "3001,ER Ag [Presence],LOINC,85337-4\n4001,Negative (qualifier value),SNOMED,260385009\n"
    measured = HEADER + "1,3001,2019-05-12,,,4001,,,\n"
    folder = export(map="", concept=vocabulary, measurement=measured)
    cases = read(folder, concepts={"diagnosis": ("4112853",)})
    assert row_of(cases, "P-1")["er=negative"] == 1
    assert row_of(cases, "P-1")["age"] == 58


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_athenas_vocabulary_has_tabs_and_quotes_that_quote_nothing(export, ending):
    rows = [
        [
            *("concept_id", "concept_name", "domain_id", "vocabulary_id"),
            *("concept_class_id", "standard_concept", "concept_code"),
        ],
        ["3001", "ER Ag [Presence]", "Measurement", "LOINC", "Lab Test", "S", "85337-4"],
        ["4001", "Negative (qualifier value)", "Meas Value", "SNOMED", "Qualifier Value", "S", "260385009"],
        ["4002", '"New" gauze 2" x 3"', "Device", "SNOMED", "Physical Object", "S", "1"],
        ["4003", '2" pad, "open', "Device", "SNOMED", "Physical Object", "S", "2"],
    ]
    text = "".join("\t".join(row) + "\n" for row in rows)
    folder = export(map="", measurement=HEADER + "1,3001,2019-05-12,,,4001,,,\n", CONCEPT_CPT4="concept_id\n7\n")
    opened = gzip.open if ending.endswith(".gz") else open
    for content, message in [(text, ""), (text[:-20], r"CONCEPT.csv.*: the header has 7 fields, but line 5 has 5")]:
        with opened(folder / f"CONCEPT{ending}", "wt", encoding="utf-8") as file:
            file.write(content)
        if message:
            with pytest.raises(ValueError, match=message):
                read(folder)
        else:
            assert row_of(read(folder), "P-1")["er=negative"] == 1


def test_loincs_code_may_be_the_source_value(export):
    measured = HEADER + "1,,2019-05-12,,,0,,negative,85337-4\n"
    cases = read(export(map="", measurement=measured))
    assert row_of(cases, "P-1")["er=negative"] == 1
    assert cases.notes["omop: entries of other codes"] == 4


def test_receptors_that_differ_need_an_index_date(export):
    folder = export(measurement=MEASURED + "1,101,2023-05-12,,,9189,,,\n")
    with pytest.raises(
        ValueError, match=r"er differ between the measurements of 1 cases, and nothing says which counts"
    ):
        read(folder)
    cases = read(folder, index=INDEX)
    assert row_of(cases, "P-1")["er=positive"] == 1
    with pytest.raises(ValueError, match=r"index.date: 'visit': records of this kind know the date of diagnosis only"):
        read(folder, index=IndexDate(date="visit"))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"person": ""}, r"condition_occurrence.csv: OMOP's table person is not beside it; export person as well"),
        (
            {"map": ""},
            r"person.csv: none of the 7 entries means a field .* they bear the codes 4112853 \(4\), 101 \(2\)",
        ),
        ({"person": PEOPLE + PERSON}, r"person.csv, line 5: 'person_id' is no person_id: the header stands again"),
        (
            {"person": PEOPLE + "2,1972,1,1,,P-2\n"},
            r"person.csv, line 5, column 'person_id': a person stands more than once, as another case or with another",
        ),
        (
            {"person": PEOPLE.replace("P-3", "P-1")},
            r"person.csv: 1 cases are several persons each: P-1; keep one person",
        ),
        (
            {"map": MAP + "7,stages,\n"},
            r"map.csv, line 5: the dictionary has no field 'stages'; did you mean 'stage'\?",
        ),
        ({"map": MAP + "101,pr,\n"}, r"map.csv, line 5: concept 101 has two meanings: er  and pr; keep one of them"),
        ({"map": MAP + ",pr,\n"}, r"map.csv, line 5: no concept; fill it in or delete the row"),
        ({"measurement": "person_id,measurement_concept_id\n1,101\n"}, r"measurement.csv: no column measurement_date"),
        (
            {"measurement": HEADER + "1,101,12.05.2019,,,9191,,,\n"},
            r"measurement.csv, line 2, column 'measurement_date': no date of OMOP; export OMOP's dates as year",
        ),
        ({"measurement": HEADER + "1,101,2019-05-12,,,77,,,\n"}, r"field 'er': 'concept 77' is not known"),
        ({"condition_occurrence": CONDITIONS + "1,4112853,1950-05-02,C50.9\n"}, r"line 6: diagnosed before birth"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(export, texts, message):
    with pytest.raises(ValueError, match=message):
        read(export(**texts))


def test_column_of_case_ids_that_is_not_there_is_refused(export):
    with pytest.raises(ValueError, match=r"person.csv: no column study_id, which OMOP's table has"):
        read(export(), columns={"case_id": "study_id"})


def test_damaged_parquet_is_refused(export, tmp_path):
    folder = export(measurement="")
    pd.read_csv(folder / "person.csv").to_parquet(folder / "measurement.parquet")
    with pytest.raises(ValueError, match=r"measurement.parquet: no column measurement_concept_id, measurement_date"):
        read(folder)
    (folder / "measurement.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(ValueError, match=r"measurement.parquet: (no readable Parquet file|no column)"):
        read(folder)
    other = tmp_path / "other.parquet"
    other.write_bytes(b"")
    with pytest.raises(ValueError, match=r"other.parquet: of Parquet, only OMOP's tables are read; export it as CSV"):
        read(other)
