"""metrics.jsonl is brought up to the checkpoint, and what was not as it should be is said with its number."""

import json

import pytest

from modalities.core.files.journal import add_after
from server.state.measured import METRICS, Measured


@pytest.fixture
def path(tmp_path):
    return tmp_path / METRICS


def numbers_in(path):
    return [json.loads(line)["round"] for line in path.read_text(encoding="utf-8").splitlines()]


def lines(*numbers):
    return [{"round": number} for number in numbers]


def test_lines_are_written_once_each_and_of_that_nothing_is_said(path):
    measured = Measured(lines=lines(1, 2))
    assert measured.write(path) == []
    measured.lines = lines(3)
    assert measured.write(path) == []
    assert measured == Measured(n_before=3)
    assert measured.write(path) == []
    assert numbers_in(path) == [1, 2, 3]


def test_nothing_to_write_makes_no_file(path):
    assert Measured().write(path) == []
    assert not path.exists()


@pytest.mark.parametrize("n_written", [0, 1, 2])
def test_a_server_killed_while_it_wrote_its_lines_writes_those_that_are_missing_and_says_nothing(path, n_written):
    add_after(path, 0, lines(1, 2, 3, 4, 5)[: 3 + n_written])
    assert Measured(3, lines(4, 5)).write(path) == []
    assert numbers_in(path) == [1, 2, 3, 4, 5]


def test_lines_that_are_gone_are_said_and_the_count_goes_on_from_what_is_left(path):
    add_after(path, 0, lines(1))
    measured = Measured(4, lines(5, 6))
    assert measured.write(path) == ["metrics.jsonl: 3 lines that were written are gone"]
    assert numbers_in(path) == [1, 5, 6]
    assert measured == Measured(n_before=3)


def test_lines_of_rounds_that_the_checkpoint_does_not_know_are_taken_out_and_said(path):
    """As after going back to an earlier checkpoint: two lines stand in both, one of which is written anew."""
    add_after(path, 0, lines(1, 2, 3, 4, 5, 6, 7))
    assert Measured(2, lines(30)).write(path) == [
        "metrics.jsonl: 4 lines of rounds that the checkpoint does not know are taken out"
    ]
    assert numbers_in(path) == [1, 2, 30]
