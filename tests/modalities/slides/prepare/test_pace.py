"""Which stage holds up the others, and how fast it goes."""

import time

import pytest

from modalities.slides.prepare.pace import ENCODING, FITTING, LOOKING, READING, WAITING, Pace, Stopwatch


def pace_of(seconds, device=None):
    pace = Pace()
    pace.spent(seconds)
    if device:
        pace.device(*device)
    return pace


@pytest.mark.parametrize(
    ("seconds", "device", "slowest"),
    [
        ({READING: 1.0, LOOKING: 3.0, ENCODING: 2.0}, None, LOOKING),
        ({READING: 1.0, LOOKING: 0.5, ENCODING: 2.0}, None, ENCODING),
        ({READING: 1.0, LOOKING: 3.0, WAITING: 6.0}, (10.0, 0.9), ENCODING),
        ({READING: 2.0, LOOKING: 1.0, WAITING: 0.3}, (10.0, 0.2), READING),
        ({READING: 2.0, LOOKING: 1.0}, (10.0, 0.97), ENCODING),
        ({FITTING: 2.0, READING: 1.0}, (10.0, 0.2), FITTING),
        ({}, None, ""),
    ],
)
def test_the_device_is_slowest_where_it_hardly_waits_or_readers_wait_for_it_more_than_it_for_them(
    seconds, device, slowest
):
    assert pace_of(seconds, device).slowest == slowest


def test_the_share_of_time_that_the_device_waits_is_over_all_its_time():
    pace = pace_of({}, (3.0, 1.0))
    pace.device(1.0, 0.25)
    assert pace.device_waits == pytest.approx(0.75 / 4.0)
    assert pace_of({}).device_waits is None


def test_tiles_a_second_count_from_the_first_that_was_read():
    pace = Pace()
    assert (pace.tiles_s, pace.tiles_s_lately) == (0.0, 0.0)
    pace.spent({READING: 0.1})
    time.sleep(0.2)
    pace.encoded(30)
    pace.encoded(12)
    assert pace.n_tiles == 42
    assert 0 < pace.tiles_s <= 42 / 0.2
    assert 0 < pace.tiles_s_lately <= 42


def test_what_was_spent_on_the_first_tiles_counts_though_they_are_all():
    pace = pace_of({READING: 1.5, LOOKING: 0.5})
    pace.encoded(30)
    assert pace.tiles_s == pytest.approx(30 / 2.0, rel=0.05)


def test_a_stopwatch_says_each_second_once():
    watch = Stopwatch()
    with watch.on(READING):
        time.sleep(0.02)
    assert watch.taken()[READING] >= 0.02
    assert watch.taken() == {}
