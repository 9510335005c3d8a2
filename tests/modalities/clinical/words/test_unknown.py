"""Which columns and values of clinical files are asked about."""

from modalities import clinical
from modalities.core.contract import Source
from modalities.core.hooks import Proposal
from modalities.core.problems import Problem


def asked(path, section, columns=None, **source):
    words = clinical.unknown_words(Source((path,), columns=columns or {}, **source), [])
    return {word.written: word.proposal for word in words if word.section == section}


def test_a_name_of_two_fields_is_settled_by_what_stands_in_the_column(write):
    path = write.text("own.csv", "MRN,ER,PR,HER2,Status HER2\nP-1,80 %,positiv,3+,amplifiziert\nP-2,95,neg.,0,k.A.\n")
    proposals = asked(path, "columns")
    assert proposals["ER"] == Proposal("er_percent", 1.0)
    assert proposals["PR"] == Proposal("pr", 1.0)


def test_two_columns_that_may_be_one_field_are_neither_sure(write):
    path = write.text("own.csv", "Fall,ER,ER-Status\nP-1,positiv,neg\nP-2,negativ,pos\n")
    proposals = asked(path, "columns")
    assert {name: proposals[name] for name in ("ER", "ER-Status")} == dict.fromkeys(
        ("ER", "ER-Status"), Proposal("er", 0.5)
    )


def test_a_column_whose_values_fit_nothing_of_its_name_is_not_sure(write):
    proposals = asked(write.text("own.csv", "Fall,Grading\nP-1,Labor Nord\nP-2,Labor Süd\n"), "columns")
    assert proposals["Grading"] == Proposal("grade", 0.5)


def test_case_ids_that_repeat_are_not_surely_case_ids(write):
    path = write.text("own.csv", "Patient,Fallnummer,Alter\nP-1,1,50\nP-1,2,50\n")
    proposals = asked(path, "columns")
    assert proposals["Patient"] == Proposal("case_id", 0.5)
    assert proposals["Fallnummer"] == Proposal("case_id", 1.0)


def test_mapped_columns_empty_ones_and_those_that_hold_the_label_are_not_asked_about(write):
    path = write.text("own.csv", "Fall,Alter,leer,PAM50,Notiz\nP-1,50,,LumA,x\nP-2,51,,Basal,y\n")
    assert asked(path, "columns", {"age": "Alter", "case_id": "Fall"}) == {"Notiz": None}


def test_of_a_known_format_only_values_are_asked_about(write):
    rows = [
        {"case": f"TCGA-AA-000{n}-01", "er": text} for n, text in enumerate(["positiv", "Positiv", "Negative", "?!"])
    ]
    path = write.xena(*rows)
    words = clinical.unknown_words(Source((path,)), [])
    assert [(word.section, word.field, word.written, word.count) for word in words] == [
        ("values", "er", "positiv", 2),
        ("values", "er", "?!", 1),
    ]
    assert words[0].permitted == "positive, negative, indeterminate or missing"


def test_what_site_yaml_maps_is_not_asked_about_again(write):
    path = write.text("own.csv", "case_id,ER\nP-1,positiv\nP-2,negativ\n")
    left = asked(path, "values", {"er": "ER"}, values={"er": {"POSITIV": "positive"}})
    assert left == {"negativ": Proposal("negative", 1.0)}


def test_what_a_word_may_not_mean_is_said():
    assert clinical.may_mean("values", "er", "x", "missing") == ""
    assert "write positive, negative, indeterminate or missing" in clinical.may_mean("values", "er", "x", "3")
    assert clinical.may_mean("columns", "", "ER", "er") == ""
    assert clinical.may_mean("columns", "", "ER", "ers").startswith("no field 'ers'; there are case_id, birth_date")


def test_a_column_of_dates_is_that_of_the_diagnosis_and_one_of_words_is_not(write):
    path = write.text("own.csv", "Fall,Erstdiagnose,Diagnose\nP-1,03.04.2021,C50.4\nP-2,,C50.9\n")
    assert asked(path, "columns", {"case_id": "Fall"}) == {
        "Erstdiagnose": Proposal("diagnosis_date", 1.0),
        "Diagnose": None,
    }


def test_a_file_that_cannot_be_opened_is_said(write):
    problems: list[Problem] = []
    path = write.text("own.csv", "Fall;ER\nP-1;positiv\nP-2;negativ;zu viel\n")
    assert clinical.unknown_words(Source((path,), columns={"case_id": "Fall", "er": "ER"}), problems) == []
    assert [problem.file for problem in problems] == ["own.csv"]
