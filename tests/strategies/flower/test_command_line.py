"""Flower's command line is a program: what it prints and how it ends decide what is made of it."""

import os

import pytest

from strategies.flower import command_line
from strategies.flower.command_line import ask_flower, details_of, is_finished


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Puts a program of this text in the place of Flower's."""
    monkeypatch.setattr(command_line, "programs", lambda: tmp_path)

    def written(text):
        (tmp_path / "flwr").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "flwr").chmod(0o700)

    return written


def test_the_answer_is_the_json_behind_a_word_or_two(says):
    says("""echo Loading; echo '{"arguments": "'"$*"'", "home": "'"$FLWR_HOME"'"}'""")
    answer = ask_flower({**os.environ, "FLWR_HOME": "/here"}, "list", "study")
    assert answer == {"arguments": "list study --format json", "home": "/here"}


def test_an_answer_that_begins_with_its_json_is_read_too(says):
    says("""echo '{"success": true}'""")
    assert ask_flower(os.environ, "list") == {"success": True}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("""echo '{"success": false, "error-message": "no such run"}'""", "^flwr stop 7: no such run$"),
        ("""echo '{"runs": []}'; echo refused >&2; exit 1""", r'^flwr stop 7: \{"runs": \[\]\}\nrefused$'),
        ("""echo '{"runs": ['""", r'^flwr stop 7: \{"runs": \[$'),
        ("echo Loading; echo no connection >&2", "^flwr stop 7: Loading\nno connection$"),
        ("printf 'a%.0s' $(seq 600)", "^flwr stop 7: a{500}$"),
    ],
)
def test_what_fails_or_is_no_answer_is_an_error_in_flowers_words(says, text, said):
    says(text)
    with pytest.raises(RuntimeError, match=said):
        ask_flower(os.environ, "stop", "7", "study")


def test_a_run_has_ended_however_it_ended_and_not_applicable_is_no_detail():
    assert [is_finished(status) for status in ("finished:failed", "finished:completed", "running")] == [1, 1, 0]
    assert details_of({"status-details": "out of memory"}) == "out of memory"
    assert [details_of(run) for run in ({"status-details": "N/A"}, {"status-details": None}, {})] == ["", "", ""]
