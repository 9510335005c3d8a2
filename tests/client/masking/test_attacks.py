"""What a coordinator that breaks the protocol gets from real sites: a refusal, which each site's people see."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from modalities.core.files.journal import entries_of
from strategies.masked_exchange.wire import BOXES, LABEL, MASKING, SURVIVORS, TRAIN, UNMASK
from strategies.masking.roster import Roster
from strategies.wire import ARRAYS, CONFIG, MASKED, STUDY, from_record, to_record
from tests.client.study.test_policy import set_policy
from tests.masked_sites import MaskedSites
from tests.support import site_number, small_federation

FEDERATION = small_federation(privacy={"masking": "required"}, fusion={"folds": 2, "rounds": 3})
CNV = CONFIG + MASKED + "cnv"


@pytest.fixture
def sites(tmp_path):
    return MaskedSites(tmp_path, FEDERATION)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that went as it should, with all that was asked and answered."""
    sites = MaskedSites(tmp_path_factory.mktemp("sites"), FEDERATION)
    grid = sites.grid()
    study = sites.run(grid)
    assert study.finished
    assert study.notes == []
    return sites, grid


def stopped(sites, alter):
    """The study that such a server tries; it does not get far."""
    with pytest.raises(RuntimeError):
        sites.run(sites.grid(alter), wait=0.1)


def last(grid, message_type, number=1):
    return [m for m in grid.asked if m.metadata.message_type == message_type and site_number(m) == number][-1]


def complaint(sites, name="site_1"):
    return sites.complaints(name)[-1]


def test_a_swapped_key_is_not_that_of_the_sites_node_key(sites):
    def swap(message):
        if message.metadata.message_type == "query.peers":
            keys = list(message.content[CONFIG + STUDY]["keys"])
            keys[1] = X25519PrivateKey.generate().public_key().public_bytes_raw()
            message.content[CONFIG + STUDY]["keys"] = keys

    stopped(sites, swap)
    assert "roster: site_2: a key for this run that its node key did not sign" in complaint(sites)


def test_a_site_that_the_coordinator_invented_is_not_in_the_roster(sites):
    def invent(message):
        record = message.content.get(CONFIG + STUDY, {})
        if message.metadata.message_type == "query.peers" and "site_9" not in record["sites"]:
            for name, value in (("sites", "site_9"), ("keys", bytes(32)), ("node-keys", b""), ("signatures", b"")):
                record[name] = [*record[name], value]

    stopped(sites, invent)
    assert "site_9: no site of the roster that this site approved" in complaint(sites)


def test_sites_of_another_roster_do_not_come_together(sites):
    """One site approved a roster with one more site: its key is worth nothing to the others, nor theirs to it."""
    more = Roster({**sites.roster.sites, "site_9": "ab" * 32}, "study")
    sites.approve(more, ["site_5"])
    study = sites.run()
    assert study.finished
    notes = {(note.site, note.text) for note in study.notes}
    assert (
        "node 5",
        "it approved a roster that is not of this study; it runs `tessera-client trust --roster`",
    ) in notes
    assert "site_5" not in study.cohorts


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_sum_over_one_site_or_two_is_not_made(sites, n_members):
    def shrink(message):
        if message.metadata.message_type == "query.counts" and site_number(message) == 1:
            message.content[CONFIG + MASKING]["cnv"] = ["site_1", "site_2"][:n_members]

    sites.run(sites.grid(shrink))
    assert f"cnv: a sum over {n_members} sites; this site takes part from 3 on" in complaint(sites)


def test_a_site_is_in_no_sum_of_a_modality_over_fewer_sites_than_its_policy_asks_for(sites):
    """Sums that are of no modality, as of the class counts, are held to the study's least alone."""
    set_policy(sites.root, "site_1", min_holders=5)

    def shrink(message):
        if message.metadata.message_type == "query.counts" and site_number(message) == 1:
            for group in ("cnv", "study"):
                message.content[CONFIG + MASKING][group] = sites.names[:4]

    sites.run(sites.grid(shrink))
    assert "cnv: a sum over 4 sites; this site takes part from 5 on" in complaint(sites)


def test_a_request_without_masks_is_not_answered(sites):
    def bare(message):
        if message.metadata.message_type == TRAIN and site_number(message) == 1:
            del message.content[CONFIG + MASKING]

    sites.run(sites.grid(bare))
    assert "a request without masks, in a study whose settings say privacy.masking: required" in complaint(sites)


