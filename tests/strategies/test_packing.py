"""A message in few records: the same records come out, and bytes that are none stay where they are."""

import json

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from safetensors.numpy import save

from strategies import packing
from strategies.packing import BLOCK, PackingGrid, is_packed, packed, unpacked
from strategies.wire import from_record, to_record
from tests.support import BareGrid, asked_message

ARRAYS = {
    "weight": np.arange(15, dtype=np.float32).reshape(3, 5).T,  # not contiguous
    "bias": np.array([0.5, -2.0]),
    "count": np.array(7, dtype=np.int64),
    "empty": np.zeros((0, 3), dtype=np.float32),
}
METRICS = {"n": 3, "loss": 0.1 + 0.2, "nothing": float("nan"), "counts": [1, 2], "none": []}
LARGE = {"weight": np.random.default_rng(0).normal(size=BLOCK // 8 + 1000)}


def content(**records):
    return RecordDict(
        {
            "arrays.cnv": to_record(ARRAYS),
            "config.cnv": ConfigRecord({"server-round": 3, "lr": 1.0, "last": True, "name": "ä", "names": ["a", "b"]}),
            "arrays.hif": to_record({}),
            "metrics.hif": MetricRecord(METRICS),
            "config.study": ConfigRecord(),
            **records,
        }
    )


def assert_equal(found, sent):
    assert list(found) == list(sent)
    for key, record in sent.items():
        assert type(found[key]) is type(record)
        if not isinstance(record, ArrayRecord):
            assert repr(dict(found[key])) == repr(dict(record))  # NaN differs from itself, and 1.0 equals 1
            continue
        arrays = from_record(found[key])
        assert arrays.keys() == from_record(record).keys()
        for name, array in from_record(record).items():
            assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
            assert np.array_equal(arrays[name], array)


def test_what_is_unpacked_is_what_was_packed_by_kind_name_type_shape_and_value():
    sent = packed(content())
    assert list(sent) == ["packed.all.0"]
    assert (is_packed(sent), is_packed(content())) == (True, False)
    assert_equal(unpacked(sent), content())


def test_large_weights_travel_by_themselves_and_in_blocks():
    sent = packed(content(**{"arrays.rna": to_record(LARGE), "arrays.rna@1": to_record({})}), {})
    assert list(sent) == ["packed.all.0", "packed.rna.0", "packed.rna.1"]
    assert all(len(block["bytes"]) <= BLOCK for block in sent.values())
    found = unpacked(RecordDict(dict(reversed(sent.items()))))  # their numbers tell the order of the blocks
    assert np.array_equal(found["arrays.rna"]["weight"].numpy(), LARGE["weight"])
    assert list(found["arrays.rna@1"]) == []


def test_a_reply_shares_records_with_nobody_and_travels_in_as_few_as_hold_it():
    larger, small = to_record({"w": np.arange(100_000.0)}), to_record({"w": np.ones(9)})
    reply = content(**{"arrays.rna": larger, "arrays.mri": small})
    sent = packed(reply)
    assert list(sent) == ["packed.all.0"]
    assert_equal(unpacked(sent), reply)
    assert list(packed(content(**{"arrays.rna": to_record(LARGE)}))) == ["packed.all.0", "packed.all.1"]


def listing(**records):
    return save({"records": np.frombuffer(json.dumps(records).encode(), dtype=np.uint8)})


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"no safetensors at all",
        b"\xff" * 64,
        save({"weight": np.zeros(3)}),
        save({"records": np.frombuffer(b"no JSON", dtype=np.uint8)}),
        listing(**{"another.cnv": {}}),
        listing(**{"config.cnv": {"a": {"b": 1}}}),
        listing(**{"metrics.cnv": {"a": "text"}}),
        listing(**{"metrics.cnv": {"loss-sum": 10**400}}),
        listing(**{"metrics.cnv": {"num-examples": 2**63}}),
        listing(**{"config.cnv": {"a": [-(2**63) - 1]}}),
        save({"records": np.frombuffer(b"[" * 100_000, dtype=np.uint8)}),
    ],
)
def test_bytes_that_are_no_records_stay_packed_and_are_nobodys_weights(bytes_):
    sent = RecordDict({"packed.all.0": ConfigRecord({"bytes": bytes_}), "config.study": ConfigRecord({"n": 1})})
    assert set(unpacked(sent)) == {"packed.all.0", "config.study"}


