"""Every message of a whole study, looked into: who gets and sends bytes of what."""

import json
from collections import defaultdict

import numpy as np
import pytest
from flwr.app import ArrayRecord

from modalities.core.model.calibration import GRID
from modalities.core.model.conformal import N_BINS
from strategies.wire import bytes_by_owner
from tests.support import HOLDINGS, WatchedGrid, all_arrays, run_small, site_number, small_federation, write_sites


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """The grid after a study of three sites of which the second holds copy number only, and the study."""
    federation = small_federation(
        modalities__cnv__federated__strategy="fedprox", modalities__cnv__federated__proximal_mu=0.125
    )
    root = write_sites(tmp_path_factory.mktemp("sites"), federation)
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    return grid, study


def by_site(messages, number):
    asked = {message.metadata.message_id: message for message in messages[0]}
    sent = [message for message in messages[0] if site_number(message) == number]
    replies = [reply for reply in messages[1] if site_number(asked[reply.metadata.reply_to_message_id]) == number]
    return sent, replies


def test_a_site_without_a_modality_receives_and_sends_no_byte_of_it(watched):
    grid, study = watched
    sent, replies = by_site((grid.asked, grid.replies), 2)
    assert len(sent) == len(replies) >= 6
    for message in (*sent, *replies):
        assert not [key for key in message.content if "hif" in key]
        assert "hif" not in bytes_by_owner(message.content)
        for key, arrays in all_arrays(message.content).items():
            assert not [name for name in arrays if "hif" in name], key
    assert "hif" not in study.traffic.table()["site_2"]


def test_a_site_with_one_modality_gets_nothing_of_the_fusion_head_either(watched):
    """A case with one modality teaches the head nothing, so such a site is not asked."""
    grid, study = watched
    for messages in by_site((grid.asked, grid.replies), 2):
        assert not [key for message in messages for key in message.content if "fusion" in key]
    assert "shared" not in study.traffic.table()["site_2"]


def test_a_site_with_two_of_three_modalities_gets_no_fusion_tensor_of_the_third(tmp_path):
    federation = small_federation(
        modalities__second={
            "kind": "cnv",
            "features": small_federation().modalities["cnv"].features,
            "federated": {"rounds": 1},
        },
        modalities__cnv__federated__rounds=1,
        modalities__hif__federated__rounds=1,
    )
    holdings = (("cnv", "hif", "second"), ("cnv", "second"), ("hif",))
    root = write_sites(tmp_path, federation, holdings)
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    sent, replies = by_site((grid.asked, grid.replies), 2)
    fusion = {key for message in (*sent, *replies) for key in message.content if "fusion" in key}
    assert fusion == {
        f"{record}.fusion.{owner}" for record in ("arrays", "metrics") for owner in ("cnv", "second", "shared")
    }
    assert not [key for message in (*sent, *replies) for key in message.content if "hif" in key]
    assert {site: "hif" in owners for site, owners in study.traffic.table().items()} == {
        "site_1": True,
        "site_2": False,
        "site_3": True,
    }
    assert study.head["hif.d"].tolist() == [0] * 4  # the first site alone could teach it, so nobody does


def test_the_table_of_bytes_is_what_the_messages_hold(watched):
    grid, study = watched
    for number in (1, 2, 3):
        expected = defaultdict(lambda: {"up": 0, "down": 0})
        for messages, way in zip(by_site((grid.asked, grid.replies), number), ("down", "up"), strict=True):
            for message in messages:
                for owner, size in bytes_by_owner(message.content).items():
                    expected[owner][way] += size
        assert study.traffic.table()[f"site_{number}"] == dict(expected)


def test_nothing_that_leaves_a_site_names_a_case_or_a_path(watched):
    grid, _ = watched
    sites = {key: message for message in grid.asked for key in [message.metadata.message_id]}
    for reply in grid.replies:
        number = site_number(sites[reply.metadata.reply_to_message_id])
        assert reply.has_content()
        texts = [reply.metadata.message_type, *reply.content]
        for key, record in reply.content.items():
            if isinstance(record, ArrayRecord):
                texts += list(record)
                assert all(array.numpy().dtype.kind in "fiub" for array in record.values()), key
            else:
                texts += [f"{name}={value}" for name, value in record.items()]
        assert not [text for text in texts if "-case-" in text or "/" in text or "csv" in text]
        assert all(f"site_{number}" in text for text in texts if "site" in text)


def test_arrays_that_leave_a_site_have_no_row_a_case(watched):
    """Shapes are those of the statistics, the weights, the head, the temperatures' losses and the histograms of scores.

    None grows with the number of cases.
    """
    grid, study = watched
    known = {array.shape for own in study.weights.values() for array in own.values()}
    known |= {array.shape for array in study.head.values()} | {(4,), GRID.shape, (4, N_BINS)}
    widths = {len(state["mean"]) for state in study.states.values()}
    for reply in grid.replies:
        for arrays in all_arrays(reply.content).values():
            assert {array.shape for array in arrays.values()} <= known | {(1,)} | {(width,) for width in widths}


def test_the_pull_of_fedprox_reaches_the_holders_of_its_modality(watched):
    grid, _ = watched
    configs = defaultdict(set)
    for message in grid.asked:
        if message.metadata.message_type == "train.branches":
            for key in message.content:
                if key.startswith("config."):
                    configs[key.removeprefix("config.").partition("@")[0]].add(message.content[key].get("proximal-mu"))
    assert dict(configs) == {"cnv": {0.125}, "hif": {None}}


def test_settings_travel_with_their_digest_and_every_site_confirms_it(watched):
    grid, study = watched
    for message in grid.asked:
        if message.metadata.message_type == "query.capabilities":
            settings = message.content["config.study"]
            assert settings["digest"] == study.federation.digest
            assert json.loads(settings["federation"]) == study.federation.to_dict()
    introductions = [reply.content["config.study"] for reply in grid.replies[: len(HOLDINGS)]]
    assert [dict(record) for record in introductions] == [
        {"site": f"site_{number}", "digest": study.federation.digest} for number in (1, 2, 3)
    ]


def test_every_message_dies_with_its_round(watched):
    grid, _ = watched
    assert {message.metadata.ttl for message in grid.asked} == {0.3}


def test_a_message_to_one_site_carries_no_id_of_a_message_to_another(watched):
    grid, _ = watched
    ids = {message.metadata.message_id: site_number(message) for message in grid.asked}
    for message in grid.asked:
        text = repr(message.content.config_records)
        assert not [key for key in ids if key in text]


def test_what_is_sent_in_the_branch_rounds_is_what_came_of_the_round_before(watched):
    """The weights that a site gets in round 2 are the same for every holder."""
    grid, _ = watched
    rounds = defaultdict(list)
    for message in grid.asked:
        if message.metadata.message_type == "train.branches":
            rounds[message.metadata.group_id].append(all_arrays(message.content)["arrays.cnv"])
    assert sorted(rounds) == ["1", "2"]
    for sent in rounds.values():
        assert len(sent) == 3
        assert all(np.array_equal(sent[0][name], other[name]) for other in sent for name in other)
    assert not np.array_equal(rounds["1"][0]["head.weight"], rounds["2"][0]["head.weight"])
