"""Whole studies under masks: the same numbers, whatever sites drop out, and nothing of a single site to be seen."""

import numpy as np
import pytest
from flwr.app import ArrayRecord, Error, Message

from strategies.masked_exchange.wire import MASKED_TYPES, UNMASK
from strategies.masking.roster import Roster
from strategies.wire import ARRAYS, CONFIG, MASKED
from tests.masked_sites import MaskedSites
from tests.support import WatchedGrid, run_small, same_study, site_number, small_federation, write_sites

HOLDINGS = (("cnv", "hif"), ("cnv", "hif"), ("cnv", "hif"), ("cnv", "hif"), ("cnv", "hif"))
N_CASES = (29, 17, 23, 31, 19)
CLOSE = 1e-6


def federations(**changes):
    """The same study without masks, and under them."""
    plain = small_federation(**{f"modalities__{name}__federated__min_holders": 3 for name in ("cnv", "hif")}, **changes)
    return plain, small_federation(privacy__masking="required", **changes)


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), federations()[0], HOLDINGS, N_CASES)


def carried_out(sites, federation, grid=None, **options):
    return run_small(sites, federation, grid or WatchedGrid(sites, len(HOLDINGS)), **options)


def difference(one, other):
    """The largest of any weight, statistic or head parameter."""
    pairs = [
        (group[owner][name], getattr(other, kind)[owner][name])
        for kind in ("weights", "states")
        for group in [getattr(one, kind)]
        for owner in group
        for name in group[owner]
    ]
    pairs += [(one.head[name], other.head[name]) for name in one.head]
    return max(np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)).max() for a, b in pairs if np.size(a))


@pytest.fixture(scope="module")
def unmasked(sites):
    return carried_out(sites, federations()[0])


@pytest.fixture(scope="module")
def watched(sites):
    grid = WatchedGrid(sites, len(HOLDINGS))
    return carried_out(sites, federations()[1], grid, evaluates=True), grid


def test_a_masked_study_ends_with_the_numbers_of_an_unmasked_one(watched, unmasked):
    masked = watched[0]
    assert masked.notes == []
    assert 0 < difference(masked, unmasked) < CLOSE
    assert masked.class_counts == unmasked.class_counts
    assert masked.calibration["temperature"] == pytest.approx(unmasked.calibration["temperature"])
    assert masked.calibration["thresholds"] == pytest.approx(unmasked.calibration["thresholds"])


def test_a_masked_study_repeats_to_the_last_bit(sites, watched):
    assert same_study(carried_out(sites, federations()[1]), watched[0])


def test_32_bits_are_close_enough(sites, unmasked):
    masked = carried_out(sites, small_federation(privacy__masking="required", privacy__masked_bits=32))
    assert CLOSE / 100 < difference(masked, unmasked) < 1e-4


def test_replies_hold_masked_vectors_and_nothing_else_of_the_cases(watched):
    replies = [
        (asked, reply)
        for asked, reply in zip(watched[1].asked, in_order(watched[1]), strict=True)
        if asked.metadata.message_type in MASKED_TYPES
    ]
    assert {asked.metadata.message_type for asked, _ in replies} == set(MASKED_TYPES)
    for _, reply in replies:
        kinds = {key.partition("masked.")[0] for key in reply.content}
        assert kinds == {ARRAYS, CONFIG}
        assert all(MASKED in key for key in reply.content)
        for key, record in reply.content.items():
            if isinstance(record, ArrayRecord):
                assert {str(array.dtype) for array in record.values()} == {"uint64"}, key


def in_order(grid):
    by_id = {reply.metadata.reply_to_message_id: reply for reply in grid.replies}
    return [by_id[message.metadata.message_id] for message in grid.asked]


def test_masked_words_are_uniform_and_say_nothing_of_the_plain_ones(watched):
    """Bytes by chi-square: 256 values, so 255 degrees of freedom; beyond 400 has a chance of 1e-8."""
    words = [
        array.numpy()
        for reply in watched[1].replies
        if reply.has_content()
        for key, record in reply.content.items()
        if key.startswith(ARRAYS + MASKED) and isinstance(record, ArrayRecord)
        for name, array in record.items()
        if name in ("weights", "sums") and array.numpy().size
    ]
    counts = np.bincount(np.concatenate([np.frombuffer(own.tobytes(), dtype=np.uint8) for own in words]), minlength=256)
    assert counts.sum() > 3e5
    expected = counts.sum() / 256
    assert (np.square(counts - expected) / expected).sum() < 400


class DroppingGrid(WatchedGrid):
    """One site's messages of a kind are lost, the `nth` time it gets one."""

    def __init__(self, sites, site, kind, nth=1, lose_reply=False):
        super().__init__(sites, len(HOLDINGS), loses=self._is_lost, falsifies=self._replied)
        self._site, self._kind, self._nth, self._lose_reply, self._seen = site, kind, nth, lose_reply, []

    def _is_it(self, message):
        if message.metadata.message_type != self._kind or site_number(message) != self._site:
            return False
        if message.metadata.message_id not in self._seen:
            self._seen.append(message.metadata.message_id)
        return self._seen.index(message.metadata.message_id) + 1 == self._nth

    def _is_lost(self, message):
        return not self._lose_reply and self._is_it(message)

    def _replied(self, message, reply):
        return (
            Message(Error(code=3, reason=""), reply_to=message) if self._lose_reply and self._is_it(message) else None
        )


