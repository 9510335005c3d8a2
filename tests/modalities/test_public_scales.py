import math

import numpy as np
import pytest

from modalities import clinical, cnv, table
from modalities.core.contract import Cases, Source


def test_arms_are_scaled_by_a_copy_gained_in_every_second_cell():
    config = cnv.Config(values="arms", features=["1q", "8p", "16q"])
    state = cnv.public_state(config)
    values = np.array([[math.log2(1.25), -2 * math.log2(1.25), np.nan]], dtype=np.float32)
    prepared = cnv.prepare(Cases(("a",), values, ("1q", "8p", "16q")), state, config)
    assert prepared.tolist()[0] == pytest.approx([1.0, -2.0, 0.0], abs=1e-6)


def test_arms_of_calls_are_scaled_by_half_a_call():
    config = cnv.Config(values="arms", arms_from="calls", features=["1q"])
    assert cnv.public_state(config)["inverse_scale"] == pytest.approx([2.0])


def test_clinical_numbers_are_scaled_by_the_dictionary_and_states_to_0_and_2():
    names = ["age", "t", "er=positive", "er=negative"]
    config = clinical.Config(features=names)
    state = clinical.public_state(config)
    # age: 0 to 120, so 60 +- 30 a unit; T: 0 to 4, so 2 +- 1 a unit
    cases = Cases(("a", "b"), np.array([[90.0, 1.0, 1.0, 0.0], [45.0, np.nan, np.nan, np.nan]]), tuple(names))
    prepared = clinical.prepare(cases, state, config)
    assert prepared.tolist() == [pytest.approx([1.0, -1.0, 2.0, 0.0]), pytest.approx([-0.5, 0.0, 0.0, 0.0])]


def test_a_clinical_scale_fits_the_whole_dictionary():
    config = clinical.Config()
    assert len(clinical.public_state(config)["mean"]) == len(config.known_features)


def test_a_table_is_scaled_by_the_first_range_whose_name_or_pattern_fits():
    config = table.Config(features=["a_1", "b", "a_2"], ranges={"b": [10.0, 30.0], "a_*": [-2.0, 2.0], "*": [0.0, 9.0]})
    state = table.public_state(config)
    assert state["mean"].tolist() == [0.0, 20.0, 0.0]
    assert (1 / state["inverse_scale"]).tolist() == pytest.approx([1.0, 5.0, 1.0])
    assert state["flagged"].size == 0


def test_logarithms_are_taken_before_scaling_and_a_zero_is_far_out():
    config = table.Config(features=["a", "b", "c"], ranges={"*": [-2.0, 2.0]}, logarithms=True)
    cases = Cases(("x",), np.array([[math.e, 0.0, np.nan]], dtype=np.float32), ("a", "b", "c"))
    prepared = table.prepare(cases, table.public_state(config), config)
    assert prepared.tolist()[0] == pytest.approx([1.0, -4.0, 0.0], abs=1e-6)
    assert table.sums(cases, config)["sum"][0] == pytest.approx(1.0, abs=1e-6)


def test_a_negative_value_has_no_logarithm_and_is_refused_by_its_column(tmp_path):
    (tmp_path / "t.csv").write_text("case_id,a,b,c\nx,1,-0.5,-1\ny,2,3,4\n")
    source = Source((tmp_path / "t.csv",))
    with pytest.raises(ValueError, match=r"t\.csv: b has values below 0, and `logarithms` is set; leave"):
        table.read(source, table.Config(features=["a", "b"], logarithms=True))
    assert table.read(source, table.Config(features=["a"], logarithms=True)).values.tolist() == [[1.0], [2.0]]


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(ValueError, match=r"low below high, got a: \[2\.0, 1\.0\]"):
        table.Config(ranges={"a": [2.0, 1.0]})
