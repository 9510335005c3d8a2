"""What a site remembers of masked sums, on disk and in a simulated node's context."""

import threading
from dataclasses import replace

import pytest
from flwr.app import Context, RecordDict

from client.masking.ledger import Entry, ledger_of, most_questions
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


def held(home):
    """The ledger of a real site, or of a simulated one without a home."""
    return ledger_of(Context(1, 1, {}, RecordDict(), {}), home)


@pytest.fixture
def ledger(tmp_path):
    with held(Home(tmp_path)) as ledger:
        yield ledger


@pytest.mark.parametrize("is_real", [True, False])
def test_a_vector_that_was_noted_is_found_by_its_label(tmp_path, is_real):
    with held(Home(tmp_path) if is_real else None) as ledger:
        ledger.note(ENTRY, 3)
        assert ledger.entry(ENTRY.label) == ENTRY
        with pytest.raises(ValueError, match="a sum that this site sent no vector for"):
            ledger.entry("bb" * 32)


def test_it_outlives_the_process_and_a_line_that_a_crash_cut_off(tmp_path):
    home = Home(tmp_path)
    with held(home) as ledger:
        ledger.note(ENTRY, 3)
        ledger.settle(ENTRY, ["a", "b", "c"])
    with home.ledger.open("a") as file:
        file.write('{"label": "bb')
    with held(home) as again:
        assert again.entry(ENTRY.label) == ENTRY
        again.settle(ENTRY, ["a", "b", "c"])
        with pytest.raises(ValueError, match="with and without d, whose own numbers would be the difference"):
            again.settle(ENTRY, ["a", "b", "c", "d"])


def test_what_was_opened_is_not_forgotten_where_its_line_is_damaged(tmp_path):
    home = Home(tmp_path)
    with held(home) as ledger:
        ledger.settle(ENTRY, ["a", "b", "c"])
        ledger.settle(replace(ENTRY, inputs="weights 2"), ["a", "b", "c"])
    home.ledger.write_text(home.ledger.read_text().replace('"opened"', '"opened', 1))
    wrong = "ledger.jsonl, line 1: cannot be read; to begin anew, `tessera-client leave` and join again"
    with pytest.raises(ValueError, match=wrong), held(home):
        pass


def test_of_two_tasks_at_once_one_is_refused_the_other_set(tmp_path):
    refused, at_once = [], threading.Barrier(2)

    def settle(survivors):
        at_once.wait()
        with held(Home(tmp_path)) as ledger:
            try:
                ledger.settle(ENTRY, survivors)
            except ValueError:
                refused.append(survivors)

    tasks = [threading.Thread(target=settle, args=(names,)) for names in (["a", "b", "c"], ["a", "b", "d"])]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    assert len(refused) == 1


def test_equal_inputs_are_opened_for_one_set_of_sites_whatever_the_run_round_and_members(ledger):
    ledger.settle(ENTRY, ["a", "b", "c"])
    later = replace(ENTRY, label="cc" * 32, run="8", question="question 2", members={"a": "09", "b": "08", "c": "07"})
    ledger.settle(later, ["a", "b", "c"])
    with pytest.raises(ValueError, match="with and without c, d"):
        ledger.settle(later, ["a", "b", "d"])
    for other in (replace(ENTRY, inputs="weights 2"), replace(ENTRY, group="hif"), replace(ENTRY, study="another")):
        ledger.settle(other, ["a", "b", "d"])


def test_one_label_hides_one_vector(ledger):
    ledger.note(ENTRY, 3)
    ledger.note(ENTRY, 3)
    with pytest.raises(ValueError, match="cnv: the same request was answered with other numbers before"):
        ledger.note(replace(ENTRY, plain="plain 2"), 3)


def test_no_more_is_answered_than_the_settings_make_necessary(ledger):
    for number in range(2):
        ledger.note(replace(ENTRY, label=f"{number:064d}", question=f"question {number}"), 2)
    with pytest.raises(
        ValueError, match="2 different requests were answered in a study of these settings, which needs"
    ):
        ledger.note(replace(ENTRY, label="dd" * 32, question="question 3"), 2)
    ledger.note(replace(ENTRY, label="ee" * 32, question="question 1"), 2)  # the same, in another run
    for other in ({"group": "hif"}, {"message": "evaluate.branches"}, {"study": "another"}):
        ledger.note(replace(ENTRY, label="ff" * 32, question="question 3", **other), 2)


def test_how_much_a_study_may_ask_follows_from_its_settings():
    federation = small_federation(
        fusion={"folds": 2, "rounds": 4, "network": {"rounds": 3}, "candidates": ["mean", "gated"]}
    )
    assert most_questions(federation, "train.branches") == 2
    assert most_questions(federation, "train.fusion") == 2 * 2 * 3 * 4
    assert most_questions(federation, "evaluate.branches") == 3