def test_a_packed_record_of_another_kind_stays():
    assert list(unpacked(RecordDict({"packed.all.0": to_record(ARRAYS)}))) == ["packed.all.0"]
    assert list(unpacked(RecordDict({"packed.all.0": ConfigRecord({"bytes": "text"})}))) == ["packed.all.0"]


class Post(BareGrid):
    """Keeps what is pushed, and answers with it."""

    def push_messages(self, messages):
        self.pushed = [message.content for message in messages]
        return ["a"] * len(self.pushed)

    def pull_messages(self, message_ids):
        del message_ids
        return [Message(own, reply_to=asked_message()) for own in self.pushed]


def test_what_goes_to_two_sites_is_packed_once_and_senders_and_receivers_see_the_records():
    post, record = Post(), to_record(LARGE)
    grid, messages = PackingGrid(post), [asked_message(), asked_message()]
    for number, message in enumerate(messages):
        config = {"config.cnv": ConfigRecord({"server-round": 3}), "config.study": ConfigRecord({"site": number})}
        message.content = RecordDict({"arrays.cnv": record, **config})
    assert list(grid.push_messages(messages)) == ["a", "a"]
    first, second = post.pushed
    assert list(first) == list(second) == ["packed.cnv.0", "packed.cnv.1", "packed.all.0"]
    assert first["packed.cnv.0"] is second["packed.cnv.0"]
    assert first["packed.all.0"]["bytes"] != second["packed.all.0"]["bytes"]
    assert all(message.content["arrays.cnv"] is record for message in messages)
    for number, reply in enumerate(grid.pull_messages(["a"])):
        assert reply.content["config.study"]["site"] == number
        assert np.array_equal(reply.content["arrays.cnv"]["weight"].numpy(), LARGE["weight"])


def test_more_than_ten_blocks_are_put_together_in_the_order_of_their_numbers(monkeypatch):
    monkeypatch.setattr(packing, "BLOCK", BLOCK // 64)
    sent = packed(RecordDict({"arrays.rna": to_record(LARGE)}))
    assert len(sent) > 20
    assert np.array_equal(unpacked(sent)["arrays.rna"]["weight"].numpy(), LARGE["weight"])


def test_sites_that_are_sent_other_arrays_of_the_same_names_get_their_own():
    made = {}
    contents = [RecordDict({"arrays.cnv": to_record({"w": np.full(3, float(site))})}) for site in range(2)]
    found = [unpacked(packed(content, made))["arrays.cnv"]["w"].numpy() for content in contents]
    assert [array.tolist() for array in found] == [[0.0] * 3, [1.0] * 3]


def test_the_largest_whole_numbers_of_flower_arrive():
    sent = RecordDict({"metrics.cnv": MetricRecord({"most": 2**63 - 1, "least": -(2**63)})})
    assert dict(unpacked(packed(sent))["metrics.cnv"]) == dict(sent["metrics.cnv"])


def test_bytes_in_a_record_and_in_its_lists_come_back_as_they_were():
    sent = RecordDict({"config.study": ConfigRecord({"key": b"\x00\xff", "boxes": [b"", b"sealed"], "n": 3})})
    assert dict(unpacked(packed(sent))["config.study"]) == {"key": b"\x00\xff", "boxes": [b"", b"sealed"], "n": 3}


@pytest.mark.parametrize(("n_arrays", "is_read"), [(1_000, True), (100_000, False)])
def test_a_list_of_arrays_that_would_take_minutes_to_read_stays_packed(n_arrays, is_read):
    arrays = {f"arrays.cnv::{number:06d}": np.zeros(0) for number in range(n_arrays)}
    listed = np.frombuffer(b'{"arrays.cnv": null}', dtype=np.uint8)
    flood = RecordDict({"packed.all.0": ConfigRecord({"bytes": save({"records": listed, **arrays})})})
    assert set(unpacked(flood)) == {"arrays.cnv" if is_read else "packed.all.0"}
