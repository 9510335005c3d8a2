"""What travels, and how many bytes it is."""

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from strategies.wire import (
    bytes_by_owner,
    flatten,
    from_record,
    owner_of,
    parts_in,
    record_of,
    sums_of,
    to_record,
    unflatten,
)


def test_in_one_process_the_array_is_shared_and_never_serialised():
    array = np.ones(3)
    record = to_record({"w": array})
    assert from_record(record)["w"] is array
    assert "_data" not in record["w"].__dict__


def test_flat_and_by_part_are_inverse():
    parts = {"cnv": {"head.weight": np.ones((2, 3)), "head.bias": np.zeros(2)}, "cnv@1": {"head.bias": np.ones(2)}}
    flat = flatten(parts)
    assert list(flat) == ["cnv::head.weight", "cnv::head.bias", "cnv@1::head.bias"]
    again = unflatten(flat)
    assert {part: list(own) for part, own in again.items()} == {part: list(own) for part, own in parts.items()}
    assert again["cnv"]["head.weight"] is parts["cnv"]["head.weight"]


@pytest.mark.parametrize(
    ("part", "owner"),
    [
        ("cnv", "cnv"),
        ("cnv@2", "cnv"),
        ("fusion.cnv", "cnv"),
        ("fusion.shared", "shared"),
        ("study", "study"),
        ("fusion_like", "fusion_like"),
    ],
)
def test_whose_bytes_a_part_is(part, owner):
    assert owner_of(part) == owner


def test_bytes_of_a_message_by_owner():
    arrays = {"head.weight": np.zeros((4, 3), np.float32), "head.bias": np.zeros(4, np.float32)}
    config, metrics = ConfigRecord({"server-round": 1}), MetricRecord({"num-examples": 7})
    content = RecordDict(
        {
            "arrays.cnv": to_record(arrays),
            "arrays.cnv@1": to_record({"head.bias": arrays["head.bias"]}),
            "arrays.fusion.cnv": to_record({"d": np.zeros(5)}),
            "config.hif": config,
            "metrics.study": metrics,
        }
    )
    header = 128  # of NumPy's format
    cnv = (48 + header + 11) + (16 + header + 9) + (16 + header + 9) + (40 + header + 1)
    assert bytes_by_owner(content) == {"cnv": cnv, "hif": config.count_bytes(), "study": metrics.count_bytes()}


def test_bytes_are_the_same_whether_or_not_somebody_serialised():
    weights = {"w": np.random.default_rng(1).normal(size=(17, 5)), "b": np.zeros((), np.float32)}
    lazy = RecordDict({"arrays.cnv": to_record(weights)})
    plain = RecordDict({"arrays.cnv": ArrayRecord({name: Array(array) for name, array in weights.items()})})
    assert bytes_by_owner(lazy) == bytes_by_owner(plain)


def test_parts_are_those_under_the_prefix_in_their_order():
    content = RecordDict({"config.a": ConfigRecord(), "arrays.b": ArrayRecord(), "arrays.a": ArrayRecord()})
    assert parts_in(content) == ["b", "a"]
    assert parts_in(content, "config.") == ["a"]


def test_record_of_another_kind_is_refused():
    content = RecordDict({"arrays.a": ConfigRecord()})
    with pytest.raises(TypeError, match=r"arrays\.a must be a ArrayRecord, got ConfigRecord"):
        record_of(content, "arrays.a", ArrayRecord)
    with pytest.raises(TypeError, match=r"arrays\.b must be a ArrayRecord, got NoneType"):
        record_of(content, "arrays.b", ArrayRecord)


def test_numbers_add_up_name_by_name():
    assert sums_of([{"a": 1, "b": 2.5}, {}, {"a": 4}]) == {"a": 5, "b": 2.5}
