"""Audit logs of real sites and the coordinator's receipts, over whole studies; each message is a fresh process."""

import json

import pytest
from flwr.app import Message, RecordDict

from client.audit.receipts import kept_in
from client.audit.verify import held_against
from client.node.complaints import complaints_of
from client.node.home import Home
from server.app import _notes_of
from server.audit.grid import ReceiptGrid
from server.audit.receipts import Receipts, read_book
from server.state.notes import WARNING
from tests.audited import KEY, countersigning, hand_out_release_key
from tests.forked import forked
from tests.masked_sites import MaskedSites
from tests.support import (
    FIRST_NODE,
    ONE_ROUND,
    BareGrid,
    agree,
    run_small,
    same_study,
    site_number,
    small_federation,
    write_sites,
)

FEDERATION = small_federation(fusion__rounds=1, **ONE_ROUND)
SITES = {FIRST_NODE + number - 1: f"site_{number}" for number in (1, 2, 3)}


def write_real_sites(root):
    write_sites(root, FEDERATION)
    hand_out_release_key(root)
    for name in SITES.values():
        agree(root, name, FEDERATION)
    return root


def audited_study(root, before=lambda message: None):
    """The study, its watched grid and the grid with receipts around it."""
    with forked(root, before) as watched:
        grid = countersigning(root, watched)
        study = run_small(root, FEDERATION, grid, timeout=60.0, notes=lambda: _notes_of(grid))
        return study, watched, grid


def entries_of(home):
    return [json.loads(line) for line in home.audit.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = write_real_sites(tmp_path_factory.mktemp("audited"))
    return root, *audited_study(root)


def test_receipts_change_nothing_of_the_study(run, tmp_path_factory):
    study, plain = run[1], run_small(write_sites(tmp_path_factory.mktemp("plain"), FEDERATION), FEDERATION)
    assert same_study(study, plain)
    assert study.traffic.table() == plain.traffic.table()
    assert study.notes == plain.notes


def test_the_coordinator_holds_the_head_of_each_sites_whole_log(run):
    root, _, watched, _ = run
    book = read_book(root / "audit.json")
    assert book.breaks == []
    for number, name in enumerate(SITES.values(), start=1):
        home = Home(root / name)
        asked = [message for message in watched.asked if site_number(message) == number]
        assert book.last[name].size == len(entries_of(home)) == 2 * len(asked)


def test_each_message_brings_the_receipt_of_the_reply_before_which_the_site_keeps(run):
    root, _, watched, _ = run
    for number, name in enumerate(SITES.values(), start=1):
        receipts = kept_in(Home(root / name).receipts)
        asked = [message for message in watched.asked if site_number(message) == number]
        assert [receipt.size for receipt in receipts] == list(range(2, 2 * len(asked), 2))
        assert all(receipt.is_countersigned(KEY.public_key()) for receipt in receipts)


def test_no_phase_sees_a_head_and_no_entry_holds_one(run):
    root, _, watched, _ = run
    assert all("config.audit" in reply.content for reply in watched.replies)
    held = [entry["holds"] for name in SITES.values() for entry in entries_of(Home(root / name))]
    assert not any("config.audit" in each for each in held)


def test_a_log_that_was_cut_off_in_mid_study_is_noted_and_the_study_goes_on(tmp_path):
    root, done = write_real_sites(tmp_path), []
    home = Home(root / "site_2")

    def before(message):
        if message.metadata.message_type == "train.branches" and site_number(message) == 2 and not done:
            done.append(len(entries_of(home)))
            home.audit.write_bytes(b"".join(home.audit.read_bytes().splitlines(keepends=True)[:-3]))

    study = audited_study(root, before)[0]
    assert study.finished
    n_before = done[0]
    [note] = [note for note in study.notes if "audit log" in note.text]
    assert (note.level, note.site) == (WARNING, "site_2")
    had = f"its audit log of {n_before - 1} entries does not begin with the {n_before} that were countersigned on "
    assert note.text.startswith(had)
    [broken] = read_book(root / "audit.json").breaks
    assert (broken["had"]["size"], broken["got"]["size"]) == (n_before, n_before - 1)
    [told] = [text for text in complaints_of(home) if "audit log" in text]
    assert told.endswith(f"tessera-client audit {home.site} verify")


class Pushed(BareGrid):
    """Keeps what is pushed, as it is at that moment."""

    def __init__(self):
        super().__init__()
        self.records = []

    def push_messages(self, messages):
        self.records = [dict(message.content["config.audit"]) for message in messages]
        return [str(number) for number, _ in enumerate(self.records)]

    def pull_messages(self, message_ids):
        return []


def test_with_the_others_names_and_with_nothing_else_a_site_gets_their_heads_to_witness(run):
    root, pushed, kinds = run[0], Pushed(), ("query.peers", "query.setup")
    messages = [Message(RecordDict(), FIRST_NODE + 1, kind) for kind in kinds]
    ReceiptGrid(pushed, Receipts(root / "audit.json", KEY, {}), SITES).push_messages(messages)
    last = read_book(root / "audit.json").last
    own = last["site_2"].to_dict()
    others = [last["site_1"].to_dict(), last["site_3"].to_dict()]
    assert [record.pop("witnessed", None) for record in pushed.records] == [json.dumps(others), None]
    assert pushed.records == [own, own]


MASKED = small_federation(privacy={"masking": "required"}, fusion={"folds": 2, "rounds": 1}, **ONE_ROUND)


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A study under masks, of five real sites; cnv is held by all, hif by four."""
    held = (("cnv", "hif"),) * 4 + (("cnv",),)
    sites = MaskedSites(tmp_path_factory.mktemp("masked"), MASKED, held)
    hand_out_release_key(sites.root)
    study = sites.run(countersigning(sites.root, sites.grid()))
    assert study.finished
    assert study.notes == []
    return sites


def test_an_entry_says_what_was_masked_among_whom_and_under_which_roster(masked):
    entries = entries_of(masked.home("site_1"))
    trained = [each for each in entries if (each["direction"], each["message"]) == ("sent", "train.branches")]
    assert trained
    for entry in trained:
        groups = {group["group"]: group["members"] for group in entry["groups"]}
        assert groups == {"cnv": masked.names, "hif": masked.names[:4]}
        assert entry["smallest_group"] == 4
        assert entry["roster"] == masked.roster.digest
        assert all(len(group["plain_sha256"]) == 64 for group in entry["groups"])
        assert {key.partition(".masked.")[0] for key in entry["holds"]} == {"arrays", "config"}


def test_each_site_witnesses_the_heads_of_all_others_under_masks(masked):
    for name in masked.names:
        witnessed = kept_in(masked.home(name).witnessed)
        assert [receipt.site for receipt in witnessed] == [other for other in masked.names if other != name]
        for receipt in witnessed:
            lines = masked.home(receipt.site).audit.read_bytes().splitlines()
            assert held_against(lines, [receipt]) == (receipt.size, "")
