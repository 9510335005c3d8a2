"""The task: which label is which class, what is dropped, and what would give it away."""

from pathlib import Path

import pytest

from modalities.core.settings.federation import federation_from, load_federation
from modalities.core.settings.task import Task

SHIPPED = sorted((Path(__file__).resolve().parents[4] / "docs" / "tasks").glob("*.yaml"))
STAGE = Task(
    classes=["early", "late"],
    label="pathologic_stage",
    values={"early": ["Stage I", "Stage IIA"], "late": ["Stage IIIC"]},
    drop=["Stage X"],
    leaks=["stage", "t"],
)
SECTION = {"classes": ["positive", "negative"], "label": "er_status", "drop": [], "leaks": ["er", "er_percent"]}


def test_what_sites_write_is_mapped_to_its_class_and_a_class_name_to_itself():
    assert STAGE.class_by_label == {
        "Stage I": "early",
        "Stage IIA": "early",
        "Stage IIIC": "late",
        "early": "early",
        "late": "late",
    }


def test_labels_of_no_class_are_counted_by_value():
    labels = ["Stage I", "", "Stage X", "Stage IV", "stage i", "Stage IV", "late"]
    problem = STAGE.problem_of(labels)
    assert problem.what == "labels outside the class list: Stage IV (2), stage i (1)"
    assert problem.remedy.startswith("the task knows Stage I, ")
    assert "drops Stage X: correct them, or add them to task.values or task.drop" in problem.remedy
    assert STAGE.problem_of(["", "early", "Stage X"]) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": {"postive": ["Pos"]}}, "values: postive: no such class; there are positive, negative"),
        ({"names": {"postive": "ER-positive"}}, "names: postive: no such class; there are positive, negative"),
        ({"values": {"positive": ["1"], "negative": ["0", "1"]}}, "values and drop: 1 must belong to one class"),
        ({"values": {"positive": ["negative"]}}, "values and drop: negative must belong to one class"),
        ({"values": {"positive": ["Pos"]}, "drop": ["Pos"]}, "values and drop: Pos must belong to one class, or be"),
        ({"drop": ["negative"]}, "values and drop: negative must belong to one class, or be dropped"),
        ({"values": ["Pos"]}, r"task\.values: .*"),
        ({"valus": {}}, r"task\.valus: no such setting; did you mean 'values'"),
    ],
)
def test_contradictory_task_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        federation_from({"task": SECTION | changes, "modalities": {"cnv": {}}})


def test_task_reads_back_equal_with_its_values():
    federation = federation_from({"task": SECTION | {"values": {"positive": ["Pos", "+"]}}, "modalities": {"cnv": {}}})
    again = federation_from(federation.to_dict())
    assert again == federation
    assert again.digest == federation.digest
    assert again.task.class_by_label["+"] == "positive"


def test_leak_is_found_by_the_name_of_a_column_or_of_its_field():
    assert STAGE.leaks_among(["age", "stage", "t", "T", "pathologic_stage", "tumour"]) == [
        "stage",
        "t",
        "pathologic_stage",
    ]
    assert Task(classes=["a", "b"], leaks=["er"]).leaks_among(["er=positive", "er_percent"]) == ["er=positive"]


def test_clinical_input_that_states_the_label_is_refused_before_any_data_is_read():
    with pytest.raises(ValueError, match=r"modalities\.clinical: er=positive, er=negative, er=indet"):
        federation_from({"task": SECTION, "modalities": {"clinical": {}}})
    left_out = {"clinical": {"exclude": ["er", "er_percent"]}}
    federation_from({"task": SECTION, "modalities": left_out})
    federation_from({"task": SECTION, "modalities": {"clinical": {"inputs": "no_ihc"}}})


def test_agreed_column_that_states_the_label_is_refused():
    with pytest.raises(ValueError, match=r"modalities\.hif: er_status would be inputs, but task\.leaks says"):
        federation_from({"task": SECTION, "modalities": {"hif": {"features": ["area", "er_status"]}}})


def test_field_to_exclude_must_be_of_the_dictionary():
    with pytest.raises(ValueError, match=r"modalities\.clinical\.exclude: no field er_stat; the dictionary has age, "):
        federation_from({"modalities": {"clinical": {"exclude": ["er_stat"]}}})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_task_is_sound_and_lets_no_field_in_that_states_its_label(path):
    federation = load_federation(path)
    assert federation.task.leaks
    for config in federation.modalities.values():
        assert federation.task.leaks_among(config.known_features) == []


def test_there_are_shipped_tasks():
    assert [path.stem for path in SHIPPED] == ["er", "msi", "stage"]


def test_names_in_full_travel_with_the_settings_and_without_any_the_digest_is_what_it_was():
    plain = federation_from({"modalities": {"hif": {}}})
    assert "names" not in plain.to_dict()["task"]
    named = federation_from({"task": {"names": {"Her2": "HER2-enriched"}}, "modalities": {"hif": {}}})
    assert federation_from(named.to_dict()).task.names == {"Her2": "HER2-enriched"}
    assert named.digest != plain.digest


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "\x9b2J", "a\u202eb", "", "x" * 101])
@pytest.mark.parametrize("where", ["classes", "name", "label"])
def test_a_name_that_steers_a_terminal_begins_a_line_or_has_no_end_is_refused(where, name):
    section = {"classes": ["Größe", "c b"], "name": "d", "label": "e"}
    federation_from({"task": section, "modalities": {"cnv": {"features": ["TP53"]}}})
    section[where] = [name, "other"] if where == "classes" else name
    with pytest.raises(ValueError, match=rf"task\.{where}.*must be 1 to 100 characters without line breaks or control"):
        federation_from({"task": section, "modalities": {"cnv": {"features": ["TP53"]}}})
