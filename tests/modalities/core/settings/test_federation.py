"""federation.yaml: what is refused, what is said about it, and the digest."""

import json
import os

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


def test_setting_left_blank_keeps_its_default():
    section = {"cnv": {"preset": None, "training": None, "clip": None}}
    assert federation_from({"modalities": section}) == federation_from({"modalities": {"cnv": {}}})


@pytest.mark.parametrize("content", ["a: [", "- 1\n- 2\n", "only text"])
def test_file_that_is_no_mapping_is_refused_by_name(tmp_path, content):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"mine\.yaml(: cannot be read: |, only text: no such setting)"):
        load_federation(tmp_path / "mine.yaml")


def test_absent_file_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.yaml: cannot be read: No such file or directory; correct the path"):
        load_federation(tmp_path / "nowhere.yaml")


def test_the_papers_preset_is_its_transformer_and_heads_that_are_not_shrunk():
    fusion = federation_from({"fusion": {"preset": "paper"}, "modalities": {"hif": {"features": ["a"]}}}).fusion
    assert (fusion.network.layers, fusion.network.width, fusion.network.attention_heads) == (6, 512, 8)
    assert fusion.weight_penalty < 1e-3
    assert fusion.class_weight_exponent == 0