def test_a_site_whose_policy_asks_for_masks_takes_no_part_in_a_study_without(tmp_path):
    sites = MaskedSites(tmp_path, small_federation())
    for name in sites.names:
        file = tmp_path / name / "site.yaml"
        file.write_text(file.read_text().replace("require_masking: false", "require_masking: true"))
    grid = sites.grid()
    with pytest.raises(RuntimeError, match="no site takes part"):
        sites.run(grid)
    assert "policy.require_masking of site.yaml asks for masked sums" in complaint(sites)
    assert {message.metadata.message_type for message in grid.asked} == {"query.capabilities"}


def test_other_weights_for_one_site_give_a_sum_that_nobody_can_read(sites):
    """The others' masks do not cancel with its own, and its label is another: it is left out."""

    def nudge(message):
        if message.metadata.message_type == TRAIN and site_number(message) == 1:
            record = message.content[ARRAYS + "cnv"]
            message.content[ARRAYS + "cnv"] = to_record(
                {name: (array + np.float32(0.5)).astype(np.float32) for name, array in from_record(record).items()}
            )

    study = sites.run(sites.grid(nudge))
    text = "masked for another question, or with other keys, than at most sites"
    assert {(note.site, note.part) for note in study.notes if note.text == text} == {("site_1", "cnv")}


@pytest.mark.parametrize("message_type", ["train.fusion", "query.calibration", "query.conformal"])
def test_another_head_for_one_site_is_refused_there(sites, message_type):
    def nudge(message):
        if message.metadata.message_type == message_type and site_number(message) == 1:
            record = message.content[ARRAYS + "fusion.cnv"]
            message.content[ARRAYS + "fusion.cnv"] = to_record(
                {name: array + 1.0 for name, array in from_record(record).items()}
            )

    sites.run(sites.grid(nudge))
    assert "fusion.cnv: other weights than the message says that all sites have" in complaint(sites)


def test_numbers_that_would_overflow_in_the_sum_are_not_sent(sites):
    """A scale that wraps around would let a coordinator read what overflowed: weights so large that steps are huge."""

    def blow_up(message):
        if message.metadata.message_type == TRAIN:
            for part in ("cnv", "cnv@1", "cnv@2"):
                record = message.content[ARRAYS + part]
                huge = {name: np.full_like(array, 1e18) for name, array in from_record(record).items()}
                message.content[ARRAYS + part] = to_record(huge)

    stopped(sites, blow_up)
    assert "is too large for a masked sum" in complaint(sites)


def asked_to_open(finished, number=1):
    sites, grid = finished
    asked = last(grid, UNMASK, number)
    return sites, grid, [m for m in grid.asked if m.metadata.message_type == UNMASK and CNV in m.content][-1], asked


def opening_of(message, survivors):
    """The same request with the boxes of these sites only."""
    record = message.content[CNV]
    sealed = dict(zip(record[SURVIVORS], record[BOXES], strict=True))
    changed = {LABEL: record[LABEL], SURVIVORS: survivors, BOXES: [sealed[name] for name in survivors]}
    return RecordDict({CNV: ConfigRecord(changed)})


def opened_last(grid):
    return [m for m in grid.asked if m.metadata.message_type == UNMASK and CNV in m.content][-1]


def test_both_shares_of_one_site_are_never_given(finished):
    """First its own mask, as of a survivor; then the masks of its pairs, as of a site that dropped out."""
    sites, grid = finished
    message = opened_last(grid)
    survivors = list(message.content[CNV][SURVIVORS])
    assert survivors == sites.names
    reply = grid.send(message, opening_of(message, survivors[:-1] if site_number(message) < 5 else survivors[1:]))
    assert reply.has_error()
    assert "asked to open a sum of other sites for the same request: with and without" in complaint(
        sites, f"site_{site_number(message)}"
    )


def test_the_same_opening_asked_again_gets_the_same_shares(finished):
    _, grid = finished
    message = opened_last(grid)
    first = next(r for r in grid.replies if r.metadata.reply_to_message_id == message.metadata.message_id)
    again = grid.send(message)
    name = ARRAYS + MASKED + "cnv"
    assert np.array_equal(from_record(again.content[name])["shares"], from_record(first.content[name])["shares"])


