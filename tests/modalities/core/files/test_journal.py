from modalities.core.files.journal import append, entries_of


def test_entries_come_back_in_order_from_a_file_of_their_owners_alone(tmp_path):
    path = tmp_path / "below" / "journal.jsonl"
    for entry in ({"a": 1}, {"b": "zwölf"}):
        append(path, entry)
    assert entries_of(path) == [{"a": 1}, {"b": "zwölf"}]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_line_that_a_crash_cut_off_is_left_out_and_spoils_no_other(tmp_path):
    path = tmp_path / "journal.jsonl"
    append(path, {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"b": ')
    assert entries_of(path) == [{"a": 1}]
    append(path, {"c": 3})
    assert entries_of(path) == [{"a": 1}, {"c": 3}]


def test_a_journal_that_is_not_there_has_no_entries(tmp_path):
    assert entries_of(tmp_path / "none.jsonl") == []
