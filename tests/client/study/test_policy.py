"""The site's limits hold whatever a server asks: modalities beyond them are not offered, rounds beyond them refused."""

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from client.app import app
from client.study.policy import (
    beyond_policy,
    class_numbers,
    holders_asked,
    question_asked,
    refuse_run_config,
    round_asked,
    seconds_asked,
    temperature_asked,
    too_few_holders,
)
from modalities.core.settings.site import CoordinatorConfig, Policy, read_site_config
from simulations.engines.inline import InlineGrid
from tests.support import FIRST_NODE, WatchedGrid, agree, run_small, site_number, small_federation, write_sites


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


def test_a_branch_of_more_weights_than_the_site_allows_is_not_built_there(tmp_path, caplog):
    federation = small_federation(modalities__cnv__hidden=[37])
    root = write_sites(tmp_path, federation)
    set_policy(root, "site_1", max_weights=60 * 37)
    study = run_small(root, federation)
    assert sorted(study.cohorts["site_1"]) == ["hif"]
    assert sorted(study.cohorts["site_3"]) == ["cnv", "hif"]
    n = sum(array.size for array in study.weights["cnv"].values())
    assert f"not taking part with cnv: {n:,} weights, this site allows 2,220 (policy.max_weights in" in caplog.text


def test_a_modality_that_too_few_hold_is_turned_down_and_asked_for_no_more(tmp_path, caplog):
    """hif has two holders: once site 1 turns it down it has one, so site 3, which asks for two, turns it down too."""
    federation = small_federation()
    root = write_sites(tmp_path, federation)
    set_policy(root, "site_1", min_holders=3)
    set_policy(root, "site_3", min_holders=2)
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    reason = "the site turned it down; its own log says why"
    assert study.notes == [("warning", site, "hif", reason) for site in ("site_1", "site_3")]
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
    assert [one.site for one in study.refused if "its own log says more" in one.text].count("site_1") >= 2
    assert study.finished


def test_limits_by_number():
    assert too_few_holders(Policy(min_holders=3), "cnv", 3) == ""
    assert too_few_holders(Policy(min_holders=3), "cnv", 2).startswith(
        "cnv: 2 sites hold it, this site takes part from 3"
    )
    policy, federation = Policy(max_rounds=5), small_federation()
    assert round_asked(policy, federation, "cnv@1", {"server-round": 5}) == (5, 0.0)
    assert round_asked(policy, federation, "hif", {"server-round": 1, "proximal-mu": 0.25}) == (1, 0.25)
    with pytest.raises(ValueError, match="cnv@1: round 6, this site allows 5"):
        round_asked(policy, federation, "cnv@1", {"server-round": 6})


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("part", "config", "said"),
    [
        ("cnv", {}, "cnv: server-round must be a number from 1 to inf, got None"),
        ("cnv", {"server-round": 0}, "server-round must be a number from 1 to inf, got 0"),
        ("cnv", {"server-round": True}, "got True"),
        ("cnv", {"server-round": 1, "proximal-mu": -0.5}, "proximal-mu must be a number from 0 to 1e.09, got -0.5"),
        ("cnv", {"server-round": 1, "proximal-mu": NAN}, "got nan"),
        ("cnv", {"server-round": 1, "proximal-mu": "1"}, "got '1'"),
        ("cnv@3", {"server-round": 1}, "cnv@3: this study has no such part"),
        ("cnv@x", {"server-round": 1}, "cnv@x: this study has no such part"),
    ],
)
def test_a_round_that_makes_no_sense_is_refused(part, config, said):
    with pytest.raises(ValueError, match=said):
        round_asked(Policy(), small_federation(), part, config)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"held-out": 3}, "held-out must be a number from 0 to 2, got 3"),
        ({"shown": ["cnv", "rna"]}, "asked to show rna, which this study does not have"),
        ({"class-weights": [1.0, 1.0]}, "class-weights: 2 numbers for 4 classes"),
        ({"class-weights": [1.0, -1.0, 1.0, 1.0]}, "class-weights must be a number from 0 to 1e.09, got -1.0"),
        ({"class-weights": [1.0, INFINITE, 1.0, 1.0]}, "got inf"),
    ],
)
def test_a_question_about_the_fusion_head_that_makes_no_sense_is_refused(change, said):
    sound = {"head": "mean", "held-out": 2, "shown": ["hif"], "class-weights": [0.5, 1.0, 1.5, 2.0]}
    question, weights = question_asked(small_federation(), sound)
    assert (question.held_out, question.shown, weights) == (2, ("hif",), [0.5, 1.0, 1.5, 2.0])
    with pytest.raises(ValueError, match=said):
        question_asked(small_federation(), {**sound, **change})


