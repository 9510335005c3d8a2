import os
import threading

import pytest

from modalities.core.files.journal import entries_of, journal

REMEDY = "restore it from a backup"


def add(path, *entries):
    with journal(path, REMEDY) as held:
        held.add(*entries)


def test_entries_come_back_in_order_from_a_file_of_their_owners_alone(tmp_path):
    path = tmp_path / "below" / "journal.jsonl"
    for entry in ({"a": 1}, {"b": "zwölf"}):
        add(path, entry)
    assert entries_of(path, REMEDY) == [{"a": 1}, {"b": "zwölf"}]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_line_that_a_crash_cut_off_is_left_out_and_spoils_no_other(tmp_path):
    path = tmp_path / "journal.jsonl"
    add(path, {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"b": ')
    assert entries_of(path, REMEDY) == [{"a": 1}]
    add(path, {"c": 3})
    assert path.read_bytes() == b'{"a":1}\n{"c":3}\n'


def test_a_whole_line_that_cannot_be_read_is_an_error_with_the_line_and_what_to_do(tmp_path):
    path = tmp_path / "journal.jsonl"
    add(path, {"a": 1}, {"b": 2})
    path.write_bytes(path.read_bytes().replace(b'{"b"', b'{"b'))
    wrong = "^journal.jsonl, line 2: cannot be read; restore it from a backup$"
    with pytest.raises(ValueError, match=wrong):
        entries_of(path, REMEDY)
    with pytest.raises(ValueError, match=wrong):
        add(path, {"c": 3})


def test_entries_are_added_all_or_none(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    add(path, {"a": 1})
    wrote, write = [], os.write

    def full(descriptor, content):
        if wrote:
            raise OSError(28, "No space left on device")
        wrote.append(write(descriptor, content[:10]))
        return wrote[0]

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        add(path, {"b": 2}, {"c": 3})
    monkeypatch.undo()
    assert wrote == [10]
    assert path.read_bytes() == b'{"a":1}\n'


def test_nobody_looks_into_it_between_what_another_reads_and_adds(tmp_path):
    """Two at once, each of which adds its number only where it finds nothing."""
    path, found = tmp_path / "journal.jsonl", []
    at_once = threading.Barrier(2)

    def first_come(number):
        at_once.wait()
        with journal(path, REMEDY) as held:
            if not held.entries:
                held.add({"first": number})
            found.append(held.entries[0]["first"])

    both = [threading.Thread(target=first_come, args=(number,)) for number in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(set(found)) == 1
    assert len(entries_of(path, REMEDY)) == 1


def test_a_journal_that_is_not_there_has_no_entries(tmp_path):
    assert entries_of(tmp_path / "none.jsonl", REMEDY) == []
