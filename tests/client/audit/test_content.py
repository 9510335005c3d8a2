"""What a message holds, in words, and the digest of it."""

import hashlib
import math

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from client.audit.content import contents_of, digest_of_content
from strategies.packing import packed, unpacked
from strategies.wire import to_record


def content(**changes):
    records = {
        "arrays.cnv": to_record({"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(0)}),
        "metrics.cnv": MetricRecord({"loss-sum": 2.5, "num-examples": 17}),
        "arrays.none": ArrayRecord(),
        "config.study": ConfigRecord({"site": "st_anna", "known": True, "few": [1.5, 2.0], "many": [1] * 65}),
    }
    return RecordDict({**records, **changes})


def test_plain_values_are_written_out_and_arrays_by_type_and_shape():
    held = contents_of(content())
    assert held["arrays.cnv"] == {"w": "float32[2, 3]", "b": "float64[0]"}
    assert held["metrics.cnv"] == {"loss-sum": 2.5, "num-examples": 17}
    assert held["arrays.none"] == {}
    few = {name: value for name, value in held["config.study"].items() if name != "many"}
    assert few == {"site": "st_anna", "known": True, "few": [1.5, 2.0]}
    assert held["config.study"]["many"].startswith("list[65] sha256 ")


def test_what_is_long_or_that_json_does_not_know_is_described():
    text = "a" * 201
    values = {"text": text, "bytes": b"abc", "infinite": math.inf, "none": math.nan, "list": [math.inf]}
    assert contents_of({"config.x": values})["config.x"] == {
        "text": f"text[201] sha256 {hashlib.sha256(text.encode()).hexdigest()}",
        "bytes": "bytes[3]",
        "infinite": "inf",
        "none": "nan",
        "list": ["inf"],
    }


def test_the_digest_is_that_of_the_bytes_worked_out_by_hand():
    weights = np.array([[1, 2]], dtype="<i4")
    small = {"b": {"w": Array(weights)}, "a": {"n": 3}, "c": {}}
    values = hashlib.sha256(b"\x01\0\0\0\x02\0\0\0").hexdigest().encode()
    by_hand = b'["a"]\n["n", 3]\n["b"]\n["w", "int32", [1, 2], "%b"]\n["c"]\n' % values
    assert digest_of_content(small) == hashlib.sha256(by_hand).hexdigest()


def test_the_digest_is_the_same_however_the_content_travels():
    assert digest_of_content(unpacked(packed(content()))) == digest_of_content(content())
    turned = to_record({"b": np.zeros(0), "w": np.arange(6, dtype=np.float32).reshape(3, 2).T.reshape(2, 3)})
    strided = to_record({"b": np.zeros(0), "w": np.arange(12, dtype=np.float32).reshape(2, 6)[:, ::2]})
    assert digest_of_content(content(**{"arrays.cnv": turned})) != digest_of_content(content())
    assert digest_of_content(content(**{"arrays.cnv": strided})) != digest_of_content(content())


@pytest.mark.parametrize(
    "changed",
    [
        {"metrics.cnv": MetricRecord({"loss-sum": 2.5, "num-examples": 18})},
        {"arrays.none": to_record({"w": np.zeros(1)})},
        {"arrays.more": ArrayRecord()},
        {"arrays.cnv": to_record({"w": np.arange(6, dtype=np.float32), "b": np.zeros(0)})},
    ],
)
def test_whatever_else_it_held_it_would_have_another_digest(changed):
    assert digest_of_content(content(**changed)) != digest_of_content(content())
