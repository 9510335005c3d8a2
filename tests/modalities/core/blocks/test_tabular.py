"""Statistics and scaling of one vector a case, worked out by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modalities.core.blocks.tabular import (
    TabularConfig,
    build_encoder,
    collate,
    finalise,
    in_agreed_order,
    prepare,
    sums,
)
from modalities.core.contract import Cases

NAN = float("nan")
CONFIG = TabularConfig(clip=1.5)


def cases(rows, names=("a", "b", "c", "d")):
    values = np.array(rows, dtype=np.float32)
    return Cases(tuple(f"k{number}" for number in range(len(rows))), values, tuple(names[: values.shape[1]]), {"x": 3})


#         varies        constant  missing once  missing everywhere
TRAIN = cases([[1.0, 7.0, 2.0, NAN], [5.0, 7.0, NAN, NAN], [6.0, 7.0, 4.0, NAN]])


def test_sums_count_what_is_there():
    found = sums(TRAIN, CONFIG)
    assert {name: array.tolist() for name, array in found.items()} == {
        "cases": [3],
        "n": [3, 3, 2, 0],
        "sum": [12, 21, 6, 0],
        "square": [62, 147, 20, 0],
    }
    assert {array.dtype for array in found.values()} == {np.dtype(np.float64)}


def test_mean_and_scale_by_hand():
    state = finalise(sums(TRAIN, CONFIG), CONFIG)
    assert state["mean"].tolist() == [4, 7, 3, 0]
    # variances: 62/3 - 16 = 14/3; 0; 20/2 - 9 = 1; nobody has the last
    assert state["inverse_scale"] == pytest.approx([(3 / 14) ** 0.5, 0, 1, 0])
    assert state["flagged"].tolist() == [2]


def test_scaled_features_are_clipped_missing_ones_are_zero_and_flagged():
    state = finalise(sums(TRAIN, CONFIG), CONFIG)
    new = cases([[4.0, 9.0, 4.0, 5.0], [100.0, 7.0, NAN, NAN], [NAN, 7.0, 0.0, 0.0]])
    assert prepare(new, state, CONFIG).tolist() == [
        [0, 0, 1, 0, 0],  # the constant and the unknown feature weigh nothing, whatever they say
        [1.5, 0, 0, 0, 1],  # clipped at 1.5; the missing one is at the mean, its flag is up
        [0, 0, -1.5, 0, 0],  # the first is missing here, though it never was in training: no flag for it
    ]


def test_constant_and_unknown_features_weigh_nothing_even_where_numbers_are_large():
    train = cases([[1e6, 1.0], [1e6, 2.0], [1e6, 4.0]])
    state = finalise(sums(train, CONFIG), CONFIG)
    assert state["inverse_scale"][0] == 0
    assert state["inverse_scale"][1] > 0


@given(arrays(np.float32, (7, 3), elements=st.floats(-50, 50, width=32) | st.just(NAN)), st.integers(1, 6))
def test_sums_of_two_halves_add_up_to_those_of_the_whole(values, cut):
    whole, first, second = (sums(cases(part), CONFIG) for part in (values, values[:cut], values[cut:]))
    for name, array in whole.items():
        assert first[name] + second[name] == pytest.approx(array)


@given(arrays(np.float32, (9, 4), elements=st.floats(-50, 50, width=32) | st.just(NAN)))
def test_scaled_values_are_finite_and_within_the_clip(values):
    state = finalise(sums(cases(values), CONFIG), CONFIG)
    found = prepare(cases(values), state, CONFIG)
    assert bool(torch.isfinite(found).all())
    assert float(found[:, :4].abs().max()) <= 1.5


def test_statistics_of_no_case_make_a_state_that_scales_everything_to_zero():
    empty = Cases((), np.zeros((0, 3), dtype=np.float32), ("a", "b", "c"))
    state = finalise(sums(empty, CONFIG), CONFIG)
    assert prepare(cases([[1.0, 2.0, 3.0]]), state, CONFIG).tolist() == [[0, 0, 0]]


def test_batch_is_the_rows_asked_for():
    prepared = torch.arange(15.0).reshape(5, 3)
    assert collate(prepared, torch.tensor([3, 0])).tolist() == [[9, 10, 11], [0, 1, 2]]


@pytest.mark.parametrize(("hidden", "embedding"), [([], 5), ([7], 7), ([7, 3], 3)])
def test_encoder_takes_features_and_flags_and_says_its_size(hidden, embedding):
    config = TabularConfig(hidden=hidden, dropout=0.2, input_dropout=0.1)
    encoder = build_encoder(config, finalise(sums(TRAIN, config), config))
    assert encoder.embedding_size == embedding
    assert encoder(torch.zeros(2, 5)).shape == (2, embedding)


def test_self_normalising_layers_keep_unit_variance():
    torch.manual_seed(0)
    config = TabularConfig(hidden=[301, 299])
    state = {"mean": np.zeros(307), "flagged": np.zeros(0, dtype=np.int64)}
    found = build_encoder(config, state)(torch.randn(997, 307))
    assert float(found.mean().detach()) == pytest.approx(0, abs=0.1)
    assert float(found.var().detach()) == pytest.approx(1, abs=0.15)


def test_agreed_columns_come_in_the_agreed_order_and_absent_ones_are_missing_and_counted():
    found = in_agreed_order(cases([[1, 2], [3, 4]]), ["b", "z", "a", "y", "x"], absent="imputed")
    assert found.features == ("b", "z", "a", "y", "x")
    np.testing.assert_array_equal(found.values, [[2, NAN, 1, NAN, NAN], [4, NAN, 3, NAN, NAN]])
    assert found.notes == {"x": 3, "imputed": 3}


def test_without_an_agreement_the_columns_stay():
    own = cases([[1, 2]])
    assert in_agreed_order(own, [], absent="imputed") is own


def test_the_agreed_names_are_one_object_however_many_sites_have_them():
    """Read anew for each site, a thousand names take more memory than the values of eight cases."""
    texts = [["f" + str(number) for number in (1, 2)] for _ in range(2)]
    one, other = (in_agreed_order(Cases(("k",), np.zeros((1, 2)), tuple(own)), own, "imputed") for own in texts)
    assert one.features == ("f1", "f2")
    assert one.features is other.features
