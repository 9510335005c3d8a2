"""Heads and receipts go along with messages; the phases see neither."""

from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import ConfigRecord, Message, RecordDict

from server.audit.grid import ReceiptGrid
from server.audit.receipts import MISSING, UNREADABLE, Receipts, read_book
from strategies.flower.messages import be_server, give_id
from tests.server.audit.test_receipts import NODE, Log
from tests.support import BareGrid

KEY = Ed25519PrivateKey.generate()
ANNA, STRANGER = 1000, 1999


class Site(BareGrid):
    """One node, which answers what the test says."""

    def __init__(self):
        super().__init__()
        self.asked, self.answers, self._numbers = [], [], count()

    def push_messages(self, messages):
        pushed = list(messages)
        self.asked += pushed
        return [give_id(message) for message in pushed]

    def pull_messages(self, message_ids):
        del message_ids
        answers, self.answers = self.answers, []
        return answers

    def answer(self, number, audit=None):
        """Its reply to the message of this number, with this head."""
        content = RecordDict({"config.study": ConfigRecord({"site": "st_anna"})})
        if audit is not None:
            content["config.audit"] = ConfigRecord(audit)
        self.answers.append(Message(content, reply_to=self.asked[number]))


@pytest.fixture
def site():
    be_server(run_id=1)
    return Site()


@pytest.fixture
def grid(site, tmp_path):
    receipts = Receipts(tmp_path / "audit.json", KEY, {"st_anna": NODE.public_key()})
    return ReceiptGrid(site, receipts, {ANNA: "st_anna"})


def ask(grid, node=ANNA):
    grid.push_messages([Message(RecordDict(), node, "query.setup")])


def sizes(site):
    """Of the receipts that went along, by message."""
    return [message.content["config.audit"].get("size") for message in site.asked]


def test_a_head_is_taken_off_the_reply_and_its_receipt_goes_with_the_next_message(grid, site, tmp_path):
    log = Log(b"1", b"2")
    ask(grid)
    site.answer(0, log.sent())
    [reply] = grid.pull_messages([])
    assert list(reply.content) == ["config.study"]
    assert reply.metadata.src_node_id == ANNA
    ask(grid)
    assert sizes(site) == [None, 2]
    assert site.asked[1].content["config.audit"] == read_book(tmp_path / "audit.json").last["st_anna"].to_dict()
    assert grid.warnings == []


def test_of_two_replies_under_way_at_once_the_second_is_held_against_nothing_that_it_was_not_asked_for(grid, site):
    log = Log(b"1", b"2")
    ask(grid)
    ask(grid)
    site.answer(0, log.sent())
    log.add(b"3")
    site.answer(1, log.sent())
    grid.pull_messages([])
    ask(grid)
    log.add(b"4")
    site.answer(2, log.sent(after=2))
    grid.pull_messages([])
    assert grid.warnings == []
    ask(grid)
    assert sizes(site) == [None, None, 2, 4]


def test_what_is_wrong_with_heads_is_said_once_a_site(grid, site):
    for number, audit in enumerate([None, None, {"size": "x"}, {"size": 3}]):
        ask(grid)
        site.answer(number, audit)
        assert len(list(grid.pull_messages([]))) == 1
    assert grid.warnings == [("st_anna", MISSING), ("st_anna", UNREADABLE)]


def test_a_node_that_is_not_enrolled_is_asked_for_nothing_and_keeps_what_it_sent(grid, site, tmp_path):
    ask(grid, STRANGER)
    assert "config.audit" not in site.asked[0].content
    site.answer(0, Log(b"1").sent())
    [reply] = grid.pull_messages([])
    assert "config.audit" in reply.content
    assert read_book(tmp_path / "audit.json").last == {}


def test_a_reply_to_what_was_asked_before_a_restart_is_countersigned_where_no_head_was_yet(grid, site, tmp_path):
    """The new process does not know what the site was asked to extend: nothing, as no receipt went to it."""
    ask(grid)
    site.answer(0, Log(b"1", b"2").sent())
    started_anew = ReceiptGrid(
        site, Receipts(tmp_path / "audit.json", KEY, {"st_anna": NODE.public_key()}), grid._sites
    )
    started_anew.pull_messages([])
    assert started_anew.warnings == []
    assert read_book(tmp_path / "audit.json").last["st_anna"].size == 2
