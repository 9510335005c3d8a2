"""Whether clinical records can be true, in every format that they come in."""

import numpy as np
import pytest

from modalities import clinical
from modalities.clinical.dictionary import FIELDS, encode
from modalities.clinical.plausible import decoded, plausibility
from modalities.core.contract import Cases, Source
from tests.modalities.clinical.formats.cohort import cohort, config
from tests.modalities.clinical.formats.test_one_cohort import FORMATS

INPUTS = tuple(field for field in FIELDS if field.is_input)


def cases_of(*records):
    features = tuple(name for field in INPUTS for name in field.features)
    values = np.array([encode(record, INPUTS) for record in records], dtype=np.float32)
    return Cases(tuple(f"c{number}" for number in range(1, len(records) + 1)), values, features)


def said(*records):
    return [problem.what for problem in plausibility(Source(()), cases_of(*records), config()).problems]


@pytest.mark.parametrize("name", FORMATS)
def test_one_sound_cohort_is_told_nothing_in_any_format(name, tmp_path):
    source = FORMATS[name][0](tmp_path, cohort())
    found = plausibility(source, clinical.read(source, config()), config())
    assert [str(problem) for problem in found.problems] == []
    assert "age" in [quantity.name for quantity in found.quantities]


def test_cases_become_records_again():
    records = [{"age": 61.0, "er": "negative", "histology": "lobular"}, {"t": 2.0, "er": "indeterminate"}]
    frame = decoded(cases_of(*records), INPUTS)
    again = [
        {name: value for name, value in row.items() if value == value and value is not None}
        for _, row in frame.iterrows()
    ]
    assert again == records


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"er": "negative", "er_percent": 10.0}, "ER is negative, and 10 % or more of the nuclei are stained"),
        ({"er": "negative", "er_percent": 9.0}, None),  # below the threshold of before 2010
        ({"pr": "positive", "pr_percent": 0.0}, "PR is positive, and less than 1 % of the nuclei are stained"),
        ({"pr": "positive", "pr_percent": 1.0}, None),
        ({"nodes_positive": 3.0, "nodes_examined": 2.0}, "more lymph nodes are positive than were examined"),
        ({"nodes_positive": 2.0, "nodes_examined": 2.0}, None),
        ({"age": 17.0}, "the age is below 18 or above 110 years"),
        ({"age": 18.0}, None),
        ({"age": 111.0}, "the age is below 18 or above 110 years"),
    ],
)
def test_one_case_that_cannot_be_is_told(record, words):
    found = said(record, {"age": 50.0}, {"age": 60.0})
    assert [what.partition(" in 1 of ")[0] for what in found] == ([words] if words else [])


@pytest.mark.parametrize(("n", "is_told"), [(5, False), (6, True)])
def test_receptors_are_told_to_be_swapped_from_six_tumours_on(n, is_told):
    """With a share of .3 at most: .3 ** 5 = .0024, .3 ** 6 = .0007."""
    found = said(*[{"er": "negative", "pr": "positive"}] * n, *[{"er": "positive", "pr": "positive"}] * 9)
    assert bool(found) is is_told


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([{"er_percent": float(score)} for score in (8, 12, 0, 3, 9, 12, 6, 4, 12, 8, 2, 6, 9, 1, 12)],
         ["ER % is 12 or less where any nuclei are stained in 14 of 14 cases"]),
        ([{"er_percent": float(percent)} for percent in (8, 12, 90, 80, 9, 12, 100, 95, 12, 8, 2, 6)], []),
        ([{"age": number} for number in (99.0, 99.0, 99.0, *range(40, 90))], ["the age is 99 in 3 of 53 cases"]),
        ([{"age": number} for number in (99.0, *range(40, 90))], []),
        ([{"nodes_positive": number} for number in (99.0, 98.0, 0.0, 3.0, 1.0)],
         ["more than 45 lymph nodes are positive in 2 of 5 cases"]),
    ],
)  # fmt: skip
def test_scores_for_percentages_and_codes_for_missing_are_told(records, words):
    assert [what.partition(" (")[0] for what in said(*records)] == words


def test_no_case_is_no_problem():
    assert plausibility(Source(()), Cases((), np.zeros((0, 0), np.float32)), config()).problems == ()


def told(folder, **texts):
    """Of files of these names, with the columns of a case's id, ER status and grade."""
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    paths = tuple(folder / f"{name}.csv" for name in texts)
    source = Source(paths, columns={"case_id": "id", "er": "ER", "grade": "G"})
    return [str(problem) for problem in plausibility(source, clinical.read(source, config()), config()).problems]


def table(column, cells, prefix="c"):
    return f"id,{column}\n" + "".join(f"{prefix}{number},{cell}\n" for number, cell in enumerate(cells))


def test_two_files_without_a_case_in_common_are_told_of_another_spelling(tmp_path):
    grades = table("G", [2] * 9)
    assert told(tmp_path, clinic=grades, pathology=table("ER", ["positive"] * 9)) == []
    found = told(tmp_path, clinic=grades, pathology=table("ER", ["positive"] * 9, "00c"))
    assert len(found) == 2
    assert found[1].startswith("pathology.csv: none of its 9 cases is in another clinical file; compare the ids")


def test_a_column_of_receptors_without_a_value_is_told(tmp_path):
    (found,) = told(tmp_path, clinic=table("G", [2] * 9), pathology=table("ER", [""] * 9))
    assert found.startswith("er are known in none of 9 cases, though the files have their columns")


def test_an_n_that_is_clinical_or_after_treatment_is_told_like_such_a_t(tmp_path):
    (tmp_path / "a.csv").write_text("case_id,T,N\nc1,pT2,cN1\nc2,pT1,ypN0\nc3,T1,pN1a\nc4,cT2,N0\n")
    source = Source((tmp_path / "a.csv",), columns={"t": "T", "n": "N"})
    found = plausibility(source, clinical.read(source, config()), config()).problems
    assert [(problem.where, problem.what.partition(" and read")[0]) for problem in found] == [
        ("t", "T is clinical in 1 cases (c4: cT2)"),
        ("n", "N is clinical in 1 cases (c1: cN1)"),
        ("n", "N is after treatment in 1 cases (c2: ypN0)"),
    ]


def test_ninety_nine_lymph_nodes_are_told_to_stand_for_a_missing_value():
    found = said(*[{"nodes_examined": 99.0, "nodes_positive": 1.0}] * 5, *[{"nodes_examined": 12.0}] * 20)
    assert [what for what in found if "more than 60 lymph nodes were examined in 5 of 25 cases" in what]
