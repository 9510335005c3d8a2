"""Whatever is done to an audit log, `verify` says to which entry."""

import json

import pytest

from client.audit.log import SENT, append
from client.audit.reading import read_log
from client.audit.verify import verdict_of
from strategies.audit.statements import canonical
from strategies.masking.roster import read_public_key
from tests.client.audit.logs import N_ENTRIES, site, write_log

__all__ = ["site"]


def verdict(site, receipts=()):
    return verdict_of(read_log(site.home), read_public_key(site.home.public_key.read_bytes()), receipts)


def wrong(site, receipts=()):
    """The one thing that is wrong."""
    [problem] = [problem for problem in verdict(site, receipts).problems if problem.level == "error"]
    assert problem.file == "audit.jsonl"
    return problem.what


def test_a_log_as_it_was_written_is_whole_and_says_how_much_of_it_is_countersigned(site):
    seen = verdict(site, site.receipts())
    assert (seen.ok, seen.entries, seen.countersigned) == (True, N_ENTRIES, 6)
    assert [problem.what for problem in seen.problems] == ["entry 7 is not countersigned yet"]


@pytest.mark.parametrize("number", [1, 4, N_ENTRIES])
def test_an_entry_that_was_changed_is_named(site, number):
    lines = site.lines
    lines[number - 1] = lines[number - 1].replace(b'"run":73', b'"run":74')
    site.write(lines)
    assert wrong(site, site.receipts()) == (
        f"entry {number} was changed: its signature is not this site's node key's for what it says"
    )


def test_an_entry_that_is_only_spelled_otherwise_is_changed_too(site):
    lines = site.lines
    lines[2] = json.dumps(json.loads(lines[2])).encode()
    site.write(lines)
    assert wrong(site).startswith("entry 3 was changed")


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"5", b"\xff\xfe", b'{"number":NaN}', b'{"signature":7}'])
def test_a_line_of_anything_else_is_a_changed_entry(site, junk):
    lines = site.lines
    lines[3] = junk
    site.write(lines)
    assert wrong(site).startswith("entry 4 was changed")


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (1, 1, "entry 1 was deleted: entry 2 follows nothing"),
        (4, 4, "entry 4 was deleted: entry 5 follows entry 3"),
        (3, 5, "entries 3 to 5 were deleted: entry 6 follows entry 2"),
    ],
)
def test_entries_that_were_deleted_are_named(site, first, last, said):
    site.write(site.lines[: first - 1] + site.lines[last:])
    assert wrong(site, site.receipts()) == said


def test_an_entry_that_was_inserted_without_the_key_is_named(site):
    entry = json.loads(site.lines[2]) | {"message": "query.conformal"}
    site.write([*site.lines[:3], canonical(entry | {"number": 4}), *site.lines[3:]])
    assert wrong(site) == "entry 4 was inserted: nobody with this site's node key wrote the 4th line"


def test_a_copy_of_an_entry_in_another_place_is_named(site):
    site.write([*site.lines[:5], site.lines[1], *site.lines[5:]])
    assert wrong(site) == "entry 2 was inserted a second time, as the 6th line"


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ([1, 2, 4, 3, 5, 6, 7], "the order was changed: entry 4 stands where entry 3 belongs, which comes later"),
        ([2, 1, 3, 4, 5, 6, 7], "the order was changed: entry 2 stands where entry 1 belongs, which comes later"),
        ([1, 2, 3, 4, 5, 7, 6], "the order was changed: entry 7 stands where entry 6 belongs, which comes later"),
    ],
)
def test_entries_in_another_order_are_named(site, order, said):
    site.write([site.lines[number - 1] for number in order])
    assert wrong(site) == said


def test_an_entry_that_was_changed_and_signed_again_does_not_fit_the_next(site):
    lines = site.lines
    lines[3] = site.resigned(4, message="query.setup")
    site.write(lines)
    assert wrong(site) == "entry 4 was changed after entry 5 was written: that names another one as the entry before it"


def test_the_tail_that_was_cut_off_shows_in_the_receipts_alone(site):
    receipts = site.receipts()
    site.write(site.lines[:3])
    assert wrong(site, receipts) == (
        "entries 4 to 6 are missing: the coordinator countersigned 6 on 2026-11-28T14:40:00+00:00, and the log ends "
        "with entry 3: its tail was cut off, or the file was replaced by an older copy"
    )
    assert verdict(site, receipts).countersigned == 2
    without = verdict(site)
    assert without.ok
    assert "would not be seen" in without.problems[0].what


def test_an_older_copy_that_went_on_is_named_by_the_entries_that_are_others(site):
    receipts, older = site.receipts(), site.lines[:3]
    site.write(older)
    for number in range(5):
        append(site.home, SENT, {"what": number})
    assert wrong(site, receipts) == (
        "entries 3 to 4: not what was there before: on 2026-11-28T14:20:00+00:00 the coordinator countersigned 4 "
        "entries, and these are others, signed with the node key"
    )


def test_a_whole_log_that_was_written_anew_with_the_node_key_shows_in_the_receipts(site):
    receipts = site.receipts()
    site.home.audit.unlink()
    for number in range(9):
        append(site.home, SENT, {"what": number})
    assert verdict(site).ok
    assert wrong(site, receipts).startswith("entries 1 to 2: not what was there before: on 2026-11-28T14:00:00+00:00")


def test_a_log_of_another_key_is_none_of_this_sites(site, tmp_path):
    other = write_log(tmp_path / "other")
    site.write(other.lines)
    assert wrong(site).startswith("entry 1 was changed: its signature is not this site's")


def test_two_receipts_that_contradict_each_other_are_said(site, tmp_path):
    other = write_log(tmp_path / "other").receipts()[-1]
    assert wrong(site, [*site.receipts(), other]) == (
        "on 2026-11-28T14:40:00+00:00 the coordinator countersigned 6 entries, of which entries 1 to 6 are not those "
        "of another receipt"
    )


def test_a_line_that_a_crash_broke_off_is_said_and_is_no_error(site):
    with site.home.audit.open("ab") as file:
        file.write(b'{"before":"12')
    seen = verdict(site, site.receipts())
    assert seen.ok
    [problem] = [problem for problem in seen.problems if problem.level == "warning"]
    assert problem.what.startswith("the line after entry 7 is broken off, as by a crash")


def test_what_was_set_aside_after_a_crash_leaves_a_whole_log(site):
    with site.home.audit.open("ab") as file:
        file.write(b'{"before":"12')
    append(site.home, SENT, {})
    assert verdict(site, site.receipts()).ok
    assert verdict(site).entries == N_ENTRIES + 2
