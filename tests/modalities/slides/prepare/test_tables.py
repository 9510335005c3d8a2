"""Parts of a site's slides that are prepared by themselves, and the tables that they come together from."""

import os
import time
from pathlib import Path

import pytest

from modalities.slides.prepare.state import SlideState, read_states
from modalities.slides.prepare.tables import Shard, States, shard_of
from modalities.slides.reading.manifest import Listed


def listed(n, left_out=()):
    return [Listed(Path(f"s{number:02}.svs"), "c", left_out="why" if number in left_out else "") for number in range(n)]


def test_every_slide_is_in_one_part_and_those_in_use_are_dealt_out_evenly():
    slides = listed(23, left_out=range(0, 23, 2))  # 11 in use
    parts = [Shard(number, 4).of_slides(slides) for number in (1, 2, 3, 4)]
    assert sorted(entry.path for part in parts for entry in part) == [entry.path for entry in slides]
    assert [sum(not entry.left_out for entry in part) for part in parts] == [3, 3, 3, 2]
    assert [entry.path.name for entry in parts[2] if not entry.left_out] == ["s05.svs", "s13.svs", "s21.svs"]


def test_a_part_is_told_by_its_number_and_how_many_there_are():
    assert shard_of("3/16") == Shard(3, 16)
    assert shard_of("") is None


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "3/", "/4", "a/b", "1/2/3", "-1/4", "1.5/4"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(ValueError, match=r"no part of a whole; give its number and how many there are, such as 3/16"):
        shard_of(text)


def state(slide, what="excluded", file="f.h5", **more):
    return SlideState(slide, "c", what, recipe="r", file=file, **more)


def noted(cache, shard, *states):
    table = States(cache, shard)
    for found in states:
        table.add(found)
    table.settle()
    return table


def test_parts_write_tables_of_their_own_which_the_whole_takes_over(tmp_path):
    noted(tmp_path, None, state("old"), state("a", "failed"))
    noted(tmp_path, Shard(1, 2), state("a"))
    noted(tmp_path, Shard(2, 2), state("b", "failed"))
    assert {path.name for path in tmp_path.iterdir()} == {"states.csv", "states.1-of-2.csv", "states.2-of-2.csv"}
    assert [found.slide for found in read_states(tmp_path / "states.1-of-2.csv")] == ["a"]
    whole = States(tmp_path, None)
    assert {found.slide: found.state for found in whole.before} == {"old": "excluded", "a": "excluded", "b": "failed"}
    whole.settle()
    assert [path.name for path in tmp_path.iterdir()] == ["states.csv"]
    assert {found.slide: found.state for found in read_states(tmp_path / "states.csv")} == {
        "old": "excluded",
        "a": "excluded",
        "b": "failed",
    }


def test_the_newest_table_counts(tmp_path):
    noted(tmp_path, Shard(1, 2), state("a", "failed"))
    later = time.time() + 60
    noted(tmp_path, None, state("a"))
    os.utime(tmp_path / "states.csv", (later, later))
    noted(tmp_path, Shard(1, 2), state("a", "failed"))
    assert [found.state for found in States(tmp_path, None).before] == ["excluded"]


def test_a_part_that_is_still_at_work_keeps_its_table(tmp_path):
    noted(tmp_path, Shard(1, 2), state("a"))
    whole = States(tmp_path, None)
    os.utime(tmp_path / "states.1-of-2.csv", (1, 1))
    whole.settle()
    assert {path.name for path in tmp_path.iterdir()} == {"states.csv", "states.1-of-2.csv"}
