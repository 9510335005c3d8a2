"""The ClientApp, message by message: what a site says, what it refuses, and what it never says."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, MetricRecord

from client.app import app
from client.study.session import blurred_class_counts, site_data, site_folder, site_folders
from modalities.core.registry import plugin
from modalities.core.site.store import SiteData
from simulations.engines.inline import InlineGrid
from strategies.checks import NO_SETTINGS
from strategies.wire import to_record
from tests.client.sites import FEDERATION, Site
from tests.support import FIRST_NODE, all_arrays, small_federation, write_sites


@pytest.fixture
def root(tmp_path):
    """One site of 29 cases with both modalities."""
    return write_sites(tmp_path, FEDERATION, [("cnv", "hif")], [29])


@pytest.fixture
def site(root):
    return Site(root)


def policy(root, text):
    path = root / "site_1" / "site.yaml"
    path.write_text(path.read_text().split("policy:")[0] + f"policy: {{{text}}}\n")


def test_a_site_says_its_name_what_it_understood_and_its_cohorts(site):
    content = site.introduced().content
    assert dict(content["config.study"]) == {"site": "site_1", "digest": FEDERATION.digest}
    for name in ("cnv", "hif"):
        assert dict(content[f"metrics.{name}"]) == {"num-examples": len(site.data.training_cases(name))}
    assert len(content) == 3


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("min_cohort: 0, modalities: [hif]", ["hif"]),
        ("min_cohort: 0", ["cnv", "hif"]),
        ("min_cohort: 500", []),
        ("min_cohort: 500, modalities: [cnv]", []),
    ],
)
def test_a_site_announces_only_what_its_policy_allows(root, text, held):
    policy(root, text)
    content = Site(root).introduced().content
    assert [key for key in content if key.startswith("metrics.")] == [f"metrics.{name}" for name in held]


def test_a_request_for_what_the_policy_forbids_fails_whatever_the_server_asks(root):
    policy(root, "min_cohort: 0, modalities: [hif]")
    site = Site(root)
    site.set_up()
    train = {"config__cnv": ConfigRecord({"server-round": 1}), "arrays__cnv": to_record(site.weights())}
    assert site.ask("train.branches", **train).has_error()
    assert site.ask("evaluate.branches", **train).has_error()
    assert not site.ask("query.statistics", config__cnv=ConfigRecord({"holders": 2})).content.get("arrays.cnv")
    fusion = {"arrays__fusion__cnv": to_record({"d": np.zeros(4)})}
    config = ConfigRecord({"class-weights": [1.0] * 4})
    assert site.ask("train.fusion", config__study=config, **fusion).has_error()


def test_a_site_settles_under_no_other_settings_than_it_agreed_to(root, caplog):
    """Not even where no handshake came before the setup, as after a restart."""
    (root / "site_1" / "agreed.yaml").write_text(small_federation(seed=4).to_json())
    with (root / "site_1" / "site.yaml").open("a") as file:
        file.write("coordinator: {federation: agreed.yaml}\n")
    site = Site(root)
    settings = ConfigRecord({"federation": FEDERATION.to_json()})
    states = {f"arrays__{name}": to_record(state) for name, state in site.states().items()}
    holders = {f"config__{name}": ConfigRecord({"holders": 1}) for name in FEDERATION.modalities}
    assert site.ask("query.setup", config__study=settings, **holders, **states).has_error()
    assert "other settings than this site agreed to" in caplog.text
    train = {"config__cnv": ConfigRecord({"server-round": 1}), "arrays__cnv": to_record(site.weights())}
    assert site.ask("train.branches", **train).error.code == NO_SETTINGS


def test_weights_of_a_modality_that_the_site_does_not_hold_are_refused_by_name(root, caplog):
    policy(root, "min_cohort: 0, modalities: [hif]")
    site = Site(root)
    site.set_up()
    for part in ("cnv", "cnv@1", "rna"):
        caplog.clear()
        train = {f"config__{part}": ConfigRecord({"server-round": 1}), f"arrays__{part}": to_record(site.weights())}
        assert site.ask("train.branches", **train).has_error()
        assert f"asked for {part.partition('@')[0]}: this site takes part with hif only" in caplog.text


def test_a_second_setup_without_a_modality_ends_its_part_in_the_run(site):
    """More sites held it before; a state that stayed would let the server go on asking."""
    site.set_up()
    settings = ConfigRecord({"federation": FEDERATION.to_json()})
    state = to_record(site.states()["hif"])
    site.ask("query.setup", config__study=settings, config__hif=ConfigRecord({"holders": 1}), arrays__hif=state)
    for name, fails in (("hif", False), ("cnv", True)):
        train = {f"config__{name}": ConfigRecord({"server-round": 1}), f"arrays__{name}": to_record(site.weights(name))}
        assert site.ask("train.branches", **train).has_error() == fails


def test_the_fusion_heads_losses_leave_once_and_not_by_modality(site):
    """Summed over the sites that hold one modality or another, they would differ by a single site's."""
    site.set_up()
    parts = {f"arrays__{name}@{fold}": to_record(site.weights(name)) for name in ("cnv", "hif") for fold in (1, 2)}
    site.ask("evaluate.branches", **parts)
    head = {"arrays__fusion__shared": to_record({"s": np.ones(3)})}
    head |= {f"arrays__fusion__{name}": to_record({"d": np.zeros(4)}) for name in ("cnv", "hif")}
    config = ConfigRecord({"head": "weighted_logits", "held-out": 1, "class-weights": [1.0] * 4})
    reply = site.ask("train.fusion", config__study=config, **head).content
    assert set(reply["metrics.fusion.shared"]) == {"num-examples", "loss-sum", "held-out-loss-sum", "held-out-n"}
    assert reply["metrics.fusion.shared"]["loss-sum"] > 0
    either = set(site.data.training_cases("cnv")) | set(site.data.training_cases("hif"))
    assert reply["metrics.fusion.shared"]["num-examples"] == len(either)  # those with one modality among them
    for name in ("cnv", "hif"):
        assert set(reply[f"metrics.fusion.{name}"]) == {"num-examples"}


