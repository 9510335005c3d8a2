"""A record of arrays in one: the same arrays come out, and bytes that are none stay where they are."""

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from strategies.packing import PACKED, PackingGrid, is_packed, packed, unpacked
from strategies.wire import from_record, to_record
from tests.support import BareGrid, asked_message

ARRAYS = {
    "weight": np.arange(15, dtype=np.float32).reshape(3, 5).T,  # not contiguous
    "bias": np.array([0.5, -2.0]),
    "count": np.array(7, dtype=np.int64),
    "empty": np.zeros((0, 3), dtype=np.float32),
}


def content():
    return RecordDict({"arrays.cnv": to_record(ARRAYS), "config.cnv": ConfigRecord({"server-round": 3})})


def test_what_is_unpacked_is_what_was_packed_by_name_type_shape_and_value():
    sent = packed(content())
    assert list(sent["arrays.cnv"]) == [PACKED]
    assert (is_packed(sent), is_packed(content())) == (True, False)
    found = unpacked(sent)
    assert found["config.cnv"] == ConfigRecord({"server-round": 3})
    arrays = from_record(found["arrays.cnv"])
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(arrays[name], array)


@pytest.mark.parametrize("bytes_", [b"", b"no safetensors at all", b"\xff" * 64])
def test_bytes_that_are_no_arrays_stay_packed_and_are_nobodys_weights(bytes_):
    record = to_record({PACKED: np.frombuffer(bytes_, dtype=np.uint8)})
    assert list(unpacked(RecordDict({"arrays.cnv": record}))["arrays.cnv"]) == [PACKED]
    strange = ArrayRecord({PACKED: Array("uint8", (3,), "numpy.ndarray", b"not numpy's format")})
    assert list(unpacked(RecordDict({"arrays.cnv": strange}))["arrays.cnv"]) == [PACKED]


class Post(BareGrid):
    """Keeps what is pushed, and answers with it."""

    def push_messages(self, messages):
        self.pushed = [message.content for message in messages]
        return ["a"] * len(self.pushed)

    def pull_messages(self, message_ids):
        del message_ids
        return [Message(own, reply_to=asked_message()) for own in self.pushed]


def test_a_record_for_two_sites_is_packed_once_and_senders_and_receivers_see_the_arrays():
    post, record = Post(), to_record(ARRAYS)
    grid, messages = PackingGrid(post), [asked_message(), asked_message()]
    for message in messages:
        message.content = RecordDict({"arrays.cnv": record})
    assert list(grid.push_messages(messages)) == ["a", "a"]
    first, second = (own["arrays.cnv"] for own in post.pushed)
    assert first is second
    assert list(first) == [PACKED]
    assert all(list(message.content["arrays.cnv"]) == list(ARRAYS) for message in messages)
    assert [set(reply.content["arrays.cnv"]) for reply in grid.pull_messages(["a"])] == [set(ARRAYS)] * 2
