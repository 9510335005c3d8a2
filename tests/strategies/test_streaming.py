"""Replies in site order, and the sum they fold into."""

import time

import numpy as np
import pytest
from flwr.app import Message, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from strategies.streaming import RunningSum, replies_in_order
from tests.support import BareGrid, asked_message


class Post(BareGrid):
    """The two calls of a Grid that streaming uses; a script says which sites' replies each pull finds."""

    def __init__(self, *arrivals, never_ends=False):
        self.arrivals, self.pushed, self.pulled_for = list(arrivals), [], []
        self.never_ends = never_ends

    def push_messages(self, messages):
        self.pushed = list(messages)
        return [message.metadata.message_id for message in messages]

    def pull_messages(self, message_ids):
        self.pulled_for.append([self.site_of(message_id) for message_id in message_ids])
        now = self.arrivals.pop(0) if self.arrivals else ()
        return [Message(RecordDict(), reply_to=self.pushed[site]) for site in now]

    def site_of(self, message_id):
        return [message.metadata.message_id for message in self.pushed].index(message_id)


def order(post, n_sites=4, timeout=0.25):
    messages = [asked_message(1000 + site) for site in range(n_sites)]
    replies = replies_in_order(post, messages, timeout)
    return [post.site_of(reply.metadata.reply_to_message_id) for reply in replies]


@given(st.permutations(range(4)))
def test_replies_come_in_the_order_of_the_messages_however_they_arrive(arrival):
    assert order(Post(*[[site] for site in arrival])) == [0, 1, 2, 3]


def test_an_early_reply_waits_and_is_not_asked_for_again():
    post = Post([2], [3, 1], [0])
    assert order(post) == [0, 1, 2, 3]
    assert post.pulled_for == [[0, 1, 2, 3], [0, 1, 3], [0]]


def test_a_reply_is_given_out_as_soon_as_those_before_it_are_in():
    post = Post([0], [2], [1], [3])
    messages = [asked_message(1000 + site) for site in range(4)]
    replies = replies_in_order(post, messages, 5.0)
    next(replies)
    assert len(post.pulled_for) == 1  # the others were not even asked for
    next(replies)
    assert len(post.pulled_for) == 3


def test_after_the_deadline_what_is_missing_is_left_out_and_the_others_keep_their_order():
    started = time.monotonic()
    assert order(Post([3], [1]), timeout=0.25) == [1, 3]
    assert 0.2 < time.monotonic() - started < 5


def test_the_longer_one_has_waited_the_longer_is_the_wait_for_the_next_look(monkeypatch):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    assert order(Post(), timeout=600.0) == []
    waited = np.cumsum([0.0, *slept[:-1]])
    assert slept == pytest.approx(np.clip(0.1 * waited, 0.05, 0.2))  # a small round is over in a second


def test_with_nobody_to_ask_there_is_no_reply():
    assert order(Post(), n_sites=0) == []


def test_a_message_that_could_not_be_pushed_is_not_waited_for():
    post = Post([0], [2])
    pushed = post.push_messages
    post.push_messages = lambda messages: [key for site, key in enumerate(pushed(messages)) if site != 1]
    started = time.monotonic()
    assert order(post, n_sites=3, timeout=30.0) == [0, 2]
    assert time.monotonic() - started < 5


def test_messages_are_sent_at_once_even_if_nobody_reads_the_replies():
    post = Post()
    replies_in_order(post, [asked_message()], 0.1)
    assert len(post.pushed) == 1


def test_weighted_mean_by_hand():
    total = RunningSum()
    total.add({"w": np.array([1.0, 3.0], np.float32), "n": np.array([4], np.int64)}, 10.0)
    total.add({"w": np.array([4.0, 0.0], np.float32), "n": np.array([7], np.int64)}, 20.0)
    assert total.weight == 30
    found = total.mean()
    assert found["w"].tolist() == [3.0, 1.0]  # (10 * 1 + 20 * 4) / 30, (10 * 3) / 30
    assert found["n"].tolist() == [6]
    assert found["w"].dtype == np.float32
    assert found["n"].dtype == np.int64


def test_sum_of_addends_that_weigh_one():
    total = RunningSum()
    for value in (1.5, -0.25, 4.0):
        total.add({"g": np.full((2, 1), value)}, 1.0)
    assert total.total()["g"].tolist() == [[5.25], [5.25]]


def test_addends_stay_as_they_were():
    first, second = np.ones(3), np.full(3, 5.0)
    total = RunningSum()
    total.add({"w": first}, 1.0)
    total.add({"w": second}, 3.0)
    assert total.mean()["w"].tolist() == [4, 4, 4]
    assert first.tolist() == [1, 1, 1]
    assert second.tolist() == [5, 5, 5]


@given(st.lists(st.tuples(st.floats(-100, 100), st.integers(1, 500)), min_size=1, max_size=9))
def test_running_mean_equals_numpys_weighted_average(addends):
    total = RunningSum()
    for value, weight in addends:
        total.add({"w": np.array([value, -value])}, float(weight))
    expected = np.average([value for value, _ in addends], weights=[weight for _, weight in addends])
    assert total.mean()["w"].tolist() == pytest.approx([expected, -expected], abs=1e-9)


def test_scalars_are_averaged_too():
    total = RunningSum()
    total.add({"s": np.array(2.0, np.float32)}, 1.0)
    total.add({"s": np.array(8.0, np.float32)}, 2.0)
    found = total.mean()["s"]
    assert found.tolist() == pytest.approx(6.0)
    assert found.shape == ()
    assert found.dtype == np.float32


def test_a_mean_of_whole_numbers_is_rounded_not_cut():
    total = RunningSum()
    for weight in (3.0, 19.0, 7.0):
        total.add({"n": np.array([7])}, weight / 10)
    assert total.mean()["n"].tolist() == [7]