def test_other_numbers_of_messages_are_bounded_too():
    assert temperature_asked({"temperature": 1.5}) == 1.5
    assert holders_asked("cnv", {"holders": 3}) == 3
    assert class_numbers(small_federation(), {"class-counts": [3, 0.0, 5, 1]}, "class-counts") == [3, 0, 5, 1]
    for wrong in (0.0, NAN, INFINITE):
        with pytest.raises(ValueError, match="temperature must be a number from"):
            temperature_asked({"temperature": wrong})
    with pytest.raises(ValueError, match="cnv: holders must be a number from 0 to"):
        holders_asked("cnv", {"holders": -1})
    assert [seconds_asked({"seconds": seconds}) for seconds in (0, 0.25, 1e9)] == [0, 0.25, 1e9]
    with pytest.raises(ValueError, match="seconds must be a number from 0 to"):
        seconds_asked({"seconds": 1e9 + 1})
    with pytest.raises(ValueError, match="seconds must be a number from 0 to"):
        seconds_asked({"seconds": -0.25})


def test_a_run_config_that_names_a_place_of_data_is_refused_and_an_empty_one_is_not():
    refuse_run_config({"site-root": "", "federation": "/srv/study/federation.yaml", "sites": 3})
    with pytest.raises(ValueError, match="the run config says site-root = '/data': that is for simulations"):
        refuse_run_config({"site-root": "/data"})


def test_a_site_takes_part_only_under_the_settings_it_agreed_to(tmp_path, caplog):
    """Site 1 agreed to two rounds of cnv and gets three: it is asked nothing more. Site 3 agreed to what is sent."""
    federation = small_federation(modalities__cnv__federated={"rounds": 3, "patience": 0})
    root = write_sites(tmp_path, federation)
    agree(root, "site_1", small_federation())
    agree(root, "site_3", federation)
    grid = WatchedGrid(root)
    study = run_small(root, federation, grid)
    assert study.finished
    assert study.cohorts["site_1"] == {}
    assert sorted(study.cohorts["site_3"]) == ["cnv", "hif"]
    assert {one.metadata.message_type for one in grid.asked if site_number(one) == 1} == {"query.capabilities"}
    (reply,) = [reply for reply in grid.replies if reply.metadata.src_node_id == FIRST_NODE]
    assert dict(reply.content) == {"config.study": {"site": "site_1", "digest": federation.digest}}
    assert "modalities.cnv.federated.rounds: agreed 2, sent 3" in caplog.text


def test_a_server_that_goes_on_asking_a_site_which_agreed_to_other_settings_gets_nothing(tmp_path):
    federation = small_federation()
    root = write_sites(tmp_path, federation, [("cnv", "hif")], [29])
    agree(root, "site_1", small_federation(seed=4))
    grid = InlineGrid(app, 1, {"site-root": str(root)})
    study = ConfigRecord({"federation": federation.to_json()})

    def ask(message_type, **records):
        content = RecordDict({key.replace("__", "."): record for key, record in records.items()})
        return grid.send_and_receive([Message(content, FIRST_NODE, message_type)])[0]

    assert not ask("query.capabilities", config__study=study).has_error()
    for message_type in ("query.statistics", "query.setup", "train.branches", "train.fusion", "query.conformal"):
        reply = ask(message_type, config__study=study, config__cnv=ConfigRecord({"holders": 3}))
        assert reply.has_error() or not list(reply.content)


def test_settings_cannot_change_between_handshake_and_setup(tmp_path, caplog):
    root = write_sites(tmp_path, small_federation(), [("cnv",)], [29])
    grid = InlineGrid(app, 1, {"site-root": str(root)})
    for message_type, seed, fails in (("query.capabilities", 3, False), ("query.setup", 4, True)):
        record = ConfigRecord({"federation": small_federation(seed=seed).to_json()})
        reply = grid.send_and_receive([Message(RecordDict({"config.study": record}), FIRST_NODE, message_type)])[0]
        assert reply.has_error() == fails
    assert "other settings than in the handshake" in caplog.text


def test_a_policy_or_an_address_that_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"min_holders\n  Input should be greater than or equal to 1"):
        Policy(min_holders=0)
    for wrong in ("https://x", "x:99999"):
        with pytest.raises(ValueError, match=f"address\n .*must be `name:port`, got '{wrong}'"):
            CoordinatorConfig(address=wrong)
    (tmp_path / "site.yaml").write_text("name: a\ncoordinator: {address: fed.example.org:9443}\n")
    assert read_site_config(tmp_path / "site.yaml").coordinator.address == "fed.example.org:9443"
