"""A hospital's own table, read through the mapping in its site.yaml."""

import pytest

from modalities import clinical
from modalities.core.contract import Source

CONFIG = clinical.Config()
COLUMNS = {"case_id": "MRN", "age": "Alter", "er": "ER-Status", "her2_ihc_score": "Herceptest", "t": "pT"}


def read(*paths, columns=COLUMNS, **source):
    return clinical.read(Source(tuple(paths), columns=columns, **source), CONFIG)


def value(cases, case_id, feature):
    return cases.values[cases.case_ids.index(case_id), cases.features.index(feature)]


@pytest.mark.parametrize(("name", "mark"), [("own.csv", ","), ("own.csv", ";"), ("own.tsv", "\t")])
def test_own_table_is_read_through_the_mapping(write, name, mark):
    text = "MRN,Alter,ER-Status,Herceptest,pT,Notiz\nP-1,61,pos,2+,pT2a,x\nP-2,,neg.,0,pTX,y\n"
    cases = read(write.text(name, text.replace(",", mark)))
    assert cases.case_ids == ("P-1", "P-2")
    assert value(cases, "P-1", "age") == 61
    assert value(cases, "P-1", "t") == 2
    assert value(cases, "P-1", "er=positive") == 1
    assert value(cases, "P-1", "her2=equivocal") == 1
    assert value(cases, "P-2", "her2=negative") == 1
    assert cases.notes["mapped: rows used"] == 2


def test_case_id_needs_no_mapping_where_the_column_has_that_name(write):
    assert read(write.text("own.csv", "case_id,Alter\nP-1,61\n"), columns={"age": "Alter"}).case_ids == ("P-1",)


def test_mapping_adds_a_field_to_a_known_format(write):
    path = write.cbioportal({"case": "TCGA-AA-0001-01", "age": "51", "ER Status": "Positive"}, extra=("ER Status",))
    cases = read(path, columns={"er": "ER Status"})
    assert value(cases, "TCGA-AA-0001", "er=positive") == 1
    assert value(cases, "TCGA-AA-0001", "age") == 51


def test_own_table_is_trusted_before_the_registry(write):
    own = write.text("own.csv", "MRN,Alter\nTCGA-AA-0001,44\n")
    biotab = write.biotab({"case": "TCGA-AA-0001", "age": "55"})
    cases = read(biotab, own, columns={"case_id": "MRN", "age": "Alter"})
    assert value(cases, "TCGA-AA-0001", "age") == 44
    assert cases.notes["conflicts between files"] == 1


def test_unknown_field_is_refused_with_the_nearest(write):
    path = write.text("own.csv", "MRN,Alter\nP-1,61\n")
    with pytest.raises(ValueError, match=r"columns: the dictionary has no field 'her2_ich'; did you mean 'her2_i.."):
        read(path, columns={"case_id": "MRN", "age": "Alter", "her2_ich": "Alter"})


def test_mapped_column_that_no_file_has_is_refused_with_the_nearest(write):
    path = write.text("own.csv", "MRN,Alter\nP-1,61\n")
    with pytest.raises(ValueError, match=r"columns.age: no column 'Altr' in own.csv; did you mean 'Alter'"):
        read(path, columns={"case_id": "MRN", "age": "Altr"})


def test_table_without_a_column_of_case_ids_is_refused(write):
    with pytest.raises(ValueError, match=r"own.csv: no column case_id of case ids; name it in site.yaml"):
        read(write.text("own.csv", "MRN,Alter\nP-1,61\n"), columns={"age": "Alter"})


@pytest.mark.parametrize(
    ("column", "cells", "reason"),
    [
        ("PAM50_call", ("1", "2"), "holds the molecular subtype"),
        ("group7", ("LumA", "Basal"), "holds the molecular subtype"),
        ("state", ("alive", "deceased"), "is an outcome"),
        ("Fraction Genome Altered", ("0.1", "0.2"), "is derived from copy number"),
        ("Buffa Hypoxia Score", ("1", "2"), "is derived from RNA"),
        ("Radiation Therapy", ("yes", "no"), "is a treatment"),
    ],
)
def test_leaking_column_is_refused_as_an_input_with_the_reason(write, column, cells, reason):
    text = f"MRN,{column}\nP-1,{cells[0]}\nP-2,{cells[1]}\n"
    with pytest.raises(ValueError, match=rf"own.csv: column '{column}' must not be used as 'er': it {reason}"):
        read(write.text("own.csv", text), columns={"case_id": "MRN", "er": column})


def test_tables_that_name_their_case_ids_differently_are_read_together(write):
    clinic = write.text("clinic.csv", "MRN,Alter\nP-1,61\nP-2,47\n")
    pathology = write.text("pathology.csv", "N° dossier,ER-Status\nP-2,pos\nP-3,neg\n")
    columns = {"case_id": "MRN", "age": "Alter", "er": "ER-Status"}
    cases = read(clinic, pathology, columns=columns, case_ids=("N° dossier",))
    assert cases.case_ids == ("P-1", "P-2", "P-3")
    assert value(cases, "P-2", "age") == 47
    assert value(cases, "P-2", "er=positive") == 1
    with pytest.raises(ValueError, match=r"pathology.csv: no column MRN of case ids; .* or under case_ids beside it"):
        read(clinic, pathology, columns=columns)


@pytest.mark.parametrize("diagnosis", [{}, {"diagnosis_date": "ED"}], ids=["not mapped", "in another table"])
def test_a_date_of_birth_without_one_of_diagnosis_beside_it_gives_no_age_and_is_refused(write, diagnosis):
    born = write.text("born.csv", "MRN,geb,ER-Status\nP-1,1960-01-31,pos\n")
    seen = write.text("seen.csv", "MRN,ED\nP-1,2020-05-31\n")
    with pytest.raises(ValueError, match=r"columns.birth_date: no table has both birth_date and diagnosis_date"):
        read(born, seen, columns={"case_id": "MRN", "birth_date": "geb", "er": "ER-Status", **diagnosis})


def test_diagnoses_to_come_are_refused(write):
    path = write.text("own.csv", "MRN,geb,ED\nP-1,1960-01-31,2999-05-31\n")
    with pytest.raises(ValueError, match=r"own.csv: 1 diagnoses lie in the future; correct the dates"):
        read(path, columns={"case_id": "MRN", "birth_date": "geb", "diagnosis_date": "ED"})