@pytest.mark.parametrize("lose_reply", [False, True])
def test_a_site_that_drops_out_of_a_round_is_left_out_of_it_and_nothing_else_changes(sites, lose_reply):
    """Before it answers, or with an answer that comes too late."""
    plain, masked = federations()
    expected = carried_out(sites, plain, DroppingGrid(sites, 2, "train.branches", 2, lose_reply))
    study = carried_out(sites, masked, DroppingGrid(sites, 2, "train.branches", 2, lose_reply))
    assert [(note.site, note.text) for note in study.notes] == [("site_2", "no reply before the deadline")]
    assert difference(study, expected) < CLOSE


def test_a_site_that_falls_silent_after_its_masked_answer_is_counted(sites, unmasked):
    grid = DroppingGrid(sites, 4, UNMASK, 7)
    study = carried_out(sites, federations()[1], grid)
    assert [(note.site, note.text) for note in study.notes] == [("site_4", "no reply before the deadline")]
    assert difference(study, unmasked) < CLOSE


def test_with_fewer_answers_than_the_threshold_a_round_waits_and_is_asked_again(sites, unmasked):
    """Of five, three answer the first time: four are needed."""
    seen = []

    def loses(message):
        is_one = message.metadata.message_type == "train.branches" and site_number(message) in (1, 3)
        if is_one and message.metadata.message_id not in seen and len(seen) < 2:
            seen.append(message.metadata.message_id)
        return message.metadata.message_id in seen

    study = carried_out(sites, federations()[1], WatchedGrid(sites, len(HOLDINGS), loses=loses))
    few = "3 of 5 sites answered, and it takes 4 to open their sum"
    assert few in {note.text for note in study.notes}
    assert difference(study, unmasked) < CLOSE


def test_a_modality_of_two_holders_is_left_out_of_a_masked_study(tmp_path):
    holdings = [("cnv", "hif"), ("cnv", "hif"), ("cnv",), ("cnv",)]
    sites = write_sites(tmp_path, federations()[0], holdings, N_CASES[:4])
    study = run_small(sites, federations()[1], WatchedGrid(sites, 4))
    text = "2 sites hold it, and under masks a sum is of at least 3; the study goes on without it"
    assert [(note.part, note.text) for note in study.notes] == [("hif", text)]
    assert list(study.states) == ["cnv"]
    assert study.finished


def test_a_site_that_is_started_anew_gets_the_keys_again_and_goes_on(sites, unmasked):
    """Site 5 forgets everything before the third round of messages to train, and again once the branches are final."""
    gone = []

    def away(grid):
        kinds = [message.metadata.message_type for message in grid.asked]
        for moment in ("train.branches", "train.fusion"):
            if moment in kinds and moment not in gone:
                gone.append(moment)
                return [5]
        return []

    study = carried_out(sites, federations()[1], WatchedGrid(sites, len(HOLDINGS), away=away))
    assert gone == ["train.branches", "train.fusion"]
    texts = [note.text for note in study.notes if note.site == "site_5"]
    assert texts.count("it is here and up to date, and takes part from now on") == 2
    assert study.finished


def test_a_coordinator_that_is_a_hospital_too_needs_four_sites(tmp_path):
    federation = small_federation(privacy={"masking": "required", "coordinator_holds_data": True})
    assert federation.privacy.least_sites == 4
    sites = write_sites(tmp_path, federation, HOLDINGS[:3], N_CASES[:3])
    with pytest.raises(RuntimeError, match="no modality has the 4 sites that a sum under masks takes"):
        run_small(sites, federation, WatchedGrid(sites, 3))


def approvals(sites, names):
    """What these sites approved: a roster of one site more, which the coordinator made last."""
    newer = Roster({**sites.roster.sites, "site_9": "ab" * 32}, "study")
    sites.rosters = [newer, *sites.rosters]
    return sites.approve(newer, names)


def test_the_roster_before_goes_on_until_enough_sites_of_the_new_one_have_approved_it(tmp_path):
    """Of six in the new one, five must: with two, the old one goes on, and they are away."""
    sites = MaskedSites(tmp_path, federations()[1])
    approvals(sites, sites.names[:1])
    study = sites.run()
    away = "away: it approved another roster than enough others; it runs `tessera-client trust --roster`"
    assert [(note.site, note.text) for note in study.notes] == [("site_1", away)]
    assert study.finished


def test_a_new_roster_counts_once_enough_of_its_sites_have_approved_it(tmp_path):
    sites = MaskedSites(tmp_path, federations()[1])
    approvals(sites, sites.names)
    assert sites.run().notes == []


def test_without_a_roster_that_enough_sites_approved_no_study_runs(tmp_path):
    sites = MaskedSites(tmp_path, federations()[1])
    newer = approvals(sites, sites.names[:3])
    with pytest.raises(
        RuntimeError, match=f"roster {newer.digest[:12]} is approved by 3 of its 6 sites, and takes 5; ros"
    ):
        sites.run()
