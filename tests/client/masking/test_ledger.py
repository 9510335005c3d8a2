"""What a site remembers of masked sums, on disk and in a simulated node's context."""

from dataclasses import replace

import pytest
from flwr.app import Context, RecordDict

from client.masking.ledger import Entry, Ledger, PassingLedger, most_questions
from client.node.home import Home
from tests.support import small_federation

ENTRY = Entry(
    label="aa" * 32,
    study="study",
    roster="roster",
    run="7",
    group="cnv",
    question="question 1",
    inputs="weights 1",
    message="train.branches",
    members={"a": "00", "b": "01", "c": "02", "d": "03"},
    least=3,
    plain="plain 1",
)


@pytest.fixture(params=["real", "simulated"])
def ledger(request, tmp_path):
    if request.param == "real":
        return Ledger(Home(tmp_path))
    return PassingLedger(Context(1, 1, {}, RecordDict(), {}))


def test_a_vector_that_was_noted_is_found_by_its_label(ledger):
    ledger.note(ENTRY, 3)
    assert ledger.entry(ENTRY.label) == ENTRY
    with pytest.raises(ValueError, match="a sum that this site sent no vector for"):
        ledger.entry("bb" * 32)


def test_it_outlives_the_process_and_a_line_that_a_crash_cut_off(tmp_path):
    home = Home(tmp_path)
    Ledger(home).note(ENTRY, 3)
    Ledger(home).settle(ENTRY, ["a", "b", "c"])
    with (home.masks / "ledger.jsonl").open("a") as file:
        file.write('{"label": "bb')
    again = Ledger(home)
    assert again.entry(ENTRY.label) == ENTRY
    again.settle(ENTRY, ["a", "b", "c"])
    with pytest.raises(ValueError, match="with and without d, whose own numbers would be the difference"):
        again.settle(ENTRY, ["a", "b", "c", "d"])


def test_equal_inputs_are_opened_for_one_set_of_sites_whatever_the_run_round_and_members(tmp_path):
    ledger = Ledger(Home(tmp_path))
    ledger.settle(ENTRY, ["a", "b", "c"])
    later = replace(ENTRY, label="cc" * 32, run="8", question="question 2", members={"a": "09", "b": "08", "c": "07"})
    ledger.settle(later, ["a", "b", "c"])
    with pytest.raises(ValueError, match="with and without c, d"):
        ledger.settle(later, ["a", "b", "d"])
    for other in (replace(ENTRY, inputs="weights 2"), replace(ENTRY, group="hif"), replace(ENTRY, study="another")):
        ledger.settle(other, ["a", "b", "d"])


def test_one_label_hides_one_vector(tmp_path):
    ledger = Ledger(Home(tmp_path))
    ledger.note(ENTRY, 3)
    ledger.note(ENTRY, 3)
    with pytest.raises(ValueError, match="cnv: the same request was answered with other numbers before"):
        ledger.note(replace(ENTRY, plain="plain 2"), 3)


def test_no_more_is_answered_than_the_settings_make_necessary(tmp_path):
    ledger = Ledger(Home(tmp_path))
    for number in range(2):
        ledger.note(replace(ENTRY, label=f"{number:064d}", question=f"question {number}"), 2)
    with pytest.raises(
        ValueError, match="2 different requests were answered in a study of these settings, which needs"
    ):
        ledger.note(replace(ENTRY, label="dd" * 32, question="question 3"), 2)
    ledger.note(replace(ENTRY, label="ee" * 32, question="question 1"), 2)  # the same, in another run
    for other in ({"group": "hif"}, {"message": "evaluate.branches"}, {"study": "another"}):
        ledger.note(replace(ENTRY, label="ff" * 32, question="question 3", **other), 2)
        ledger = Ledger(Home(tmp_path / "-".join(other)))


def test_how_much_a_study_may_ask_follows_from_its_settings():
    federation = small_federation(
        fusion={"folds": 2, "rounds": 4, "network": {"rounds": 3}, "candidates": ["mean", "gated"]}
    )
    assert most_questions(federation, "train.branches") == 2
    assert most_questions(federation, "train.fusion") == 2 * 2 * 3 * 4
    assert most_questions(federation, "evaluate.branches") == 3
