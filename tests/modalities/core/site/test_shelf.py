"""The shelf: what is kept on a site's disk, what takes its place, and a disk that has no room."""

import os

import numpy as np
import pytest

from modalities.core.site.shelf import Shelf, code_digest
from modalities.core.site.tensor_files import load_tensors, save_tensors


def never():
    raise AssertionError("made again")


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "prepared")


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "prepared").iterdir())


def test_what_is_kept_is_made_once(shelf, tmp_path):
    made = shelf.keep("cnv.read", "aa", lambda: np.arange(5))
    assert Shelf(tmp_path / "prepared").keep("cnv.read", "aa", never).tolist() == made.tolist() == [0, 1, 2, 3, 4]
    assert (tmp_path / "prepared").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "prepared" / "cnv.read.aa").stat().st_mode & 0o777 == 0o600


def test_a_name_has_one_file_and_takes_the_place_of_what_it_was_made_from(shelf, tmp_path):
    shelf.keep("cnv.read", "aa", lambda: np.arange(5))
    shelf.keep("hif.read", "bb", lambda: np.arange(6))
    shelf.keep("cnv.read", "cc", lambda: np.arange(7))
    assert names(tmp_path) == ["cnv.read.cc", "hif.read.bb"]
    shelf.keep("cnv.prepared", "dd", lambda: np.arange(8), instead_of="cnv.read")
    assert names(tmp_path) == ["cnv.prepared.dd", "hif.read.bb"]
    shelf.keep("cnv.read", "cc", lambda: np.arange(7))
    shelf.keep("cnv.prepared", "dd", never, instead_of="cnv.read")
    assert names(tmp_path) == ["cnv.prepared.dd", "hif.read.bb"]


def test_what_a_process_that_died_had_begun_is_cleared_away(shelf, tmp_path):
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / f"cnv.read.aa.{2**22 - 1}.part").write_bytes(b"half")
    shelf.keep("cnv.read", "bb", lambda: np.arange(5))
    assert names(tmp_path) == ["cnv.read.bb"]


def test_a_damaged_file_is_made_anew(shelf, tmp_path, caplog):
    shelf.keep("cnv.read", "aa", lambda: np.arange(5))
    path = tmp_path / "prepared" / "cnv.read.aa"
    for damage in (path.read_bytes()[:-3], b"", b"\xff" * 40):
        path.write_bytes(damage)
        assert shelf.keep("cnv.read", "aa", lambda: np.arange(5)).tolist() == [0, 1, 2, 3, 4]
        assert shelf.keep("cnv.read", "aa", never).tolist() == [0, 1, 2, 3, 4]
    assert "cnv.read.aa: cannot be read" in caplog.text


def test_a_disk_without_room_keeps_nothing_and_says_so(tmp_path, caplog):
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    full = Shelf(tmp_path / "prepared", least_free=2 * free)
    assert full.keep("cnv.read", "aa", lambda: np.arange(5)).tolist() == [0, 1, 2, 3, 4]
    assert names(tmp_path) == []
    assert "cnv.read is not kept, so the next message reads the files again" in caplog.text
    assert "GB are free; make room on this disk" in caplog.text


def test_a_folder_that_cannot_be_written_costs_time_and_nothing_else(tmp_path):
    (tmp_path / "prepared").write_text("a file where the folder should be")
    assert Shelf(tmp_path / "prepared").keep("cnv.read", "aa", lambda: np.arange(5)).tolist() == [0, 1, 2, 3, 4]


def test_what_no_file_can_hold_is_given_and_not_kept(shelf, tmp_path, caplog):
    assert shelf.keep("cnv.prepared", "aa", lambda: {3, 5}) == {3, 5}
    assert names(tmp_path) == []
    assert "a set cannot be kept with tensors" in caplog.text


def test_writing_into_what_was_loaded_changes_no_file(tmp_path):
    save_tensors(tmp_path / "a", np.arange(5.0))
    load_tensors(tmp_path / "a")[:] = 9
    assert load_tensors(tmp_path / "a").tolist() == [0, 1, 2, 3, 4]


def test_the_code_has_a_digest():
    assert len(code_digest()) == 64
