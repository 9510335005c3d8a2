"""The site's limits hold whatever a server asks: modalities beyond them are not offered, rounds beyond them refused."""

import pytest
from flwr.app import ConfigRecord, RecordDict

from client.policy import beyond_policy, refuse_too_many_rounds, too_few_holders
from modalities.core.site_config import CoordinatorConfig, Policy, read_site_config
from tests.support import WatchedGrid, run_small, site_number, small_federation, write_sites


def set_policy(root, site, **policy):
    """Rewrite one line of a made-up site's site.yaml."""
    path = root / site / "site.yaml"
    lines = "".join(f"\n  {name}: {value}" for name, value in policy.items())
    path.write_text(path.read_text("utf-8").replace("policy:", f"policy:{lines}"), "utf-8")


def exchanged(grid, message_type):
    """The messages of this type, each with its reply."""
    asked = {message.metadata.message_id: message for message in grid.asked}
    pairs = [(asked[reply.metadata.reply_to_message_id], reply) for reply in grid.replies]
    return [(message, reply) for message, reply in pairs if message.metadata.message_type == message_type]


def test_settings_beyond_the_policy_are_named_with_both_numbers():
    federation = small_federation(modalities__cnv__federated={"rounds": 7, "local_epochs": 5})
    policy = Policy(max_rounds=6, max_local_epochs=4)
    assert beyond_policy(policy, federation, "cnv") == [
        "cnv: 7 rounds, this site allows 6",
        "cnv: 5 local epochs, this site allows 4",
    ]
    assert beyond_policy(Policy(max_rounds=7, max_local_epochs=5), federation, "cnv") == []


def test_a_modality_beyond_the_policy_is_not_offered_and_the_others_are(tmp_path, caplog):
    federation = small_federation(modalities__cnv__federated={"rounds": 3, "patience": 0})
    root = write_sites(tmp_path, federation)
    set_policy(root, "site_1", max_rounds=2)
    study = run_small(root, federation)
    assert sorted(study.cohorts["site_1"]) == ["hif"]
    assert sorted(study.cohorts["site_3"]) == ["cnv", "hif"]
    assert "not taking part with cnv: 3 rounds, this site allows 2" in caplog.text


def test_a_modality_that_too_few_hold_is_turned_down_and_asked_for_no_more(tmp_path, caplog):
    """hif has two holders: once site 1 turns it down it has one, so site 3, which asks for two, turns it down too."""
    federation = small_federation()
    root = write_sites(tmp_path, federation)
    set_policy(root, "site_1", min_holders=3)
    set_policy(root, "site_3", min_holders=2)
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    reason = "the site turned it down; its own log says why"
    assert study.refused == [{"site": site, "part": "hif", "reason": reason} for site in ("site_1", "site_3")]
    assert study.cohorts.keys() == {"site_1", "site_2", "site_3"}
    assert all(set(held) == {"cnv"} for held in study.cohorts.values())
    trained = [message for message in grid.asked if message.metadata.message_type.endswith("branches")]
    assert trained
    assert not [key for message in trained for key in message.content if "hif" in key]
    assert "hif: 2 sites hold it, this site takes part from 3 on" in caplog.text
    sums = {site_number(asked): reply.content for asked, reply in exchanged(grid, "query.statistics")}
    assert not [key for key in sums[1] if "hif" in key]  # turned down before a number of it left
    assert "arrays.hif" in sums[3]
    assert study.finished


def test_a_site_that_turns_everything_down_is_left_out_of_every_later_message(tmp_path):
    federation = small_federation()
    root = write_sites(tmp_path, federation)
    set_policy(root, "site_1", min_holders=4)
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    asked = {message.metadata.message_type for message in grid.asked if site_number(message) == 1}
    assert asked == {"query.capabilities", "query.statistics"}
    assert study.cohorts["site_1"] == {}
    assert study.finished


def test_a_modality_that_every_holder_turns_down_leaves_no_sums_and_the_study_goes_on(tmp_path):
    federation = small_federation()
    root = write_sites(tmp_path, federation)
    for site in ("site_1", "site_3"):
        set_policy(root, site, min_holders=3)
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    assert study.finished
    assert study.states.keys() == study.weights.keys() - {"cnv@1", "cnv@2"} == {"cnv"}
    sent = [key for reply in grid.replies for key in reply.content if "hif" in key]
    assert set(sent) == {"metrics.hif"}  # the handshake's count of cases
    assert len(sent) == 2


def test_a_round_beyond_the_policy_is_refused_though_the_settings_named_fewer(tmp_path):
    federation = small_federation()
    root = write_sites(tmp_path, federation)
    set_policy(root, "site_1", max_rounds=2)

    grid = WatchedGrid(root)
    push = grid.push_messages

    def later(messages):
        messages = list(messages)
        for message in messages:
            if message.metadata.message_type == "train.branches":
                content = {
                    key: ConfigRecord({**record, "server-round": 9}) if key.startswith("config.") else record
                    for key, record in message.content.items()
                }
                message.content = RecordDict(content)
        return push(messages)

    grid.push_messages = later
    study = run_small(root, federation, grid)
    assert [one["site"] for one in study.refused if "error 2" in one["reason"]].count("site_1") >= 2
    assert study.finished


def test_limits_by_number():
    assert too_few_holders(Policy(min_holders=3), "cnv", 3) == ""
    assert too_few_holders(Policy(min_holders=3), "cnv", 2).startswith(
        "cnv: 2 sites hold it, this site takes part from 3"
    )
    refuse_too_many_rounds(Policy(max_rounds=5), "cnv@1", 5)
    with pytest.raises(ValueError, match="cnv@1: round 6, this site allows 5"):
        refuse_too_many_rounds(Policy(max_rounds=5), "cnv@1", 6)


def test_a_policy_or_an_address_that_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(ValueError, match="min_holders must be at least 1, got 0"):
        Policy(min_holders=0)
    with pytest.raises(ValueError, match=r"address must be `name:port`, got 'https://x'"):
        CoordinatorConfig(address="https://x")
    (tmp_path / "site.yaml").write_text("name: a\ncoordinator: {address: fed.example.org:9443}\n")
    assert read_site_config(tmp_path / "site.yaml").coordinator.address == "fed.example.org:9443"
