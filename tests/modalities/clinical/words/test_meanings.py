"""A hospital's own words, read through `sources.clinical.values` of its site.yaml."""

import pytest

from modalities import clinical
from modalities.clinical.words.meanings import meanings_of
from modalities.core.contract import Source
from modalities.core.problems import Problem

CONFIG = clinical.Config()
COLUMNS = {"case_id": "MRN", "er": "ER", "her2": "HER2", "stage": "UICC", "age": "Alter"}
GERMAN = "MRN,ER,HER2,UICC,Alter\nP-1,positiv,k.A.,UICC IIB,61\nP-2,Negativ,1,UICC IIB,k. A.\nP-3,,3+,,50\n"
VALUES = {
    "er": {"positiv": "positive", "NEGATIV": "negative"},
    "her2": {"k.A.": "missing", "1": "negative"},
    "stage": {"UICC IIB": "2"},
    "age": {"k. A.": "missing"},
}


def read(path, values, columns=COLUMNS, **source):
    return clinical.read(Source((path,), columns=columns, values=values, **source), CONFIG)


def value(cases, case_id, feature):
    return cases.values[cases.case_ids.index(case_id), cases.features.index(feature)]


def problems_with(values):
    problems: list[Problem] = []
    meanings_of(values, problems)
    return [str(problem) for problem in problems]


def test_words_mean_what_the_site_says_whatever_their_capitals(write):
    cases = read(write.text("own.csv", GERMAN), VALUES)
    assert value(cases, "P-1", "er=positive") == 1
    assert value(cases, "P-2", "er=negative") == 1
    assert value(cases, "P-2", "her2=negative") == 1
    assert value(cases, "P-2", "stage") == 2
    assert value(cases, "P-3", "her2=positive") == 1


def test_a_word_mapped_to_missing_is_an_empty_cell(write):
    cases = read(write.text("own.csv", GERMAN), VALUES)
    assert [value(cases, "P-1", f"her2={state}") for state in ("positive", "negative")] != [1, 0]
    assert value(cases, "P-2", "age") != value(cases, "P-2", "age")


def test_a_word_written_with_an_accent_put_on_apart_is_the_same_word(write):
    path = write.text("own.csv", "MRN,ER\nP-1,ne\u0301gatif\n")
    cases = read(path, {"er": {"n\u00e9gatif": "negative"}}, {"case_id": "MRN", "er": "ER"})
    assert value(cases, "P-1", "er=negative") == 1


def test_the_sites_own_meaning_goes_before_the_dictionarys(write):
    path = write.text("own.csv", "MRN,ER\nP-1,1\nP-2,2\n")
    cases = read(path, {"er": {"1": "negative", "2": "positive"}}, {"case_id": "MRN", "er": "ER"})
    assert value(cases, "P-1", "er=negative") == 1
    assert value(cases, "P-2", "er=positive") == 1


def test_codes_of_which_the_site_maps_a_part_are_asked_for(write):
    path = write.text("own.csv", "MRN,ER,G\nP-1,1,3\nP-2,2,7\nP-3,1,9\nP-4,,1\n")
    columns = {"case_id": "MRN", "er": "ER", "grade": "G"}
    half = {"er": {"2": "positive"}, "grade": {"7": "2", "9": "3"}}
    with pytest.raises(ValueError, match=r"line 2, er: '1' would be read as positive, and so is '2'") as raised:
        read(path, half, columns)
    assert "line 2, grade: '3' would be read as 3, and so is '9' as site.yaml maps it; say what '3'" in str(
        raised.value
    )
    assert len(str(raised.value).splitlines()) == 2  # the 1 of P-4 is grade 1, and no number that is mapped
    whole = {"er": {"1": "negative", "2": "positive"}, "grade": {**half["grade"], "1": "1", "3": "1"}}
    assert [value(read(path, whole, columns), "P-1", name) for name in ("er=negative", "grade")] == [1, 1]
    apart = {"er": {"2": "negative"}, "grade": {"7": "missing", "9": "missing"}}
    assert [value(read(path, apart, columns), "P-1", name) for name in ("er=positive", "grade")] == [1, 3]


def test_words_are_mapped_in_every_format_before_its_own_units(write):
    path = write.xena({"case": "TCGA-AA-0001-01", "er": "positiv"}, {"case": "TCGA-AA-0002-01", "er": "Negative"})
    cases = read(path, {"er": {"positiv": "positive"}}, {})
    assert value(cases, "TCGA-AA-0001", "er=positive") == 1
    assert value(cases, "TCGA-AA-0002", "er=negative") == 1


def test_nothing_is_mapped_that_is_not_written_there(write):
    remedy = r"write positive, negative, indeterminate, or leave it empty; `tessera-client map SITE` lists such words"
    with pytest.raises(ValueError, match=rf"own.csv, line 2, column 'ER': 'positiv' is not known; {remedy}"):
        read(write.text("own.csv", GERMAN), {name: VALUES[name] for name in ("her2", "stage", "age")})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"er": {"positiv": "posetive"}},
            "'positiv' is mapped to 'posetive', which is no word for it; write positive,",
        ),
        ({"er": {"positiv": "pos"}}, "write positive, negative, indeterminate or missing"),
        ({"stage": {"UICC V": "5"}}, "'UICC V' is mapped to '5', which is no word for it; write 0 to 4"),
        ({"age": {"alt": "unknown"}}, "'alt' is mapped to 'unknown', which is no word for it"),
        (
            {"her2_ich": {"a": "positive"}},
            "sources.clinical.values: the dictionary has no field 'her2_ich'; it has age,",
        ),
        ({"er": {"Pos.": "positive", "pos.": "negative"}}, "'pos.' is mapped twice, to different values"),
    ],
)
def test_a_mapping_to_no_word_of_the_dictionary_is_refused_with_what_may_be_written(values, problem):
    (said,) = problems_with(values)
    assert problem in said


def test_every_wrong_line_is_said_at_once():
    assert len(problems_with({"er": {"a": "b", "c": "positive"}, "pr": {"d": "e"}, "x": {}})) == 3


def test_a_mapped_word_that_no_file_has_is_an_error_of_check_with_the_words_that_there_are(write):
    values = {**VALUES, "er": {**VALUES["er"], "positif": "positive"}, "pr": {"neg": "negative"}}
    source = Source((write.text("own.csv", GERMAN),), columns=COLUMNS, values=values)
    assert clinical.read(source, CONFIG).case_ids == ("P-1", "P-2", "P-3")
    unmet = clinical.unreadable(source, CONFIG)
    assert [problem.level for problem in unmet] == ["error"] * 2
    assert [str(problem) for problem in unmet] == [
        "site.yaml, sources.clinical.values.er: mapped, but not in the columns of er (ER): 'positif'; correct "
        "or delete these lines; there is Negativ, positiv",
        "site.yaml, sources.clinical.values.pr: mapped, but not in any file: none has pr: 'neg'; delete these lines",
    ]
