"""Every reason for which a reply, or a part of it, is refused."""

import logging

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from strategies.checks import (
    Holder,
    Refusal,
    each_part,
    gradient_part,
    refusal_of,
    trained_part,
)
from strategies.exchange import Traffic, usable
from strategies.wire import to_record
from tests.support import asked_message

TEMPLATE = {
    "cnv": {"w": np.zeros((3, 2), np.float32), "steps": np.zeros((), np.int64)},
    "hif": {"w": np.zeros(5, np.float32)},
}
ASKED = Holder(1000, "north", {"cnv": 17, "hif": 11})
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


def read(replies, asked, reader=None, traffic=None):
    """What is used of them, and what is refused; `asked` is the id of the only message."""
    refused = []
    reader = reader or each_part(trained_part(TEMPLATE))
    used = [parts for _, parts in usable(replies, {asked: ASKED}, reader, traffic or Traffic(), refused.extend)]
    return used, refused


def judged(content, node_id=1000, reader=None):
    message = asked_message(node_id)
    used, refused = read([Message(content, reply_to=message)], message.metadata.message_id, reader)
    return [part for parts in used for part in parts], refused


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
        ({"num-examples": 10**400}, "num-examples must be from 0 to the 17 cases announced"),
        ({"loss-sum": 10**400}, "a loss of more than 1e+09 a case"),
        ({"loss-sum": 1.8e10}, "a loss of more than 1e+09 a case"),
        ({"held-out-loss-sum": 1e300}, "a loss of more than 1e+09 a case"),
        ({"anything": 1.0}, "unknown metrics: anything"),
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
    message = asked_message()
    reply = Message(Error(2, "KeyError: TCGA-BH-A0B3 in /home/north/secret.csv"), reply_to=message)
    good, refused = read([reply], message.metadata.message_id)
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
        (Error(3), "no reply before the deadline"),
        (Error(4), "no reply before the deadline"),
        (Error(7), "the site refused the code: does it have the coordinator's version of Tessera?"),
        (Error(42, "TCGA-BH-A0B3"), "the site reported error 42; its own log says more"),
    ],
)
def test_an_error_is_told_of_in_plain_words_that_are_not_the_sites(error, said):
    assert refusal_of("a", error) == Refusal("a", "*", said, error.code)


# ---- whatever a site thinks of


def test_a_reply_that_no_check_foresaw_is_refused_and_the_next_one_is_used(caplog):
    """The reader itself fails: on one part, or on the reply as a whole."""

    def fails_on_cnv(content, part, n_cases):
        return {"hif": part}[part]

    logging.getLogger("flwr").addHandler(caplog.handler)  # Flower's log passes nothing on
    good, refused = judged(parts(), reader=each_part(fails_on_cnv))
    logging.getLogger("flwr").removeHandler(caplog.handler)
    assert good == ["hif"]
    assert "KeyError: 'cnv'" in caplog.text  # the coordinator's own log says what happened
    assert [(refusal.part, refusal.reason) for refusal in refused] == [("cnv", "it cannot be read")]

    def fails(holder, content):
        raise IndexError(SECRET)

    good, refused = judged(parts(), reader=fails)
    assert good == []
    assert refused == [Refusal("north", "*", "it cannot be read")]


SECRET = "TCGA-BH-A0B3"


@pytest.mark.parametrize("value", [[], b"", "", [b""], [""]])
def test_values_that_flower_knows_no_size_of_are_counted_and_end_nothing(value):
    """Flower's own count raises IndexError or ValueError, before anything is checked."""
    good, refused = judged(parts(**{"config.x": ConfigRecord({"y": value})}))
    assert good == ["cnv", "hif"]
    assert refused == []


def test_a_second_reply_to_the_same_message_is_not_used():
    message = asked_message()
    replies = [Message(parts(), reply_to=message) for _ in range(2)]
    used, refused = read(replies, message.metadata.message_id)
    assert len(used) == 1
    assert [refusal.site for refusal in refused] == ["?"]


def test_a_site_that_does_not_answer_is_named():
    assert read([], asked_message().metadata.message_id) == (
        [],
        [Refusal("north", "*", "no reply before the deadline")],
    )


def test_a_hundred_thousand_names_that_nobody_asked_for_are_counted_and_three_named():
    strange = {f"arrays.{number:06d}\x1b[2J": ArrayRecord() for number in range(100_000)}
    traffic, message = Traffic(owners={"cnv", "hif", "shared", "study"}), asked_message()
    reply = Message(RecordDict({**parts(), **strange}), reply_to=message)
    used, refused = read([reply], message.metadata.message_id, traffic=traffic)
    assert list(used[0]) == ["cnv", "hif"]
    assert [refusal.part for refusal in refused] == ["000000?[2J", "000001?[2J", "000002?[2J", "*"]
    assert refused[-1].reason == "99997 more parts not asked of this site"
    assert set(traffic.table()["north"]) == {"cnv", "hif", "other"}

    named = {f"w{number}": np.zeros(0) for number in range(1000)}
    (refusal,) = judged(parts(GOOD_CNV | named))[1]
    assert refusal.reason == "arrays named ['w0', 'w1', 'w10'] and 997 more are missing or unknown"


# ---- finite is not enough


@pytest.mark.parametrize(
    ("w", "is_used"),
    [(3e38, False), (-3e38, False), (1001.0, True), (1500.0, False)],
)
def test_weights_further_away_than_training_moves_them_are_refused_whatever_float32_can_hold(w, is_used):
    """Six weights of 0 and one step of 0: a root mean square of at most 1000 over seven, which 1080 in six has."""
    good, refused = judged(parts({"w": np.full((3, 2), w, np.float32), "steps": np.array(0)}))
    assert ("cnv" in good) == is_used
    assert [refusal.reason.partition(" by ")[0] for refusal in refused] == ["moves the weights"] * (not is_used)


def test_weights_that_are_large_already_may_move_further():
    template = {"cnv": {"w": np.full(4, 50.0)}, "hif": {"w": np.zeros(5, np.float32)}}
    for w, is_used in ((50_000.0, True), (52_000.0, False)):  # 1000 x (50 + 1) away at most
        content = parts({"w": np.full(4, w)})
        assert ("cnv" in judged(content, reader=each_part(trained_part(template)))[0]) == is_used


def test_whole_numbers_are_held_to_it_too():
    assert judged(parts(GOOD_CNV | {"steps": np.array(2**63 - 1)}))[0] == ["hif"]


@pytest.mark.parametrize("slope", [1e300, -1e300, 1.8e10])
def test_a_gradient_steeper_than_any_loss_is_refused(slope):
    template = {"cnv": {"d": np.zeros(4)}, "hif": {"w": np.zeros(5, np.float32)}}
    content = parts({"d": np.array([0.0, 1.0, slope, 0.0])})
    good, refused = judged(content, reader=each_part(gradient_part(template)))
    assert good == ["hif"]
    assert [refusal.reason for refusal in refused] == ["d is steeper than 1e+09 a case"]
    content = parts({"d": np.array([0.0, 1.0, 1.6e10, 0.0])})
    assert judged(content, reader=each_part(gradient_part(template)))[1] == []
