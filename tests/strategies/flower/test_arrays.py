"""A lazy array is one of Flower's, to whoever receives it."""

import copy
import pickle

import numpy as np
import pytest
from flwr.app import Array, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from strategies.flower.arrays import LazyArray
from strategies.wire import to_record

DTYPES = st.sampled_from([np.float32, np.float64, np.int64, np.bool_])
ARRAYS = DTYPES.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, max_side=5)))


def through_flower(thing):
    """As it arrives at the other side: Flower's own deflate and inflate."""
    contents = {key: part.deflate() for key, part in get_all_nested_objects(thing).items()}
    return inflate_object_from_contents(thing.object_id, contents)


@settings(deadline=None)
@given(ARRAYS)
def test_a_lazy_array_is_the_same_bytes_as_flowers_own(array):
    lazy, plain = LazyArray(array), Array(array)
    assert (lazy.dtype, lazy.shape, lazy.stype) == (plain.dtype, plain.shape, plain.stype)
    assert lazy.data == plain.data
    assert lazy.object_id == plain.object_id
    assert lazy.deflate() == plain.deflate()


@settings(deadline=None)
@given(ARRAYS)
def test_a_lazy_array_arrives_whole_as_a_plain_one(array):
    found = through_flower(RecordDict({"arrays.cnv": to_record({"w": array})}))["arrays.cnv"]["w"]
    assert type(found) is Array
    assert found.numpy().dtype == array.dtype
    np.testing.assert_array_equal(found.numpy(), array)


@pytest.mark.parametrize("copied", [lambda lazy: pickle.loads(pickle.dumps(lazy)), copy.deepcopy])
def test_a_lazy_array_survives_pickling_and_copying_as_a_plain_one(copied):
    array = np.arange(6.0).reshape(2, 3)
    found = copied(LazyArray(array))
    assert type(found) is Array
    assert not np.shares_memory(found.numpy(), array)
    np.testing.assert_array_equal(found.numpy(), array)


def test_an_array_of_several_chunks_arrives_whole():
    array = np.random.default_rng(0).normal(size=(1301, 1009))  # 10 MB; Flower cuts at 5 MiB
    found = through_flower(to_record({"w": array}))["w"].numpy()
    np.testing.assert_array_equal(found, array)