def test_an_old_request_replayed_gets_the_same_bits_and_no_second_opening(finished):
    sites, grid = finished
    message = last(grid, TRAIN, 2)
    first = next(r for r in grid.replies if r.metadata.reply_to_message_id == message.metadata.message_id)
    again = grid.send(message)
    for key, record in first.content.items():
        if isinstance(record, ArrayRecord):
            for name, array in from_record(record).items():
                assert np.array_equal(from_record(again.content[key])[name], array)
    fewer = RecordDict(dict(message.content))
    fewer[CONFIG + MASKING] = ConfigRecord({"cnv": sites.names[:4], "hif": sites.names[:4]})
    masked = grid.send(message, fewer)  # a vector for other members is as good as none, until it is opened
    record = masked.content[CNV]
    opening = RecordDict({CNV: ConfigRecord({LABEL: record[LABEL], SURVIVORS: sites.names[:4], BOXES: [b""] * 4})})
    assert grid.send(message, opening, UNMASK).has_error()
    assert "with and without site_5, whose own numbers would be the difference" in complaint(sites, "site_2")


def test_a_sum_of_too_few_survivors_or_without_oneself_is_not_opened(finished):
    sites, grid = finished
    message = opened_last(grid)
    number = site_number(message)
    others = [name for name in sites.names if name != f"site_{number}"]
    for survivors, text in (
        (sorted([*others[:2], f"site_{number}"]), "asked to open a sum of 3 of 5 sites, which takes 4"),
        (others, "asked to open a sum that this site is not in"),
    ):
        assert grid.send(message, opening_of(message, survivors)).has_error()
        assert text in complaint(sites, f"site_{number}")


def test_a_sum_that_the_site_sent_nothing_for_is_not_opened(finished):
    sites, grid = finished
    message = opened_last(grid)
    strange = RecordDict({CNV: ConfigRecord({LABEL: "00" * 32, SURVIVORS: sites.names, BOXES: [b""] * 5})})
    assert grid.send(message, strange).has_error()
    assert "asked to open a sum that this site sent no vector for" in complaint(sites, f"site_{site_number(message)}")


def test_values_are_not_read_by_many_evaluations(finished):
    """Chosen weights, evaluated again and again, tell single values; a study closes its branches once or twice."""
    sites, grid = finished
    message = last(grid, "evaluate.branches", 3)
    answered = 0
    for number in range(1, 47):
        content = RecordDict(dict(message.content))
        for part in ("cnv@1", "cnv@2"):
            arrays = from_record(content[ARRAYS + part])
            content[ARRAYS + part] = to_record({name: array + np.float32(number) for name, array in arrays.items()})
        answered += not grid.send(message, content).has_error()
    assert answered == 2  # beside the study's own
    text = "evaluate.branches of cnv: 3 different requests were answered in a study of these settings, which needs no"
    assert text in complaint(sites, "site_3")


def test_settings_chosen_anew_are_not_those_agreed_to(finished):
    """Many folds tell single labels, and changed drops small counts: both need settings that no site agreed to."""
    sites, grid = finished
    message = last(grid, "query.capabilities", 4)
    for changes in ({"fusion": {"folds": 40, "rounds": 3}}, {"task": {"name": "pam50", "drop": ["Normal", "Unknown"]}}):
        other = small_federation(privacy={"masking": "required"}, **changes)
        content = RecordDict({CONFIG + STUDY: ConfigRecord({"federation": other.to_json(), "digest": other.digest})})
        reply = grid.send(message, content)
        assert set(reply.content[CONFIG + STUDY]) == {"site", "digest"}
        assert "other settings than this site agreed to" in complaint(sites, "site_4")


def test_a_site_whose_data_changed_does_not_answer_the_same_request_with_other_numbers(finished):
    """Two vectors behind one mask would tell their difference."""
    sites, grid = finished
    message = last(grid, TRAIN, 2)
    ledger = sites.home("site_2").ledger
    lines = ledger.read_text()
    entry = [e for e in entries_of(ledger, "") if e.get("message") == TRAIN and e["group"] == "cnv"][-1]
    ledger.write_text(lines.replace(entry["plain"], "00" * 32))
    assert grid.send(message).has_error()
    assert "the same request was answered with other numbers before" in complaint(sites, "site_2")
    ledger.write_text(lines)
