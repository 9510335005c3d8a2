"""A federation.yaml that cannot be is refused, each setting by its name."""

import re

import pytest

from modalities.core.settings.federation import federation_from


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
    with pytest.raises(ValueError, match="seed: must be a whole number of 64 bits, got 'abc'"):
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


def test_feature_listed_twice_in_the_section_is_refused():
    with pytest.raises(ValueError, match=r"modalities\.cnv\.features: names a feature twice: MYC"):
        federation_from({"modalities": {"cnv": {"features": ["MYC", "TP53", "MYC"]}}})


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
