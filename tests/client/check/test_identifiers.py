"""Which case ids look like a patient's own number, and that they are not printed."""

import pytest

from client.check.identifiers import check_identifiers, kind_of


@pytest.mark.parametrize(
    ("case_id", "kind"),
    [
        ("9434765919", "NHS numbers"),  # the number of the NHS's own examples
        ("943 476 5919", "NHS numbers"),
        ("9434765918", "hospital numbers"),  # its check digit is wrong
        ("123456", "hospital numbers"),
        ("MRN-0012345", "hospital numbers"),
        ("1948-03-12", "dates, of birth perhaps"),
        ("12.03.1948", "dates, of birth perhaps"),
        ("KL-19480312", "dates, of birth perhaps"),
        ("Doe, Jane", "names"),
        ("Jane Doe", "names"),
        ("Müller-Lüdenscheidt, Ida", "names"),
    ],
)
def test_identifier_is_told(case_id, kind):
    assert kind_of(case_id) == kind


@pytest.mark.parametrize(
    "case_id", ["TCGA-BH-A0B3", "MB-0000", "site_1-case-013", "P-77", "12345", "a3f9c1d2", "S19481312", "case 12", ""]
)
def test_pseudonym_is_left_alone(case_id):
    assert kind_of(case_id) is None


def test_lines_are_named_and_ids_are_not():
    found = check_identifiers("cases.csv", ["P-1", "12345678", "Doe, Jane", "7654321"])
    assert [(one.level, one.where) for one in found] == [("warning", "column case_id")] * 2
    assert found[0].what.startswith(
        "2 case ids look like hospital numbers (line 3, line 5): no id leaves the site, but"
    )
    assert "pseudonym" in found[0].remedy
    assert not [one for one in found if "Doe" in str(one) or "1234" in str(one)]
