"""The SuperLink's database: one that is damaged is named before Flower fails on it, and one `start` opens it."""

import os
import sqlite3
import stat
from contextlib import closing

import pytest

from server.network.database import DATABASE, is_new, make, opened, refuse_damaged


@pytest.fixture
def database(tmp_path):
    """Of some pages, as SQLite leaves it."""
    path = tmp_path / DATABASE
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE node (id INTEGER PRIMARY KEY, key TEXT UNIQUE)")
        connection.executemany("INSERT INTO node (key) VALUES (?)", [(f"{n:0900d}",) for n in range(40)])
        connection.commit()
    return path


def test_a_whole_one_is_opened_and_stays_as_it_is(database):
    before = database.read_bytes()
    refuse_damaged(database)
    assert database.read_bytes() == before
    assert not is_new(database)


def cut(content):
    return content[: len(content) // 2]


def zeroed(content):
    """As a disk that lost a write: a page of nothing in the middle."""
    return content[:8192] + bytes(8192) + content[16384:]


@pytest.mark.parametrize("damage", [cut, zeroed, lambda content: b"hello" * 1000])
def test_a_damaged_one_is_refused_with_what_to_do(database, damage):
    database.write_bytes(damage(database.read_bytes()))
    said = r"state\.db: Flower's database is damaged \(.+\); move state.db, .* `resume` goes on"
    with pytest.raises(ValueError, match=said):
        refuse_damaged(database)


def test_one_that_is_gone_or_empty_knows_nothing_yet_and_is_not_made_here(tmp_path):
    path = tmp_path / DATABASE
    refuse_damaged(path)
    assert not path.exists()
    path.touch()
    refuse_damaged(path)
    assert is_new(path)


def page_bytes(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA page_size").fetchone()[0]


def test_one_is_made_with_large_pages_knows_nothing_and_keeps_them_once_it_is_filled(tmp_path):
    path = tmp_path / DATABASE
    make(path)
    refuse_damaged(path)
    assert is_new(path)
    with closing(sqlite3.connect(path)) as connection:  # as Flower does
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE node (id INTEGER PRIMARY KEY)")
    assert page_bytes(path) == 65_536
    assert not is_new(path)


def test_one_that_is_there_is_not_made_anew(database):
    before = database.read_bytes()
    make(database)
    assert database.read_bytes() == before
    assert page_bytes(database) == 4096


def test_one_whose_journal_was_deleted_while_it_held_everything_knows_nothing_either(database):
    """As after a kill: the file itself may be a page long, and all the rest in the journal."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("DROP TABLE node")
        connection.execute("VACUUM")
    refuse_damaged(database)
    assert is_new(database)


def test_a_second_start_is_refused_until_the_first_has_ended(tmp_path):
    folder = tmp_path / "study" / "flower"
    said = "study: another `tessera-server start` has opened this study; end that one first"
    with opened(folder), pytest.raises(ValueError, match=said), opened(folder):
        pass
    with opened(folder):
        pass


def test_whatever_the_umask_other_users_may_not_look_into_it(tmp_path):
    before = os.umask(0)
    try:
        with opened(tmp_path / "flower"):
            assert stat.S_IMODE((tmp_path / "flower").stat().st_mode) == 0o700
    finally:
        os.umask(before)
