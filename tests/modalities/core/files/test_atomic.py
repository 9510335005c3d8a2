import os

import pytest

from modalities.core.files.atomic import remove_parts, replacing, write_atomically, write_json


def half_written(path):
    path.write_text("ha")
    raise FileNotFoundError("no such tables")


def test_a_block_that_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    path = tmp_path / "state.json"
    write_json(path, {"round": 3})
    with pytest.raises(FileNotFoundError, match="no such tables"), replacing(path) as beside:
        half_written(beside)
    assert path.read_text() == '{\n "round": 3\n}'
    assert [left.name for left in tmp_path.iterdir()] == ["state.json"]


def test_the_folder_is_made_and_the_content_is_on_disk_before_the_name_is(tmp_path, monkeypatch):
    order = []
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (order.append((tmp_path / "a" / "b").exists()), flush(number)))
    write_atomically(tmp_path / "a" / "b", b"17")
    assert order == [False]
    assert (tmp_path / "a" / "b").read_bytes() == b"17"


def test_parts_of_processes_that_are_gone_are_cleared_away_and_those_of_others_stay(tmp_path):
    (tmp_path / f"mine.{os.getpid()}.part").touch()
    (tmp_path / "theirs.4194305.part").touch()  # above the largest process id that Linux gives
    remove_parts(tmp_path)
    assert [left.name for left in tmp_path.iterdir()] == [f"mine.{os.getpid()}.part"]
