"""The audit log in words."""

import re
from pathlib import Path

import client.app
from client.audit.view import MEANINGS, sections_of


def test_every_message_that_a_site_answers_has_its_meaning():
    source = Path(client.app.__file__).read_text()
    answered = {".".join(names) for names in re.findall(r'app\.(query|train|evaluate)\("(\w+)"\)', source)}
    assert len(answered) > 8
    assert answered == set(MEANINGS)


def entry(direction, study, code="c", **fields):
    time = "2026-11-28T14:00:00+00:00"
    return {"direction": direction, "study": study, "code": code, "message": "train.branches", "time": time, **fields}


def test_a_study_is_one_section_however_often_another_came_between_and_what_broke_off_is_in_that_before():
    entries = [
        entry("received", "a"),
        entry("received", "b", roster="r1"),
        entry("sent", "b", roster="r2", smallest_group=7, epsilon=0.25),
        {"direction": "torn", "bytes": 31, "time": "2026-11-28T14:00:00+00:00"},
        entry("sent", "a"),
        entry("sent", "b", smallest_group=5, epsilon=0.5),
        entry("sent", "a", code="d"),
    ]
    sections = sections_of(entries, {})
    assert [(each.study, each.code) for each in sections] == [("a", "c"), ("b", "c"), ("a", "d")]
    assert [[row.number for row in each.rows] for each in sections] == [[1, 5], [2, 3, 4, 6], [7]]
    second = sections[1]
    assert (second.smallest_group, second.epsilon, second.rosters) == (5, 0.75, ["r1", "r2"])
    assert [row.way for row in second.rows] == ["came", "left", "note", "left"]
    assert second.rows[2].holds[0].startswith("a line of 31 bytes was broken off")
    assert second.approved == "no longer approved"


def test_replies_of_a_kind_are_counted_with_what_they_held_whatever_the_numbers():
    holds = [{f"arrays.cnv@{n}": {"w": "float32[2]"}, "metrics.cnv": {"loss-sum": n / 2}} for n in (1, 2, 3)]
    entries = [entry("sent", "a", holds=each, smallest_group=0 if n == 1 else 9) for n, each in enumerate(holds)]
    [kind] = sections_of(entries, {})[0].kinds()
    assert kind["holds"] == ["arrays.cnv@n: w float32[2]", "metrics.cnv: loss-sum"]
    assert (kind["n"], kind["unmasked"], kind["smallest_group"], kind["more"]) == (3, 1, 9, 0)
    [plain] = sections_of(entries[1:2], {})[0].kinds()
    assert (plain["n"], plain["unmasked"], plain["smallest_group"]) == (1, 1, 0)


def test_an_error_and_an_empty_reply_say_so():
    rows = sections_of([entry("sent", "a", error=101), entry("sent", "a", holds={})], {})[0].rows
    assert [row.outline for row in rows] == [["error 101: that something failed, and nothing else"], ["nothing"]]
