"""What reports in five languages write, against what `tessera-client map` proposes for it.

The two tables of vocabulary/ were written, from what pathology and oncology reports say, before the dictionary that is
held against them, and neither was fitted to the other since.
"""

import csv
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from client.use.words.labels import label_meant
from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.values import parse
from modalities.clinical.words.columns import field_named
from modalities.clinical.words.proposals import propose
from modalities.core.settings.task import Task

FOLDER = Path(__file__).parents[3] / "modalities" / "clinical" / "words" / "vocabulary"
SURE = 0.9


def rows(name):
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def value_of(field, means):
    return means if field == "label" or means == "missing" else parse(BY_NAME[field], means)


def outcome(row, proposal, field):
    """right, wrong, or unsure; a word that means nothing is right where nothing is proposed for sure."""
    if proposal is None or proposal.sureness < SURE:
        return "unsure" if row["means"] else "right"
    is_right = row["means"] and value_of(field, proposal.means) == value_of(field, row["means"])
    return "right" if is_right else "wrong"


@cache
def outcomes():
    """Of each value: its language and whether it has a meaning, and the outcome."""
    found = []
    for row in rows("values.tsv"):
        field, written = row["field"], row["written"]
        proposal = label_meant(written, Task()) if field == "label" else propose(field, written)
        found.append((row["language"], bool(row["means"]), outcome(row, proposal, field), f"{field}: {written}"))
    return found


@cache
def columns():
    return [(outcome(row, field_named(row["written"]), "label"), row["written"]) for row in rows("columns.tsv")]


def test_at_least_nine_in_ten_of_300_values_are_proposed_rightly_and_none_wrongly_where_it_is_sure():
    meant = [(language, how) for language, has_meaning, how, _ in outcomes() if has_meaning]
    right = Counter(language for language, how in meant if how == "right")
    assert len(meant) >= 300
    assert len(right) == 5
    assert sum(right.values()) >= 0.9 * len(meant)
    assert [written for *_, how, written in outcomes() if how == "wrong"] == []


@pytest.mark.parametrize("language", ["de", "en", "fr", "es", "it"])
def test_no_language_is_left_behind(language):
    of_it = [how for own, has_meaning, how, _ in outcomes() if own == language and has_meaning]
    assert of_it.count("right") >= 0.9 * len(of_it)


def test_of_words_that_say_nothing_none_is_proposed_for_sure():
    without = [how for _, has_meaning, how, _ in outcomes() if not has_meaning]
    assert len(without) >= 40
    assert set(without) == {"right"}


def test_names_of_columns_are_proposed_rightly_too_and_none_wrongly():
    assert len(columns()) == 76
    assert [name for how, name in columns() if how == "wrong"] == []
    assert sum(how == "right" for how, _ in columns()) >= 0.9 * len(columns())
