"""The agreed columns, and how a case fills them."""

import itertools

import numpy as np
import pytest

from modalities import clinical
from modalities.clinical.dictionary import BY_NAME, FIELDS, encode, inputs_of, with_her2
from modalities.core.contract import Cases


def test_no_ihc_is_ihc_without_every_receptor_column():
    receptors = ("er", "pr", "er_percent", "pr_percent", "her2", "her2_ihc_score", "ki67_percent")
    ihc, no_ihc = clinical.features_of("ihc"), clinical.features_of("no_ihc")
    assert no_ihc == tuple(name for name in ihc if name.partition("=")[0] not in receptors)
    assert (len(ihc), len(no_ihc)) == (36, 19)


def test_columns_are_the_states_of_a_category_and_the_number_itself():
    features = clinical.features_of("ihc")
    assert features[:5] == ("age", "menopause=pre", "menopause=peri", "menopause=post", "menopause=indeterminate")
    assert "her2=equivocal" in features
    assert not any(name.startswith(("her2_ish", "race", "sex")) for name in features)


def test_case_is_encoded_by_hand():
    fields = (BY_NAME["age"], BY_NAME["er"], BY_NAME["stage"])
    assert encode({"age": 51.0, "er": "negative", "stage": 3.0}, fields) == [51, 0, 1, 0, 3]
    assert encode({"er": "indeterminate"}, fields) == pytest.approx([np.nan, 0, 0, 1, np.nan], nan_ok=True)
    assert encode({"age": 51.0}, fields) == pytest.approx([51, *[np.nan] * 4], nan_ok=True)


def test_the_network_sees_a_missing_category_in_none_of_its_states_and_a_missing_number_as_missing():
    cases = Cases(("a", "b"), np.array([[np.nan, np.nan], [0, 7]], dtype=np.float32), ("er=positive", "age"))
    assert clinical.vectors(cases) == pytest.approx(np.array([[0, np.nan], [0, 7]]), nan_ok=True)
    assert clinical.sums(cases, clinical.Config())["n"].tolist() == [2, 1]


def test_missing_is_a_state_of_its_own_after_scaling():
    """Every value of a field, and none, gives different inputs to the network."""
    field = BY_NAME["her2"]
    records = [{"her2": state} for state in field.states] + [{}]
    rows = np.array([encode(record, (field,)) for record in records], dtype=np.float32)
    numeric = np.array([[61.0], [44.0], [44.0], [44.0], [np.nan]], dtype=np.float32)
    cases = Cases(tuple("abcde"), np.concatenate([rows, numeric], axis=1), (*field.features, "age"))
    config = clinical.Config()
    state = clinical.finalise(clinical.sums(cases, config), config)
    prepared = clinical.prepare(cases, state, config).numpy()
    assert prepared.shape == (5, 6)  # four states, age, and the flag of a missing age
    assert prepared[:, 5].tolist() == [0, 0, 0, 0, 1]
    assert all(not np.allclose(one, other) for one, other in itertools.combinations(prepared[:, :4], 2))


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({"her2_ihc": "equivocal", "her2_ish": "positive"}, "positive"),
        ({"her2_ihc": "positive", "her2_ish": "negative"}, "negative"),
        ({"her2_ihc": "negative", "her2_ish": "indeterminate"}, "negative"),
        ({"her2_ihc": "equivocal", "her2_ihc_score": "3+"}, "positive"),
        ({"her2_ihc": "equivocal", "her2_ihc_score": "2+"}, "equivocal"),
        ({"her2_ihc_score": "1+"}, "negative"),
        ({"her2_ihc_score": "2+"}, "equivocal"),
        ({"her2_ish": "indeterminate"}, "indeterminate"),
        ({"her2": "negative", "her2_ish": "positive"}, "negative"),
        ({"age": 50.0}, None),
    ],
)
def test_her2_is_decided_by_the_sites_own_word_then_ish_then_ihc(record, status):
    assert with_her2(record).get("her2") == status


def test_no_field_tells_of_population_treatment_or_outcome():
    names = {field.name for field in FIELDS}
    assert names & {"race", "ethnicity", "sex", "site", "radiation", "chemotherapy", "vital_status", "margin"} == set()


def test_inputs_other_than_the_two_are_refused():
    with pytest.raises(ValueError, match=r"inputs\n  Input should be 'ihc' or 'no_ihc' "):
        clinical.Config(inputs="all")


@pytest.mark.parametrize("preset", clinical.PRESETS.values(), ids=clinical.PRESETS)
def test_preset_names_settings_that_exist(preset):
    plain = {name: value for name, value in preset.items() if not isinstance(value, dict)}
    config = clinical.Config(**plain)
    assert inputs_of(config.inputs)
    for section in ("training", "federated"):
        type(getattr(config, section))(**preset.get(section, {}))
