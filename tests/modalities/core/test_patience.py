"""The stopping rule."""

from modalities.core.patience import Patience


def kept_and_stopped(patience, losses):
    """The round that is kept, and after which round training stops."""
    watch = Patience(patience)
    for number, loss in enumerate(losses, start=1):
        watch.improves(number, float(loss))
        if watch.exhausted(number):
            return watch.best_round, number
    return watch.best_round, None


def test_stops_once_the_loss_has_not_fallen_for_that_many_rounds_and_keeps_the_best():
    assert kept_and_stopped(3, [9, 7, 8, 7.5, 7.1, 1]) == (2, 5)


def test_a_new_best_starts_the_count_again():
    assert kept_and_stopped(3, [9, 9.1, 9.2, 8, 8.1, 8.2, 8.3]) == (4, 7)


def test_a_gain_below_a_ten_thousandth_is_none():
    assert kept_and_stopped(2, [1.0, 0.99995, 0.99991]) == (1, 3)


def test_patience_of_zero_trains_to_the_end_and_keeps_the_last_round():
    assert kept_and_stopped(0, [1, 5, 3, 9, 7]) == (5, None)


def test_a_loss_that_is_no_number_is_never_better_than_one_that_is():
    assert kept_and_stopped(2, [float("nan"), 4, float("nan"), float("nan")]) == (2, 4)
