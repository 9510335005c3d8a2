"""federation.yaml: what is refused, what is said about it, and the digest."""

import json
import os
import re

import pytest

from modalities.core.settings.federation import federation_from, load_federation

YAML = """
seed: 5
task:
  classes: [A, B, C]
  drop: [X]
fusion:
  head: residual
modalities:
  cnv:
    features_file: genes.json
    training: {lr: 0.02}
  hif: {kind: table, hidden: [7, 3]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "federation.yaml").write_text(YAML)
    (tmp_path / "genes.json").write_text(json.dumps(["TP53", "MYC", "ERBB2"]))
    return tmp_path


def test_settings_are_read_and_the_rest_has_defaults(folder):
    federation = load_federation(folder / "federation.yaml")
    assert federation.seed == 5
    assert federation.n_classes == 3
    assert federation.fusion.head == "residual"
    assert federation.modalities["cnv"].kind == "cnv"
    assert federation.modalities["cnv"].training.lr == 0.02
    assert federation.modalities["hif"].hidden == [7, 3]
    assert federation.fusion.folds == 3  # the default


def test_features_file_is_read_beside_federation_yaml_and_its_name_does_not_travel(folder):
    config = load_federation(folder / "federation.yaml").modalities["cnv"]
    assert config.features == ["TP53", "MYC", "ERBB2"]
    assert config.features_file == ""


def test_dotted_overrides_win_over_the_file(folder):
    overrides = ["seed=9", "modalities.cnv.training.lr=1e-3", "modalities.hif.hidden=[11]", "fusion.fit=tune"]
    federation = load_federation(folder / "federation.yaml", overrides)
    assert federation.seed == 9
    assert federation.modalities["cnv"].training.lr == 1e-3
    assert federation.modalities["hif"].hidden == [11]
    assert federation.fusion.fit == "tune"


def test_section_may_have_another_name_than_its_kind_and_defaults_to_a_table():
    federation = federation_from({"modalities": {"hif": {}, "second_cnv": {"kind": "cnv"}}})
    assert {name: config.kind for name, config in federation.modalities.items()} == {
        "hif": "table",
        "second_cnv": "cnv",
    }


def test_preset_gives_settings_and_those_beside_it_win():
    section = {"preset": "paper", "training": {"lr": 0.5}}
    config = federation_from({"modalities": {"cnv": section}}).modalities["cnv"]
    assert config.hidden == [8192, 2048]
    assert config.federated.strategy == "fedavg"
    assert config.training.lr == 0.5
    assert config.training.weight_decay == 1e-6  # of the preset


@pytest.mark.parametrize(
    ("section", "steps"),
    [
        ({}, (0.003, 0.01)),
        ({"values": "log2"}, (0.003, 0.01)),
        ({"values": "arms"}, (0.02, 0.1)),
        ({"values": "arms", "federated": {"rounds": 7}}, (0.02, 0.1)),
        ({"values": "arms", "federated": {"server_lr": 0.01}, "training": {"lr": 0.003}}, (0.003, 0.01)),
        ({"values": "arms", "preset": "paper"}, (1e-4, 0.1)),
    ],
)
def test_arms_take_longer_steps_unless_the_section_or_its_preset_says_how_long(section, steps):
    config = federation_from({"modalities": {"cnv": section}}).modalities["cnv"]
    assert (config.training.lr, config.federated.server_lr) == steps


@pytest.mark.parametrize("preset", ["", "paper"])
def test_plain_values_read_back_as_an_equal_federation_with_the_same_digest(folder, preset):
    federation = load_federation(folder / "federation.yaml", [f"modalities.cnv.preset={preset}"])
    again = federation_from(json.loads(federation.to_json()))
    assert again == federation
    assert again.digest == federation.digest


def test_digest_is_the_same_for_other_key_orders_and_written_out_defaults():
    one = federation_from({"seed": 1, "modalities": {"cnv": {"clip": 3.0}, "hif": {}}})
    other = federation_from(
        {"modalities": {"hif": {"kind": "table"}, "cnv": {"clip": 3, "dropout": 0}}, "fusion": {}, "seed": 1}
    )
    assert one.digest == other.digest


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"task": {"drop": []}}, {"fusion": {"rounds": 59}}, {"modalities": {"cnv": {"clip": 3.5}}}]
)
def test_digest_changes_with_any_setting(change):
    base = {"seed": 1, "modalities": {"cnv": {}}}
    assert federation_from(base | change).digest != federation_from(base).digest


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"modalitis": {}}, r"modalitis: no such setting; did you mean 'modalities'"),
        ({"task": {"clases": []}}, r"task\.clases: no such setting; did you mean 'classes'"),
        ({"fusion": {"haed": "mean"}}, r"fusion\.haed: .*'head'"),
        ({"modalities": {"cnv": {"hiden": []}}}, r"modalities\.cnv\.hiden: .*'hidden'"),
        ({"modalities": {"cnv": {"training": {"lrr": 1}}}}, r"modalities\.cnv\.training\.lrr: .*'lr'"),
        ({"modalities": {"cnv": {"federated": {"stratgy": ""}}}}, r"federated\.stratgy: .*'strategy'"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_known_one(raw, said):
    with pytest.raises(ValueError, match=said):
        federation_from({"modalities": {"cnv": {}}} | raw)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("training", "lr", 0),
        ("training", "lr", float("nan")),
        ("training", "lr", float("inf")),
        ("training", "weight_decay", -1),
        ("training", "epochs", 0),
        ("training", "batch_size", 0),
        ("training", "schedule", "linear"),
        ("training", "patience", -1),
        ("federated", "rounds", 0),
        ("federated", "local_epochs", 0),
        ("federated", "lr", -3),
        ("federated", "schedule", "step"),
        ("federated", "patience", -2),
        ("federated", "server_lr", 0),
        ("federated", "server_tau", 0),
    ],
)
def test_training_values_out_of_range_are_refused(section, key, value):
    with pytest.raises(ValueError, match=rf"modalities\.cnv\.{section}(\.|: ){key}:? must"):
        federation_from({"modalities": {"cnv": {section: {key: value}}}})


@pytest.mark.parametrize(
    ("key", "value"),
    [("dropout", 1.0), ("input_dropout", -0.1), ("clip", 0), ("hidden", [5, 0]), ("values", "segments")],
)
def test_branch_values_out_of_range_are_refused(key, value):
    with pytest.raises(ValueError, match=rf"modalities\.cnv\.{key}.*: must"):
        federation_from({"modalities": {"cnv": {key: value}}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fit", "refit"),
        ("folds", 1),
        ("held_out", 0),
        ("held_out", 0.6),
        ("modality_dropout", 1),
        ("weight_penalty", 0),
        ("bias_penalty", -1),
        ("class_weight_exponent", 2),
        ("rounds", 0),
        ("head", "meen"),
    ],
)
def test_fusion_values_out_of_range_are_refused(key, value):
    with pytest.raises(ValueError, match="fusion"):
        federation_from({"fusion": {key: value}, "modalities": {"cnv": {}}})


@pytest.mark.parametrize("classes", [["A"], ["A", "B", "A"]])
def test_class_list_has_two_different_classes(classes):
    with pytest.raises(ValueError, match=r"task.*classes.*got \['A'"):
        federation_from({"task": {"classes": classes}, "modalities": {"cnv": {}}})


@pytest.mark.parametrize("name", ["fused", "fused_complete", "shared", "study", "a b", "c@1", "d.e", "1x"])
def test_name_that_would_clash_on_the_wire_or_in_reports_is_refused(name):
    with pytest.raises(ValueError, match=r"modalities\..*: a modality's name must"):
        federation_from({"modalities": {name: {"kind": "table"}}})


def test_kind_is_looked_up_among_the_plugins_only():
    with pytest.raises(ValueError, match=r"modalities\.x\.kind: no modality of kind 'os'; known kinds: .*cnv"):
        federation_from({"modalities": {"x": {"kind": "os"}}})


def test_unknown_preset_names_those_there_are():
    with pytest.raises(ValueError, match=r"modalities\.cnv\.preset: no preset 'papper'; cnv has: paper, private"):
        federation_from({"modalities": {"cnv": {"preset": "papper"}}})


def test_wrong_type_names_the_setting():
    with pytest.raises(ValueError, match=r"modalities\.cnv.*clip.*'wide'"):
        federation_from({"modalities": {"cnv": {"clip": "wide"}}})


def test_seed_that_is_no_whole_number_is_refused():
    with pytest.raises(ValueError, match="seed: must be a whole number, got 'abc'"):
        federation_from({"seed": "abc", "modalities": {"cnv": {}}})


@pytest.mark.parametrize("section", [{"task": 3}, {"modalities": {"cnv": 3}}, {"modalities": {"cnv": {"training": 3}}}])
def test_section_that_holds_no_settings_is_refused(section):
    with pytest.raises(ValueError, match="must be a section with settings, got 3"):
        federation_from({"modalities": {"cnv": {}}} | section)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"modalities": {"x": {"kind": ["cnv"]}}}, r"modalities\.x\.kind: no modality of kind \"\['cnv'\]\""),
        ({"modalities": {"cnv": {"preset": {"paper": 1}}}}, r"modalities\.cnv\.preset: no preset"),
        ({"fusion": {"preset": ["paper"]}}, r"fusion\.preset: no preset"),
        ({"fusion": {"head": ["mean"]}}, r"fusion\.head: must be text, got \['mean'\]"),
        ({"modalities": {f"m{number}": {} for number in range(101)}}, "modalities: at most 100, got 101"),
        ({"modalities": {"cnv": {"hidden": [10**9]}}}, r"hidden\.0: must be at most 65536, got 1000000000"),
        (
            {"modalities": {"cnv": {"hidden": [1] * 65}}},
            r"hidden: must have at most 64 entries, got \[1, 1, .*\.\.\.\]",
        ),
        ({"fusion": {"folds": 10**9}}, r"fusion\.folds: must be at most 50"),
        ({"fusion": {"weight_penalty": float("nan")}}, r"fusion\.weight_penalty: must be a finite number, got nan"),
        ({"fusion": {"network": {"lr": float("inf")}}}, r"fusion\.network\.lr: must be a finite number, got inf"),
        ({"task": {"classes": [f"c{number}" for number in range(1001)]}}, r"task\.classes: must have at most 1000"),
        (
            {"modalities": {"cnv": {"federated": {"strategy": "fedprox", "proximal_mu": float("nan")}}}},
            r"federated\.proximal_mu: must be a finite number, got nan",
        ),
        ({"modalities": {"cnv": {"federated": {"lr": 10**400}}}}, r"federated\.lr: must be a .*number"),
    ],
)
def test_settings_that_would_fill_or_break_a_site_are_refused(raw, said):
    with pytest.raises(ValueError, match=said):
        federation_from({"modalities": {"cnv": {}}} | raw)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"clip": True}, r"clip: must be a number, without quotes, got True"),
        ({"clip": "4"}, r"clip: must be a number, without quotes, got '4'"),
        ({"training": {"epochs": True}}, r"training\.epochs: must be a whole number, without quotes, got True"),
        ({"training": {"epochs": 2.5}}, r"training\.epochs: must be a whole number, without quotes, got 2\.5"),
        ({"federated": {"robust": False}}, r"federated\.robust: must be text, got False; put it in quotes"),
        ({"hidden": 3}, r"hidden: must be a list, got 3"),
        ({"kind": "wsi_graph", "coordinates": "maybe"}, r"coordinates: must be true or false, got 'maybe'"),
    ],
)
def test_value_of_another_type_is_refused_not_converted(section, said):
    with pytest.raises(ValueError, match=rf"modalities\.cnv\.{said}"):
        federation_from({"modalities": {"cnv": section}})


def test_rules_between_settings_are_named_beside_wrong_settings():
    network = {"width": 6, "attention_heads": 4, "rounds": 0}
    with pytest.raises(ValueError, match=r"(?s)network\.rounds: must .*fusion\.network: width must be a multiple of"):
        federation_from({"fusion": {"network": network}, "modalities": {"cnv": {}}})


def test_every_problem_is_named_at_once():
    raw = {
        "sed": 1,
        "seed": "abc",
        "task": {"classes": ["A"]},
        "fusion": {"folds": 1, "held_out": 0.9},
        "modalities": {
            "cnv": {"training": {"lr": -1}, "federated": {"rounds": 0}, "clip": -5},
            "hif": {"hiden": [3]},
            "x": {"kind": "nothing"},
        },
    }
    with pytest.raises(ValueError, match="sed: no such setting") as error:
        federation_from(raw)
    for said in (
        "seed: must be a whole number",
        "task.classes: must have at least 2 entries",
        "fusion.folds: must",
        "held_out: must",
        "training.lr: must",
        "federated.rounds: must",
        "cnv.clip: must",
        "hiden: no such",
        "x.kind",
    ):
        assert said in str(error.value)


def test_without_modalities_there_is_no_study():
    with pytest.raises(ValueError, match="modalities: name at least one"):
        federation_from({"seed": 1})


def test_only_the_coordinators_file_may_name_a_features_file():
    with pytest.raises(ValueError, match=r"modalities\.cnv\.features_file: only the coordinator"):
        federation_from({"modalities": {"cnv": {"features_file": "/etc/passwd"}}})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ('{"a": 1}', "must hold a JSON list of names"),
        ("[1, 2]", "must hold a JSON list of names"),
    ],
)
def test_unusable_features_file_is_refused(folder, content, said):
    (folder / "genes.json").write_text(content)
    with pytest.raises(ValueError, match=f"federation.yaml, modalities.cnv.features_file: genes.json {said}"):
        load_federation(folder / "federation.yaml")


def test_absent_features_file_is_named(folder):
    (folder / "genes.json").unlink()
    with pytest.raises(ValueError, match=r"features_file: genes\.json: no such file beside federation\.yaml"):
        load_federation(folder / "federation.yaml")


@pytest.mark.parametrize(
    "name", ["../genes.json", "/dev/zero", "sub/genes.json", "pipe", "link.json", ".", ["genes.json"]]
)
def test_features_file_is_a_plain_file_beside_federation_yaml(folder, name):
    study = folder / "study"
    (study / "sub").mkdir(parents=True)
    os.mkfifo(study / "pipe")
    (study / "sub" / "genes.json").write_text('["MYC"]')
    (study / "link.json").symlink_to(folder / "genes.json")
    (study / "federation.yaml").write_text(json.dumps({"modalities": {"cnv": {"features_file": name}}}))
    with pytest.raises(ValueError, match=r"cnv\.features_file: .*: no such file beside federation\.yaml; put it there"):
        load_federation(study / "federation.yaml")


def test_features_file_larger_than_any_list_of_features_is_not_read(folder):
    with (folder / "genes.json").open("r+b") as file:
        file.truncate(33 * 2**20)  # sparse
    with pytest.raises(
        ValueError, match=r"genes\.json has 34,603,008 bytes; a list of features has at most 33,554,432"
    ):
        load_federation(folder / "federation.yaml")


def test_features_file_nested_a_thousand_deep_is_refused_not_followed(folder):
    (folder / "genes.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"features_file: genes\.json cannot be read as JSON"):
        load_federation(folder / "federation.yaml")


def test_feature_listed_twice_in_the_file_is_refused(folder):
    (folder / "genes.json").write_text('["MYC", "TP53", "MYC"]')
    with pytest.raises(ValueError, match=r"modalities\.cnv\.features: names a feature twice: MYC"):
        load_federation(folder / "federation.yaml")


@pytest.mark.parametrize("name", [["MYC"], {"MYC": 1}])
def test_name_that_is_a_list_or_a_section_is_refused(name):
    with pytest.raises(ValueError, match=r"modalities\.cnv\.features\.1: must be text, got .*MYC.*"):
        federation_from({"modalities": {"cnv": {"features": ["TP53", name]}}})


def test_setting_that_looks_something_up_is_refused():
    with pytest.raises(ValueError, match=r"modalities\.cnv\.features: `\$\{` is not allowed in a setting"):
        federation_from({"modalities": {"cnv": {"features": ["${oc.env:HOME}"]}}})


def test_a_long_list_is_read_as_a_short_one_and_refused_as_one():
    def section(names):
        return federation_from({"modalities": {"cnv": {"kind": "cnv", "features": names}}})

    names = [f"gene{number}" for number in range(150)]
    long = section(names)
    assert long.modalities["cnv"].features == names
    assert long.modalities["cnv"].features is not names
    assert section([*names, 7]).modalities["cnv"].features == [*names, "7"]  # the slow way, which makes text of it
    with pytest.raises(ValueError, match=r"modalities\.cnv\.features: `\$\{` is not allowed"):
        section([*names, "${oc.env:HOME}"])


def test_setting_left_blank_keeps_its_default():
    section = {"cnv": {"preset": None, "training": None, "clip": None}}
    assert federation_from({"modalities": section}) == federation_from({"modalities": {"cnv": {}}})


def test_feature_listed_twice_in_the_section_is_refused():
    with pytest.raises(ValueError, match=r"modalities\.cnv\.features: names a feature twice: MYC"):
        federation_from({"modalities": {"cnv": {"features": ["MYC", "TP53", "MYC"]}}})


@pytest.mark.parametrize("content", ["a: [", "- 1\n- 2\n", "only text"])
def test_file_that_is_no_mapping_is_refused_by_name(tmp_path, content):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"mine\.yaml(: cannot be read: |, only text: no such setting)"):
        load_federation(tmp_path / "mine.yaml")


def test_absent_file_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.yaml: cannot be read"):
        load_federation(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        ({"head": "gate"}, "fusion.head: no fusion head 'gate'"),
        ({"head": "auto", "candidates": ["mean", "meen"]}, "fusion.candidates: no fusion head 'meen'"),
        ({"head": "auto", "candidates": ["mean", "transformer"]}, "fusion.candidates: transformer is a network"),
        ({"head": "auto", "candidates": ["mean"]}, "`auto` needs two candidates or more"),
        ({"head": "auto", "fit": "none"}, "`auto` needs two candidates or more, and fit: crossfit or tune"),
        ({"head": "intermediate", "fit": "none"}, "fusion.fit: intermediate says nothing until fitted"),
        ({"preset": "papers"}, "fusion.preset: no preset 'papers'; there are: paper, private"),
        ({"network": {"width": 6, "attention_heads": 4}}, "width must be a multiple of attention_heads, got 6 and 4"),
        (
            {"network": {"rounds": 0, "lr": 0.0}},
            "network.rounds: must be at least 1, got 0\nfusion.network.lr: must be above 0, got 0.0",
        ),
    ],
)
def test_a_head_that_cannot_be_is_refused(fusion, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        federation_from({"fusion": fusion, "modalities": {"hif": {"features": ["a"]}}})


def test_the_papers_preset_is_its_transformer_and_heads_that_are_not_shrunk():
    fusion = federation_from({"fusion": {"preset": "paper"}, "modalities": {"hif": {"features": ["a"]}}}).fusion
    assert (fusion.network.layers, fusion.network.width, fusion.network.attention_heads) == (6, 512, 8)
    assert fusion.weight_penalty < 1e-3
    assert fusion.class_weight_exponent == 0
