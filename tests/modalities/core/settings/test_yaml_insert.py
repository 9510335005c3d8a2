"""Entries are added to a person's YAML file, of which nothing else changes."""

import difflib

import pytest
import yaml

from modalities.core.problems import ProblemsError
from modalities.core.settings.yaml_insert import with_entries

SITE = """\
# Klinikum
name: klinikum   # so heissen wir
sources:
  cnv: {paths: [cnv], format: "auto"}
  clinical:
    # der Export
    paths:
    - export/a.csv   # seit Mai

    columns:
      case_id: 'Fall'  # Pseudonym

    values:

policy: {min_cohort: 3}
"""


TROUBLE = [
    "no",
    "yes",
    "null",
    "~",
    "1",
    "01",
    "1e3",
    "12:30",
    "2024-01-02",
    ".inf",
    "-",
    "?",
    "=",
    "<<",
    "",
    " x",
    "é\t",
]
SIGNS = ["a: b", "a #b", "#", "'q'", '"', "{a}", "[a]", "*a", "&a", "!a", "|", ">", "%", "@", "`", "a\\b", "3+", "+++"]


def lines_added(before, after):
    """The new lines, where nothing else differs."""
    changes = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    assert not [line for line in changes if line.startswith("- ")]
    return [line[2:] for line in changes if line.startswith("+ ")]


def test_entries_stand_below_the_last_one_of_their_section():
    after = with_entries(SITE, ("sources", "clinical", "columns"), {"er": "ER-Status", "n": "pN"})
    assert lines_added(SITE, after) == ["      er: ER-Status", "      n: pN"]
    assert after.index("case_id: 'Fall'  # Pseudonym") < after.index("er: ER-Status") < after.index("values:")


def test_a_section_without_an_entry_and_the_sections_in_it_are_begun():
    after = with_entries(SITE, ("sources", "clinical", "values", "er"), {"positiv": "positive", "k.A.": "missing"})
    assert lines_added(SITE, after) == ["      er:", "        positiv: positive", '        "k.A.": missing']
    assert yaml.safe_load(after)["sources"]["clinical"]["values"] == {"er": {"positiv": "positive", "k.A.": "missing"}}


def test_a_section_that_is_not_there_is_put_at_the_end():
    after = with_entries(SITE, ("labels",), {"Luminal A": "LumA"})
    assert after == SITE + "labels:\n  Luminal A: LumA\n".rstrip("\n") + "\n"


def test_a_section_in_braces_grows_in_its_line():
    after = with_entries(SITE, ("sources", "cnv", "values", "er"), {"k. A.": "missing", "2+": "0"})
    assert '  cnv: {paths: [cnv], format: "auto", values: {er: {"k. A.": missing, "2+": 0}}}\n' in after
    assert len(after.splitlines()) == len(SITE.splitlines())
    assert with_entries("a: {}\n", ("a",), {"b": "c"}) == "a: {b: c}\n"


def test_a_line_in_braces_that_gets_long_goes_on_below():
    text = "sources:\n  clinical: {paths: [a], columns: {er: ER}}   # export\npolicy: {min_cohort: 3}\n"
    long = {f"{number:02d} {'wort' * 9}": "positive" for number in range(2)}
    after = with_entries(text, ("sources", "clinical", "values", "er"), long)
    assert after == (
        "sources:\n  clinical: {paths: [a], columns: {er: ER},\n"
        f'      values: {{er: {{"00 {"wort" * 9}": positive, "01 {"wort" * 9}": positive}}}}}}   # export\n'
        "policy: {min_cohort: 3}\n"
    )
    again = with_entries(after, ("sources", "clinical", "values", "pr"), {"a b": "negative"})
    assert again.splitlines()[3] == '          pr: {"a b": negative}}}   # export'


def test_line_ends_and_a_missing_last_one_are_kept():
    after = with_entries("name: a\r\nlabels:\r\n  x: y", ("labels",), {"z": "w"})
    assert after == "name: a\r\nlabels:\r\n  x: y\r\n  z: w"


@pytest.mark.parametrize("word", [*TROUBLE, *SIGNS, "Nein", "über 90 %", "k.A."])
def test_every_word_is_read_back_as_the_text_that_it_was(word):
    for text in (SITE, "sources: {clinical: {paths: [a]}}\n"):
        after = with_entries(text, ("sources", "clinical", "columns"), {"x": word}) if word != "1" else text
        after = with_entries(after, ("labels",), {word: "positive"})
        read = yaml.safe_load(after)
        assert read["labels"] == {word: "positive"}
        assert word == "1" or read["sources"]["clinical"]["columns"]["x"] == word


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_begins_with_the_entries(text):
    assert with_entries(text, ("labels",), {"a": "b"}) == text + "labels:\n  a: b\n"


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        (SITE, ("sources", "clinical", "columns"), "'case_id' is there already; correct that line"),
        (SITE, ("name", "x"), "there is something else than a section here"),
        ("labels: ~\n", ("labels",), "there is something else than a section here"),
        ("a: &x {b: c}\nlabels: *x\n", ("labels",), "could not be put into the file:\nlabels:\n  case_id: y"),
        ("labels: {a: b # note\n  }\n", ("labels",), "could not be put into the file"),
    ],
)
def test_a_file_that_has_no_place_for_them_is_refused_with_the_lines(text, path, said):
    with pytest.raises(ProblemsError) as caught:
        with_entries(text, path, {"case_id": "y"})
    assert said in str(caught.value)
