"""Every reason for which a reply, or a part of it, is refused."""

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from strategies.checks import Asked, Refusal, accepted_parts, refusal_of
from strategies.wire import to_record
from tests.support import asked_message

TEMPLATE = {
    "cnv": {"w": np.zeros((3, 2), np.float32), "steps": np.zeros((), np.int64)},
    "hif": {"w": np.zeros(5, np.float32)},
}
ASKED = Asked("north", 1000, {"cnv": 17, "hif": 11})
GOOD_CNV = {"w": np.ones((3, 2), np.float32), "steps": np.array(4)}
GOOD_HIF = {"w": np.ones(5, np.float32)}
CLEAN = {"num-examples": 11, "loss-sum": 2.5, "held-out-n": 0, "held-out-loss-sum": 0.0}


def parts(cnv=GOOD_CNV, cnv_metrics=None, **more):
    content = {
        "arrays.cnv": to_record(cnv) if isinstance(cnv, dict) else cnv,
        "metrics.cnv": MetricRecord(CLEAN | (cnv_metrics or {})),
        "arrays.hif": to_record(GOOD_HIF),
        "metrics.hif": MetricRecord(CLEAN),
    }
    return RecordDict({key: record for key, record in (content | more).items() if record is not None})


def judged(content, node_id=1000):
    return accepted_parts(Message(content, reply_to=asked_message(node_id)), ASKED, TEMPLATE)


def test_an_honest_reply_is_used_whole():
    assert judged(parts()) == (["cnv", "hif"], [])


@pytest.mark.parametrize(
    ("cnv", "reason"),
    [
        ({"w": GOOD_CNV["w"]}, "arrays named ['steps'] are missing or unknown"),
        (GOOD_CNV | {"v": np.ones(2)}, "arrays named ['v'] are missing or unknown"),
        ({}, "arrays named ['steps', 'w'] are missing or unknown"),
        (GOOD_CNV | {"w": np.ones((2, 3), np.float32)}, "w is float32[2, 3], expected float32[3, 2]"),
        (GOOD_CNV | {"w": np.ones((3, 2))}, "w is float64[3, 2], expected float32[3, 2]"),
        (GOOD_CNV | {"w": np.full((3, 2), np.nan, np.float32)}, "w is not finite"),
        (GOOD_CNV | {"w": np.array([[1, 2], [3, -np.inf], [5, 6]], np.float32)}, "w is not finite"),
        (ConfigRecord({"a": 1}), "no arrays or no metrics"),
    ],
)
def test_arrays_that_do_not_repeat_what_was_sent_are_refused_and_the_other_part_is_used(cnv, reason):
    good, refused = judged(parts(cnv))
    assert good == ["hif"]
    assert [(refusal.site, refusal.part, refusal.reason) for refusal in refused] == [("north", "cnv", reason)]


@pytest.mark.parametrize(
    "array",
    [
        Array("float32", (3, 2), "numpy.ndarray", b"no array at all"),
        Array("float32", (3, 2), "numpy.ndarray", Array(np.ones((3, 2), np.float32)).data[:-3]),
        Array("float32", (3, 2), "numpy.ndarray", b""),
        Array("float32", (3, 2), "torch.pickle", Array(np.ones((3, 2), np.float32)).data),
    ],
)
def test_bytes_that_are_no_array_are_refused(array):
    good, refused = judged(parts(ArrayRecord({"w": array, "steps": Array(np.array(4))})))
    assert good == ["hif"]
    assert [(refusal.part, refusal.reason) for refusal in refused] == [("cnv", "w cannot be read as an array")]


def test_an_array_of_python_objects_is_never_unpickled():
    import io

    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    array = Array("object", (1,), "numpy.ndarray", buffer.getvalue())
    assert judged(parts(ArrayRecord({"w": array, "steps": Array(np.array(4))})))[0] == ["hif"]


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ({"num-examples": 18}, "num-examples must be from 0 to the 17 cases announced"),
        ({"num-examples": -1}, "num-examples must be from 0 to the 17 cases announced"),
        ({"num-examples": 3.0}, "num-examples must be from 0 to the 17 cases announced"),
        ({"loss-sum": float("nan")}, "a metric is not a finite number"),
        ({"held-out-loss-sum": float("inf")}, "a metric is not a finite number"),
        ({"loss-sum": [1.0, 2.0]}, "a metric is not a finite number"),
        ({"held-out-n": 18}, "held-out-n must be from 0 to the 17 cases announced"),
        ({"held-out-n": -2}, "held-out-n must be from 0 to the 17 cases announced"),
        ({"held-out-loss-sum": -0.5}, "a loss is negative"),
        ({"loss-sum": -3.0}, "a loss is negative"),
    ],
)
def test_numbers_that_cannot_be_right_are_refused(metrics, reason):
    good, refused = judged(parts(cnv_metrics=metrics))
    assert good == ["hif"]
    assert [refusal.reason for refusal in refused] == [reason]


def test_metrics_that_are_absent_or_no_metrics_are_refused():
    for record in (None, ConfigRecord({"num-examples": 3})):
        assert judged(parts(**{"metrics.cnv": record}))[1][0].reason == "no arrays or no metrics"


def test_a_part_that_is_missing_or_was_not_asked_for_is_named():
    content = parts(**{"arrays.cnv": None, "arrays.clinical": to_record(GOOD_HIF), "arrays.hif@1": to_record({})})
    good, refused = judged(content)
    assert good == ["hif"]
    assert {refusal.part: refusal.reason for refusal in refused} == {
        "clinical": "not asked of this site",
        "hif@1": "not asked of this site",
        "cnv": "missing from the reply",
    }


def test_a_reply_from_another_node_than_the_one_asked_is_refused_whole():
    good, refused = judged(parts(), node_id=1003)
    assert good == []
    assert [(refusal.part, refusal.reason) for refusal in refused] == [
        ("*", "the reply came from another node than the one asked")
    ]


def test_an_error_is_told_by_its_code_and_never_by_its_text():
    reply = Message(Error(2, "KeyError: TCGA-BH-A0B3 in /home/north/secret.csv"), reply_to=asked_message())
    good, refused = accepted_parts(reply, ASKED, TEMPLATE)
    assert good == []
    assert [refusal.reason for refusal in refused] == ["the site reported a failure; its own log says more"]


def test_what_a_site_sends_as_a_name_is_not_repeated_at_length():
    name = "TCGA-BH-A0B3 " * 50
    refused = judged(parts(GOOD_CNV | {name: np.ones(1)}, **{f"arrays.{name}": to_record({})}))[1]
    assert max(len(refusal.reason) + len(refusal.part) for refusal in refused) < 200


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Error(2, "TCGA-BH-A0B3"), "the site reported a failure; its own log says more"),
        (Error(2, "bundle not approved"), "the site has not approved this code; it runs `tessera-client trust`"),
        (Error(5, "Node unavailable"), "away: not connected; it is asked again once it is back"),
        (Error(7), "the site refused the code: does it have the coordinator's version of Tessera?"),
        (Error(42, "TCGA-BH-A0B3"), "the site reported error 42; its own log says more"),
    ],
)
def test_an_error_is_told_of_in_plain_words_that_are_not_the_sites(error, said):
    assert refusal_of("a", error) == Refusal("a", "*", said, error.code)