def test_statistics_are_the_plugins_sums_over_the_training_cases(site):
    site.introduced()
    content = site.ask(
        "query.statistics", config__cnv=ConfigRecord({"holders": 2}), config__study=ConfigRecord()
    ).content
    config = FEDERATION.modalities["cnv"]
    cases = site.data.cases("cnv").select(site.data.training_cases("cnv"))
    expected = plugin("cnv").sums(cases, config)
    found = all_arrays(content)
    assert found["arrays.cnv"].keys() == expected.keys()
    assert all(np.array_equal(found["arrays.cnv"][name], array) for name, array in expected.items())
    assert found["arrays.study"]["class-counts"].tolist() == site.data.class_counts().tolist()
    assert "arrays.hif" not in content  # was not asked for


def test_small_class_counts_leave_the_site_as_half_of_the_least_cell(root):
    labels = ["LumA"] * 11 + ["LumB"] * 7 + ["Basal"] * 3
    cases = [f"site_1-case-{number + 1:03d},{label},train" for number, label in enumerate(labels)]
    (root / "site_1" / "cases.csv").write_text("case_id,label,split\n" + "\n".join(cases) + "\n")
    policy(root, "min_cohort: 0, min_cell: 7")
    data = SiteData(root / "site_1", FEDERATION)
    true = data.class_counts()
    expected = [count if count == 0 or count >= 7 else 3.5 for count in true]
    assert blurred_class_counts(data).tolist() == expected
    assert 3.5 in expected
    assert expected[3] == 0  # nobody of the last class: that may be said


def test_the_cases_that_a_run_begins_with_are_kept_for_its_whole_length(root, site):
    """A case that is listed later is not among them; a second handshake under the same settings changes nothing."""
    site.introduced()
    state = site.grid._contexts[FIRST_NODE].state
    began_with = list(state["roll"]["case_ids"])
    assert began_with == list(site.data.roll.case_ids)
    with (root / "site_1" / "cases.csv").open("a") as file:
        file.write("later,LumA,train\n")
    site.introduced()
    site.set_up()
    assert list(state["roll"]["case_ids"]) == began_with


def test_training_changes_the_weights_and_reports_counts_and_losses_only(site):
    site.set_up()
    weights = site.weights()
    reply = site.ask(
        "train.branches",
        **{"arrays__cnv@1": to_record(weights), "config__cnv@1": ConfigRecord({"server-round": 1})},
    )
    found = all_arrays(reply.content)["arrays.cnv@1"]
    assert {name: array.shape for name, array in found.items()} == {name: a.shape for name, a in weights.items()}
    assert not np.array_equal(found["head.weight"], weights["head.weight"])
    metrics = reply.content["metrics.cnv@1"]
    folds = site.data.folds[site.data.training_cases("cnv")]
    assert metrics["num-examples"] == (folds != 1).sum()
    assert metrics["held-out-n"] == (folds == 1).sum()
    assert metrics["held-out-loss-sum"] == pytest.approx((folds == 1).sum() * np.log(4))  # the weights as they came
    assert set(metrics) == {"num-examples", "loss-sum", "held-out-n", "held-out-loss-sum"}


def test_the_same_request_gives_the_same_weights_and_another_round_others(site):
    site.set_up()

    def train(server_round):
        config = ConfigRecord({"server-round": server_round})
        reply = site.ask("train.branches", arrays__hif=to_record(site.weights("hif")), config__hif=config)
        return all_arrays(reply.content)["arrays.hif"]["head.weight"].tobytes()

    assert train(1) == train(1)
    assert train(1) != train(2)


def test_scoring_reports_numbers_and_keeps_the_outputs_inside(site):
    site.set_up()
    parts = {f"arrays__cnv@{fold}": to_record(site.weights()) for fold in (1, 2)}
    configs = {key.replace("arrays", "config"): ConfigRecord({"server-round": 1}) for key in parts}
    reply = site.ask("evaluate.branches", **parts, **configs)
    assert all_arrays(reply.content) == {"arrays.cnv@1": {}, "arrays.cnv@2": {}}
    n = [reply.content[f"metrics.cnv@{fold}"]["held-out-n"] for fold in (1, 2)]
    assert sum(n) == len(site.data.training_cases("cnv"))
    kept = site.grid._contexts[FIRST_NODE].state["outputs.cnv"]
    assert kept["present"].numpy().sum() == sum(n)
    assert kept["logits"].numpy().shape == (len(site.data.folds), 4)


@pytest.mark.parametrize(
    "message_type", ["query.statistics", "train.branches", "evaluate.branches", "train.fusion", "query.conformal"]
)
def test_a_request_before_any_settings_says_just_that_by_its_code(site, message_type):
    reply = site.ask(message_type)
    assert (reply.error.code, reply.error.reason) == (NO_SETTINGS, "see the site's log")


def test_an_exception_leaves_as_a_code_and_stands_in_the_sites_own_log(root, caplog):
    path = root / "site_1" / "cases.csv"
    path.write_text(path.read_text().replace("-case-003,", "-case-SECRET,,").replace(",,", ",Weird-Label,", 1))
    with caplog.at_level("ERROR", logger="tessera.client"):
        reply = Site.__new__(Site)
        reply.grid = InlineGrid(app, 1, {"site-root": str(root)})
        answer = reply.introduced()
    assert (answer.error.code, answer.error.reason) == (2, "see the site's log")
    assert "query.capabilities" in caplog.text
    assert "line 4" in caplog.text or "Weird-Label" in caplog.text


def test_what_was_told_of_a_file_by_itself_alone_stands_in_the_sites_own_log(root, caplog):
    path = root / "site_1" / "hif" / "table.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b",\n").replace(b"feature_12,", b"feature_12,Gr\x9a\xdfe", 1))
    with caplog.at_level("INFO", logger="tessera.client"):
        Site(root).introduced()
    said = [(record.levelname, record.getMessage()) for record in caplog.records if "table.csv" in record.getMessage()]
    assert [level for level, _ in said] == ["WARNING"]
    assert "table.csv: not UTF-8: read as Windows-1252 (ANSI), from line 1 on, with the characters" in said[0][1]


def test_a_message_of_an_unknown_type_is_an_error_not_a_crash(site):
    assert site.ask("query.secrets").has_error()


def test_a_real_site_reads_its_own_folder_and_refuses_a_run_that_names_another(root):
    node = {"site": str(root / "site_1"), "partition-id": 0}
    assert site_folder(node, {"site-root": "", "federation": "/of/the/server"}, FEDERATION) == root / "site_1"
    with pytest.raises(ValueError, match="site-root = '/somewhere/else': that is for simulations"):
        site_folder(node, {"site-root": "/somewhere/else"}, FEDERATION)


def test_a_node_that_is_neither_a_site_nor_simulated_says_how_to_start_it():
    with pytest.raises(ValueError, match="this node has no site folder: start it with --node-config"):
        site_folder({}, {"site-root": "/somewhere"}, FEDERATION)


def test_partitions_are_the_site_folders_by_name(tmp_path):
    write_sites(tmp_path, FEDERATION, [("cnv",)] * 3, [5, 7, 6])
    (tmp_path / "no_site").mkdir()
    assert [path.name for path in site_folders(tmp_path)] == ["site_1", "site_2", "site_3"]
    node = {"partition-id": 2, "num-partitions": 3}
    assert site_folder(node, {"site-root": str(tmp_path)}, FEDERATION).name == "site_3"
    with pytest.raises(ValueError, match=r"no_site: no folder with a site\.yaml in it"):
        site_folders(tmp_path / "no_site")


def test_a_folder_is_opened_once_a_process(root):
    text = FEDERATION.to_json()
    assert site_data(root / "site_1", text) is site_data(root / "site_1", text)


def test_replies_hold_records_that_flower_knows(site):
    reply = site.introduced()
    assert all(isinstance(record, ConfigRecord | MetricRecord) for record in reply.content.values())
